defmodule PythonxPort.MemoryCgroup do
  @moduledoc false
  # A cgroup with little memory, below that of the tests, where the system lets them make one.

  @doc "Whether one can be made here."
  @spec possible?() :: boolean()
  def possible? do
    case make(100_000_000) do
      nil ->
        false

      cgroup ->
        remove(cgroup)
        true
    end
  end

  @spec make!(pos_integer()) :: Path.t()
  def make!(bytes), do: make(bytes) || raise("no cgroup can be made here")

  @spec remove(Path.t()) :: :ok
  def remove(cgroup) do
    # Processes that have just been killed may still be in it.
    true = PythonxPort.OSProcess.eventually(fn -> File.rmdir(cgroup) == :ok end)
    :ok
  end

  @doc "Runs a script of Elixir in it, with this library; returns its output and its status."
  @spec elixir(Path.t(), String.t()) :: {String.t(), non_neg_integer()}
  def elixir(cgroup, script) do
    script = "{:ok, _apps} = Application.ensure_all_started(:pythonx_port)\n" <> script
    enter = "echo $$ >\"$0/cgroup.procs\" && exec elixir -pa \"$1\" -e \"$2\" 2>/dev/null"
    System.cmd("sh", ["-c", enter, cgroup, Application.app_dir(:pythonx_port, "ebin"), script])
  end

  defp make(bytes) do
    counter = PythonxPort.PortProgram.OomCounter.new(String.to_integer(System.pid()))

    with %{file: file} <- counter,
         cgroup =
           Path.join(Path.dirname(file), "pythonx_port-#{System.pid()}-#{System.unique_integer([:positive])}"),
         :ok <- File.mkdir(cgroup) do
      limit = if Path.basename(file) == "memory.oom_control", do: "memory.limit_in_bytes", else: "memory.max"

      case File.write(Path.join(cgroup, limit), "#{bytes}") do
        :ok ->
          cgroup

        {:error, _reason} ->
          File.rmdir(cgroup)
          nil
      end
    else
      _none -> nil
    end
  end
end
