defmodule PythonxPort.PythonLog do
  @moduledoc """
  Passes records of Python's `logging` to Elixir's Logger.

  Each record that Python's loggers let pass is logged at its level, with these metadata:

    * `python_logger` - the name of the logger in Python, such as `"root"`
    * `file`, `line`, `python_function` - the place of the call in Python
    * `time` - the time of the record, by Python's clock
    * `caller`, `callers` - the caller of the request, and the processes that it works for
    * `domain` - `[:pythonx_port, :python]`
    * `python_extra` - the argument `extra=`, as a map with strings for keys, without values that cannot become a term

  Each key of `extra=` that exists as an atom, such as those in Logger's configuration, is metadata of its own as well,
  unless Logger, Erlang's logger or one of the keys above has that name: after `config :logger, :console,
  metadata: [:order_id]`, `logging.info("paid", extra={"order_id": 7})` has `order_id=7`.

  A traceback (`logging.exception`) follows the message. Set in Python what its loggers let pass:
  `logging.getLogger().setLevel("INFO")`, or `logging.basicConfig(level="INFO")`. A `format=` given to `basicConfig`
  makes the message; with `filename=`, `stream=` or `handlers=` the records go there, and not to Logger.

  The session option `:log` is `true`, `false` to drop records, or a function of one argument that gets a map with
  `level`, `message`, `logger`, `file`, `line`, `function`, `time` (in microseconds since 1970), `thread`,
  `traceback`, `extra` and `caller`, if they are known. It runs in the session's process: it should be quick, and
  must not use the session itself.
  """

  require Logger

  alias PythonxPort.Request

  # The keys with a meaning for Logger, for Erlang's logger or for their handlers.
  @reserved [
    :ansi_color,
    :application,
    :caller,
    :callers,
    :conn,
    :crash_reason,
    :domain,
    :erl_level,
    :error_logger,
    :file,
    :function,
    :gl,
    :initial_call,
    :line,
    :logger_formatter,
    :mfa,
    :module,
    :msg_template,
    :pid,
    :process_label,
    :python_extra,
    :python_function,
    :python_logger,
    :registered_name,
    :report_cb,
    :time
  ]

  @typedoc "A value of the session option `:log`."
  @type t :: boolean() | (map() -> term())

  @doc false
  # Delivers a record of a request, or of none (of a thread, of init code).
  @spec deliver(t(), Request.t() | nil, Logger.level(), map()) :: :ok
  def deliver(false, _request, _level, _record), do: :ok

  def deliver(true, request, level, record) do
    :logger.log(level, message(record), metadata(record, request))
  end

  def deliver(function, request, level, record) do
    function.(Map.merge(record, %{level: level, caller: caller(request)}))
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

  defp metadata(record, request) do
    of_request =
      if caller(request), do: %{caller: caller(request), callers: Request.callers(request, request.from)}

    for {key, value} <- [
          python_logger: record[:logger],
          file: record[:file] && String.to_charlist(record.file),
          line: record[:line],
          python_function: record[:function],
          time: record[:time],
          python_extra: record[:extra]
        ],
        value != nil,
        into:
          Map.merge(
            extra(record[:extra] || %{}),
            Map.merge(%{domain: [:pythonx_port, :python]}, of_request || %{})
          ) do
      {key, value}
    end
  end

  # Names from Python create no atoms, which are never freed.
  defp extra(extra) do
    for {name, value} <- extra, key = existing_atom(name), key not in @reserved, into: %{}, do: {key, value}
  end

  defp existing_atom(name) do
    String.to_existing_atom(name)
  rescue
    _no_such_atom -> nil
  end

  # There is none if the caller does not wait any more.
  defp caller(%Request{from: {pid, _tag}}), do: pid
  defp caller(_none), do: nil
end
