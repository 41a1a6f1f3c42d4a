defmodule PythonxPort.SharedMemory do
  @moduledoc false
  # Passes large binaries through shared memory, on the caller's side: finds those of a request, which the session
  # writes into segments of the Python process (`PythonxPort.SharedMemory.Upload`), and reads those of a result from
  # segments.

  alias PythonxPort.{Bytes, Error, Tensor}

  # From these sizes on a segment is faster than the pipe, to Python and for results; `make bench` compares the two.
  # To Python both took the same time at 384 KiB, or at 256 KiB if requests follow each other. A result of 256 KiB
  # whose array is the segment takes as long as through the pipe, and one of 512 KiB two thirds of that; if the array
  # is copied into the segment, 512 KiB takes as long as through the pipe, and 768 KiB three quarters of that.
  @size 512 * 1024
  @result_size 512 * 1024
  # The search for large binaries goes no deeper than this, and not into long lists: it must cost next to nothing
  # beside the request. A binary that it does not find goes through the pipe.
  @depth 6
  @width 64

  @typedoc "Number, offset and length, as a request refers to bytes in a segment."
  @type segment :: {:"$segment", pos_integer(), non_neg_integer(), pos_integer()}

  @doc "Returns the size from which on binaries go to Python through segments."
  @spec size() :: pos_integer()
  def size, do: @size

  @doc "Returns the size from which on binaries of results come through segments."
  @spec result_size() :: pos_integer()
  def result_size, do: @result_size

  @doc """
  Replaces large binaries of a request by segments that hold their bytes. `put` is called with a binary; it returns the
  segment that the binary was written into, or nil.
  """
  @spec place(term(), (binary() -> segment() | nil)) :: {term(), [pos_integer()]}
  def place(term, put), do: place(term, put, @depth, [])

  defp place(binary, put, _depth, placed) when is_binary(binary) and byte_size(binary) >= @size do
    case put.(binary) do
      {:"$segment", number, _offset, _size} = segment -> {segment, [number | placed]}
      nil -> {binary, placed}
    end
  end

  defp place(term, _put, 0, placed), do: {term, placed}

  defp place(%Tensor{data: data} = tensor, put, depth, placed) do
    {data, placed} = place(data, put, depth - 1, placed)
    {%{tensor | data: data}, placed}
  end

  defp place(%Bytes{data: data} = bytes, put, depth, placed) do
    {data, placed} = place(data, put, depth - 1, placed)
    {%{bytes | data: data}, placed}
  end

  defp place(
         %{__struct__: Nx.Tensor, data: %{__struct__: Nx.BinaryBackend, state: state} = data} = tensor,
         put,
         _depth,
         placed
       ) do
    {state, placed} = place(state, put, 1, placed)
    {%{tensor | data: %{data | state: state}}, placed}
  end

  defp place(%{__struct__: _other} = struct, _put, _depth, placed), do: {struct, placed}

  defp place(map, put, depth, placed) when is_map(map) and map_size(map) <= @width do
    Enum.reduce(map, {map, placed}, fn {key, value}, {map, placed} ->
      case place(value, put, depth - 1, placed) do
        {^value, placed} -> {map, placed}
        {value, placed} -> {%{map | key => value}, placed}
      end
    end)
  end

  defp place(tuple, put, depth, placed) when is_tuple(tuple) and tuple_size(tuple) <= @width do
    {items, placed} = tuple |> Tuple.to_list() |> Enum.map_reduce(placed, &place(&1, put, depth - 1, &2))
    {List.to_tuple(items), placed}
  end

  defp place(list, put, depth, placed) when is_list(list) do
    if short?(list, @width),
      do: Enum.map_reduce(list, placed, &place(&1, put, depth - 1, &2)),
      else: {list, placed}
  end

  defp place(other, _put, _depth, placed), do: {other, placed}

  # Returns whether a list is proper and has at most `count` items, without walking through a long one.
  defp short?([], _count), do: true
  defp short?([_item | rest], count) when count > 0, do: short?(rest, count - 1)
  defp short?(_other, _count), do: false

  @doc """
  Puts the bytes of segments into a result. `directory` is where the session's descriptors are files. `numbers` are the
  segments that the reply names: a tuple that only looks like a segment stays as it is.
  """
  @spec fetch(term(), Path.t(), [pos_integer()]) :: {:ok, term()} | {:error, Error.t()}
  def fetch(value, directory, numbers) do
    {:ok, read(value, {directory, numbers})}
  catch
    {:unreadable, reason} ->
      message = "the result could not be read from shared memory: #{:file.format_error(reason)}"
      {:error, %Error{kind: :not_running, message: message}}
  end

  defp read({:"$segment", number, fd, offset, size, whole} = tuple, {directory, numbers}) do
    if number in numbers, do: read_segment("#{directory}/#{fd}", offset, size, whole), else: tuple
  end

  defp read(%{} = map, shared), do: :maps.map(fn _key, value -> read(value, shared) end, map)
  defp read([item | rest], shared), do: [read(item, shared) | read(rest, shared)]

  defp read(tuple, shared) when is_tuple(tuple) do
    tuple |> Tuple.to_list() |> Enum.map(&read(&1, shared)) |> List.to_tuple()
  end

  defp read(other, _shared), do: other

  defp read_segment(path, offset, size, whole) do
    case read_file(path, offset, size, whole) do
      {:ok, bytes} when byte_size(bytes) == size -> bytes
      {:ok, bytes} when byte_size(bytes) > size -> binary_part(bytes, 0, size)
      {:ok, _cut} -> throw({:unreadable, :einval})
      {:error, reason} -> throw({:unreadable, reason})
    end
  end

  # Each call of :file hops to another thread, which takes as long as reading some 300 KiB. A file that has little more
  # than the wanted bytes is read as a whole, in one hop; :file.read_file/1 would go through the file server.
  defp read_file(path, 0, size, whole) when 8 * (whole - size) <= size, do: :prim_file.read_file(path)

  defp read_file(path, offset, size, _whole) do
    with {:ok, file} <- :file.open(path, [:raw, :binary, :read]), do: pread(file, offset, size)
  end

  defp pread(file, offset, size) do
    :file.pread(file, offset, size)
  after
    :file.close(file)
  end
end
