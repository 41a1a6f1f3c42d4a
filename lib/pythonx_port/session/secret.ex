defmodule PythonxPort.Session.Secret do
  @moduledoc false
  # Wraps environment variables, which may hold passwords, so that no report of a supervisor or of a crash shows them,
  # whatever prints it: a function is shown without what it returns. It is one of erl_eval's, since a function of this
  # module would have supervisors killed that keep it when the code is upgraded twice.

  @enforce_keys [:value]
  defstruct [:value]

  @type t :: %__MODULE__{value: (... -> term())}

  @doc "Wraps the value of the option `:env`, if it is given and not wrapped yet."
  @spec wrap(keyword()) :: keyword()
  def wrap(options) do
    case options do
      [_ | _] -> Enum.map(options, &wrap_env/1)
      other -> other
    end
  end

  defp wrap_env({:env, %__MODULE__{}} = wrapped), do: wrapped
  defp wrap_env({:env, value}), do: {:env, %__MODULE__{value: hide(value)}}
  defp wrap_env(other), do: other

  defp hide(value) do
    place = :erl_anno.new(1)
    # fun() -> Value end
    expression = {:fun, place, {:clauses, [{:clause, place, [], [], [{:var, place, :Value}]}]}}
    bindings = :erl_eval.add_binding(:Value, value, :erl_eval.new_bindings())
    {:value, function, _bindings} = :erl_eval.expr(expression, bindings)
    function
  end

  @doc "Returns the value, wrapped or not."
  @spec unwrap(t() | term()) :: term()
  def unwrap(%__MODULE__{value: function}), do: function.()
  def unwrap(value), do: value
end
