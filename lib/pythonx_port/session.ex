defmodule PythonxPort.Session do
  @moduledoc """
  The process behind a session. It owns the port, numbers requests, and passes replies on to their callers.

  Use the functions of `PythonxPort`; this module is what a supervisor starts.

  The session sends requests to Python as they come, and Python runs them in order. If the Python process dies, the
  session ends with `{error, stacktrace}` as its reason, where the error is a `PythonxPort.Error` of kind `:crashed`.
  Each caller that waits gets that error once, the owner of the session gets the exit signal, and a supervisor starts
  the session again, init code included.
  """

  use GenServer

  alias PythonxPort.{
    Callback,
    Error,
    PortProgram,
    Protocol,
    Request,
    Results,
    SharedMemory,
    Telemetry
  }

  alias PythonxPort.Session.{Cancellation, Delivery, Dispatch, Objects, PortWriter, Startup, State}

  # After a frame of this size the process frees it at once; else it would keep it for as long as it is idle.
  @large_size 256 * 1024

  @impl true
  def init({options, start}) do
    # If the port dies of a broken pipe, the session must find out how Python ended before it ends, too.
    Process.flag(:trap_exit, true)
    state = State.new(options, start.owner, start.link)
    state = %{state | startup: %Startup{report: start.report}}
    Telemetry.session_start(State.telemetry(state))
    if start.report == :return, do: await_ready(state, start.starter), else: begin(state)
  end

  # The name of a session that is started by start_session/1 is taken from now on; its supervisor can start others.
  defp begin(%{startup: %{report: :exit}} = state) do
    State.link_owner(state)
    {:ok, state, {:continue, :choose_interpreter}}
  end

  defp begin(state), do: {:ok, state, {:continue, :open}}

  # Handles all messages but requests, which stay where they are.
  defp await_ready(state, starter) do
    case handle_continue(:open, state) do
      {:stop, reason, state} -> give_up(reason, state, starter)
      {:noreply, state} -> receive_until_ready(state, starter)
    end
  end

  defp receive_until_ready(%{startup: nil} = state, _starter), do: {:ok, state}

  defp receive_until_ready(state, starter) do
    receive do
      {:EXIT, ^starter, reason} ->
        give_up(reason, state, starter)

      message when not is_tuple(message) or elem(message, 0) not in [:"$gen_call", :"$gen_cast", :system] ->
        case handle_info(message, state) do
          {:stop, reason, state} -> give_up(reason, state, starter)
          noreply -> receive_until_ready(elem(noreply, 1), starter)
        end
    end
  end

  # The starter gets the error as a result; the exit of a linked process would end it.
  defp give_up(reason, state, starter) do
    Telemetry.session_end(State.telemetry(state), reason)
    if match?({:shutdown, %Error{}}, reason), do: Process.unlink(starter)
    {:stop, reason}
  end

  @impl true
  def handle_continue(:choose_interpreter, state), do: {:noreply, Startup.choose_interpreter(state)}
  def handle_continue(:open, state), do: state |> Startup.open({:ok, state.options}) |> start_result()

  # To hibernate would not help while messages are queued.
  def handle_continue(:free_binary, state) do
    :erlang.garbage_collect()
    {:noreply, state}
  end

  @impl true
  def handle_call({:request, body, %Request{} = request}, from, state) do
    {results, body} = Results.merge(state.options.results, request.operation, request.results, body)
    request = %{request | results: results}
    call_id = Callback.Table.waiting_for(state.callbacks, Request.callers(request, from))
    size = IO.iodata_length(body)

    cond do
      # Callbacks of requests under way may still use the session, so that those requests can end.
      state.stopping and call_id == nil ->
        {:reply, {:error, Error.session_ended(:shutdown)}, State.give_back(state, request.segments)}

      error = Dispatch.check_size(state, size) ->
        {:reply, {:error, error}, State.give_back(state, request.segments)}

      true ->
        # From here on the request owns its segments, whether its caller lives or not.
        state = %{state | leases: SharedMemory.Leases.drop(state.leases, request.segments)}
        state |> Dispatch.open(call_id, body, size, {from, request}) |> noreply(size)
    end
  end

  def handle_call({:upload, _binary}, _from, %{leases: %{directory: nil}} = state), do: {:reply, nil, state}
  def handle_call({:upload, _binary}, _from, %{stopping: true} = state), do: {:reply, nil, state}

  def handle_call({:upload, binary}, from, state) do
    body = Protocol.body([byte_size(binary), %{files: SharedMemory.Upload.files(), ids: true}])
    {:noreply, Dispatch.control(state, :segment, body, {:upload, from, binary})}
  end

  def handle_call({:transfer, ref, to}, {caller, _tag}, state) do
    case Objects.transfer(state.objects, ref, caller, to) do
      {:ok, objects} -> {:reply, :ok, %{state | objects: objects}}
      error -> {:reply, error, state}
    end
  end

  # A caller could not read the file of a segment that it has.
  def handle_call({:fetch, number, offset, length}, from, state) do
    body = Protocol.body([number, offset, length])
    {:noreply, Dispatch.control(state, :fetch, body, {:fetch, from})}
  end

  @impl true
  def handle_cast({:release, refs}, state), do: {:noreply, Dispatch.release(state, refs)}
  def handle_cast({:give_back, segments}, state), do: {:noreply, State.give_back(state, segments)}

  # The caller does not wait any more. If its result is on its way, it is dropped.
  def handle_cast({:abandon, token}, state) do
    {:noreply,
     case state.ids do
       %{^token => id} -> Cancellation.abandon(state, id)
       _done -> Delivery.drop_result(state, token)
     end}
  end

  def handle_cast({:cancel, token}, state) do
    {:noreply, State.with_id(state, token, &Cancellation.cancel(state, &1))}
  end

  # The consumer of a stream needs no more of it.
  def handle_cast({:close, token}, state) do
    {:noreply, State.with_id(state, token, &Cancellation.cancel(state, &1, :closed))}
  end

  # Grants items of a stream.
  def handle_cast({:next, token, count}, state) do
    body = Protocol.body([count])
    {:noreply, State.with_id(state, token, &Dispatch.grant(state, &1, body))}
  end

  def handle_cast({:stop, timeout}, state) do
    if timeout != :infinity, do: Process.send_after(self(), :kill, timeout)
    state = if state.stopping, do: state, else: state |> State.measure_memory() |> Dispatch.stop()
    {:noreply, %{state | stopping: true}}
  end

  @impl true
  def handle_info({:interpreter_chosen, chosen}, state), do: state |> Startup.open(chosen) |> start_result()

  def handle_info({port, {:data, frame}}, %{startup: %Startup{}, port_writer: %{port: port}} = state) do
    frame |> Protocol.read() |> handle_early_frame(frame, state)
  end

  def handle_info({port, {:data, frame}}, %{port_writer: %{port: port}} = state) do
    state |> Delivery.deliver(frame) |> noreply(byte_size(frame))
  end

  def handle_info(:init_timed_out, %{startup: %Startup{}} = state) do
    start_result({:error, Startup.timed_out(state), state})
  end

  def handle_info({port, {:exit_status, status}}, %{port_writer: %{port: port}} = state) do
    ended(status, state)
  end

  def handle_info({:EXIT, port, reason}, %{port_writer: %{port: port}} = state) do
    ended({:closed, reason}, state)
  end

  # Its monitor reports the end of the owner, too.
  def handle_info({:EXIT, owner, reason}, %{owner: {owner, _monitor, _link}} = state) do
    cond do
      not Process.alive?(owner) -> {:stop, :normal, state}
      reason == :normal -> {:noreply, state}
      true -> {:stop, reason, state}
    end
  end

  def handle_info({:EXIT, helper, :normal}, %{port_writer: %{helper: helper}} = state) do
    {:noreply, %{state | port_writer: PortWriter.helper_ended(state.port_writer)}}
  end

  def handle_info({:EXIT, pid, reason}, state) do
    case Callback.Table.ended(state.callbacks, pid, reason) do
      {nil, callbacks} -> {:noreply, %{state | callbacks: callbacks}}
      {answer, callbacks} -> {:noreply, State.write(%{state | callbacks: callbacks}, answer)}
      :unknown when reason == :normal -> {:noreply, state}
      :unknown -> {:stop, reason, state}
    end
  end

  # From the process of a callback.
  def handle_info({:answer, pid, answer}, state) do
    {awaited?, callbacks} = Callback.Table.answered(state.callbacks, pid)
    state = %{state | callbacks: callbacks}
    {:noreply, if(awaited?, do: State.write(state, answer), else: state)}
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, %{owner: {_pid_too, monitor, _link}} = state) do
    {:stop, :normal, state}
  end

  def handle_info({{:caller, id}, monitor, :process, _pid, _reason}, state) do
    {:noreply, Cancellation.caller_down(state, id, monitor)}
  end

  def handle_info({:owner, _monitor, :process, pid, _reason}, state) do
    {refs, objects} = Objects.down(state.objects, pid)
    {:noreply, Dispatch.release(%{state | objects: objects}, refs)}
  end

  def handle_info({:timed_out, id, token}, state) do
    {:noreply, Cancellation.timed_out(state, id, token)}
  end

  def handle_info({:grace_expired, id, token}, state) do
    {:noreply, Cancellation.grace_expired(state, id, token)}
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    {segments, leases} = SharedMemory.Leases.down(state.leases, monitor)
    {:noreply, State.give_back(%{state | leases: leases}, segments)}
  end

  def handle_info({:written, number, result}, state) do
    case SharedMemory.Upload.written(state.upload, number, result) do
      {:more, upload} ->
        {:noreply, %{state | upload: upload}}

      {:done, from, place, upload} ->
        state = Delivery.uploaded(%{state | upload: upload}, from, number, place)
        {:noreply, state, {:continue, :free_binary}}
    end
  end

  # A session that is stopped before it has started Python.
  def handle_info(:kill, %{port_writer: nil} = state), do: {:stop, :normal, state}

  def handle_info(:kill, state) do
    PortProgram.kill(state.port_writer.port)
    {:noreply, state}
  end

  # Such as the reply of an output device.
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(reason, state) do
    Startup.give_up(state)
    Callback.Table.kill_all(state.callbacks)
    Cancellation.fail_all(state, reason)
    Telemetry.session_end(State.telemetry(state), reason)
    close_port(state)
  end

  defp close_port(%{port_writer: nil}), do: :ok

  defp close_port(%{port_writer: %{port: port}}) do
    # The Python process ends at the end of its input.
    Port.close(port)
  rescue
    # The process has ended, and its port with it.
    ArgumentError -> :ok
  end

  # Reports show a summary of the state, and messages without their bytes. OTP calls format_status/1 from OTP 25 on,
  # and format_status/2 before; Elixir knows the first one as a callback from 1.17 on.
  if Version.match?(System.version(), ">= 1.17.0-dev"), do: @impl(true)
  @doc false
  def format_status(status) do
    Map.new(status, fn
      {:state, %State{} = state} -> {:state, State.summary(state)}
      {:message, message} -> {:message, summarize(message)}
      {:log, _log} -> {:log, []}
      other -> other
    end)
  end

  @impl true
  @doc false
  def format_status(_reason, [_dictionary, %State{} = state]), do: State.summary(state)
  def format_status(_reason, [_dictionary, state]), do: state

  defp summarize({port, {:data, frame}}) when is_port(port) do
    {port, {:data, "#{byte_size(frame)} bytes"}}
  end

  defp summarize({:"$gen_call", from, {:request, body, %Request{operation: operation}}}) do
    {:"$gen_call", from, {:request, operation, "#{IO.iodata_length(body)} bytes"}}
  end

  defp summarize({:"$gen_call", from, {:upload, binary}}) do
    {:"$gen_call", from, {:upload, "#{byte_size(binary)} bytes"}}
  end

  defp summarize({:answer, pid, answer}), do: {:answer, pid, "#{IO.iodata_length(answer)} bytes"}
  defp summarize(message), do: message

  defp start_result({:ok, state}), do: {:noreply, state}

  defp start_result({:error, error, %{startup: %{report: report}} = state}) do
    case report do
      :exit ->
        {:stop, crash(error), state}

      :return ->
        {:stop, {:shutdown, error}, state}

      {:message, starter, started} ->
        send(starter, {started, {:error, error}})
        {:stop, {:shutdown, error}, state}
    end
  end

  # Python runs the init code, or has not even said that it is ready: what it prints then, such as a warning of a module
  # that it imports on its own (sitecustomize), may come first.
  defp handle_early_frame({:event, event}, _frame, %{startup: %{ready?: false}} = state)
       when elem(event, 0) in [:output, :log, :send],
       do: {:noreply, Delivery.handle_event(state, event)}

  defp handle_early_frame(first, _frame, %{startup: %{ready?: false}} = state) do
    state |> Startup.ready(first) |> start_result()
  end

  defp handle_early_frame({:reply, id}, frame, state) when :erlang.map_get(id, state.pending) == :init do
    {:init, state} = State.take(state, id)
    state |> Startup.init_done(frame) |> start_result()
  end

  defp handle_early_frame(_other, frame, state), do: {:noreply, Delivery.deliver(state, frame)}

  # Callers learn of the end by the exit reason of this process, which comes when its name is free: a caller that goes
  # on at once must not meet what is left of this session.
  defp ended(_exit, %{stopping: true} = state), do: {:stop, :normal, state}

  defp ended(exit, %{startup: %Startup{}} = state) do
    start_result({:error, Startup.ended(state, exit), state})
  end

  defp ended(exit, state) do
    sources = {state.crash_file, state.oom_counter}
    {:stop, exit |> PortProgram.Exit.error(sources, state.grace_expired) |> crash(), state}
  end

  # The reason that the owner and the supervisor get. Reports print an exception and its stacktrace as an error, and any
  # other term as it is; one line is all of the stacktrace that has something to say.
  defp crash(error) do
    {error,
     [
       {__MODULE__, :crash, 1,
        [file: String.to_charlist(Path.relative_to_cwd(__ENV__.file)), line: __ENV__.line]}
     ]}
  end

  defp noreply(state, size) when size >= @large_size, do: {:noreply, state, :hibernate}
  defp noreply(state, _size), do: {:noreply, state}
end
