defmodule PythonxPort.PortProgram do
  @moduledoc false
  # Starts, examines and kills the port program.

  alias PythonxPort.Error
  alias PythonxPort.PortProgram.{Executable, Exit, OomCounter}
  alias PythonxPort.Session.Options

  # The interpreter that the doctor runs may hang.
  @doctor_timeout 30_000

  @doc "Starts the port program; the calling process owns its port."
  @spec open(Options.t(), Path.t() | nil) :: {:ok, port()} | {:error, Error.t()}
  def open(options, crash_file) do
    with {:ok, executable} <- Executable.find(options.executable),
         :ok <- check_directory(options.cd) do
      try do
        {:ok, Port.open({:spawn_executable, executable}, port_options(options, crash_file))}
      rescue
        error in [ErlangError, ArgumentError] ->
          {:error, start_failed("#{executable} could not be started: #{Exception.message(error)}")}
      end
    end
  end

  @doc "Returns the error for a port program that ended before it was ready, with its own diagnosis."
  @spec ended_early(Options.t(), Exit.exit(), OomCounter.t() | nil) :: Error.t()
  def ended_early(options, exit, oom_counter) do
    crash = Exit.error(exit, {nil, oom_counter})
    limit = if options.memory_limit, do: " (under a memory limit of #{options.memory_limit} bytes)", else: ""
    {problem, report, traceback} = diagnosis(options, crash)
    ending = "#{crash.message}#{limit}"

    # The problem comes first.
    message =
      if problem,
        do: "#{problem}\n\nNo Python was started: #{ending}\n#{report}",
        else: "no Python was started: #{ending}#{report}"

    %{
      start_failed(message)
      | exit_status: crash.exit_status,
        signal: crash.signal,
        cause: crash.cause,
        traceback: traceback
    }
  end

  @doc "Returns the report of the port program on the Python that it would run, and whether that Python works."
  @spec doctor(Options.t()) :: {:ok, String.t(), boolean()} | {:error, Error.t()}
  def doctor(options) do
    with {:ok, executable} <- Executable.find(options.executable),
         :ok <- check_directory(options.cd) do
      env = Enum.map(options.env, fn {name, value} -> {name, value || nil} end)
      cd = if options.cd, do: [cd: options.cd], else: []

      # With the limits that a session would have.
      arguments = ["doctor" | arguments(options, nil)]
      {report, status} = System.cmd(executable, arguments, [env: env, stderr_to_stdout: true] ++ cd)

      {:ok, report, status == 0}
    end
  end

  @doc "Returns the pid of a port program if its port is open."
  @spec os_pid(port()) :: pos_integer() | nil
  def os_pid(port) do
    with {:os_pid, os_pid} <- Port.info(port, :os_pid), do: os_pid
  end

  @doc "Returns the resident bytes of a port program if its port is open and the system says so (on Linux)."
  @spec memory(port()) :: pos_integer() | nil
  def memory(port) do
    with os_pid when os_pid != nil <- os_pid(port),
         {:ok, status} <- File.read("/proc/#{os_pid}/status"),
         [_all, kibibytes] <- Regex.run(~r/^VmRSS:\s*(\d+) kB$/m, status) do
      String.to_integer(kibibytes) * 1024
    else
      _unknown -> nil
    end
  end

  @doc "Kills a port program that does not end on its own."
  @spec kill(port()) :: :ok
  def kill(port) do
    # While the port is open its process lives, or has just ended: no other process has its pid yet.
    if os_pid = os_pid(port) do
      :os.cmd(String.to_charlist("kill -KILL #{os_pid}"))
    end

    :ok
  end

  defp check_directory(directory) do
    if directory == nil or File.dir?(directory) do
      :ok
    else
      {:error, start_failed("#{directory} is not a directory")}
    end
  end

  defp port_options(options, crash_file) do
    [
      :binary,
      :exit_status,
      :hide,
      packet: 4,
      args: arguments(options, crash_file),
      env: Enum.map(options.env, &variable/1)
    ] ++ if(options.cd, do: [cd: options.cd], else: [])
  end

  defp arguments(options, crash_file) do
    # MapSet has a version field up to Elixir 1.14; the port makes sets as this Elixir does.
    mapset_version = Map.get(struct(MapSet), :version)

    for {flag, value} <- [
          {"--python", options.python},
          {"--memory-limit", options.memory_limit},
          {"--max-frame", options.max_frame},
          {"--segment-limit", options.segment_limit},
          {"--max-result", options.max_result},
          {"--atom-limit", options.atom_limit},
          {"--oom-score-adj", options.oom_score_adj},
          {"--host", options.host},
          {"--children", options.children},
          {"--spin", options.spin},
          {"--crash-file", crash_file},
          {"--mapset-version", mapset_version},
          # The error of a session says what is wrong with its Python: ended_early/3.
          {"--quiet", true}
        ],
        value != nil,
        argument <- if(value == true, do: [flag], else: [flag, to_string(value)]),
        do: argument
  end

  defp variable({name, value}) when is_binary(value), do: {to_charlist(name), to_charlist(value)}
  defp variable({name, _unset}), do: {to_charlist(name), false}

  @doc "Splits a report of the doctor into its text and Python's traceback, or `nil`."
  @spec split_report(String.t()) :: {String.t(), String.t() | nil}
  def split_report(report) do
    # The line with the problem comes after it.
    case Regex.run(
           ~r/^(?:Traceback \(most recent call last\):|Fatal Python error: ).*?(?=^problem:)/ms,
           report
         ) do
      [traceback] -> {String.replace(report, traceback, "", global: false), traceback}
      nil -> {report, nil}
    end
  end

  # The standard error of the port program does not come here, so the doctor tries again.
  defp diagnosis(options, %{signal: nil}) do
    doctor = Task.async(fn -> doctor(options) end)

    case Task.yield(doctor, @doctor_timeout) || Task.shutdown(doctor, :brutal_kill) do
      {:ok, {:ok, report, false}} ->
        {report, traceback} = split_report(report)
        {problem, rest} = take_problem(report)
        {problem, "\n" <> name_choice(rest, options.python_from), traceback}

      _no_report ->
        {nil, "", nil}
    end
  end

  defp diagnosis(_options, _crash), do: {nil, "", nil}

  # The report says that the traceback is above it; in an error, it comes below.
  defp take_problem(report) do
    case Regex.run(~r/^problem: +(.*)\n?/m, report) do
      [line, problem] -> {String.replace(problem, "see above", "see below"), String.replace(report, line, "")}
      nil -> {nil, report}
    end
  end

  @doc "Returns a report with what has chosen the interpreter: to the port program, it is always its own option."
  @spec name_choice(String.t(), String.t() | nil) :: String.t()
  def name_choice(report, nil), do: report

  def name_choice(report, from) do
    String.replace(report, ~r/^(chosen by: +)--python$/m, "\\1#{from}", global: false)
  end

  defp start_failed(message), do: %Error{kind: :start_failed, message: message}
end
