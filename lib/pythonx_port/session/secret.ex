defmodule PythonxPort.Session.Secret do
  @moduledoc false
  # Wraps environment variables, which may hold passwords, so that no report of a supervisor or of a crash shows them.

  @derive {Inspect, except: [:value]}
  @enforce_keys [:value]
  defstruct [:value]

  @type t :: %__MODULE__{value: term()}

  @doc "Wraps the value of the option `:env`, if it is given and not wrapped yet."
  @spec wrap(keyword()) :: keyword()
  def wrap(options) do
    case options do
      [_ | _] -> Enum.map(options, &wrap_env/1)
      other -> other
    end
  end

  defp wrap_env({:env, %__MODULE__{}} = wrapped), do: wrapped
  defp wrap_env({:env, value}), do: {:env, %__MODULE__{value: value}}
  defp wrap_env(other), do: other

  @doc "Returns the value, wrapped or not."
  @spec unwrap(t() | term()) :: term()
  def unwrap(%__MODULE__{value: value}), do: value
  def unwrap(value), do: value
end
