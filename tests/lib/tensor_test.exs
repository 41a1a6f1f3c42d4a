defmodule PythonxPort.TensorTest do
  # Tensors and NumPy's arrays, both ways, through the pipe and through shared memory.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.{SegmentFiles, Tensor}

  # Types, how NumPy names them, and numbers in the host's byte order.
  @types [
    {{:u, 8}, "uint8", <<0, 1, 255>>},
    {{:u, 16}, "uint16", <<0::16-native, 1::16-native, 65_535::16-native>>},
    {{:u, 32}, "uint32", <<0::32-native, 1::32-native, 0xFFFFFFFF::32-native>>},
    {{:u, 64}, "uint64", <<0::64-native, 1::64-native, 0xFFFFFFFFFFFFFFFF::64-native>>},
    {{:s, 8}, "int8", <<-128, 0, 127>>},
    {{:s, 16}, "int16", <<-32_768::16-native, 0::16-native, 32_767::16-native>>},
    {{:s, 32}, "int32", <<-1::32-native, 0::32-native, 2_147_483_647::32-native>>},
    {{:s, 64}, "int64", <<-1::64-native, 0::64-native, 9_223_372_036_854_775_807::64-native>>},
    {{:f, 16}, "float16", <<1.5::float-16-native, -2.0::float-16-native, 65_504.0::float-16-native>>},
    {{:f, 32}, "float32", <<1.5::float-32-native, -2.0::float-32-native, 1.0e10::float-32-native>>},
    {{:f, 64}, "float64", <<1.5::float-64-native, -2.0::float-64-native, 1.0e300::float-64-native>>},
    {{:c, 64}, "complex64",
     for(n <- [1.5, -2.0, 0.0, 3.0, 4.0, 0.5], into: <<>>, do: <<n::float-32-native>>)},
    {{:c, 128}, "complex128",
     for(n <- [1.5, -2.0, 0.0, 3.0, 4.0, 0.5], into: <<>>, do: <<n::float-64-native>>)}
  ]

  # Too large for the pipe, if there is shared memory.
  @large 2 * PythonxPort.SharedMemory.size()

  defp large(seed), do: :binary.copy(<<seed, 1, 2, 3>>, div(@large, 4))

  defp large_tensor(seed), do: Tensor.new(large(seed), {:u, 8}, {4, div(@large, 4)})

  describe "a tensor" do
    test "is checked when it is made" do
      for {type, _name, data} <- @types do
        assert Tensor.new(data, type, {3}) == %Tensor{type: type, shape: {3}, data: data}
        assert_raise ArgumentError, ~r/takes \d+ bytes, got/, fn -> Tensor.new(data, type, {4}) end
      end

      assert Tensor.new(<<5>>, {:u, 8}, {}).shape == {}
      assert Tensor.new("", {:f, 64}, {3, 0}).shape == {3, 0}
      assert Tensor.new(<<1, 2>>, {:bf, 16}, {1, 1, 1}).type == {:bf, 16}

      assert_raise ArgumentError, "{:f, 32} of shape {2, 2} takes 16 bytes, got 3", fn ->
        Tensor.new("abc", {:f, 32}, {2, 2})
      end
    end

    test "has a size" do
      assert Tensor.byte_size({:f, 32}, {2, 3}) == 24
      assert Tensor.byte_size({:bf, 16}, {5}) == 10
      assert Tensor.byte_size({:c, 128}, {}) == 16
      assert Tensor.byte_size({:u, 8}, {1_000_000, 0, 5}) == 0
      assert Tensor.byte_size({:s, 64}, {0xFFFFFFFF, 0xFFFFFFFF}) == 8 * 0xFFFFFFFF ** 2
    end

    test "of another type or shape is none" do
      for type <- [
            {:f, 4},
            {:f8_e4m3fn, 16},
            {:f, 128},
            {:u, 1},
            {:bf, 32},
            {:c, 32},
            {:x, 8},
            :f32,
            "f32",
            {:f, 32, 1},
            nil
          ] do
        assert_raise ArgumentError, "unknown type of tensor: #{inspect(type)}", fn ->
          Tensor.new("abcd", type, {1})
        end
      end

      for shape <- [{-1}, {1.0}, {nil}, {1, "1"}] do
        assert_raise ArgumentError, "a shape is a tuple of sizes, got: #{inspect(shape)}", fn ->
          Tensor.new("a", {:u, 8}, shape)
        end
      end

      assert_raise ArgumentError, fn -> apply(Tensor, :new, [[1], {:u, 8}, {1}]) end
      assert_raise ArgumentError, fn -> apply(Tensor, :new, ["a", {:u, 8}, [1]]) end
    end

    test "shows its numbers" do
      shown = [
        {Tensor.new(<<1, 2, 3, 255>>, {:u, 8}, {2, 2}), "#PythonxPort.Tensor<u8 {2, 2} 1 2 3 255>"},
        {Tensor.new(<<-1, 2>>, {:s, 8}, {2}), "#PythonxPort.Tensor<s8 {2} -1 2>"},
        {Tensor.new(<<1.5::float-32-native>>, {:f, 32}, {}), "#PythonxPort.Tensor<f32 {} 1.5>"},
        {Tensor.new(<<-2.0::float-64-native>>, {:f, 64}, {1}), "#PythonxPort.Tensor<f64 {1} -2.0>"},
        {Tensor.new(<<0.5::float-16-native>>, {:f, 16}, {1}), "#PythonxPort.Tensor<f16 {1} 0.5>"},
        {Tensor.new(<<0x3FC0::16-native>>, {:bf, 16}, {1}), "#PythonxPort.Tensor<bf16 {1} 1.5>"},
        {Tensor.new(<<0x3E, 0xC2, 0x7C, 0x7E>>, {:f, 8}, {4}),
         "#PythonxPort.Tensor<f8 {4} 1.5 -3.0 Inf NaN>"},
        {Tensor.new(<<0x38, 0xC4, 0x01, 0x7E, 0xFF>>, {:f8_e4m3fn, 8}, {5}),
         "#PythonxPort.Tensor<f8_e4m3fn {5} 1.0 -3.0 0.001953125 448.0 NaN>"},
        {Tensor.new("", {:f, 32}, {0, 2}), "#PythonxPort.Tensor<f32 {0, 2}>"},
        {Tensor.new(<<0x7FC00000::32-native, 0x7F800000::32-native, 0xFF800000::32-native>>, {:f, 32}, {3}),
         "#PythonxPort.Tensor<f32 {3} NaN Inf -Inf>"},
        {Tensor.new(<<0x7F80::16-native, 0xFFC0::16-native>>, {:bf, 16}, {2}),
         "#PythonxPort.Tensor<bf16 {2} Inf NaN>"},
        {Tensor.new(<<1.0::float-32-native, 2.0::float-32-native>>, {:c, 64}, {1}),
         "#PythonxPort.Tensor<c64 {1} 1.0+2.0i>"},
        {Tensor.new(:binary.copy(<<7>>, 1000), {:u, 8}, {1000}),
         "#PythonxPort.Tensor<u8 {1000} 7 7 7 7 7 7 7 7 7 7 … 1000 in all>"}
      ]

      for {tensor, text} <- shown, do: assert(inspect(tensor) == text)
      # A tensor that was never checked is shown as well.
      assert inspect(%Tensor{type: {:f, 32}, shape: {5}, data: "abc"}) =~ "#PythonxPort.Tensor<f32 {5}"
      assert inspect(%Tensor{type: {:f, 32}, shape: {1}, data: "abcdef"}) =~ "#PythonxPort.Tensor<f32 {1}"
    end
  end

  describe "every type" do
    @describetag :numpy

    test "goes to NumPy and comes back", %{session: session} do
      code = "(type(t).__name__, t.dtype.name, t.shape, t.tobytes(), bool(t.flags.writeable))"

      for {type, name, data} <- @types, shape <- [{3}, {1, 3}, {3, 1, 1}] do
        tensor = Tensor.new(data, type, shape)
        assert PythonxPort.eval!(session, code, bindings: [t: tensor]) == {"ndarray", name, shape, data, true}
        assert PythonxPort.eval!(session, "t", bindings: [t: tensor]) == tensor
        assert PythonxPort.call!(session, "copy.copy", [tensor]) == tensor
        assert PythonxPort.call!(session, "dict", [], x: [tensor]) == %{"x" => [tensor]}
      end
    end

    test "has NumPy's numbers", %{session: session} do
      PythonxPort.exec!(session, "import numpy as np")

      for {type, name, data} <- @types do
        {numbers, tensor} =
          PythonxPort.eval!(session, "([str(n) for n in t], np.array(t.tolist(), #{inspect(name)}))",
            bindings: [t: Tensor.new(data, type, {3})]
          )

        assert tensor == Tensor.new(data, type, {3})
        if elem(type, 0) in [:u, :s], do: assert(inspect(tensor) =~ Enum.join(numbers, " "))
      end
    end

    test "of no dimension, and of dimensions without elements", %{session: session} do
      for {type, name, data} <- @types do
        size = Tensor.byte_size(type, {})
        single = Tensor.new(binary_part(data, 0, size), type, {})
        assert PythonxPort.eval!(session, "t, t.shape", bindings: [t: single]) == {single, {}}

        for shape <- [{0}, {2, 0, 3}] do
          empty = Tensor.new("", type, shape)
          assert PythonxPort.eval!(session, "t, t.dtype.name", bindings: [t: empty]) == {empty, name}
        end
      end

      many = Tensor.new(<<7>>, {:u, 8}, List.to_tuple(List.duplicate(1, 32)))
      assert PythonxPort.eval!(session, "t, t.ndim", bindings: [t: many]) == {many, 32}
    end

    test "through shared memory and through the pipe", %{session: session} do
      piped = PythonxPort.start_session(segment_limit: 0)

      for session <- [session, piped], {type, name, data} <- @types do
        data = :binary.copy(data, @large)
        tensor = Tensor.new(data, type, {@large, 3})

        assert PythonxPort.eval!(session, "t, t.dtype.name, bool(t.flags.aligned)", bindings: [t: tensor]) ==
                 {tensor, name, true}
      end

      assert SegmentFiles.of(piped) == 0
    end

    @tag :ml_dtypes
    test "and those of eight bits", %{session: session} do
      for {type, name, data} <- [
            {{:f, 8}, "float8_e5m2", <<0x3C, 0xC2>>},
            {{:f8_e4m3fn, 8}, "float8_e4m3fn", <<0x38, 0xC4>>}
          ] do
        tensor = Tensor.new(data, type, {2})

        assert PythonxPort.eval!(session, "t, t.dtype.name, t.tolist(), t[1:]", bindings: [t: tensor]) ==
                 {tensor, name, [1.0, -3.0], Tensor.new(binary_part(data, 1, 1), type, {1})}
      end
    end

    @tag :ml_dtypes
    test "and bfloat16", %{session: session} do
      tensor = Tensor.new(<<0x3F80::16-native, 0xC040::16-native>>, {:bf, 16}, {2})

      assert PythonxPort.eval!(session, "t, t.dtype.name, t.tolist(), t[::-1]", bindings: [t: tensor]) ==
               {tensor, "bfloat16", [1.0, -3.0],
                Tensor.new(<<0xC040::16-native, 0x3F80::16-native>>, {:bf, 16}, {2})}
    end

    test "and bfloat16 where there is no package for it" do
      session = PythonxPort.start_session(init: "import sys; sys.modules['ml_dtypes'] = None")

      assert {:error, %Error{kind: :undecodable, message: message}} =
               PythonxPort.eval(session, "t", bindings: [t: Tensor.new(<<1, 2>>, {:bf, 16}, {1})])

      assert message =~ "tensors of type {:bf, 16} need the package ml_dtypes in this Python"
    end
  end

  describe "an array in Python" do
    @describetag :numpy

    setup %{session: session} do
      PythonxPort.exec!(session, "import numpy as np")
      :ok
    end

    test "that lies in memory in another way", %{session: session} do
      expected = fn numbers, shape ->
        Tensor.new(for(n <- numbers, into: <<>>, do: <<n::32-native>>), {:s, 32}, shape)
      end

      for {code, numbers, shape} <- [
            {"np.arange(6, dtype='i4').reshape(2, 3).T", [0, 3, 1, 4, 2, 5], {3, 2}},
            {"np.asfortranarray(np.arange(6, dtype='i4').reshape(2, 3))", Enum.to_list(0..5), {2, 3}},
            {"np.arange(6, dtype='i4')[::-2]", [5, 3, 1], {3}},
            {"np.arange(6, dtype='i4').reshape(2, 3)[:, 1:]", [1, 2, 4, 5], {2, 2}},
            {"np.arange(3, dtype='i4').byteswap().view('>i4')", [0, 1, 2], {3}},
            {"np.arange(3, dtype='>i4')", [0, 1, 2], {3}},
            {"np.arange(3, dtype='>i4')[1]", nil, nil},
            {"np.array(5, '>i4')", [5], {}},
            {"np.broadcast_to(np.int32(7), (2, 2))", [7, 7, 7, 7], {2, 2}},
            {"np.frombuffer(np.arange(3, dtype='i4').tobytes(), 'i4')", [0, 1, 2], {3}},
            {"np.frombuffer(b'x' + np.arange(3, dtype='i4').tobytes(), 'u1')[1:].view('i4')", [0, 1, 2], {3}}
          ] do
        if numbers,
          do: assert(PythonxPort.eval!(session, code) == expected.(numbers, shape)),
          else: assert(PythonxPort.eval!(session, code) == 1)
      end
    end

    test "of booleans comes as bytes", %{session: session} do
      assert PythonxPort.eval!(session, "np.array([True, False])") == Tensor.new(<<1, 0>>, {:u, 8}, {2})

      assert PythonxPort.eval!(session, "np.arange(9).reshape(3, 3).T % 2 == 0").data ==
               <<1, 0, 1, 0, 1, 0, 1, 0, 1>>
    end

    test "without a form as a tensor says what to do", %{session: session} do
      for {code, hint} <- [
            {"np.array(['a', 'b'])", "send array.tolist()"},
            {"np.array([b'a'])", "send array.tolist()"},
            {"np.array([None, {}])", "send array.tolist()"},
            {"np.array(['2024-01-01'], 'M8[s]')", "send array.astype('int64') and its unit"},
            {"np.array([1], 'm8[s]')", "send array.astype('int64') and its unit"},
            {"np.zeros(2, 'i4,f8')", "send its fields one by one"},
            {"np.zeros(2, np.longdouble)", "convert it with astype"},
            {"np.ma.array([1, 2], mask=[0, 1])", "a masked array"},
            {"np.datetime64(1, 'ns')", "a datetime64[ns] has no form"}
          ] do
        assert {:error, %Error{kind: :unencodable, message: message}} =
                 PythonxPort.eval(session, "{'x': [#{code}]}")

        assert message =~ ~s(result["x"][0]: )
        assert message =~ hint
      end
    end

    test "and what can become one", %{session: session} do
      PythonxPort.exec!(session, """
      class Picture:
          def __array__(self, dtype=None, copy=None):
              return np.array([[1, 2], [3, 4]], "u1")

      class Lent:
          def __dlpack__(self, **options):
              return np.arange(3, dtype="i1").__dlpack__(**options)
          def __dlpack_device__(self):
              return (1, 0)
      """)

      assert PythonxPort.eval!(session, "Picture()") == Tensor.new(<<1, 2, 3, 4>>, {:u, 8}, {2, 2})
      assert PythonxPort.eval!(session, "[Lent()]") == [Tensor.new(<<0, 1, 2>>, {:s, 8}, {3})]
      assert PythonxPort.eval!(session, "np.matrix([[1, 2]], 'u1')") == Tensor.new(<<1, 2>>, {:u, 8}, {1, 2})
      assert PythonxPort.eval!(session, "[np.float32(0.5), np.bool_(True)]") == [0.5, true]
    end

    @tag :torch
    @tag timeout: 120_000
    test "of torch", %{session: session} do
      PythonxPort.exec!(session, "import torch")

      for {code, tensor} <- [
            {"torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)",
             Tensor.new(<<1, 2, 3, 4>>, {:u, 8}, {2, 2})},
            {"torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).T",
             Tensor.new(<<1, 3, 2, 4>>, {:u, 8}, {2, 2})},
            {"torch.tensor([True])", Tensor.new(<<1>>, {:u, 8}, {1})},
            {"torch.tensor(1.5)", Tensor.new(<<1.5::float-32-native>>, {:f, 32}, {})},
            {"torch.nn.Parameter(torch.tensor([1.5]))", Tensor.new(<<1.5::float-32-native>>, {:f, 32}, {1})},
            {"torch.tensor([1.0, -3.0], dtype=torch.bfloat16)",
             Tensor.new(<<0x3F80::16-native, 0xC040::16-native>>, {:bf, 16}, {2})},
            {"torch.zeros((0, 3), dtype=torch.int64)", Tensor.new("", {:s, 64}, {0, 3})},
            {"torch.tensor([1 + 2j]).conj()",
             Tensor.new(<<1.0::float-32-native, -2.0::float-32-native>>, {:c, 64}, {1})}
          ] do
        assert PythonxPort.eval!(session, code) == tensor
      end

      big = PythonxPort.eval!(session, "torch.ones((1000, 1000), dtype=torch.bfloat16).T")
      assert big == Tensor.new(:binary.copy(<<0x3F80::16-native>>, 1_000_000), {:bf, 16}, {1000, 1000})
      there = Tensor.new(<<1.0::float-32-native, 2.0::float-32-native>>, {:f, 32}, {2})
      assert PythonxPort.eval!(session, "torch.from_numpy(t).sum().item()", bindings: [t: there]) == 3.0

      for code <- ["torch.zeros(3).to_sparse()", "torch.zeros(3, device='meta')"] do
        assert {:error, %Error{kind: :unencodable, message: "result: torch" <> _rest}} =
                 PythonxPort.eval(session, code)
      end
    end
  end

  describe "Nx" do
    @describetag :numpy

    # As structs of that library are; it need not be there.
    defp nx(data),
      do: %{
        __struct__: Nx.Tensor,
        type: {:s, 8},
        shape: {2, 2},
        names: [nil, nil],
        vectorized_axes: [],
        data: data
      }

    test "is understood with a binary backend", %{session: session} do
      tensor = nx(%{__struct__: Nx.BinaryBackend, state: <<1, 2, 3, -4>>})
      assert PythonxPort.eval!(session, "t.tolist()", bindings: [t: tensor]) == [[1, 2], [3, -4]]

      large = %{
        nx(%{__struct__: Nx.BinaryBackend, state: large(7)})
        | type: {:u, 8},
          shape: {div(@large, 4), 4}
      }

      assert PythonxPort.call!(session, "list", [[large]]) == [Tensor.new(large(7), {:u, 8}, large.shape)]
    end

    test "is refused with names, which an array cannot keep", %{session: session} do
      tensor = nx(%{__struct__: Nx.BinaryBackend, state: <<1, 2, 3, 4>>})

      for {names, part} <- [
            {[:row, nil],
             "the tensor has names, which an array cannot keep: drop them with Nx.rename(tensor, nil)"},
            {[nil | nil], "names is a list of atoms"}
          ] do
        assert {:error, %Error{kind: :undecodable, message: message}} =
                 PythonxPort.eval(session, "t", bindings: [t: %{tensor | names: names}])

        assert message =~ part
      end
    end

    test "has its vectorized axes as leading dimensions", %{session: session} do
      tensor = %{
        nx(%{__struct__: Nx.BinaryBackend, state: <<1, 2, 3, 4, 5, 6>>})
        | shape: {2},
          names: [nil],
          vectorized_axes: [batch: 3]
      }

      assert PythonxPort.eval!(session, "[t.tolist()]", bindings: [t: tensor]) == [[[1, 2], [3, 4], [5, 6]]]

      assert {:error, %Error{kind: :undecodable}} =
               PythonxPort.eval(session, "t", bindings: [t: %{tensor | vectorized_axes: [{:batch, 3} | nil]}])
    end

    test "on another backend is told what to do", %{session: session} do
      tensor = nx(%{__struct__: EXLA.Backend, buffer: make_ref()})

      assert {:error, %Error{kind: :undecodable, message: message}} =
               PythonxPort.eval(session, "t", bindings: [t: tensor])

      assert message =~ ~s(bindings["t"]: the tensor's data is not in this form: use Nx.backend_transfer)
    end
  end

  describe "a tensor that is none" do
    @describetag :numpy

    test "is refused with its place", %{session: session} do
      for {type, shape, data, part} <- [
            {{:f, 32}, {2}, "abcd", "data has 4 bytes, type and shape need 8"},
            {{:f, 32}, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "abcd", "shape is too large for any memory"},
            {{:f, 32}, {-1}, "abcd", "shape is a tuple of sizes"},
            {{:f, 32}, {1.0}, "abcd", "shape is a tuple of sizes"},
            {{:f, 32}, {2 ** 64}, "abcd", "shape is a tuple of sizes"},
            {{:f, 32}, [1], "abcd", "shape is a tuple of sizes"},
            {{:f, 33}, {1}, "abcd", "NumPy has no type for {:f, 33}"},
            {{:q, 32}, {1}, "abcd", "NumPy has no type for {:q, 32}"},
            {:f32, {1}, "abcd", "type is a tuple such as {:f, 32}"},
            {{:f, 32}, {1}, [1.0], "data is a binary"},
            {{:f, 32}, {1}, nil, "data is a binary"},
            {{:u, 8}, List.to_tuple(List.duplicate(1, 65)), "a", "more dimensions than NumPy"}
          ] do
        tensor = %Tensor{type: type, shape: shape, data: data}

        assert {:error, %Error{kind: :undecodable, message: message}} =
                 PythonxPort.call(session, "len", [[1, tensor]])

        assert message =~ "args[0][1]: "
        assert message =~ part
      end

      assert PythonxPort.eval!(session, "1") == 1
    end

    test "also where it is large", %{session: session} do
      tensor = %Tensor{type: {:f, 32}, shape: {1}, data: large(1)}

      for _ <- 1..20,
          do: assert({:error, %Error{kind: :undecodable}} = PythonxPort.call(session, "len", [tensor]))

      assert SegmentFiles.of(session) <= 2 * @large
    end
  end

  describe "memory" do
    @describetag :numpy

    test "of an array is Python's own, as long as it has the array", %{session: session} do
      PythonxPort.exec!(session, "kept = []")

      for seed <- 1..20 do
        PythonxPort.exec!(session, "kept.append(t)", bindings: [t: large_tensor(seed)])
        PythonxPort.eval!(session, "kept[-1] * 2")
      end

      assert PythonxPort.eval!(session, "[int(t[0, 0]) for t in kept]") == Enum.to_list(1..20)
      PythonxPort.exec!(session, "kept[3][:] = 0")
      assert PythonxPort.eval!(session, "[int(t[0, 0]) for t in kept[2:5]]") == [3, 0, 5]
      assert PythonxPort.eval!(session, "kept[19]") == large_tensor(20)
    end

    test "of a result is its own, whatever Python does next", %{session: session} do
      PythonxPort.exec!(session, """
      import numpy as np

      def fresh(seed):
          array = np.empty((4, #{div(@large, 4)}), "u1")
          array.reshape(-1, 4)[:] = (seed, 1, 2, 3)
          return array
      """)

      results = for seed <- 1..20, do: {seed, PythonxPort.call!(session, "fresh", [seed])}
      nested = PythonxPort.eval!(session, "{'a': [fresh(21)], 'b': (fresh(22), fresh(22)[:2])}")

      for {seed, result} <- results, do: assert(result == large_tensor(seed))
      half = binary_part(large(22), 0, div(@large, 2))
      short = Tensor.new(half, {:u, 8}, {2, div(@large, 4)})
      assert nested == %{"a" => [large_tensor(21)], "b" => {large_tensor(22), short}}
      assert SegmentFiles.of(session) <= 5 * @large
    end

    test "is used again", %{session: session} do
      for seed <- 1..50 do
        tensor = large_tensor(seed)
        assert PythonxPort.eval!(session, "t, t", bindings: [t: tensor]) == {tensor, tensor}
      end

      assert SegmentFiles.of(session) <= 5 * @large
    end

    @tag :segments
    test "beyond the limit is the pipe's" do
      session = PythonxPort.start_session(segment_limit: 3 * @large)
      PythonxPort.exec!(session, "kept = []")

      for seed <- 1..10 do
        tensor = large_tensor(seed)

        assert PythonxPort.eval!(session, "kept.append(t) or [t, t]", bindings: [t: tensor]) == [
                 tensor,
                 tensor
               ]
      end

      assert SegmentFiles.of(session) in @large..(3 * @large)
      assert PythonxPort.eval!(session, "[int(t[0, 0]) for t in kept]") == Enum.to_list(1..10)
      PythonxPort.exec!(session, "del kept[:]")
      assert PythonxPort.eval!(session, "np", bindings: [np: large_tensor(7)]) == large_tensor(7)
    end

    test "is not mixed up by many requests at once", %{session: session} do
      tasks =
        for seed <- 1..12 do
          Task.async(fn ->
            for turn <- 1..5 do
              tensor = large_tensor(seed * 10 + turn)
              assert PythonxPort.call!(session, "operator.pos", [tensor]) == tensor
            end
          end)
        end

      Task.await_many(tasks, 60_000)

      handles =
        for seed <- 1..10,
            do: {seed, PythonxPort.async_eval(session, "t + 1", bindings: [t: large_tensor(seed)])}

      for {seed, handle} <- Enum.reverse(handles) do
        {:ok, %Tensor{data: <<first, _rest::binary>>}} = PythonxPort.await(handle, 30_000)
        assert first == seed + 1
      end
    end

    @tag :segments
    test "comes back from processes that die" do
      session = PythonxPort.start_session(segment_limit: 4 * @large)
      gate = Gate.new()

      for moment <- [0, 2, 5, 20, 50], seed <- 1..3 do
        {pid, monitor} =
          spawn_monitor(fn -> PythonxPort.eval(session, "t, t", bindings: [t: large_tensor(seed)]) end)

        Process.sleep(moment)
        Process.exit(pid, :kill)
        assert_receive {:DOWN, ^monitor, _, _, _}
      end

      # One that dies while Python has its array.
      {pid, monitor} =
        spawn_monitor(fn ->
          PythonxPort.eval(session, Gate.wait(gate) <> "t", bindings: [t: large_tensor(9)])
        end)

      Process.sleep(50)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
      Gate.open(gate)
      PythonxPort.exec!(session, "t = None")

      for seed <- 1..5 do
        tensor = large_tensor(seed)
        assert PythonxPort.eval!(session, "t", bindings: [t: tensor]) == tensor
      end

      assert SegmentFiles.of(session) in @large..(4 * @large)
    end

    @tag :capture_log
    test "goes with the session" do
      before = File.ls!("/dev/shm")
      session = PythonxPort.start_session(link: false)
      assert PythonxPort.eval!(session, "t", bindings: [t: large_tensor(1)]) == large_tensor(1)
      os_pid = OSProcess.of(session)
      monitor = Process.monitor(session)
      OSProcess.kill(os_pid, "KILL")
      assert_receive {:DOWN, ^monitor, _, _, _}
      OSProcess.assert_gone(os_pid)
      # The semaphores of other programs come and go.
      assert Enum.reject(File.ls!("/dev/shm") -- before, &String.starts_with?(&1, "sem.")) == []
    end
  end

  test "large values that are no tensors go the same way", %{session: session} do
    text = large(?a)
    bytes = PythonxPort.Bytes.new(:binary.copy(<<255>>, @large))
    key = String.duplicate("key", @large)

    assert PythonxPort.eval!(session, "[text, {'b': (b, text)}]", bindings: [text: text, b: bytes]) ==
             [text, %{"b" => {bytes.data, text}}]

    assert PythonxPort.eval!(session, "{key: key}", bindings: [key: key]) == %{key => key}

    assert PythonxPort.eval!(session, "{(key, 1): 2, 3: b'x' * #{@large}}", bindings: [key: key])[{key, 1}] ==
             2
  end

  test "tuples that only look like a place in shared memory", %{session: session} do
    code = "import erlang\n(erlang.Atom('$segment'), 1, 5, 0, 10, 10)"
    assert PythonxPort.eval!(session, code) == {:"$segment", 1, 5, 0, 10, 10}
  end

  test "the same beside what really is there", %{session: session} do
    code = "import erlang\n[(erlang.Atom('$segment'), 0, 5, 0, 10, 10), b'x' * #{@large}]"

    assert PythonxPort.eval!(session, code) ==
             [{:"$segment", 0, 5, 0, 10, 10}, String.duplicate("x", @large)]
  end
end
