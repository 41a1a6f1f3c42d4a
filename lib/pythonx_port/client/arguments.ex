defmodule PythonxPort.Client.Arguments do
  @moduledoc false
  # Sorts and checks the arguments of requests: sessions, code, targets, names.

  alias PythonxPort.{Arguments, Code, Object}

  @doc """
  Sorts the arguments of `eval/1,2,3` and its like into session, code and options; without a session, `:default`.
  """
  @spec sort(term(), term(), term(), String.t()) :: {term(), String.t() | Code.t(), term()}
  def sort(code, options, [], _function)
      when (is_binary(code) or is_struct(code, Code)) and is_list(options) do
    if Arguments.charlist?(options), do: refuse_code(options)
    {:default, code, options}
  end

  def sort(session, code, options, _function) when is_binary(code) or is_struct(code, Code) do
    {session!(session), code, options}
  end

  def sort(code, options, third, function) do
    cond do
      Arguments.charlist?(code) -> refuse_code(code)
      is_binary(code) or is_struct(code, Code) -> refuse_rest(options, third, function)
      options == [] or Keyword.keyword?(options) -> refuse_session_alone(code, function)
      true -> refuse_second(code, options)
    end
  end

  @spec refuse_second(term(), term()) :: no_return()
  defp refuse_second(session, code) do
    session!(session)
    refuse_code(code)
  end

  # The code came first.
  @spec refuse_rest(term(), term(), String.t()) :: no_return()
  defp refuse_rest(options, [], function) when is_map(options),
    do: Arguments.refuse_options(options, function)

  defp refuse_rest(options, [], function) do
    Arguments.refuse("options as a keyword list after the code of #{function}", options)
  end

  defp refuse_rest(_options, third, function) do
    Arguments.refuse("one list of options after the code of #{function}", third)
  end

  @spec refuse_session_alone(term(), String.t()) :: no_return()
  defp refuse_session_alone(first, function) do
    if not Keyword.keyword?(first), do: session!(first)
    Arguments.refuse("code as a string", first, "Write #{function}(session, code), or #{function}(code)")
  end

  @spec refuse_code(term()) :: no_return()
  defp refuse_code(code) do
    Arguments.refuse("code as a string, or a PythonxPort.Code", code, Arguments.charlist_hint(code))
  end

  @doc "Checks that a value can be a session; returns it."
  @spec session!(term()) :: GenServer.server()
  def session!(session) when is_pid(session), do: session
  def session!(name) when is_atom(name) and name not in [nil, true, false], do: name
  def session!({:global, _name} = session), do: session
  def session!({:via, module, _name} = session) when is_atom(module), do: session

  def session!({name, node} = session)
      when is_atom(name) and is_atom(node) and name not in [nil, true, false, :ok, :error],
      do: session

  def session!(other),
    do: Arguments.refuse("a session: a pid, the name of one, or :default", other, hint(other))

  defp hint({:ok, session}) when is_pid(session), do: "Pass the pid in it: {:ok, session} = …"
  defp hint({:error, _reason}), do: "The session was not started"
  defp hint(nil), do: "Without a session, leave the argument out, or write :default"
  defp hint(text) when is_binary(text), do: "A session comes before the code or the target"
  defp hint(_other), do: nil

  @doc """
  Sorts the arguments of `call/3,4,5` into session, target, args, kwargs and options. A list cannot be a target: if
  the second argument is one, there is no session before the target.
  """
  @spec sort_call(term(), term(), term(), term(), term()) ::
          {term(), String.t() | Object.t(), [term()], term(), term()}
  def sort_call(target, args, kwargs, options, []) when is_list(args) do
    {:default, target!(target), args!(args), kwargs, options}
  end

  def sort_call(session, target, args, kwargs, options) do
    {session!(session), target!(target), args!(args), kwargs, options}
  end

  @doc "Returns a target as Python gets it: a name, or a reference."
  @spec target!(term()) :: String.t() | Object.t()
  def target!(target) when is_binary(target) or is_struct(target, Object), do: target
  def target!(name) when is_atom(name) and name not in [nil, true, false], do: Atom.to_string(name)

  def target!(other) do
    expected = ~s(the name of a Python function, such as "json.dumps" or :len, or a PythonxPort.Object)
    Arguments.refuse(expected, other, Arguments.charlist_hint(other))
  end

  @doc "Checks positional arguments; returns them."
  @spec args!(term()) :: [term()]
  def args!(args) do
    if Arguments.proper_list?(args),
      do: args,
      else: Arguments.refuse("arguments as a list", args, args_hint(args))
  end

  defp args_hint(args) when is_map(args) and not is_struct(args) do
    "Keyword arguments come after the list, as in call(session, target, [], %{name: value})"
  end

  defp args_hint(args) when is_list(args), do: "It does not end with []"
  defp args_hint(_single), do: "Put a single one into a list, too: [value]"

  @doc "Returns names as Python has them, from a keyword list or a map. One that is given twice is refused, not dropped."
  @spec names(term()) :: %{String.t() => term()}
  def names(pairs) do
    if not pairs?(pairs) do
      Arguments.refuse("names and values as a keyword list or a map", pairs)
    end

    named = Map.new(pairs, fn {name, value} -> {name(name), value} end)

    if map_size(named) != Enum.count(pairs) do
      raise ArgumentError, "a name is given twice: #{Arguments.show(Enum.map(pairs, &elem(&1, 0)))}"
    end

    named
  end

  defp pairs?(map) when is_map(map), do: not is_struct(map)
  defp pairs?(list), do: Arguments.proper_list?(list) and Enum.all?(list, &match?({_name, _value}, &1))

  defp name(name) when is_binary(name), do: name
  defp name(name) when is_atom(name) and name not in [nil, true, false], do: Atom.to_string(name)
  defp name(other), do: Arguments.refuse("a name as a string or an atom", other)

  @doc "Checks references to objects, one or a list of them; returns the list."
  @spec objects!(term()) :: [Object.t()]
  def objects!(%Object{} = object), do: [object]

  def objects!(objects) do
    if Arguments.proper_list?(objects) and Enum.all?(objects, &is_struct(&1, Object)),
      do: objects,
      else: Arguments.refuse("a PythonxPort.Object, or a list of them", objects)
  end
end
