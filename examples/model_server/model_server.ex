defmodule ModelServer do
  @moduledoc """
  Serves the model of model.py.

  The model is fitted once, when the server starts. The server owns the Python process that holds it, and ends when
  that process does, so that its supervisor starts both again.
  """
  use GenServer

  @model Path.expand("model.py", __DIR__)

  @doc "Returns when the model is fitted. Takes the options of `PythonxPort.start_link/1`."
  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @doc "The rents of flats, each given as `{size, rooms}`."
  def predict(flats), do: call("predict", [flats])

  @doc "Calls a function of model.py, or of any module by its full name."
  def call(function, args), do: GenServer.call(__MODULE__, {:call, function, args}, :infinity)

  @doc "Ends the server and its Python process."
  def stop, do: GenServer.stop(__MODULE__)

  @doc "Waits for the server that is started after `previous`."
  def await_next(previous) do
    case Process.whereis(__MODULE__) do
      pid when pid in [nil, previous] ->
        Process.sleep(10)
        await_next(previous)

      pid ->
        pid
    end
  end

  @impl true
  def init(options) do
    # The end of the session is to arrive as a message, after the error for the caller.
    Process.flag(:trap_exit, true)
    model = PythonxPort.Code.new(File.read!(@model), file: @model)

    case PythonxPort.start_link([init: model] ++ options) do
      {:ok, session} -> {:ok, session}
      {:error, error} -> {:stop, error}
    end
  end

  @impl true
  def handle_call({:call, function, args}, _from, session) do
    {:reply, PythonxPort.call(session, function, args), session}
  end

  @impl true
  def handle_info({:EXIT, session, reason}, session), do: {:stop, {:shutdown, reason}, session}

  @impl true
  def terminate(_reason, session), do: PythonxPort.stop_session(session)
end
