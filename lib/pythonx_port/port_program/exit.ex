defmodule PythonxPort.PortProgram.Exit do
  @moduledoc false
  # How a Python process ended, as an error.

  alias PythonxPort.{Error, Request}
  alias PythonxPort.PortProgram.OomCounter

  # A process that a signal killed has 128 more than the signal's number as its exit status.
  @signal_base 128
  @signals %{
    1 => :sighup,
    2 => :sigint,
    3 => :sigquit,
    4 => :sigill,
    5 => :sigtrap,
    6 => :sigabrt,
    8 => :sigfpe,
    9 => :sigkill,
    11 => :sigsegv,
    13 => :sigpipe,
    14 => :sigalrm,
    15 => :sigterm,
    24 => :sigxcpu,
    25 => :sigxfsz
  }

  # How Python's report of a fatal signal begins.
  @reported [
    {"Fatal Python error: Segmentation fault", :sigsegv},
    {"Fatal Python error: Aborted", :sigabrt},
    {"Fatal Python error: Bus error", :sigbus},
    {"Fatal Python error: Floating point exception", :sigfpe},
    {"Fatal Python error: Illegal instruction", :sigill}
  ]

  @typedoc "An exit status, or the reason that the port was closed with before one was known."
  @type exit :: non_neg_integer() | {:closed, term()}

  @typedoc "What tells how the process ended: the file that Python reports a fatal signal in, and the kernel's count."
  @type sources :: {Path.t() | nil, OomCounter.t() | nil}

  @doc "The error for an exit; takes the report that Python may have left, and removes it."
  @spec error(exit(), sources()) :: Error.t()
  def error(exit, {report_path, counter}) do
    report = take_report(report_path)
    signal = signal(exit, report)
    # A process whose exit status is not known may have been killed so, too.
    oom = (signal == :sigkill or (not is_integer(exit) and signal == nil)) and OomCounter.claim?(counter)

    %Error{
      kind: :crashed,
      message: if(oom, do: oom_message(), else: message(exit, signal)),
      exit_status: if(is_integer(exit), do: exit),
      signal: if(oom, do: :sigkill, else: signal),
      cause: if(oom, do: :oom),
      traceback: report
    }
  end

  @doc "The same, where the session killed the process because of these requests."
  @spec error(exit(), sources(), [Request.t()]) :: Error.t()
  def error(exit, sources, []), do: error(exit, sources)

  def error(exit, {report_path, _counter}, [ticket | _] = overdue) do
    message = "the Python process was killed: #{Request.overdue(ticket)}"
    # The port may be closed before it could tell how the process ended.
    %{
      error(exit, {report_path, nil})
      | message: message,
        signal: :sigkill,
        overdue: Enum.map(overdue, & &1.token)
    }
  end

  defp oom_message, do: "the Python process was killed for want of memory (SIGKILL, by the kernel)"

  defp message(_exit, signal) when signal != nil do
    "the Python process was killed by #{signal |> Atom.to_string() |> String.upcase()}#{hint(signal)}"
  end

  # A write to a process that has just ended closes the port before it can tell the status.
  defp message({:closed, _reason}, nil), do: "the Python process ended; its exit status is not known"
  defp message(status, nil), do: "the Python process exited with status #{status}"

  defp hint(:sigkill), do: " (the system does this where memory is short)"
  defp hint(_signal), do: ""

  defp signal(status, _report) when is_integer(status) and status > @signal_base do
    number = status - @signal_base
    @signals[number] || system_signal(:os.type(), number)
  end

  defp signal({:closed, _reason}, report) when is_binary(report) do
    Enum.find_value(@reported, fn {start, signal} -> String.starts_with?(report, start) && signal end)
  end

  defp signal(_exit, _report), do: nil

  defp system_signal({:unix, :linux}, 7), do: :sigbus
  defp system_signal({:unix, :linux}, 31), do: :sigsys
  defp system_signal({:unix, :darwin}, 10), do: :sigbus
  defp system_signal({:unix, :darwin}, 12), do: :sigsys
  defp system_signal(_system, _number), do: nil

  defp take_report(nil), do: nil

  defp take_report(path) do
    case File.read(path) do
      {:ok, report} ->
        File.rm(path)
        if String.trim(report) != "", do: report

      {:error, _reason} ->
        nil
    end
  end
end
