defmodule PythonxPort.Error do
  @moduledoc """
  What went wrong, as returned in `{:error, error}` and raised by the bang functions.

  The field `kind` says what sort of error it is:

  | kind | meaning |
  | --- | --- |
  | `:exception` | Python code raised; `type` and `traceback` tell what and where |
  | `:syntax` | the code does not compile |
  | `:timeout` | no answer came in time |
  | `:cancelled` | the request was cancelled |
  | `:undecodable` | a value has no form in Python, such as a binary that is not UTF-8 |
  | `:unencodable` | a result has no form as a term; the message names the path to it |
  | `:bad_request` | the request was refused |
  | `:shutdown` | the session was stopped before it came to the request |
  | `:crashed` | the Python process ended; `exit_status`, `signal` and, where Python left one, `traceback` tell how |
  | `:not_running` | there is no such session (any more) |
  | `:start_failed` | the session could not be started |
  """

  defexception [:kind, :message, :type, :traceback, :exit_status, :signal]

  @typedoc "The sorts of errors; see the table above."
  @type kind ::
          :exception
          | :syntax
          | :timeout
          | :cancelled
          | :undecodable
          | :unencodable
          | :bad_request
          | :shutdown
          | :crashed
          | :not_running
          | :start_failed

  @typedoc """
  An error. `type` is the Python class (`"ValueError"`), `signal` a name such as `:sigsegv`; fields that do not
  apply are `nil`.
  """
  @type t :: %__MODULE__{
          kind: kind(),
          message: String.t(),
          type: String.t() | nil,
          traceback: String.t() | nil,
          exit_status: non_neg_integer() | nil,
          signal: atom() | nil
        }

  @doc """
  The error as text: the type and message, then the traceback where there is one.

      iex> Exception.message(%PythonxPort.Error{kind: :exception, type: "ValueError", message: "too small"})
      "ValueError: too small"
  """
  @impl true
  @spec message(t()) :: String.t()
  def message(%__MODULE__{} = error) do
    [headline(error), error.traceback]
    |> Enum.reject(&(&1 in [nil, ""]))
    |> Enum.map_join("\n\n", &String.trim_trailing/1)
  end

  defp headline(%{type: nil, message: message}), do: message
  defp headline(%{type: type, message: message}) when message in [nil, ""], do: type
  defp headline(%{type: type, message: message}), do: "#{type}: #{message}"

  @doc false
  # The map of an error reply.
  @spec from_reply(map()) :: t()
  def from_reply(%{kind: kind, message: message} = map) do
    %__MODULE__{kind: kind, message: message, type: map[:type], traceback: map[:traceback]}
  end
end
