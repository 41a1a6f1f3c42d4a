defmodule PythonxPort.PythonLog do
  @moduledoc """
  Records of Python's `logging`, as Elixir's Logger gets them.

  Each record that Python's loggers let pass is logged at its level, with these metadata:

    * `python_logger` – the name of the logger in Python, such as `"root"`
    * `file`, `line`, `python_function` – where the record was made
    * `time` – when, by Python's clock
    * `caller`, `callers` – the process that made the request, and those that it works for
    * `domain` – `[:pythonx_port, :python]`

  A traceback (`logging.exception`) stands under the message. What Python lets pass is set in Python:
  `logging.getLogger().setLevel("INFO")`.

  The session option `:log` is `true`, `false` to drop records, or a function of one argument that gets a map with
  `level`, `message`, `logger`, `file`, `line`, `function`, `time` (in microseconds since 1970), `thread`, `traceback`
  and `caller`, where they are known. It runs in the session's process: it should be quick, and must not use the
  session itself.
  """

  require Logger

  alias PythonxPort.Ticket

  @typedoc "A value of the session option `:log`."
  @type t :: boolean() | (map() -> term())

  @doc false
  # Of a request, or of nobody (a thread, init code).
  @spec deliver(t(), Ticket.t() | nil, Logger.level(), map()) :: :ok
  def deliver(false, _ticket, _level, _record), do: :ok

  def deliver(true, ticket, level, record) do
    :logger.log(level, message(record), metadata(record, ticket))
  end

  def deliver(function, ticket, level, record) do
    function.(Map.merge(record, %{level: level, caller: caller(ticket)}))
    :ok
  catch
    kind, reason ->
      Logger.error("a function given as :log failed: " <> Exception.format(kind, reason, __STACKTRACE__))
      :ok
  end

  defp message(%{traceback: traceback, message: message}) when is_binary(traceback) and traceback != "" do
    [message, "\n", String.trim_trailing(traceback)]
  end

  defp message(%{message: message}), do: message

  defp metadata(record, ticket) do
    of_request =
      if caller(ticket), do: %{caller: caller(ticket), callers: Ticket.callers(ticket, ticket.from)}

    for {key, value} <- [
          python_logger: record[:logger],
          file: record[:file] && String.to_charlist(record.file),
          line: record[:line],
          python_function: record[:function],
          time: record[:time]
        ],
        value != nil,
        into: Map.merge(%{domain: [:pythonx_port, :python]}, of_request || %{}) do
      {key, value}
    end
  end

  # Nobody's where the caller is gone.
  defp caller(%Ticket{from: {pid, _tag}}), do: pid
  defp caller(_nobody), do: nil
end
