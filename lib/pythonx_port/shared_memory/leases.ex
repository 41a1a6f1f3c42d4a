defmodule PythonxPort.SharedMemory.Leases do
  @moduledoc false
  # Records which process may use which segments of the Python process. A segment is given back when the request that
  # it was filled for has its reply, when the result in it was read, or when the process that had it is gone.

  # `holders` has by its monitor the segments of a process, and the token of the request whose result they are.
  defstruct [:directory, holders: %{}]

  @type numbers :: [pos_integer()]
  @type token :: reference() | nil

  @typedoc "`directory` is where the descriptors of the Python process are files; nil if there is no such place."
  @type t :: %__MODULE__{directory: Path.t() | nil, holders: %{reference() => {numbers(), token()}}}

  @doc "Begins without leases, for a Python process; `supported` says whether it has segments."
  @spec new(pos_integer(), boolean()) :: t()
  def new(os_pid, supported) do
    directory = "/proc/#{os_pid}/fd"
    %__MODULE__{directory: if(supported and readable?(directory), do: directory)}
  end

  # Opens a file in the same way as those of segments.
  defp readable?(directory) do
    case :file.open("#{directory}/0", [:raw, :read]) do
      {:ok, file} -> :file.close(file) == :ok
      {:error, _reason} -> false
    end
  end

  @doc "Leases segments to a process, which is monitored, until they are dropped."
  @spec add(t(), pid(), numbers(), token()) :: t()
  def add(leases, pid, numbers, token) do
    %{leases | holders: Map.put(leases.holders, Process.monitor(pid), {numbers, token})}
  end

  @doc "Returns the segments that the result of a request was sent in and that are still leased."
  @spec of_request(t(), reference()) :: numbers()
  def of_request(leases, token) do
    Enum.find_value(leases.holders, [], fn {_monitor, {numbers, of_request}} ->
      of_request == token && numbers
    end)
  end

  @doc "Ends the leases of these segments."
  @spec drop(t(), numbers()) :: t()
  def drop(leases, []), do: leases

  def drop(leases, numbers) do
    holders =
      Enum.reduce(leases.holders, leases.holders, fn {monitor, {held, token}}, holders ->
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

    %{leases | holders: holders}
  end

  @doc "Ends the leases of a process that is gone; returns its segments."
  @spec down(t(), reference()) :: {numbers(), t()}
  def down(leases, monitor) do
    {{numbers, _token}, holders} = Map.pop(leases.holders, monitor, {[], nil})
    {numbers, %{leases | holders: holders}}
  end
end
