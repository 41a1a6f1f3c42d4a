defmodule PythonxPort.RoundTrip do
  @moduledoc false
  # What becomes of a term in Python, and on its way back.

  import ExUnit.Assertions

  @doc "The type and the text of the object that a term becomes."
  @spec seen(PythonxPort.session(), term()) :: {String.t(), String.t()}
  def seen(session, term) do
    code = "(type(term).__module__ + '.' + type(term).__qualname__, repr(term))"
    PythonxPort.eval!(session, code, bindings: [term: term])
  end

  @spec there_and_back(PythonxPort.session(), term()) :: term()
  def there_and_back(session, term), do: PythonxPort.eval!(session, "term", bindings: [term: term])

  @doc "Fails unless the term comes back as it was, its numbers of the same type."
  @spec assert_back(PythonxPort.session(), term()) :: true
  def assert_back(session, term) do
    back = there_and_back(session, term)
    assert back === term, "#{inspect(term)} came back as #{inspect(back)}"
  end
end
