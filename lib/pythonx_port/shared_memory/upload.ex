defmodule PythonxPort.SharedMemory.Upload do
  @moduledoc false
  # The session's side of large binaries on their way to Python: the segments that are being written, and who waits for
  # them. The session itself asks the Python process for segments, and gives them back.
  #
  # A segment has two files, one behind the other, and two processes write half of the data each: writes into one file
  # wait for each other. Where opening its files takes as long as writing, they stay open for a while.

  alias PythonxPort.SharedMemory
  alias PythonxPort.SharedMemory.Writer

  # From this size on the rest matters little beside the writing.
  @large 8 * 1024 * 1024
  # A file that is kept open takes memory also when the Python process has dropped it: no more than this part of the limit.
  @share 128
  @default_limit 1024 * 1024 * 1024
  # Where the second half begins is a multiple of this, so that numbers are aligned in the segment.
  @page 4096

  # `large` is the size from which on files are not kept open. `writing` has for each segment who waits, the place that is
  # the answer (nil when a part could not be written), and how many parts are missing.
  @enforce_keys [:directory, :large]
  defstruct [:directory, :large, :writers, writing: %{}]

  @typedoc "A segment as the Python process lends it: number, descriptors, offset, size, and the number of its files."
  @type loan :: {:"$segment", pos_integer(), [non_neg_integer()], 0, pos_integer(), pos_integer()}

  @type t :: %__MODULE__{}

  @doc "`directory` is where the descriptors of the Python process are files; `limit` is that for its segments."
  @spec new(Path.t() | nil, non_neg_integer() | nil) :: t()
  def new(directory, limit) do
    %__MODULE__{directory: directory, large: min(@large, div(limit || @default_limit, @share))}
  end

  @doc "How many files the segments have."
  @spec files() :: 2
  def files, do: 2

  @doc "Has a binary written into a segment. The calling process gets a message for each part, for `written/3`."
  @spec write(t(), loan(), GenServer.from(), binary()) :: t()
  def write(placing, {_tag, number, fds, 0, room, made}, from, binary) do
    size = byte_size(binary)
    # Around the middle of the segment, so that each file has its half, whatever the size.
    first = div(size + 2 * @page - 1, 2 * @page) * @page
    offset = div(room, 2) - first
    parts = [{offset, binary_part(binary, 0, first)}, {0, binary_part(binary, first, size - first)}]
    placing = start_writers(placing)

    for {writer, fd, {offset, part}} <- Enum.zip([placing.writers, fds, parts]) do
      path = "#{placing.directory}/#{fd}"

      if size < placing.large,
        do: Writer.write(writer, number, made, path, offset, part),
        else: Writer.write_once(number, path, offset, part)
    end

    waiting = {from, {:"$segment", number, offset, size}, length(parts)}
    %{placing | writing: Map.put(placing.writing, number, waiting)}
  end

  @doc "A part is written, or could not be. With the last one it tells who waits, and the place, or nil."
  @spec written(t(), pos_integer(), :ok | {:error, term()}) ::
          {:more, t()} | {:done, GenServer.from(), SharedMemory.segment() | nil, t()}
  def written(placing, number, result) do
    {{from, place, parts}, writing} = Map.pop!(placing.writing, number)
    place = if result == :ok, do: place

    if parts > 1,
      do: {:more, %{placing | writing: Map.put(writing, number, {from, place, parts - 1})}},
      else: {:done, from, place, %{placing | writing: writing}}
  end

  defp start_writers(%{writers: nil} = placing),
    do: %{placing | writers: [Writer.start_link(), Writer.start_link()]}

  defp start_writers(placing), do: placing
end
