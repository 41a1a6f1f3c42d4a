defmodule PythonxPort.Session.Events do
  @moduledoc false
  # Handles the events that Python sends beside replies: output, log records, messages to processes, calls that it has
  # given up. A session takes them while it starts, and when it is ready.

  alias PythonxPort.{Callback, Output, PythonLog, Request}
  alias PythonxPort.Session.Options

  @doc "Handles an event of a request, or of none; returns the callbacks as they are then."
  @spec handle(tuple(), Request.t() | nil, Options.t(), Callback.Table.t()) :: Callback.Table.t()
  def handle({:output, _id, stream, text}, request, options, callbacks) do
    Output.deliver(if(request, do: request.output, else: options.output), stream, text)
    callbacks
  end

  def handle({:log, _id, level, record}, request, options, callbacks) do
    PythonLog.deliver(options.log, request, level, record)
    callbacks
  end

  def handle({:send, destination, message}, _request, _options, callbacks) do
    Callback.Table.deliver(callbacks, destination, message)
    callbacks
  end

  def handle({:abandoned, key}, _request, _options, callbacks), do: Callback.Table.abandon(callbacks, key)
  def handle(_unknown, _request, _options, callbacks), do: callbacks
end
