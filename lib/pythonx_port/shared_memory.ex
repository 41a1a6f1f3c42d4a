defmodule PythonxPort.SharedMemory do
  @moduledoc false
  # Passes large binaries through shared memory, on the caller's side: finds those of a request, which the session
  # writes into segments of the Python process (`PythonxPort.SharedMemory.Upload`), and reads those of a result from
  # segments.

  alias PythonxPort.{Bytes, Error, Tensor}
  alias PythonxPort.SharedMemory.SegmentFile

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
  # Bytes of a segment come through the pipe in pieces of this size, so that other replies can come between them.
  @piece_size 16 * 1024 * 1024

  @typedoc "Number, offset and length, as a request refers to bytes in a segment."
  @type segment :: {:"$segment", pos_integer(), non_neg_integer(), pos_integer()}

  @typedoc "Returns bytes of a segment, through the pipe: takes its number, an offset and a length."
  @type fetch_piece ::
          (pos_integer(), non_neg_integer(), pos_integer() -> {:ok, binary()} | {:error, Error.t()})

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
  Puts the bytes of segments into a result. `directory` is where the session's descriptors are files, or nil. `numbers`
  are the segments that the reply names: a tuple that only looks like a segment stays as it is.

  `fetch_piece` gets the bytes of a segment whose file is another one, or cannot be read.
  """
  @spec fetch(term(), Path.t() | nil, [pos_integer()], fetch_piece()) :: {:ok, term()} | {:error, Error.t()}
  def fetch(value, directory, numbers, fetch_piece) do
    {:ok, read(value, {directory, numbers, fetch_piece})}
  catch
    {:unreadable, error} -> {:error, error}
  end

  defp read({:"$segment", number, fd, offset, size, whole, device, inode} = tuple, {_, numbers, _} = shared)
       when is_integer(number) and is_integer(offset) and is_integer(size) and is_integer(whole) and
              is_integer(device) and is_integer(inode) do
    if number in numbers,
      do: read_segment(number, {fd, {device, inode}, whole}, offset, size, shared),
      else: tuple
  end

  defp read(%{} = map, shared), do: :maps.map(fn _key, value -> read(value, shared) end, map)
  defp read([item | rest], shared), do: [read(item, shared) | read(rest, shared)]

  defp read(tuple, shared) when is_tuple(tuple) do
    tuple |> Tuple.to_list() |> Enum.map(&read(&1, shared)) |> List.to_tuple()
  end

  defp read(other, _shared), do: other

  defp read_segment(number, {fd, id, whole}, offset, size, {directory, _numbers, fetch_piece}) do
    with true <- is_binary(directory),
         {:ok, bytes} <- SegmentFile.read("#{directory}/#{fd}", id, offset, size, whole) do
      bytes
    else
      _unreadable -> number |> fetch_pieces(offset, size, fetch_piece) |> IO.iodata_to_binary()
    end
  end

  defp fetch_pieces(_number, _offset, 0, _fetch_piece), do: []

  defp fetch_pieces(number, offset, size, fetch_piece) do
    length = min(size, @piece_size)

    case fetch_piece.(number, offset, length) do
      {:ok, bytes} -> [bytes | fetch_pieces(number, offset + length, size - length, fetch_piece)]
      {:error, error} -> throw({:unreadable, error})
    end
  end
end
