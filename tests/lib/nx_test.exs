defmodule PythonxPort.NxTest do
  # Nx beside this library: missing, and added after it was compiled.
  use PythonxPort.SessionCase, async: false

  alias PythonxPort.{FakeNx, Tensor}

  @tensor Tensor.new(<<1, 2, 3, 4, 5, 6>>, {:u, 8}, {2, 3})

  describe "without Nx" do
    test "the error says how to add it" do
      for convert <- [&Tensor.to_nx/1, &Tensor.from_nx/1] do
        message = assert_raise(RuntimeError, fn -> convert.(@tensor) end).message
        assert message =~ ~s(add {:nx, "~> 0.9"} to the dependencies in mix.exs)
      end
    end
  end

  describe "with Nx" do
    setup do
      on_exit(FakeNx.add())
    end

    test "tensors convert both ways" do
      nx = Tensor.to_nx(@tensor)
      assert %{__struct__: Nx.Tensor, type: {:u, 8}, shape: {2, 3}, names: [nil, nil]} = nx
      assert nx.data.state == @tensor.data
      assert Tensor.from_nx(nx) == @tensor
    end

    test "all types pass as they are named" do
      for type <- [{:f, 8}, {:f8_e4m3fn, 8}, {:bf, 16}, {:c, 64}, {:c, 128}, {:s, 64}] do
        tensor = Tensor.new(<<0::16*8>>, type, {div(128, elem(type, 1))})
        assert tensor |> Tensor.to_nx() |> Map.fetch!(:type) == type
        assert tensor |> Tensor.to_nx() |> Tensor.from_nx() == tensor
      end
    end

    test "vectorized axes become leading dimensions, without their names" do
      nx = %{Tensor.to_nx(@tensor) | vectorized_axes: [batch: 2], shape: {3}, names: [nil]}
      assert Tensor.from_nx(nx) == @tensor
    end

    test "names are refused" do
      nx = %{Tensor.to_nx(@tensor) | names: [:row, nil]}
      message = assert_raise(ArgumentError, fn -> Tensor.from_nx(nx) end).message
      assert message =~ "[:row, nil]"
      assert message =~ "Nx.rename(tensor, nil)"
      assert nx |> then(&apply(Nx, :rename, [&1, nil])) |> Tensor.from_nx() == @tensor
    end

    @tag :numpy
    test "results are Nx tensors if a request says so", %{session: session} do
      code = "import numpy\n{'a': [numpy.arange(6, dtype='u1').reshape(2, 3)], 'b': (numpy.float32(1), 'x')}"
      assert %{"a" => [nx], "b" => {1.0, "x"}} = PythonxPort.eval!(session, code, tensors: :nx)
      assert %{__struct__: Nx.Tensor, shape: {2, 3}, type: {:u, 8}} = nx
      assert nx.data.state == <<0, 1, 2, 3, 4, 5>>
      assert %{"a" => [%Tensor{}]} = PythonxPort.eval!(session, code)

      assert %{__struct__: Nx.Tensor} =
               PythonxPort.call!(session, "numpy.ones", [[2]], [dtype: "complex64"], tensors: :nx)

      assert PythonxPort.eval!(session, "5", tensors: :nx) == 5
    end

    @tag :numpy
    test "large ones, and items of streams", %{session: session} do
      size = 2 * PythonxPort.SharedMemory.result_size()
      nx = PythonxPort.eval!(session, "import numpy\nnumpy.ones(#{size}, 'u1')", tensors: :nx)
      assert %{__struct__: Nx.Tensor, shape: {^size}} = nx

      for length <- [3, size] do
        stream =
          PythonxPort.stream(session, "(numpy.full(#{length}, n, 'u1') for n in range(3))", tensors: :nx)

        assert for(item <- stream, do: {item.__struct__, :binary.first(item.data.state)}) ==
                 [{Nx.Tensor, 0}, {Nx.Tensor, 1}, {Nx.Tensor, 2}]
      end
    end

    @tag :numpy
    test "the option of a session gives way to that of a request" do
      session = PythonxPort.start_session(tensors: :nx, init: "import numpy")
      assert %{__struct__: Nx.Tensor} = PythonxPort.eval!(session, "numpy.ones(3)")
      assert %Tensor{} = PythonxPort.eval!(session, "numpy.ones(3)", tensors: :tensor)
      # Other options of a request leave it as it is.
      decode = %{"numpy.ndarray" => fn tensor -> {:decoded, tensor.__struct__} end}
      assert PythonxPort.eval!(session, "[numpy.ones(3)]", decode: decode) == [decoded: Nx.Tensor]
      assert [%{__struct__: Nx.Tensor}] = session |> PythonxPort.stream("[numpy.ones(3)]") |> Enum.to_list()
      nx = PythonxPort.eval!(session, "numpy.ones(3, 'u1')")
      assert PythonxPort.call!(session, "numpy.sum", [nx]) == 3
    end
  end
end
