# Tensors through the library: against a C program that reads or writes the same bytes behind the same pipes, and
# against memcpy. Run by run.py with the path of that program; prints a line for each round: name, the port's seconds
# and the baseline's, between tabs.

defmodule Bulk do
  @mib 1024 * 1024

  def run([program]) do
    session = PythonxPort.start_session(python: System.fetch_env!("PYTHONX_PYTHON"))
    pipe = Port.open({:spawn_executable, program}, [:binary, packet: 4])

    PythonxPort.exec!(session, """
    import numpy as np

    def add(a, b):
        return a + b

    def total(array):
        return float(array.sum())

    def size(array):
        return array.size

    def start(array, count):
        return array[:count]

    kept = np.ones(#{div(128 * @mib, 4)}, dtype="f4")
    made = []

    def make(count):
        made.append(np.ones(count, dtype="f4"))

    def take():
        return made.pop()
    """)

    {:ok, kept} = PythonxPort.eval(session, "kept", return: :ref)

    large(session, pipe, kept, "128 MiB", 128 * @mib, 9)
    large(session, pipe, kept, "1 MiB", @mib, 60)
    bytes(session, pipe, 128 * @mib)
    small(session)
    lasting(session)
    bound(session)
  end

  defp large(session, pipe, kept, label, size, rounds) do
    data = :binary.copy(<<1.0::float-32-native>>, div(size, 4))
    tensor = PythonxPort.Tensor.new(data, {:f, 32}, {div(size, 4)})
    count = div(size, 4)

    into = fn -> {:ok, _sum} = PythonxPort.call(session, "total", [tensor]) end
    make = fn -> PythonxPort.call!(session, "make", [count]) end
    # Python has dropped it, or keeps it.
    out_made = fn -> {:ok, %PythonxPort.Tensor{}} = PythonxPort.call(session, "take", []) end
    out_kept = fn -> {:ok, %PythonxPort.Tensor{}} = PythonxPort.call(session, "start", [kept, count]) end
    read = fn -> ask(pipe, ["r", data]) end
    write = fn -> ask(pipe, ["w", <<size::32>>]) end
    Enum.each([into, make, out_made, out_kept, read, write], & &1.())

    for _round <- 1..rounds do
      into = time(into)
      make.()
      {made, kept, read, write} = {time(out_made), time(out_kept), time(read), time(write)}
      <<copy::64>> = ask(pipe, ["m", <<size::32>>])
      line("#{label} in, to a pipe's reader", into, read)
      line("#{label} out, to a pipe's writer", made, write)
      line("#{label} out and kept, to a pipe's writer", kept, write)

      if size > @mib do
        line("#{label} in, to memcpy", into, copy * 1.0e-9)
        line("#{label} out, to memcpy", made, copy * 1.0e-9)
        line("#{label} out and kept, to memcpy", kept, copy * 1.0e-9)
      end
    end
  end

  defp bytes(session, pipe, size) do
    bytes = PythonxPort.Bytes.new(:binary.copy("x", size))
    into = fn -> {:ok, ^size} = PythonxPort.call(session, "len", [bytes]) end
    into.()

    for _round <- 1..9 do
      ours = time(into)
      <<copy::64>> = ask(pipe, ["m", <<size::32>>])
      line("#{div(size, @mib)} MiB of bytes in, to memcpy", ours, copy * 1.0e-9)
    end
  end

  defp small(session) do
    tensor = PythonxPort.Tensor.new(:binary.copy(<<1.0::float-32-native>>, 256), {:f, 32}, {256})
    sized = fn -> {:ok, 256} = PythonxPort.call(session, "size", [tensor]) end
    added = fn -> {:ok, 3} = PythonxPort.call(session, "add", [1, 2]) end
    many = fn call -> time(fn -> for(_ <- 1..200, do: call.()) end) / 200 end
    for _round <- 1..20, do: line("1 KiB in, to call add", many.(sized), many.(added))
  end

  # Resident memory after 1,000 tensors beside that after the first 20.
  defp lasting(session) do
    tensor = PythonxPort.Tensor.new(:binary.copy(<<0>>, 16 * @mib), {:u, 8}, {16 * @mib})
    pass = fn count -> for(_ <- 1..count, do: PythonxPort.call!(session, "size", [tensor])) end
    resident = fn -> PythonxPort.info!(session).memory end
    pass.(20)
    first = resident.()
    pass.(980)
    line("1,000 tensors of 16 MiB, to the first 20", resident.() * 1.0e-9, first * 1.0e-9)
  end

  # The same for bindings of 50 MB, which end with their requests; and what a small one takes.
  defp bound(session) do
    tensor = PythonxPort.Tensor.new(:binary.copy(<<0>>, 50_000_000), {:u, 8}, {50_000_000})
    pass = fn count -> for(_ <- 1..count, do: PythonxPort.eval!(session, "x.size", bindings: [x: tensor])) end
    resident = fn -> PythonxPort.info!(session).memory end
    pass.(10)
    first = resident.()
    pass.(990)
    line("1,000 bindings of 50 MB, to the first 10", resident.() * 1.0e-9, first * 1.0e-9)

    PythonxPort.assign!(session, set: 1)
    with_one = fn -> {:ok, 2} = PythonxPort.eval(session, "one + 1", bindings: [one: 1]) end
    without = fn -> {:ok, 2} = PythonxPort.eval(session, "set + 1") end
    many = fn eval -> time(fn -> for(_ <- 1..500, do: eval.()) end) / 500 end
    for _round <- 1..20, do: line("an eval with a binding, to one without", many.(with_one), many.(without))
  end

  defp ask(pipe, request) do
    Port.command(pipe, request)

    receive do
      {^pipe, {:data, answer}} -> answer
    end
  end

  defp time(fun) do
    :erlang.garbage_collect()
    {microseconds, _result} = :timer.tc(fun)
    microseconds * 1.0e-6
  end

  defp line(name, ours, baseline), do: IO.puts("#{name}\t#{ours}\t#{baseline}")
end

Bulk.run(System.argv())
