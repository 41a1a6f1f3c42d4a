defmodule PythonxPort.PortProgram.CrashFiles do
  @moduledoc false
  # Names the files that Python writes its traceback to when a fatal signal ends it. A session whose Python crashes
  # reads and removes its file. This process removes the files of sessions that were killed.
  use GenServer

  # A Python process ends at most 1.5 seconds after its session; until then it may crash.
  @last_removal 3_000

  @spec start_link(term()) :: GenServer.on_start()
  def start_link(_options), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Returns a path that no other process can guess, for use until the caller ends; nil if there is no place for it."
  @spec new() :: Path.t() | nil
  def new do
    if directory = System.tmp_dir() do
      name = Base.encode32(:crypto.strong_rand_bytes(15), case: :lower)
      path = Path.join(directory, "pythonx_port-#{name}.crash")
      GenServer.cast(__MODULE__, {:watch, self(), path})
      path
    end
  end

  @impl true
  def init(nil) do
    Process.flag(:trap_exit, true)
    {:ok, %{}}
  end

  @impl true
  def handle_cast({:watch, session, path}, paths) do
    {:noreply, Map.put(paths, Process.monitor(session), path)}
  end

  @impl true
  def handle_info({:DOWN, monitor, :process, _session, _reason}, paths) do
    Process.send_after(self(), {:last_removal, monitor}, @last_removal)
    File.rm(paths[monitor])
    {:noreply, paths}
  end

  def handle_info({:last_removal, monitor}, paths) do
    {path, paths} = Map.pop!(paths, monitor)
    File.rm(path)
    {:noreply, paths}
  end

  def handle_info(_other, paths), do: {:noreply, paths}

  @impl true
  def terminate(_reason, paths), do: Enum.each(paths, fn {_monitor, path} -> File.rm(path) end)
end
