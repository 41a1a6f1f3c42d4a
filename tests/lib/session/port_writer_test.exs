defmodule PythonxPort.Session.PortWriterTest do
  use ExUnit.Case, async: true

  alias PythonxPort.Session.PortWriter

  @frame :binary.copy("x", 100_000)

  # A program that reads nothing until it gets a signal, and then sends back all that it was sent.
  setup do
    port = Port.open({:spawn_executable, System.find_executable("cat")}, [:binary, :exit_status, packet: 4])
    {:os_pid, os_pid} = Port.info(port, :os_pid)
    {:ok, port: port, os_pid: os_pid}
  end

  test "what the port takes is written at once", %{port: port} do
    writer = port |> PortWriter.new() |> PortWriter.write("one") |> PortWriter.write(["t", ["wo"]])
    assert writer.helper == nil
    assert_receive {^port, {:data, "one"}}
    assert_receive {^port, {:data, "two"}}
  end

  test "what it does not take waits, and comes in order", %{port: port, os_pid: os_pid} do
    Process.flag(:trap_exit, true)
    PythonxPort.OSProcess.kill(os_pid, "STOP")

    writer =
      Enum.reduce(1..50, PortWriter.new(port), fn n, writer -> PortWriter.write(writer, [<<n>>, @frame]) end)

    assert is_pid(writer.helper)
    refute_received {_from, _anything}

    PythonxPort.OSProcess.kill(os_pid, "CONT")
    writer = drain(writer)
    assert %PortWriter{helper: nil, waiting: []} = writer
    for n <- 1..50, do: assert_receive({^port, {:data, <<^n, _frame::binary>>}})

    PortWriter.write(writer, "last")
    assert_receive {^port, {:data, "last"}}
  end

  test "a port that closes lets go of the helper", %{port: port, os_pid: os_pid} do
    Process.flag(:trap_exit, true)
    PythonxPort.OSProcess.kill(os_pid, "STOP")
    writer = Enum.reduce(1..5, PortWriter.new(port), fn _n, writer -> PortWriter.write(writer, @frame) end)
    PythonxPort.OSProcess.kill(os_pid, "KILL")
    assert %PortWriter{helper: nil, waiting: []} = drain(writer)
    assert %PortWriter{helper: nil} = PortWriter.write(writer |> Map.put(:helper, nil), "more")
  end

  # As a session does when its helper ends.
  defp drain(%PortWriter{helper: nil} = writer), do: writer

  defp drain(%PortWriter{helper: helper} = writer) do
    assert_receive {:EXIT, ^helper, :normal}
    writer |> PortWriter.helper_ended() |> drain()
  end
end
