defmodule PythonxPort.SharedMemory.Upload do
  @moduledoc false
  # Writes large binaries into segments, on their way from callers to Python, on behalf of the session. The session
  # itself requests the segments from the Python process, and gives them back.
  #
  # A segment has two files, one behind the other, and two processes write half of the data each: writes into one file
  # wait for each other. If opening its files takes as long as writing, they stay open for a while.

  alias PythonxPort.SharedMemory
  alias PythonxPort.SharedMemory.{SegmentFile, Writer}

  # From this size on, the time for opening does not count beside that for writing.
  @large 8 * 1024 * 1024
  # A file that is kept open takes memory also after the Python process has dropped it: files of no more than this part
  # of the limit are kept open.
  @share 128
  @default_limit 1024 * 1024 * 1024
  # The second half begins at a multiple of this, so that numbers are aligned in the segment.
  @page 4096

  @enforce_keys [:directory, :large]
  defstruct [:directory, :large, :writers, writing: %{}]

  @typedoc """
  A segment that the Python process leases: number, descriptors, offset, size, and the generation and ids of its files.
  """
  @type lease ::
          {:"$segment", pos_integer(), [non_neg_integer()], 0, pos_integer(), pos_integer(),
           [SegmentFile.id()]}

  @typedoc """
  `large` is the size from which on files are not kept open. `writing` has for each segment the caller, the place that
  is its answer (nil if a part could not be written), and how many parts are missing.
  """
  @type t :: %__MODULE__{
          directory: Path.t() | nil,
          large: non_neg_integer(),
          writers: [pid()] | nil,
          writing: %{pos_integer() => {GenServer.from(), SharedMemory.segment() | nil, pos_integer()}}
        }

  @doc "Begins without writes; `directory` has the descriptors of the Python process, `limit` is that of its segments."
  @spec new(Path.t() | nil, non_neg_integer() | nil) :: t()
  def new(directory, limit) do
    %__MODULE__{directory: directory, large: min(@large, div(limit || @default_limit, @share))}
  end

  @doc "Returns how many files a segment has."
  @spec files() :: 2
  def files, do: 2

  @doc "Starts to write a binary into a segment. The calling process gets a message for each part, for `written/3`."
  @spec write(t(), lease(), GenServer.from(), binary()) :: t()
  def write(upload, {_tag, number, fds, 0, room, generation, ids}, from, binary) do
    size = byte_size(binary)
    # Around the middle of the segment, so that each file has its half, whatever the size.
    first = div(size + 2 * @page - 1, 2 * @page) * @page
    offset = div(room, 2) - first
    parts = [{offset, binary_part(binary, 0, first)}, {0, binary_part(binary, first, size - first)}]
    upload = start_writers(upload)

    for {writer, fd, id, {offset, part}} <- Enum.zip([upload.writers, fds, ids, parts]) do
      file = {"#{upload.directory}/#{fd}", id}

      if size < upload.large,
        do: Writer.write(writer, number, generation, file, offset, part),
        else: Writer.write_once(number, file, offset, part)
    end

    under_way = {from, {:"$segment", number, offset, size}, length(parts)}
    %{upload | writing: Map.put(upload.writing, number, under_way)}
  end

  @doc "Handles the end of a write. After the last part of a binary, returns its caller, and the place or nil."
  @spec written(t(), pos_integer(), :ok | {:error, term()}) ::
          {:more, t()} | {:done, GenServer.from(), SharedMemory.segment() | nil, t()}
  def written(upload, number, result) do
    {{from, place, parts}, writing} = Map.pop!(upload.writing, number)
    place = if result == :ok, do: place

    if parts > 1,
      do: {:more, %{upload | writing: Map.put(writing, number, {from, place, parts - 1})}},
      else: {:done, from, place, %{upload | writing: writing}}
  end

  defp start_writers(%{writers: nil} = upload),
    do: %{upload | writers: [Writer.start_link(), Writer.start_link()]}

  defp start_writers(upload), do: upload
end
