defmodule PythonxPort.EncoderTest do
  # What Python gets for structs with an implementation of PythonxPort.Encoder, wherever they stand.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.{SharedMemory, Structs, Tensor}

  defmodule User do
    @derive {PythonxPort.Encoder, except: [:password]}
    defstruct [:name, :friends, password: "secret"]
  end

  defmodule Place do
    @derive {PythonxPort.Encoder, only: [:city]}
    defstruct [:city, :street]
  end

  defmodule Whole do
    @derive PythonxPort.Encoder
    defstruct [:a, b: 2]
  end

  defmodule Money do
    defstruct [:cents]

    defimpl PythonxPort.Encoder do
      def encode(money), do: money.cents / 100
    end
  end

  defmodule Trimmed do
    defstruct [:name, :rest]

    defimpl PythonxPort.Encoder do
      def encode(trimmed), do: %{trimmed | rest: nil}
    end
  end

  defmodule Frame do
    defstruct [:data]

    defimpl PythonxPort.Encoder do
      def encode(frame), do: Tensor.new(frame.data, {:u, 8}, {byte_size(frame.data)})
    end
  end

  defmodule Broken do
    defstruct [:data]

    defimpl PythonxPort.Encoder do
      def encode(_broken), do: raise("not today")
    end
  end

  defmodule Plain do
    defstruct [:user]
  end

  defp user, do: %User{name: "Ann", friends: [%User{name: "Bob"}]}

  @seen %{"name" => "Ann", "friends" => [%{"name" => "Bob", "friends" => nil}]}

  describe "derived" do
    test "a struct is a dict of the given fields", %{session: session} do
      for {struct, text} <- [
            {%User{name: "Ann"}, "{'friends': None, 'name': 'Ann'}"},
            {%Place{city: "Bonn", street: "A"}, "{'city': 'Bonn'}"},
            {%Whole{a: 1}, "{'a': 1, 'b': 2}"}
          ] do
        code = "type(x).__name__, str({str(key): value for key, value in sorted(x.items())})"
        assert PythonxPort.eval!(session, code, bindings: [x: struct]) == {"dict", text}
      end
    end

    test "fields and options must be known" do
      for {options, part} <- [
            {"only: [:a, :c]", ~r/does not have: \[:c\]/},
            {"except: [:c]", ~r/does not have: \[:c\]/},
            {"fields: [:a]", ~r/only: \[\.\.\.\] or except: \[\.\.\.\]/}
          ] do
        source = """
        defmodule PythonxPort.EncoderTest.Wrong do
          @derive {PythonxPort.Encoder, #{options}}
          defstruct [:a]
        end
        """

        assert_raise ArgumentError, part, fn -> Code.eval_string(source) end
      end
    end
  end

  describe "a struct is encoded" do
    test "in bindings, arguments, keyword arguments and variables", %{session: session} do
      assert PythonxPort.eval!(session, "x['friends'][0]['name']", bindings: [x: user()]) == "Bob"
      assert PythonxPort.call!(session, "len", [user()]) == 2
      assert PythonxPort.call!(session, "dict", [], user: user())["user"] |> Map.new(&text_key/1) == @seen
      PythonxPort.assign!(session, user: user())
      assert PythonxPort.eval!(session, "'password' in user or user['friends'][0]['name']") == "Bob"
      assert PythonxPort.stream(session, "x", bindings: [x: [%Money{cents: 150}]]) |> Enum.to_list() == [1.5]
      task = PythonxPort.async_call(session, "str", [%Money{cents: 150}])
      assert PythonxPort.await!(task) == "1.5"
    end

    defp text_key({key, value}) when is_list(value),
      do: {to_string(key), Enum.map(value, fn item -> Map.new(item, &text_key/1) end)}

    defp text_key({key, value}), do: {to_string(key), value}

    test "deep inside of other values", %{session: session} do
      money = %Money{cents: 150}

      for {term, text} <- [
            {[[[[[[[[[money]]]]]]]]], "[[[[[[[[[1.5]]]]]]]]]"},
            {%{"a" => %{1 => {money, [money]}}}, "{'a': {1: (1.5, [1.5])}}"},
            {%{money => 1}, "{1.5: 1}"},
            {MapSet.new([money]), "{1.5}"},
            {Enum.to_list(1..70) ++ [money], inspect(Enum.to_list(1..70) ++ [1.5], limit: :infinity)},
            {Map.new(1..70, &{&1, if(&1 == 70, do: money, else: 0)}), nil}
          ] do
        shown = PythonxPort.eval!(session, "str(x)", bindings: [x: term])
        if text, do: assert(shown == text), else: assert(shown =~ "70: 1.5")
      end

      plain = %Plain{user: user()}

      assert PythonxPort.eval!(session, "x['__struct__'], 'password' in x['user']", bindings: [x: plain]) ==
               {Plain, false}
    end

    test "in what functions return that Python calls", %{session: session} do
      function = fn -> [%Money{cents: 5}] end
      assert PythonxPort.eval!(session, "f()", bindings: [f: function]) == [0.05]
    end

    test "also if its bytes stand behind those of large binaries", %{session: session} do
      # The last bytes of these look like the head of a binary that has as many bytes as what follows.
      for size <- 60..200 do
        fake = :binary.copy("x", 100) <> <<109, size::32>>
        term = [PythonxPort.Bytes.new(fake), fake |> Base.encode16() |> String.duplicate(3), user()]
        assert PythonxPort.eval!(session, "'password' in x[2]", bindings: [x: term]) == false
      end
    end

    test "as what it returns: other structs, its own type, large tensors", %{session: session} do
      trimmed = %Trimmed{name: %Money{cents: 100}, rest: "a secret"}

      assert PythonxPort.eval!(session, "x['name'], x['rest'], str(x['__struct__'])", bindings: [x: trimmed]) ==
               {1.0, nil, "Elixir.PythonxPort.EncoderTest.Trimmed"}
    end

    @tag :numpy
    test "as a tensor, which goes through shared memory", %{session: session} do
      data = :binary.copy(<<7>>, 2 * SharedMemory.size())
      tensor = Tensor.new(data, {:u, 8}, {byte_size(data)})
      assert PythonxPort.call!(session, "tuple", [[%Frame{data: data}, tensor]]) == {tensor, tensor}
    end
  end

  describe "without an implementation" do
    test "structs go as they always do", %{session: session} do
      assert PythonxPort.eval!(session, "x.year, y", bindings: [x: ~D[2024-02-29], y: MapSet.new([1])]) ==
               {2024, MapSet.new([1])}

      assert PythonxPort.eval!(session, "sorted(x)", bindings: [x: %Plain{user: 1}]) == [:__struct__, :user]
    end

    test "nothing is replaced" do
      for term <- [
            user().name,
            [1 | 2],
            %{a: {1, ~D[2024-02-29]}},
            %{__struct__: "text"},
            Tensor.new("a", {:u, 8}, {1})
          ] do
        refute Structs.encodable?(term)
        assert Structs.replace(term) === term
      end
    end
  end

  describe "an implementation that fails" do
    test "raises in the caller, and keeps no shared memory", %{session: session} do
      large = :binary.copy("x", 2 * SharedMemory.size())

      for _round <- 1..20 do
        assert_raise RuntimeError, "not today", fn ->
          PythonxPort.eval(session, "x", bindings: [x: %Broken{}, y: large])
        end
      end

      %{leases: leases} = :sys.get_state(session)
      assert leases.holders == %{}
      assert PythonxPort.eval!(session, "len(y)", bindings: [y: large]) == byte_size(large)
    end

    test "is an error in Python if Python called the function", %{session: session} do
      code = """
      import erlang
      try:
          f()
      except erlang.Error as error:
          message = error.type, str(error)
      message
      """

      {type, message} = PythonxPort.eval!(session, code, bindings: [f: fn -> %Broken{} end])
      assert type == "RuntimeError"
      assert message =~ "not today"
    end

    test "is one whose keys meet", %{session: session} do
      map = %{%Money{cents: 1} => 1, 0.01 => 2}

      assert_raise ArgumentError, ~r/encoded as the same value/, fn ->
        PythonxPort.eval(session, "x", bindings: [x: map])
      end
    end
  end
end

defmodule PythonxPort.ConsolidatedEncoderTest do
  # An application without an implementation pays nothing; this needs the protocol as a Mix project has it.
  use ExUnit.Case, async: false

  alias PythonxPort.{Encoder, Structs}

  setup do
    {Encoder, before, file} = :code.get_object_code(Encoder)

    on_exit(fn ->
      :code.purge(Encoder)
      {:module, Encoder} = :code.load_binary(Encoder, file, before)
    end)

    {:ok, beam: file}
  end

  defp consolidate(modules, beam) do
    {:ok, bytes} = Protocol.consolidate(Encoder, modules)
    :code.purge(Encoder)
    {:module, Encoder} = :code.load_binary(Encoder, beam, bytes)
  end

  test "only implementations for structs count", %{beam: beam} do
    assert Structs.encoders?()
    consolidate([], beam)
    refute Structs.encoders?()
    consolidate([Any], beam)
    refute Structs.encoders?()
    consolidate([PythonxPort.EncoderTest.Money, Any], beam)
    assert Structs.encoders?()
    assert Structs.replace([%PythonxPort.EncoderTest.Money{cents: 100}]) == [1.0]
  end

  test "without one, no struct is looked at", %{beam: beam} do
    consolidate([], beam)
    money = %PythonxPort.EncoderTest.Money{cents: 100}
    session = PythonxPort.start_session()
    assert PythonxPort.eval!(session, "x['cents']", bindings: [x: money]) == 100
  end
end
