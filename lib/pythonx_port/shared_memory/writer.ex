defmodule PythonxPort.SharedMemory.Writer do
  @moduledoc false
  # Writes into files of segments for a session, and tells it `{:written, number, :ok | {:error, reason}}`. Those who make
  # requests do not write themselves: the system goes on writing for one that is killed meanwhile, and nobody would know
  # when its segment may be used again.
  #
  # This process keeps the files open that it wrote last, since opening one takes as long as writing a megabyte. It knows
  # them by the numbers that the Python process made them under: a descriptor's number, and so the path, may be another
  # file's by the next time. What is large is written by processes of its own, which nothing waits behind.

  use GenServer

  # So many files are kept open, until there was nothing to write for so long (milliseconds): a file that the Python
  # process has dropped takes memory as long as it is open here.
  @open 4
  @idle 5_000

  @doc "Starts one that ends with the calling process."
  @spec start_link() :: pid()
  def start_link do
    {:ok, writer} = GenServer.start_link(__MODULE__, self())
    writer
  end

  @doc "Has bytes written at an offset of a file, which stays open."
  @spec write(pid(), pos_integer(), pos_integer(), Path.t(), non_neg_integer(), binary()) :: :ok
  def write(writer, number, made, path, offset, bytes) do
    GenServer.cast(writer, {:write, number, made, path, offset, bytes})
  end

  @doc "The same by a process of its own, linked to the calling one."
  @spec write_once(pos_integer(), Path.t(), non_neg_integer(), binary()) :: pid()
  def write_once(number, path, offset, bytes) do
    session = self()

    spawn_link(fn ->
      result =
        with {:ok, file} <- open_file(path) do
          result = :file.pwrite(file, offset, bytes)
          :file.close(file)
          result
        end

      send(session, {:written, number, result})
    end)
  end

  @impl true
  def init(session) do
    # The link does not end this process where the session ends normally.
    Process.monitor(session)
    {:ok, {session, []}}
  end

  @impl true
  def handle_cast({:write, number, made, path, offset, bytes}, {session, files}) do
    {result, files} = fetch(files, made, path)
    result = with {:ok, file} <- result, do: :file.pwrite(file, offset, bytes)
    send(session, {:written, number, result})
    {:noreply, {session, close_all_but(files, @open)}, {:continue, :let_go}}
  end

  # Lets go of the bytes, which would stay for a while otherwise.
  @impl true
  def handle_continue(:let_go, state) do
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
  defp fetch(files, made, path) do
    case List.keytake(files, made, 0) do
      {{_made, file} = known, others} ->
        {{:ok, file}, [known | others]}

      nil ->
        case open_file(path) do
          {:ok, file} -> {{:ok, file}, [{made, file} | files]}
          error -> {error, files}
        end
    end
  end

  defp close_all_but(files, count) do
    {kept, closed} = Enum.split(files, count)
    for {_made, file} <- closed, do: :file.close(file)
    kept
  end

  # Without :read, :file.open would cut the file.
  defp open_file(path), do: :file.open(path, [:raw, :binary, :read, :write])
end
