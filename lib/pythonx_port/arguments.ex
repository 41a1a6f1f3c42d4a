defmodule PythonxPort.Arguments do
  @moduledoc false
  # Checks what callers pass in. Refuses it with an ArgumentError that says what was expected, what was given, and, if
  # that is known, what to write instead.

  # How much of a value a message shows.
  @shown 100

  @doc "Raises an ArgumentError."
  @spec refuse(String.t(), term()) :: no_return()
  @spec refuse(String.t(), term(), String.t() | nil) :: no_return()
  def refuse(expected, given, hint \\ nil) do
    raise ArgumentError, "expected #{expected}, got: #{show(given)}" <> if(hint, do: ". " <> hint, else: "")
  end

  @doc """
  Returns a value as text, on one line and cut after 100 characters.

      iex> PythonxPort.Arguments.show(%{a: [1, 2]})
      "%{a: [1, 2]}"
  """
  @spec show(term()) :: String.t()
  def show(term) do
    text = inspect(term, limit: 10, printable_limit: @shown, width: :infinity)
    if String.length(text) > @shown, do: String.slice(text, 0, @shown) <> "…", else: text
  end

  @doc """
  Checks that options are a keyword list of known keys, each given once; returns them. `owner` names what takes them.
  No message shows their values, since those of `:env` may be secret.
  """
  @spec options!(term(), [atom()], String.t()) :: keyword()
  def options!([], _known, _owner), do: []

  def options!(options, known, owner) do
    if not Keyword.keyword?(options), do: refuse_options(options, owner)
    keys = Keyword.keys(options)

    case {Enum.find(keys, &(&1 not in known)), keys -- Enum.uniq(keys)} do
      {nil, []} -> options
      {nil, [twice | _rest]} -> raise ArgumentError, "option #{inspect(twice)} of #{owner} is given twice"
      {unknown, _twice} -> raise ArgumentError, unknown(unknown, known, owner)
    end
  end

  @doc "Raises the ArgumentError for what is no keyword list."
  @spec refuse_options(term(), String.t()) :: no_return()
  def refuse_options(options, owner) do
    raise ArgumentError,
          "expected the options of #{owner} as a keyword list, such as [key: value], got #{kind(options)}"
  end

  defp kind(%module{}), do: "a struct, %#{inspect(module)}{}"
  defp kind(map) when is_map(map), do: "a map: write [key: value] instead of %{key: value}"

  defp kind(list) when is_list(list),
    do: "a list with other elements than {key, value}, or with keys that are no atoms"

  defp kind(tuple) when is_tuple(tuple), do: "a tuple"
  defp kind(other), do: show(other)

  defp unknown(key, known, owner) do
    near = Enum.max_by(known, &String.jaro_distance(to_string(key), to_string(&1)))
    close? = String.jaro_distance(to_string(key), to_string(near)) > 0.77
    hint = if close?, do: " (did you mean #{inspect(near)}?)", else: ""

    "unknown option #{inspect(key)} of #{owner}#{hint}; its options are #{Enum.map_join(known, ", ", &inspect/1)}"
  end

  @doc "Raises the ArgumentError for an option with a wrong value; `expected` says what it takes, if that is known."
  @spec refuse_option(atom(), term()) :: no_return()
  @spec refuse_option(atom(), term(), String.t() | nil) :: no_return()
  def refuse_option(key, value, expected \\ nil) do
    takes = if expected, do: "; it takes #{expected}", else: ""
    raise ArgumentError, "invalid value for option #{inspect(key)}: #{show(value)}#{takes}"
  end

  @doc "Returns whether a value is a list that ends with `[]`."
  @spec proper_list?(term()) :: boolean()
  def proper_list?(value), do: is_list(value) and not List.improper?(value)

  @doc "Returns whether a value is a list of characters, as `'text'` and `~c\"text\"` are."
  @spec charlist?(term()) :: boolean()
  def charlist?(value), do: value != [] and proper_list?(value) and List.ascii_printable?(value)

  @doc "Returns what to write instead of a list of characters; nil if the value is none."
  @spec charlist_hint(term()) :: String.t() | nil
  def charlist_hint(value) do
    if charlist?(value), do: "Write it in double quotes: single quotes make a charlist"
  end

  @doc "Checks environment variables for `owner`. No message shows a value, which may be secret."
  @spec variables!(term(), String.t()) :: :ok
  def variables!(env, owner) do
    if not (proper_list?(env) or (is_map(env) and not is_struct(env))) do
      raise ArgumentError, "option :env of #{owner} takes a list or a map of {name, value} pairs of strings"
    end

    Enum.each(env, &variable!(&1, owner))
  end

  defp variable!({name, value}, _owner) when is_binary(name) and (is_binary(value) or value in [nil, false]),
    do: :ok

  defp variable!({name, _value}, owner) do
    raise ArgumentError,
          "option :env of #{owner} takes {name, value} pairs of strings; the pair with the name #{show(name)} is not one"
  end

  defp variable!(_other, owner) do
    raise ArgumentError,
          "option :env of #{owner} takes {name, value} pairs of strings, got something that is no pair"
  end

  @doc "Checks milliseconds, or `:infinity`, given as `name`; returns them."
  @spec timeout!(term(), String.t()) :: timeout()
  def timeout!(timeout, name) do
    if timeout?(timeout), do: timeout, else: refuse("#{name} in milliseconds, or :infinity", timeout)
  end

  # The longest time that a process can wait for a message, in milliseconds, less ten seconds.
  @max_timeout 0xFFFF_FFFF - 10_000

  @doc "Returns whether a value is a time that a process can wait."
  @spec timeout?(term()) :: boolean()
  def timeout?(:infinity), do: true
  def timeout?(timeout), do: timeout in 0..@max_timeout
end
