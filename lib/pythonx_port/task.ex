defmodule PythonxPort.Task do
  @moduledoc """
  A request under way, made by `PythonxPort.async_eval/3` and its like, awaited with `PythonxPort.await/2` by the
  process that made it.
  """

  @enforce_keys [:request]
  defstruct [:request]

  @typedoc "A handle for one result."
  @opaque t :: %__MODULE__{request: PythonxPort.Request.id()}
end
