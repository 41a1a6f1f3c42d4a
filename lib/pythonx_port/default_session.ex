defmodule PythonxPort.DefaultSession do
  @moduledoc false
  # The session of calls that name none. It is started by the first of them, and by the next one after a crash:
  # a restart by the supervisor would let a few crashes in a row take the other sessions along.

  alias PythonxPort.{Error, Session}

  @spec fetch() :: {:ok, pid()} | {:error, Error.t()}
  def fetch do
    case Process.whereis(__MODULE__) do
      nil -> start()
      pid -> {:ok, pid}
    end
  end

  defp start do
    options = Application.get_env(:pythonx_port, :default_session, [])

    case Session.start_supervised(Keyword.put(options, :name, __MODULE__), owner: nil) do
      {:error, {:already_started, pid}} -> {:ok, pid}
      result -> result
    end
  end
end
