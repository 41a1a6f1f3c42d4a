defmodule PythonxPort.Values.GoldenTermsTest do
  # The terms of tests/vectors through the library and back. Their objects in Python are listed in terms.txt, and checked
  # down to the last type by the tests of port/; here it is the way through a session that counts.
  use PythonxPort.SessionCase, async: true

  @folder Path.expand("../../vectors", __DIR__)
  @list Path.join(@folder, "terms.txt")
  @external_resource @list

  entries =
    @list
    |> File.read!()
    |> String.split("\n", trim: true)
    |> Enum.reject(&(String.starts_with?(&1, "#") or String.trim(&1) == ""))
    |> Enum.chunk_every(3)

  for [head, _erlang, python] <- entries do
    [name | flags] = String.split(head)

    test name, %{session: session} do
      term = unquote(name) |> read() |> :erlang.binary_to_term()
      check(session, unquote(name), unquote(flags), term, unquote(String.trim(python)))
    end
  end

  defp read(name), do: File.read!(Path.join(@folder, name <> ".etf"))

  defp check(session, name, flags, term, python) do
    cond do
      # Compressed or not is lost in reading it.
      name == "compressed" -> assert length(term) == 1000
      "refused" in flags -> check_refusal(session, term, python)
      true -> check_object(session, name, flags, term, python)
    end
  end

  defp check_refusal(session, term, message) do
    assert {:error, %Error{kind: :undecodable} = error} = PythonxPort.eval(session, "x", bindings: [x: term])
    assert Exception.message(error) =~ message
  end

  defp check_object(session, name, flags, term, python) do
    assert {:ok, back} = PythonxPort.eval(session, "x", bindings: [x: term])
    assert {:ok, true} == PythonxPort.eval(session, test_of(python, flags), bindings: [x: term])

    # A set has a version or not, as this Elixir has it.
    unless "changed" in flags or String.starts_with?(name, "mapset") do
      assert back === term
    end
  end

  @imports """
  import datetime, erlang, math, sys
  from datetime import date, time, timedelta, timezone
  from decimal import Decimal
  from erlang import Atom
  """

  defp test_of(python, flags) do
    if "check" in flags do
      @imports <> python
    else
      @imports <> "y = #{python}\ntype(x) is type(y) and (x == y or x != x)"
    end
  end
end
