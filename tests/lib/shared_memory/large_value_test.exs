defmodule PythonxPort.SharedMemory.LargeValueTest do
  use PythonxPort.SessionCase, async: true

  @size 50 * 1024 * 1024

  test "50 MiB of text, there and back", %{session: session} do
    text = :binary.copy("0123456789abcdef", div(@size, 16))

    assert PythonxPort.eval(session, "text, len(text), text[-1]", bindings: [text: text]) ==
             {:ok, {text, @size, "f"}}

    assert PythonxPort.eval(session, "text", bindings: [text: text]) == {:ok, text}
  end

  test "50 MiB of bytes, there and back", %{session: session} do
    data = :crypto.strong_rand_bytes(@size)
    bindings = [data: PythonxPort.Bytes.new(data)]

    assert PythonxPort.eval(session, "import hashlib; hashlib.sha256(data).digest()", bindings: bindings) ==
             {:ok, sha(data)}

    assert PythonxPort.eval(session, "data", bindings: bindings) == {:ok, data}

    assert PythonxPort.call(session, "len", [PythonxPort.Bytes.new(data)]) == {:ok, @size}

    assert PythonxPort.call(session, "bytes.upper", [data], [], binaries: :bytes) |> elem(1) |> byte_size() ==
             @size
  end

  test "many large values in one, and at once", %{session: session} do
    parts = for n <- 1..5, do: :binary.copy(<<n>>, 5_000_000)
    assert PythonxPort.eval(session, "parts[::-1]", bindings: [parts: parts]) == {:ok, Enum.reverse(parts)}

    tasks = for part <- parts, do: {part, PythonxPort.async_call(session, "str", [part])}
    for {part, task} <- tasks, do: assert(PythonxPort.await(task, 30_000) == {:ok, part})
  end

  test "a million numbers, and a hundred thousand maps", %{session: session} do
    integers = Enum.to_list(1..1_000_000)
    assert PythonxPort.eval(session, "sum(n)", bindings: [n: integers]) == {:ok, 500_000_500_000}
    assert PythonxPort.eval(session, "n", bindings: [n: integers]) == {:ok, integers}

    maps = for n <- 1..100_000, do: %{"id" => n, "name" => "row #{n}", "score" => n / 7}
    assert PythonxPort.eval(session, "rows", bindings: [rows: maps]) == {:ok, maps}
  end

  test "pass through the session's process and are not kept by it", %{session: session} do
    text = :binary.copy("x", @size)
    assert PythonxPort.eval(session, "text", bindings: [text: text]) == {:ok, text}
    assert OSProcess.eventually(fn -> held(session) < @size end)
  end

  # The bytes of all binaries that a process refers to.
  defp held(pid) do
    {:binary, binaries} = Process.info(pid, :binary)
    binaries |> Enum.map(fn {_address, size, _count} -> size end) |> Enum.sum()
  end

  defp sha(data), do: :crypto.hash(:sha256, data)
end
