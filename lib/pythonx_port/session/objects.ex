defmodule PythonxPort.Session.Objects do
  @moduledoc false
  # Records which process owns which of the objects that Python keeps for references, on behalf of the session. What a
  # process owns is released when the process is gone.

  # `owners` has for each process its monitor, and the numbers of the objects that it owns, each with the token of the
  # request whose result it was; `refs` has the owner of each number.
  defstruct owners: %{}, refs: %{}

  @type ref :: non_neg_integer()
  @type t :: %__MODULE__{
          owners: %{pid() => {reference(), %{ref() => reference() | nil}}},
          refs: %{ref() => pid()}
        }

  @doc """
  Makes a process the owner of an object.

  When the process is gone, the calling process gets `{:owner, monitor, :process, pid, reason}`, once for all that it
  owns.
  """
  @spec own(t(), ref(), pid(), reference() | nil) :: t()
  def own(objects, ref, pid, token) do
    {monitor, owned} = Map.get_lazy(objects.owners, pid, fn -> {monitor(pid), %{}} end)
    owners = Map.put(objects.owners, pid, {monitor, Map.put(owned, ref, token)})
    %{objects | owners: owners, refs: Map.put(objects.refs, ref, pid)}
  end

  defp monitor(pid), do: :erlang.monitor(:process, pid, tag: :owner)

  @doc "Makes another process the owner of an object; returns an error unless `from` owns it."
  @spec transfer(t(), ref(), pid(), pid()) :: {:ok, t()} | {:error, :unknown | {:owner, pid()}}
  def transfer(objects, ref, from, to) do
    case objects.refs do
      %{^ref => ^from} -> {:ok, objects |> drop([ref]) |> own(ref, to, nil)}
      %{^ref => owner} -> {:error, {:owner, owner}}
      _released -> {:error, :unknown}
    end
  end

  @doc "Removes objects that are released."
  @spec drop(t(), [ref()]) :: t()
  def drop(objects, refs), do: Enum.reduce(refs, objects, &drop_one/2)

  defp drop_one(ref, objects) do
    case Map.pop(objects.refs, ref) do
      {nil, _refs} -> objects
      {pid, refs} -> %{objects | refs: refs, owners: disown(objects.owners, pid, ref)}
    end
  end

  defp disown(owners, pid, ref) do
    {monitor, owned} = Map.fetch!(owners, pid)

    case Map.delete(owned, ref) do
      none when none == %{} ->
        Process.demonitor(monitor, [:flush])
        Map.delete(owners, pid)

      rest ->
        %{owners | pid => {monitor, rest}}
    end
  end

  @doc "Removes an owner that is gone; returns what it owned."
  @spec down(t(), pid()) :: {[ref()], t()}
  def down(objects, pid) do
    {{_monitor, owned}, owners} = Map.pop(objects.owners, pid, {nil, %{}})
    refs = Map.keys(owned)
    {refs, %{objects | owners: owners, refs: Map.drop(objects.refs, refs)}}
  end

  @doc "Returns the objects that are the result of a request, if the process that made it still owns them."
  @spec of_request(t(), reference()) :: [ref()]
  def of_request(objects, token) do
    for {_pid, {_monitor, owned}} <- objects.owners, {ref, ^token} <- owned, do: ref
  end
end
