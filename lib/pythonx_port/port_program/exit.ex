defmodule PythonxPort.PortProgram.Exit do
  @moduledoc false
  # Turns the end of a Python process into an error.

  alias PythonxPort.{Error, Request}
  alias PythonxPort.PortProgram.OomCounter

  # The exit status of a process that a signal killed is 128 more than the signal's number.
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

  # The first words of Python's report of a fatal signal.
  @reported [
    {"Fatal Python error: Segmentation fault", :sigsegv},
    {"Fatal Python error: Aborted", :sigabrt},
    {"Fatal Python error: Bus error", :sigbus},
    {"Fatal Python error: Floating point exception", :sigfpe},
    {"Fatal Python error: Illegal instruction", :sigill}
  ]

  @typedoc "An exit status, or the reason why the port was closed before there was one."
  @type exit :: non_neg_integer() | {:closed, term()}

  @typedoc "More about the end of the process: the file with Python's report of a fatal signal, and the kernel's count."
  @type sources :: {Path.t() | nil, OomCounter.t() | nil}

  @doc "Returns the error for an exit. Reads and removes the report that Python may have left."
  @spec error(exit(), sources()) :: Error.t()
  def error(exit, {report_path, counter}) do
    report = take_report(report_path)
    signal = signal(exit, report)
    # A process without a known exit status may have been killed by the kernel, too.
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

  @doc "Returns the error for a process that the session has killed because the grace of these requests had expired."
  @spec error(exit(), sources(), [Request.t()]) :: Error.t()
  def error(exit, sources, []), do: error(exit, sources)

  def error(exit, {report_path, _counter}, [request | _] = requests) do
    message = "the Python process was killed: #{Request.describe_expired_grace(request)}"
    # The port may be closed before the exit status is known.
    %{
      error(exit, {report_path, nil})
      | message: message,
        signal: :sigkill,
        grace_expired: Enum.map(requests, & &1.token)
    }
  end

  defp oom_message, do: "the Python process was killed for want of memory (SIGKILL, by the kernel)"

  defp message(_exit, signal) when signal != nil do
    "the Python process was killed by #{signal |> Atom.to_string() |> String.upcase()}#{hint(signal)}"
  end

  # A write to a process that has just ended closes the port before its exit status is known.
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
