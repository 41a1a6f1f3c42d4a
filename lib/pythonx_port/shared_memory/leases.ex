defmodule PythonxPort.SharedMemory.Leases do
  @moduledoc false
  # Which process has which segments of the Python process, as the session knows it; no processes, no messages but those
  # of its monitors. A segment is given back when the request that it was filled for has its reply, when the result in it
  # was read, or when the process that had it is gone.

  # `directory` is where the descriptors of the Python process are files; nil where there is no such place.
  # `holders` has for each monitor the numbers that the process may use, and the token of the request whose result they are.
  defstruct [:directory, holders: %{}]

  @type numbers :: [pos_integer()]
  @type token :: reference() | nil
  @type t :: %__MODULE__{directory: Path.t() | nil, holders: %{reference() => {numbers(), token()}}}

  @doc "For a Python process; `supported` tells whether it has segments."
  @spec new(pos_integer(), boolean()) :: t()
  def new(os_pid, supported) do
    directory = "/proc/#{os_pid}/fd"
    %__MODULE__{directory: if(supported and readable?(directory), do: directory)}
  end

  # As the file of a segment will be opened.
  defp readable?(directory) do
    case :file.open("#{directory}/0", [:raw, :read]) do
      {:ok, file} -> :file.close(file) == :ok
      {:error, _reason} -> false
    end
  end

  @doc "A process has segments until it says that it has done with them."
  @spec hold(t(), pid(), numbers(), token()) :: t()
  def hold(segments, pid, numbers, token) do
    %{segments | holders: Map.put(segments.holders, Process.monitor(pid), {numbers, token})}
  end

  @doc "The segments with the result of a request, where they were sent and not dropped yet."
  @spec held_for(t(), reference()) :: numbers()
  def held_for(segments, token) do
    Enum.find_value(segments.holders, [], fn {_monitor, {numbers, held_for}} ->
      held_for == token && numbers
    end)
  end

  @doc "Nobody has these any more, or the request that they went to."
  @spec drop(t(), numbers()) :: t()
  def drop(segments, []), do: segments

  def drop(segments, numbers) do
    holders =
      Enum.reduce(segments.holders, segments.holders, fn {monitor, {held, token}}, holders ->
        case held -- numbers do
          ^held ->
            holders

          [] ->
            Process.demonitor(monitor, [:flush])
            Map.delete(holders, monitor)

          rest ->
            %{holders | monitor => {rest, token}}
        end
      end)

    %{segments | holders: holders}
  end

  @doc "A monitored process is gone: the segments that it had."
  @spec down(t(), reference()) :: {numbers(), t()}
  def down(segments, monitor) do
    {{numbers, _token}, holders} = Map.pop(segments.holders, monitor, {[], nil})
    {numbers, %{segments | holders: holders}}
  end
end
