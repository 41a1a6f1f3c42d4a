defmodule PythonxPort.Session.Events do
  @moduledoc false
  # What Python tells by the way: what it prints, logs, sends and calls. Both a session that starts and one that is
  # ready take events; `sink` is what either has for them.

  alias PythonxPort.{Callback, Output, PythonLog, Request}
  alias PythonxPort.Session.Options

  @typedoc "The ticket is that of the request that an event belongs to, where there is one."
  @type sink :: %{options: Options.t(), invocations: Callback.Table.t()}

  @doc "Takes an event with the ticket of the request that it names, and gives the invocations as they are then."
  @spec handle(tuple(), Request.t() | nil, sink()) :: Callback.Table.t()
  def handle({:output, _id, stream, text}, ticket, sink) do
    Output.deliver(if(ticket, do: ticket.output, else: sink.options.output), stream, text)
    sink.invocations
  end

  def handle({:log, _id, level, record}, ticket, sink) do
    PythonLog.deliver(sink.options.log, ticket, level, record)
    sink.invocations
  end

  def handle({:send, destination, message}, _ticket, sink) do
    Callback.Table.deliver(sink.invocations, destination, message)
    sink.invocations
  end

  def handle({:abandoned, key}, _ticket, sink), do: Callback.Table.abandon(sink.invocations, key)
  def handle(_unknown, _ticket, sink), do: sink.invocations
end
