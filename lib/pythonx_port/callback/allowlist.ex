defmodule PythonxPort.Callback.Allowlist do
  @moduledoc false
  # Decides what Python may call and send to by name: the session option `allow`, and the meaning of names. Functions
  # and pids that were passed to Python are always allowed, since it cannot make any.

  alias PythonxPort.Arguments

  @type entry ::
          :all | module() | {module(), atom()} | {module(), atom(), arity()} | {:send, atom()}
  @type t :: :all | [entry()]

  @doc "Checks the entries."
  @spec new(term()) :: {:ok, t()} | :error
  def new(:all), do: {:ok, :all}

  def new(entries) when is_list(entries) do
    cond do
      not (Arguments.proper_list?(entries) and Enum.all?(entries, &entry?/1)) -> :error
      :all in entries -> {:ok, :all}
      true -> {:ok, entries}
    end
  end

  def new(_other), do: :error

  defp entry?(module) when is_atom(module), do: module not in [nil, true, false]
  defp entry?({:send, name}), do: is_atom(name)
  defp entry?({module, function}), do: is_atom(module) and is_atom(function)

  defp entry?({module, function, arity}) do
    is_atom(module) and is_atom(function) and is_integer(arity) and arity >= 0
  end

  defp entry?(_other), do: false

  @doc """
  Returns the atom for a name from Python, which may be a string: `"Enum"` and `"Elixir.Enum"` are both `Enum`. Strings
  create no atoms.
  """
  @spec atom(atom() | binary()) :: {:ok, atom()} | :error
  def atom(name) when is_atom(name), do: {:ok, name}

  def atom(<<first, _rest::binary>> = name) when first in ?A..?Z do
    with :error <- existing("Elixir." <> short(name)), do: existing(name)
  end

  def atom(name) when is_binary(name), do: existing(name)

  @doc "Returns a name as Elixir code has it."
  @spec shown(atom() | binary()) :: String.t()
  def shown(name) when is_atom(name), do: inspect(name)
  def shown(<<first, _rest::binary>> = name) when first in ?A..?Z, do: short(name)
  def shown(name), do: ":" <> name

  defp short(name), do: String.replace_prefix(name, "Elixir.", "")

  defp existing(name) do
    {:ok, String.to_existing_atom(name)}
  rescue
    _no_atom in [ArgumentError, SystemLimitError] -> :error
  end

  @doc "Returns whether Python may call a function."
  @spec call?(t(), module(), atom(), arity()) :: boolean()
  def call?(:all, _module, _function, _arity), do: true

  def call?(entries, module, function, arity) do
    Enum.any?(entries, fn
      {:send, _name} -> false
      entry -> entry in [module, {module, function}, {module, function, arity}]
    end)
  end

  @doc "Returns whether Python may call all functions of a module, also those that do not exist."
  @spec module?(t(), module()) :: boolean()
  def module?(:all, _module), do: true
  def module?(entries, module), do: module in entries

  @doc "Returns whether Python may send to the process with a name."
  @spec send?(t(), atom()) :: boolean()
  def send?(:all, _name), do: true
  def send?(entries, name), do: {:send, name} in entries
end
