defmodule PythonxPort.Task do
  @moduledoc """
  A request under way, started by `PythonxPort.async_eval/3`, `async_exec/3` or `async_call/5`.

  The process that has started it awaits it with `PythonxPort.await/2`; any process can cancel it with
  `PythonxPort.cancel/1`.
  """

  @enforce_keys [:request, :owner]
  defstruct [:request, :owner]

  @typedoc "A handle for one result."
  @opaque t :: %__MODULE__{request: PythonxPort.Client.id(), owner: pid()}

  @doc false
  @spec new(PythonxPort.Client.id()) :: t()
  def new(request), do: %__MODULE__{request: request, owner: self()}

  @doc false
  @spec cancel(t()) :: :ok
  def cancel(%__MODULE__{request: request}), do: PythonxPort.Client.cancel(request)

  @doc false
  @spec request(t()) :: PythonxPort.Client.id()
  def request(%__MODULE__{owner: owner, request: request}) when owner == self(), do: request

  def request(%__MODULE__{owner: owner}) do
    raise ArgumentError, "only the process that made the request can await it: #{inspect(owner)}"
  end
end
