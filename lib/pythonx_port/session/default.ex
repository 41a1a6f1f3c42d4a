defmodule PythonxPort.Session.Default do
  @moduledoc false
  # Finds or starts the session of calls that name none. The first of them starts it, and the next one after a crash:
  # with restarts by the supervisor, a few crashes in a row would end the other sessions, too.

  alias PythonxPort.{Arguments, Error}
  alias PythonxPort.Session.Starter

  # Output outside of requests goes to the node's own output, since no caller owns this session.
  @defaults [output: {:device, :user}]

  @doc "Returns the default session; starts it if necessary."
  @spec fetch() :: {:ok, pid()} | {:error, Error.t()}
  def fetch do
    case whereis() do
      nil -> start()
      pid -> {:ok, pid}
    end
  end

  @doc "Returns the default session if it runs."
  @spec whereis() :: pid() | nil
  def whereis, do: Process.whereis(__MODULE__)

  defp start do
    configured = Application.get_env(:pythonx_port, :default_session, [])

    if not Keyword.keyword?(configured) do
      Arguments.refuse_options(configured, "config :pythonx_port, :default_session")
    end

    options =
      @defaults
      |> Keyword.merge(configured)
      |> Keyword.put(:name, __MODULE__)

    case Starter.start_supervised(options, nil, false) do
      {:error, {:already_started, pid}} -> {:ok, pid}
      result -> result
    end
  end
end
