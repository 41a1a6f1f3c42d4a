defmodule PythonxPort.Error do
  @moduledoc """
  An error, as returned in `{:error, error}` and raised by the functions with a `!`.

  The field `kind` says what went wrong:

  | kind | meaning |
  | --- | --- |
  | `:exception` | Python code raised `type`; `traceback` says where |
  | `:syntax` | the code does not compile |
  | `:timeout` | the request did not end within its timeout; `traceback`, if there is one, says where Python was |
  | `:cancelled` | the request was cancelled |
  | `:killed` | the request did not end within its grace, after its timeout or its cancellation: the Python process was killed |
  | `:undecodable` | a value cannot become a Python object, such as a binary that is not UTF-8 |
  | `:unencodable` | a result cannot become a term; the message names the path to the value |
  | `:bad_request` | the request was refused |
  | `:shutdown` | the session was stopped before it ran the request |
  | `:crashed` | the Python process ended; `exit_status` and `signal` say how, and `traceback`, if Python left one, where; `cause` is `:oom` if the kernel killed it because memory ran out |
  | `:overloaded` | the session's queue is full (`:max_queue`); nothing of the request has run, so you can try again later |
  | `:not_running` | there is no such session (any more), or the application `:pythonx_port` is not started |
  | `:start_failed` | the session could not be started; `traceback`, if Python printed one, says why |
  | `:environment_failed` | `PythonxPort.uv_init/1` could not create the environment; uv's message is part of the message |
  """

  @derive {Inspect, optional: [:grace_expired]}
  # `grace_expired` has the tokens of the requests that the session killed the process for; callers get none.
  defexception [:kind, :message, :type, :traceback, :exit_status, :signal, :cause, grace_expired: []]

  @typedoc "The kinds of errors; see the table above."
  @type kind ::
          :exception
          | :syntax
          | :timeout
          | :cancelled
          | :killed
          | :undecodable
          | :unencodable
          | :bad_request
          | :shutdown
          | :crashed
          | :overloaded
          | :not_running
          | :start_failed
          | :environment_failed

  @typedoc """
  An error. `type` is the Python class (`"ValueError"`), `signal` a name such as `:sigsegv`, and `cause` is `:oom`
  if the kernel's counters say that it killed the process because memory ran out (on Linux); fields that do not apply
  are `nil`.
  """
  @type t :: %__MODULE__{
          kind: kind(),
          message: String.t(),
          type: String.t() | nil,
          traceback: String.t() | nil,
          exit_status: non_neg_integer() | nil,
          signal: atom() | nil,
          cause: :oom | nil,
          grace_expired: [reference()]
        }

  @doc """
  Returns the error as text: type and message, then the traceback, if there is one, without its last line, which says
  the same again.

      iex> Exception.message(%PythonxPort.Error{kind: :exception, type: "ValueError", message: "too small"})
      "ValueError: too small"
  """
  @impl true
  @spec message(t()) :: String.t()
  def message(%__MODULE__{} = error) do
    headline = headline(error)

    [headline, error.traceback && without_headline(error.traceback, headline)]
    |> Enum.reject(&(&1 in [nil, ""]))
    |> Enum.map_join("\n\n", &String.trim_trailing/1)
  end

  # Python ends a traceback with type and message; notes of the exception may follow. The message of a SyntaxError goes
  # on with its place, which the traceback has above.
  defp without_headline(traceback, headline) do
    traceback = "\n" <> String.trim_trailing(traceback) <> "\n"
    last_line = traceback |> String.split("\n", trim: true) |> List.last("")
    headline = String.trim_trailing(headline)
    # The second one is that of an ExceptionGroup, whose traceback is a tree.
    endings = ["\n#{headline}\n", "\n  | #{headline}\n"]

    cond do
      match = List.last(:binary.matches(traceback, endings)) -> cut(traceback, match)
      String.starts_with?(headline, last_line) -> cut_end(traceback, last_line)
      true -> traceback
    end
    |> String.trim("\n")
  end

  defp cut(text, {start, length}) do
    binary_part(text, 0, start) <> "\n" <> binary_part(text, start + length, byte_size(text) - start - length)
  end

  defp cut_end(text, end_of_text), do: String.replace_suffix(text, end_of_text <> "\n", "")

  defp headline(%{type: nil, message: message}), do: message
  defp headline(%{type: type, message: message}) when message in [nil, ""], do: type
  defp headline(%{type: type, message: message}), do: "#{type}: #{message}"

  @doc false
  # Returns the value of a result, or raises its error.
  @spec value!({:ok, value} | {:error, t()}) :: value when value: term()
  def value!({:ok, value}), do: value
  def value!({:error, %__MODULE__{} = error}), do: raise(error)

  @doc false
  # The error of what has no result in time; `whose` says which timeout it was.
  @spec timed_out(timeout(), String.t()) :: t()
  def timed_out(timeout, whose \\ "the timeout of the request") do
    %__MODULE__{kind: :timeout, message: "no result came within #{timeout} ms, #{whose}"}
  end

  @doc false
  # The error of a request whose time was over before it began.
  @spec not_begun(timeout()) :: t()
  def not_begun(timeout) do
    message =
      "the request waited longer than its timeout of #{timeout} ms, and did not run: the session was busy"

    %__MODULE__{kind: :timeout, message: message}
  end

  @doc false
  # The error for the reason that a session's process ended with. The request with the token `request` gets its own
  # error if the process was killed for it.
  @spec session_ended(term(), reference() | nil) :: t()
  def session_ended(reason, request \\ nil)

  def session_ended({%__MODULE__{grace_expired: []} = error, _stacktrace}, _request), do: error

  def session_ended({%__MODULE__{grace_expired: tokens} = error, _stacktrace}, request) do
    %{error | kind: if(request in tokens, do: :killed, else: error.kind), grace_expired: []}
  end

  def session_ended({:shutdown, %__MODULE__{} = error}, _request), do: error
  def session_ended({:shutdown, _reason}, request), do: session_ended(:shutdown, request)

  def session_ended(reason, _request) when reason in [:normal, :shutdown] do
    %__MODULE__{kind: :shutdown, message: "the session was stopped before this request was done"}
  end

  def session_ended(reason, _request) do
    %__MODULE__{kind: :not_running, message: "the session ended: #{Exception.format_exit(reason)}"}
  end

  @not_started ": the application :pythonx_port is not running. Start it with " <>
                 "Application.ensure_all_started(:pythonx_port); an application that has the library in its " <>
                 "dependencies, without `runtime: false`, starts it on its own"

  @doc false
  # The error for a session that does not run. A pid that was handed out is that of a process that has run.
  @spec no_session(GenServer.server()) :: t()
  def no_session(session) when is_pid(session) do
    %__MODULE__{kind: :not_running, message: "the session #{inspect(session)} has ended"}
  end

  def no_session({name, node}) when is_atom(name) and is_atom(node) and name != :global do
    no_session_named("#{inspect(name)} on #{node}")
  end

  def no_session(name), do: no_session_named(inspect(name))

  defp no_session_named(name) do
    reason =
      if Process.whereis(PythonxPort.Supervisor), do: ": none was started under this name, or it has ended"

    message = "there is no session named #{name}#{reason || @not_started}"
    %__MODULE__{kind: :not_running, message: message}
  end

  @doc false
  # The error of a function that needs the application.
  @spec application_stopped() :: t()
  def application_stopped do
    %__MODULE__{kind: :not_running, message: "no session can be started#{@not_started}"}
  end

  @doc false
  # Converts the map of an error reply.
  @spec from_reply(map()) :: t()
  def from_reply(%{kind: kind, message: message} = map) do
    %__MODULE__{kind: kind, message: message, type: map[:type], traceback: map[:traceback]}
  end
end
