defmodule PythonxPort.Session.Default do
  @moduledoc false
  # The session of calls that name none. It is started by the first of them, and by the next one after a crash:
  # a restart by the supervisor would let a few crashes in a row take the other sessions along.

  alias PythonxPort.Error
  alias PythonxPort.Session.Starter

  # What is written outside of requests goes to the node's own output: no caller is more its user than another.
  @defaults [output: {:device, :user}]

  @spec fetch() :: {:ok, pid()} | {:error, Error.t()}
  def fetch do
    case Process.whereis(__MODULE__) do
      nil -> start()
      pid -> {:ok, pid}
    end
  end

  @doc "The process, where it runs."
  @spec whereis() :: pid() | nil
  def whereis, do: Process.whereis(__MODULE__)

  defp start do
    options =
      @defaults
      |> Keyword.merge(Application.get_env(:pythonx_port, :default_session, []))
      |> Keyword.put(:name, __MODULE__)

    case Starter.start_supervised(options, nil) do
      {:error, {:already_started, pid}} -> {:ok, pid}
      result -> result
    end
  end
end
