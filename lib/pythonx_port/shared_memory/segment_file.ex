defmodule PythonxPort.SharedMemory.SegmentFile do
  @moduledoc false
  # Opens and reads files of segments, if they are the right ones. `/proc/<pid>/fd/<fd>` is a file of the process that
  # has that pid on this host. If the Python process is in another namespace of processes, or has ended, that is a
  # stranger, whose memory must be neither read nor written.

  require Record

  Record.defrecordp(:file_info, Record.extract(:file_info, from_lib: "kernel/include/file.hrl"))

  @typedoc "Device and inode of a file, as the Python process has them from fstat(2)."
  @type id :: {non_neg_integer(), non_neg_integer()}

  # The bits of each that a `file_info` of the BEAM has.
  @bits 0xFFFF_FFFF

  @doc "Returns whether the file at a path, or an open file, has this id."
  @spec matches?(Path.t() | :file.fd(), id()) :: boolean()
  def matches?(file, {device, inode}) do
    # Raw, which avoids the file server, and without conversion to local time, which takes as long as all the rest.
    case :file.read_file_info(file, [:raw, {:time, :posix}]) do
      {:ok, file_info(major_device: found_device, inode: found_inode)} ->
        low_bits(found_device) == low_bits(device) and low_bits(found_inode) == low_bits(inode)

      {:error, _reason} ->
        false
    end
  end

  defp low_bits(number), do: Bitwise.band(number, @bits)

  @doc """
  Opens the file for reading and writing; returns `{:error, :estale}` if another one is at the path.

  It is checked before it is opened, too: opening a stranger's pipe may block.
  """
  @spec open(Path.t(), id()) :: {:ok, :file.fd()} | {:error, term()}
  def open(path, id) do
    # Without :read, :file.open would cut the file.
    with true <- matches?(path, id),
         {:ok, file} <- :file.open(path, [:raw, :binary, :read, :write]) do
      if matches?(file, id) do
        {:ok, file}
      else
        :file.close(file)
        {:error, :estale}
      end
    else
      false -> {:error, :estale}
      error -> error
    end
  end

  @doc """
  Reads bytes of the file, which is `whole` bytes long; returns `:error` if another one is at the path, or if it cannot
  be read.

  The path is checked before and afterwards. If it has the id both times, its process had the pid meanwhile, and the
  bytes are those of the file.
  """
  @spec read(Path.t(), id(), non_neg_integer(), non_neg_integer(), pos_integer()) :: {:ok, binary()} | :error
  def read(path, id, offset, size, whole) do
    with true <- matches?(path, id),
         {:ok, bytes} when byte_size(bytes) >= size <- read_bytes(path, offset, size, whole),
         true <- matches?(path, id) do
      {:ok, if(byte_size(bytes) > size, do: binary_part(bytes, 0, size), else: bytes)}
    else
      _unreadable -> :error
    end
  end

  # Each call of :file hops to another thread, which takes as long as reading some 300 KiB. A file that has little more
  # than the wanted bytes is read as a whole, in one hop; :file.read_file/1 would go through the file server.
  defp read_bytes(path, 0, size, whole) when 8 * (whole - size) <= size, do: :prim_file.read_file(path)

  defp read_bytes(path, offset, size, _whole) do
    with {:ok, file} <- :file.open(path, [:raw, :binary, :read]), do: pread(file, offset, size)
  end

  defp pread(file, offset, size) do
    :file.pread(file, offset, size)
  after
    :file.close(file)
  end
end
