defmodule PythonxPort.ProtocolTest do
  use ExUnit.Case, async: true

  alias PythonxPort.{Error, Protocol}

  # Each form that the external term format has for an atom.
  defp atom_forms(name) do
    size = byte_size(name)
    for {tag, bits} <- [{119, 8}, {115, 8}, {118, 16}, {100, 16}], do: <<tag, size::size(bits), name::binary>>
  end

  test "a request is the term that the protocol says" do
    for {operation, elements} <- [
          eval: ["1 + 1", %{}],
          exec: ["x = 1", %{file: "a.ex", line: 3}],
          call: ["math.sqrt", [2], %{"a" => nil}, %{return: :ref}],
          info: [],
          segment: [1_000_000, %{files: 2}],
          fetch: [5, 0, 1_000_000],
          stop: []
        ],
        id <- [0, 1, 255, 256, Protocol.max_id()] do
      frame = IO.iodata_to_binary(Protocol.request(operation, id, Protocol.body(elements)))
      assert :erlang.binary_to_term(frame) == List.to_tuple([operation, id | elements])
    end
  end

  test "an id that does not fit is refused" do
    for id <- [-1, Protocol.max_id() + 1],
        do: assert_raise(FunctionClauseError, fn -> Protocol.request(:info, id, []) end)
  end

  test "a request refers to large binaries and does not copy them" do
    big = :binary.copy("x", 1_000_000)
    body = Protocol.body(["x", %{bindings: %{"x" => big}}])
    assert Enum.any?(List.flatten(body), &(is_binary(&1) and :binary.referenced_byte_size(&1) == 1_000_000))
  end

  test "a release is one request for all objects" do
    frame = IO.iodata_to_binary(Protocol.release([1, 2]))
    assert :erlang.binary_to_term(frame) == {:release, [1, 2]}
  end

  test "replies are told from events in all forms of their atoms and ids" do
    for status <- ["ok", "error"],
        atom <- atom_forms(status),
        {form, id} <- [{<<97, 7>>, 7}, {<<98, 300::32>>, 300}] do
      assert Protocol.read(<<131, 104, 3, atom::binary, form::binary, 106>>) == {:reply, id}
    end

    assert Protocol.read(:erlang.term_to_binary({:ok, 2 ** 40, 1})) == {:reply, 2 ** 40}
    assert Protocol.read(:erlang.term_to_binary({:error, nil, %{}})) == {:event, {:error, nil, %{}}}
    assert Protocol.read(:erlang.term_to_binary({:ready, %{}})) == {:event, {:ready, %{}}}
  end

  test "results are values or errors" do
    for value <- [nil, 1, "", "text", :binary.copy("x", 100_000), %{"a" => [1]}], id <- [1, 300] do
      assert Protocol.result(:erlang.term_to_binary({:ok, id, value})) == {:ok, value}
    end

    map = %{kind: :exception, message: "no", type: "ValueError", traceback: "Traceback"}

    assert Protocol.result(:erlang.term_to_binary({:error, 1, map})) ==
             {:error, %Error{kind: :exception, message: "no", type: "ValueError", traceback: "Traceback"}}

    assert {:error, %Error{kind: :bad_request, type: nil}} =
             Protocol.result(:erlang.term_to_binary({:error, 1, %{kind: :bad_request, message: "no"}}))
  end

  test "a binary result is a part of its frame" do
    value = :binary.copy("x", 100_000)
    head = <<131, 104, 3, 119, 2, "ok", 98, 1::32, 109, byte_size(value)::32>>
    assert {:ok, ^value = result} = Protocol.result(head <> value)
    assert :binary.referenced_byte_size(result) == byte_size(head) + byte_size(value)
  end

  test "ids are the same bytes in all that is said of a request" do
    for id <- [0, 200, Protocol.max_id()] do
      bytes = <<98, id::32>>
      <<131, 104, 2, 119, 6, "cancel", rest::binary>> = IO.iodata_to_binary(Protocol.request(:cancel, id, []))
      assert rest == bytes

      next = IO.iodata_to_binary(Protocol.request(:next, id, Protocol.body([5])))
      assert :erlang.binary_to_term(next) == {:next, id, 5}
      assert :binary.match(next, bytes) != :nomatch
    end
  end

  test "items of a stream are told in all forms of their atoms and ids" do
    for name <- ["yield", "yields"],
        atom <- atom_forms(name),
        {form, id} <- [{<<97, 7>>, 7}, {<<98, 300::32>>, 300}] do
      assert Protocol.read(<<131, 104, 3, atom::binary, form::binary, 106>>) == {:items, id, []}
    end

    for name <- [:yield, :yields] do
      assert Protocol.read(:erlang.term_to_binary({name, 2 ** 40, [1]})) == {:items, 2 ** 40, []}
      assert Protocol.read(:erlang.term_to_binary({name, 5, [1], [8, 9]})) == {:items, 5, [8, 9]}
    end

    assert Protocol.items(:erlang.term_to_binary({:yields, 5, [1, [2]], [8]})) == [1, [2]]
    assert Protocol.items(:erlang.term_to_binary({:yield, 5, [1, [2]], [8]})) == [[1, [2]]]
  end

  test "the id of a call goes back as it came" do
    for number <- [<<97, 7>>, <<98, 300::32>>, <<110, 5, 0, 0, 0, 0, 0, 1>>],
        id <- [<<97, 7>>, <<98, 300::32>> | atom_forms("nil")],
        atom <- atom_forms("invoke") do
      call_id = <<104, 2, number::binary, id::binary>>

      target =
        :erlang.term_to_binary({:m, :f}) |> binary_part(1, byte_size(:erlang.term_to_binary({:m, :f})) - 1)

      frame = <<131, 104, 4, atom::binary, call_id::binary, target::binary, 106>>
      assert {:invoke, ^call_id, key} = Protocol.read(frame)
      assert key == :erlang.binary_to_term(<<131, call_id::binary>>)
      assert Protocol.call(frame) == {{:m, :f}, []}
      assert :binary.match(IO.iodata_to_binary(Protocol.reply(call_id, {:ok, 1})), call_id) != :nomatch
    end
  end

  test "an answer refers to large binaries and does not copy them" do
    reply = Protocol.reply(<<104, 2, 97, 1, 97, 2>>, {:ok, [:binary.copy("x", 1_000_000)]})
    assert Enum.any?(List.flatten(reply), &(is_binary(&1) and :binary.referenced_byte_size(&1) == 1_000_000))
    assert {:reply, {1, 2}, {:ok, ["x" <> _]}} = reply |> IO.iodata_to_binary() |> :erlang.binary_to_term()
  end

  test "errors are told from values" do
    for atom <- atom_forms("error"),
        do: assert(Protocol.error?(<<131, 104, 3, atom::binary, 97, 1, 116, 0::32>>))

    for atom <- atom_forms("ok"), do: refute(Protocol.error?(<<131, 104, 3, atom::binary, 97, 1, 106>>))
  end
end
