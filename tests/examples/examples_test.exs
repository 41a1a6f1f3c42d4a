defmodule PythonxPort.ExamplesTest do
  # Each example runs in an OS process of its own, by the command that its README gives.
  use ExUnit.Case, async: true

  @root Path.expand("../..", __DIR__)
  # The build of these tests serves `mix run` too.
  @env [{"MIX_ENV", "test"}, {"PYTHONX_PORT_SKIP_MAKE", "1"}]

  test "raw_port_pool" do
    output = run_example("raw_port_pool")

    assert output =~ ~r/^two workers, two processes: \[\d+, \d+\]$/m
    assert output =~ ~r/^a value: 30$/m
    assert output =~ ~r/^an exception: KeyError: 'key'$/m
    assert output =~ ~r/^a killed process: exit status 137$/m
    assert output =~ ~r/^two workers again: \[\d+, \d+\], 1 of them new$/m
  end

  test "library_pool" do
    output = run_example("library_pool")

    assert output =~ ~r/^two sessions, two processes: \[\d+, \d+\]$/m
    assert output =~ ~r/^a value: 30$/m
    assert output =~ ~r/^an exception: KeyError: 'key'$/m
    assert output =~ ~r/^a killed process: crashed, sigkill, exit status 137$/m
    assert output =~ ~r/^two sessions again: \[\d+, \d+\], 1 of them new$/m
  end

  test "the pools without poolboy say what to install" do
    script = ":code.del_path(:poolboy); Code.require_file(hd(System.argv()))"

    for example <- ["raw_port_pool", "library_pool"] do
      assert {output, 1} = run("elixir -e '#{script}' examples/#{example}/pool.exs")
      assert output =~ "install the package erlang-poolboy"
    end
  end

  test "model_server" do
    output = run_example("model_server")

    assert [_, rents] = Regex.run(~r/^rents: (\[7\d\d, 13\d\d\])$/m, output)
    assert output =~ ~r/^a flat without rooms: ValueError: /m
    assert output =~ ~r/^a crash: .*SIGSEGV/m
    assert output =~ "the next server has the same rents: #{rents}\n"
    assert output =~ ~r/^stopped$/m
  end

  @tag :pandas
  @tag :sklearn
  @tag timeout: 120_000
  test "table_model" do
    output = run_example("table_model")

    assert output =~ ~r/^fitted to 2000 customers, 3\d\d of them of unknown age$/m
    assert output =~ ~r/^foretold 4\d\d of 500 others$/m
    assert output =~ ~r/plan: "basic".* leaves with a probability of 0\.[89]\d?$/m
    assert output =~ ~r/plan: "premium".* leaves with a probability of 0\.[01]\d?$/m
    assert output =~ ~r/plan: "student".* leaves with a probability of 0\.\d\d?$/m
    assert output =~ ~r/^without a column: ValueError: columns are missing: .*plan/m
  end

  test "table_model without its packages says what to install" do
    # A folder that has a pandas which cannot be imported comes first.
    folder = Path.join(System.tmp_dir!(), "pythonx_port-no-pandas-#{System.pid()}")
    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    File.write!(Path.join(folder, "pandas.py"), "raise ModuleNotFoundError(\"No module named 'pandas'\")")

    assert {output, 1} = run("PYTHONPATH='#{folder}' mix run examples/table_model/table.exs")

    assert output =~
             "ModuleNotFoundError: No module named 'pandas'\nThis example needs pandas and scikit-learn"
  end

  test "progress" do
    output = run_example("progress")

    # Logger writes when it comes to it, also inside the bar's line.
    assert output =~ ~r/info from Python: fitting 400 points in 500 passes$/m
    assert output =~ ~r/\r\[#{String.duplicate(".", 30)}\] 0% loss 0\.69\d\d/
    assert output =~ ~r/\r\[#{String.duplicate("#", 30)}\] 100% loss 0\.\d{4}/
    assert output =~ ~r/^weights: -?\d\.\d+, -?\d\.\d+, -?\d\.\d+$/m
    assert [_, steps] = Regex.run(~r/^good enough after (\d+) steps, with a loss of 0\.\d+$/m, output)
    assert String.to_integer(steps) in 10..499
    assert output =~ ~r/^a fit of 1,000,000 passes: timeout$/m
    assert output =~ ~r/^the session is as before$/m
  end

  test "erlang" do
    output = run_example("erlang")

    assert output =~ ~r/^a value: {ok,18446744073709551616}$/m
    assert output =~ ~r/^bindings: {ok,3.0}$/m
    assert output =~ ~r/^a call: {ok,<<"HELLO!">>}$/m
    assert output =~ ~r/^a call into a module: {ok,5.0}$/m
    assert output =~ ~r/^an exception: ValueError: invalid literal for int\(\)/m
    assert output =~ ~r/^stopped$/m
    assert output =~ ~r/^a crash: {error,{exit_status,3}}$/m
    assert output =~ ~r/^the session ended: {shutdown,{exit_status,3}}$/m
  end

  test "shell" do
    output = run_example("shell")

    assert output =~ ~r/^{ready,\#{.*protocol => 1/m
    assert output =~ ~r/^{ok,1,2}$/m
    assert output =~ ~r/^{ok,define,nil}\n{ok,1,9.0}\n{ok,2,3.5}\n{ok,3,\#{<<"answer">> => 42}}$/m
    assert output =~ ~r/^{output,1,stdout,<<"Grüße\\n"\/utf8>>}\n{ok,1,nil}$/m
    assert output =~ ~r/^{error,1,\#{.*type => <<"ZeroDivisionError">>.*\n{ok,2,42}$/m
    assert output =~ ~r/^verdict: /m
  end

  test "demo.exs" do
    assert {output, 0} = run("mix run examples/demo.exs")

    assert output =~ ~r/^Python 3\.\d+\.\d+\S* is OS process \d+, the BEAM is OS process \d+\.$/m
    assert output =~ ~s|sorted(words, key=len) is ["a", "port", "BEAM", "term"].|
    assert output =~ ~r/speed [45]\.\d\d m\/s, gravity 9\.[78]\d m\/s\/s\./
    assert output =~ ~r/^kind: :exception, type: "ValueError"/m
    assert output =~ ~s(  |   File "invoice.py", line 5, in price)
    assert output =~ "ValueError: could not convert string to float: 'free'"
    assert output =~ ~r/^kind: :crashed, signal: :sigsegv/m
    assert output =~ ~r/Segmentation fault.*string_at/s
    assert [[_, rent, first], [_, rent, next]] = Regex.scan(~r/costs (\d+) \(OS process (\d+)\)/, output)
    assert first != next
  end

  # The commands are the first block of shell code in the README.
  defp run_example(name) do
    readme = File.read!(Path.join([@root, "examples", name, "README.md"]))
    [_, commands] = Regex.run(~r/```sh\n(.*?)```/s, readme)
    assert {output, 0} = run(commands)
    output
  end

  defp run(commands) do
    System.cmd("sh", ["-e", "-c", commands], cd: @root, env: @env, stderr_to_stdout: true)
  end
end
