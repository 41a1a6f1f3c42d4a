defmodule PythonxPort.Task do
  @moduledoc """
  A request under way, started by `PythonxPort.async_eval/3`, `async_exec/3` or `async_call/5`.

  The process that has started it is its owner. The owner awaits the result with `PythonxPort.await/2`, or takes it
  from a message with `PythonxPort.handle_reply/2`; any process can cancel the request with `PythonxPort.cancel/1`.

  ## Messages

  The owner gets exactly one message for each task: when Python has replied, when the request has failed, or when the
  session has ended, which the owner monitors. It gets none if `await/2` has taken the message or has given up. The
  message is a tuple `{[:alias | ref], reply}` or `{:DOWN, ref, :process, pid, reason}`, with the task's `ref`. Only
  `handle_reply/2` can read a reply, whose value may be in shared memory.

  So a server can have requests under way for many clients, and serve others meanwhile:

      defmodule MyApp.Words do
        use GenServer

        def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)
        def count(text), do: GenServer.call(__MODULE__, {:count, text}, 30_000)

        @impl true
        def init(_options) do
          session = PythonxPort.start_session(init: "def count(text): return len(text.split())")
          {:ok, %{session: session, tasks: %{}, clients: %{}}}
        end

        @impl true
        def handle_call({:count, text}, client, state) do
          task = PythonxPort.async_call(state.session, "count", [text], [], timeout: 20_000)
          tasks = Map.put(state.tasks, task.ref, task)
          {:noreply, %{state | tasks: tasks, clients: Map.put(state.clients, task.ref, client)}}
        end

        @impl true
        def handle_info(message, state) do
          case PythonxPort.handle_reply(message, state.tasks) do
            {:reply, result, task} ->
              {client, clients} = Map.pop!(state.clients, task.ref)
              GenServer.reply(client, result)
              {:noreply, %{state | tasks: Map.delete(state.tasks, task.ref), clients: clients}}

            :no_reply ->
              {:noreply, state}
          end
        end
      end
  """

  alias PythonxPort.{Arguments, Client, Error}
  alias PythonxPort.Client.Responses

  @derive {Inspect, only: [:ref, :owner]}
  @enforce_keys [:ref, :owner, :request]
  defstruct [:ref, :owner, :request]

  @typedoc """
  A handle for one result. `ref` is unique, and in the message with the reply; `owner` is the process that gets that
  message. The other fields are private.
  """
  @type t :: %__MODULE__{ref: reference(), owner: pid(), request: Client.id()}

  @doc false
  # A request that could not be sent has a reply, too, so that its owner gets one message in any case.
  @spec new(Client.id()) :: t()
  def new({:sent, token, _process} = request), do: %__MODULE__{ref: token, owner: self(), request: request}

  def new({:failed, error}) do
    token = make_ref()
    Responses.reply_to_self(token, error)
    new({:sent, token, nil})
  end

  @doc false
  @spec cancel(term()) :: :ok
  def cancel(%__MODULE__{request: request}), do: Client.cancel(request)
  def cancel(other), do: refuse(other)

  @doc false
  @spec await(term(), timeout()) :: Client.result() | {:error, :timeout}
  def await(%__MODULE__{} = task, timeout), do: task |> own!() |> Client.await(timeout)
  def await(other, _timeout), do: refuse(other)

  @doc false
  # See `PythonxPort.handle_reply/2`.
  @spec handle_reply(term(), t() | [t()] | %{reference() => t()}) ::
          {:reply, {:ok, term()} | {:error, Error.t()}, t()} | :no_reply
  def handle_reply(message, tasks) do
    with {token, response} <- Responses.in_message(message),
         %__MODULE__{} = task <- find(tasks, token) do
      {:reply, Responses.to_result(response, own!(task)), task}
    else
      nil -> tasks |> find(nil) |> no_reply()
      other -> refuse(other)
    end
  end

  defp no_reply(nil), do: :no_reply

  defp find(%__MODULE__{} = task, token), do: find([task], token)
  defp find(%{} = tasks, token) when not is_struct(tasks), do: tasks[token]

  defp find(tasks, token) do
    if not Arguments.proper_list?(tasks), do: refuse(tasks)

    Enum.find(tasks, fn
      %__MODULE__{ref: ref} = task -> own!(task) && ref == token
      other -> refuse(other)
    end)
  end

  defp own!(%__MODULE__{owner: owner, request: request}) when owner == self(), do: request

  defp own!(%__MODULE__{owner: owner}) do
    raise ArgumentError,
          "only the process that made the request, #{inspect(owner)}, gets its result; this is #{inspect(self())}"
  end

  @spec refuse(term()) :: no_return()
  defp refuse(%{__struct__: Task} = task) do
    Arguments.refuse("a PythonxPort.Task", task, "This is a task of Elixir's Task, which Task.await/2 takes")
  end

  defp refuse(other) do
    Arguments.refuse("a PythonxPort.Task, as async_eval/3, async_exec/3 and async_call/5 return it", other)
  end
end
