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
  end
end
