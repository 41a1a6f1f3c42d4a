# This library itself, in the other host: PEER=tests/bench/peers/library_host.exs make bench.
defmodule Peer do
  def start(python), do: PythonxPort.start_session(python: python, host: :library)
  def eval(session, code, bindings), do: PythonxPort.eval!(session, code, bindings: bindings)
  def stop(session), do: PythonxPort.stop_session(session)
end
