defmodule PythonxPort.SharedMemory.Writer do
  @moduledoc false
  # Writes into files of segments for a session, and sends it `{:written, number, :ok | {:error, reason}}`. Callers do
  # not write themselves: the system goes on writing for a process that is killed meanwhile, and the session could not
  # find out when its segment may be used again.
  #
  # This process keeps the files open that it wrote last, since opening one takes as long as writing a megabyte. It
  # names them by the generation that the Python process gives them: a descriptor's number, and so the path, may
  # belong to another file next time. A large binary is written by a process of its own, so that others need not wait
  # behind it.

  use GenServer

  alias PythonxPort.SharedMemory.SegmentFile

  # How many files are kept open, and after how many milliseconds without a write they are closed: a file that the
  # Python process has dropped takes memory for as long as it is open here.
  @open 4
  @idle 5_000

  @typedoc "The path of a file, and the id that it must have."
  @type file :: {Path.t(), SegmentFile.id()}

  @doc "Starts a writer that ends with the calling process."
  @spec start_link() :: pid()
  def start_link do
    {:ok, writer} = GenServer.start_link(__MODULE__, self())
    writer
  end

  @doc "Starts to write bytes at an offset of a file, which stays open."
  @spec write(pid(), pos_integer(), pos_integer(), file(), non_neg_integer(), binary()) :: :ok
  def write(writer, number, generation, file, offset, bytes) do
    GenServer.cast(writer, {:write, number, generation, file, offset, bytes})
  end

  @doc "As `write/6`, in a process of its own, which is linked to the calling one."
  @spec write_once(pos_integer(), file(), non_neg_integer(), binary()) :: pid()
  def write_once(number, {path, id}, offset, bytes) do
    session = self()

    spawn_link(fn ->
      result =
        with {:ok, file} <- SegmentFile.open(path, id) do
          result = :file.pwrite(file, offset, bytes)
          :file.close(file)
          result
        end

      send(session, {:written, number, result})
    end)
  end

  @impl true
  def init(session) do
    # The link does not end this process if the session ends normally.
    Process.monitor(session)
    {:ok, {session, []}}
  end

  @impl true
  def handle_cast({:write, number, generation, file, offset, bytes}, {session, files}) do
    {result, files} = fetch(files, generation, file)
    result = with {:ok, file} <- result, do: :file.pwrite(file, offset, bytes)
    send(session, {:written, number, result})
    {:noreply, {session, close_all_but(files, @open)}, {:continue, :free_binary}}
  end

  # Else the bytes would stay in memory for a while.
  @impl true
  def handle_continue(:free_binary, state) do
    :erlang.garbage_collect()
    {:noreply, state, @idle}
  end

  @impl true
  def handle_info(:timeout, {session, files}) do
    {:noreply, {session, close_all_but(files, 0)}}
  end

  def handle_info({:DOWN, _monitor, :process, session, _reason}, {session, _files} = state) do
    {:stop, :normal, state}
  end

  # The files are in the order of their last use.
  defp fetch(files, generation, {path, id}) do
    case List.keytake(files, generation, 0) do
      {{_generation, file} = known, others} ->
        {{:ok, file}, [known | others]}

      nil ->
        case SegmentFile.open(path, id) do
          {:ok, file} -> {{:ok, file}, [{generation, file} | files]}
          error -> {error, files}
        end
    end
  end

  defp close_all_but(files, count) do
    {kept, closed} = Enum.split(files, count)
    for {_generation, file} <- closed, do: :file.close(file)
    kept
  end
end
