defmodule PythonxPort.DependencyTest do
  # New projects that depend on this one, each built and run in a temporary folder.
  use ExUnit.Case, async: true

  import PythonxPort.Scratch

  @moduletag timeout: 300_000
  # What the compiler does with the time is no matter of these tests.
  @fast [{"CFLAGS", "-O0"}]

  test "a Mix project depends on it by path" do
    project = folder!()
    write!(project, mix_project("path: #{inspect(root())}"))

    assert run!("mix run --no-start -e Asker.print", cd: project) =~ ~r/^6 by .*\/priv\/pythonx_port$/m
  end

  @tag :slow
  test "a Mix project depends on it by git, and a release of that runs where it is moved to" do
    folder = folder!()
    project = Path.join(folder, "project")
    url = git_url!(copy_sources!(Path.join(folder, "sources")))
    write!(project, mix_project("git: #{inspect(url)}"))
    env = [{"MIX_ENV", "prod"} | @fast]

    run!("mix deps.get", cd: project, env: env)
    assert run!("mix run --no-start -e Asker.print", cd: project, env: env) =~ ~r/^6 by /m

    run!("mix release --quiet", cd: project, env: env)
    release = Path.join(folder, "else where")
    File.rename!(Path.join(project, "_build/prod/rel/asker"), release)
    File.rename!(project, Path.join(folder, "moved"))
    File.rm_rf!(Path.join(folder, "sources"))

    # As a script, and as a system that starts with the session in its supervision tree.
    commands = [~S("$RELEASE"/bin/asker eval Asker.print), ~S("$RELEASE"/bin/asker start)]

    for command <- commands do
      env = [{"RELEASE", release}, {"RELEASE_DISTRIBUTION", "none"}, {"ASK_AND_STOP", "1"}]
      assert [_, program] = Regex.run(~r/^6 by (.*)$/m, run!(command, cd: "/", env: env))
      assert String.starts_with?(program, release <> "/lib/pythonx_port-")
    end
  end

  @tag :slow
  @tag :rebar3
  test "a rebar3 project depends on it by git" do
    folder = folder!()
    project = Path.join(folder, "project")
    url = git_url!(copy_sources!(Path.join(folder, "sources")))
    python_session = File.read!(Path.join(root(), "examples/erlang/python_session.erl"))

    write!(project, %{
      "rebar.config" => """
      {deps, [{pythonx_port, {git, "#{url}", {branch, "main"}}}]}.
      """,
      "src/asker.app.src" => """
      {application, asker, [{vsn, "1"}, {applications, [kernel, stdlib, pythonx_port]}]}.
      """,
      "src/python_session.erl" => python_session,
      "src/asker.erl" => """
      -module(asker).
      -export([print/0]).
      print() ->
          {ok, _} = application:ensure_all_started(asker),
          Executable = filename:join(code:priv_dir(pythonx_port), "pythonx_port"),
          {ok, Session} = python_session:start_link(\#{executable => Executable}),
          io:format("~p~n", [python_session:call(Session, <<"sum">>, [[1, 2, 3]])]),
          ok = python_session:stop(Session),
          halt().
      """
    })

    run!("rebar3 compile", cd: project, env: [{"REBAR_CACHE_DIR", Path.join(folder, "cache")} | @fast])
    assert run!("erl -noshell -pa _build/default/lib/*/ebin -s asker print", cd: project) =~ ~r/^{ok,6}$/m
  end

  defp mix_project(dependency) do
    %{
      "mix.exs" => """
      defmodule Asker.MixProject do
        use Mix.Project

        def project do
          [app: :asker, version: "1.0.0", deps: [{:pythonx_port, #{dependency}}]]
        end

        def application, do: [mod: {Asker, []}]
      end
      """,
      "lib/asker.ex" => """
      defmodule Asker do
        use Application

        def start(_type, _args) do
          once = if System.get_env("ASK_AND_STOP"), do: [{Task, &ask_and_stop/0}], else: []
          Supervisor.start_link([{PythonxPort, name: Asker.Python} | once], strategy: :one_for_one)
        end

        def print do
          {:ok, _} = Application.ensure_all_started(:pythonx_port)
          session = PythonxPort.start_session()
          print(session)
          PythonxPort.stop_session(session)
        end

        defp print(session) do
          {:ok, sum} = PythonxPort.call(session, "sum", [[1, 2, 3]])
          {:ok, program} = PythonxPort.eval(session, "open('/proc/self/cmdline').read().split(chr(0))[0]")
          IO.puts("\#{sum} by \#{program}")
        end

        defp ask_and_stop do
          print(Asker.Python)
          System.stop()
        end
      end
      """
    }
  end
end
