defmodule PythonxPort.Session.ReportTest do
  # What reports of crashes and of supervisors show of a session.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  @secret "secret-value-of-a-token"
  @env [{"TOKEN", @secret}]

  # A filter of Erlang's logger: it gets each report as it is, also those that Logger does not print.
  def log(event, test) do
    send(test, {:report, event})
    :ignore
  end

  # From Elixir 1.15 on, Logger has a filter that makes texts of reports, and drops those of supervisors. The filter that
  # was added last comes first.
  setup do
    :ok = :logger.add_primary_filter(:reports, {&__MODULE__.log/2, self()})
    on_exit(fn -> :logger.remove_primary_filter(:reports) end)
  end

  defp reports(found \\ []) do
    receive do
      {:report, event} -> reports([event | found])
    after
      200 -> Enum.reverse(found)
    end
  end

  defp label(%{msg: {:report, %{label: label}}}), do: label
  defp label(_other), do: nil

  # Runs a function that ends a session; returns what Logger prints, and all reports.
  defp capture(function) do
    test = self()
    text = capture_log(fn -> send(test, {:reports, [function.() | reports()]}) end)
    assert_receive {:reports, [_result | reports]}
    {text, reports}
  end

  defp shown(term), do: inspect(term, limit: :infinity, printable_limit: :infinity, structs: true)

  defp start_supervisor(options) do
    name = :"reported_#{System.unique_integer([:positive])}"

    {:ok, _supervisor} =
      Supervisor.start_link([{PythonxPort, [name: name] ++ options}], strategy: :one_for_one)

    name
  end

  test "no secret of the environment, in a supervisor's tree" do
    {text, reports} =
      capture(fn ->
        name = start_supervisor(env: @env)
        assert PythonxPort.eval!(name, "import os; os.environ['TOKEN']") == @secret
        PythonxPort.exec(name, "import os; os._exit(1)")
      end)

    # A session has started twice, and has crashed: all of it was reported.
    labels = Enum.map(reports, &label/1)
    assert {:supervisor, :progress} in labels
    assert {:supervisor, :child_terminated} in labels
    assert {:gen_server, :terminate} in labels
    assert {:proc_lib, :crash} in labels
    refute shown(reports) =~ @secret
    refute text =~ @secret
  end

  test "no secret of the environment, under the application's supervisor" do
    {text, reports} =
      capture(fn ->
        session = PythonxPort.start_session(env: @env, link: false)
        PythonxPort.exec(session, "import os; os._exit(1)")
      end)

    assert {:supervisor, :child_terminated} in Enum.map(reports, &label/1)
    refute shown(reports) =~ @secret
    refute text =~ @secret
  end

  test "no secret of the environment, if the session itself fails" do
    {text, reports} =
      capture(fn ->
        session = PythonxPort.start_session(env: @env, link: false)
        monitor = Process.monitor(session)
        # No clause takes it: the stacktrace has the arguments, one of which is the state.
        GenServer.cast(session, :no_such_message)
        assert_receive {:DOWN, ^monitor, :process, ^session, {:function_clause, _stacktrace}}
      end)

    assert {:gen_server, :terminate} in Enum.map(reports, &label/1)
    refute shown(reports) =~ @secret
    refute text =~ @secret
  end

  test "no secret of the environment, if it is refused" do
    for env <- [
          %{"TOKEN" => ~c"#{@secret}"},
          [{"TOKEN", String.to_atom(@secret)}],
          "TOKEN=#{@secret}",
          [@secret]
        ] do
      error = assert_raise(ArgumentError, fn -> PythonxPort.start_session(env: env) end)
      refute Exception.message(error) =~ @secret
    end
  end

  test "no secret of the environment of uv, if it is refused" do
    error = assert_raise(ArgumentError, fn -> PythonxPort.uv_init(packages: [], env: "TOKEN=#{@secret}") end)
    assert Exception.message(error) =~ ":env"
    refute Exception.message(error) =~ @secret
  end

  test "a child specification has the environment, but does not show it" do
    specification = PythonxPort.child_spec(env: @env)
    refute shown(specification) =~ @secret
    assert %{start: {PythonxPort, :start_link, [options]}} = specification
    {:ok, session} = apply(PythonxPort, :start_link, [options])
    assert PythonxPort.eval!(session, "import os; os.environ['TOKEN']") == @secret
    PythonxPort.stop_session(session)
  end

  test "a paragraph on the state, and not the whole" do
    {text, reports} =
      capture(fn ->
        session = PythonxPort.start_session(link: false)
        large = String.duplicate("large ", 10_000)
        code = "import os, time; time.sleep(0.2); os._exit(1)"

        for n <- 1..20,
            do: PythonxPort.async_eval(session, "text", bindings: %{"text" => large, "n#{n}" => n})

        PythonxPort.exec(session, code)
      end)

    assert [%{msg: {:report, %{state: state}}}] =
             Enum.filter(reports, &(label(&1) == {:gen_server, :terminate}))

    assert %{name: nil, ready: true, stopping: false, under_way: 1, queued: 0, callbacks: 0} = state
    assert text =~ ~r/State: %{[^}]*callbacks: 0/
    refute text =~ "PortWriter"
    assert [_head, state] = String.split(text, "State: ", parts: 2)
    assert state |> String.split("\n") |> hd() |> String.length() < 400
  end
end
