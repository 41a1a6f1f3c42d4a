defmodule Mix.Tasks.Compile.PythonxPort do
  @moduledoc false
  # Runs `make` for the port program, so that a plain `mix compile` (also as a dependency) leaves it in priv/.
  use Mix.Task.Compiler

  @impl true
  def run(_args) do
    if System.get_env("PYTHONX_PORT_SKIP_MAKE") in [nil, "", "0"], do: make(), else: :ok
  end

  defp make do
    # MAKEFLAGS of a make that called mix would only confuse this one.
    env = [{"MAKEFLAGS", nil}, {"MAKELEVEL", nil}, {"MFLAGS", nil}]

    case System.cmd("make", ["-s"], cd: __DIR__, env: env, into: IO.stream(), stderr_to_stdout: true) do
      {_output, 0} ->
        # priv/ may be new: Mix links it into the build only where it exists.
        Mix.Project.build_structure()
        :ok

      {_output, status} ->
        Mix.raise("make ended with status #{status}; the port program could not be built")
    end
  end
end

defmodule PythonxPort.MixProject do
  use Mix.Project

  def project do
    [
      app: :pythonx_port,
      version: "0.1.0",
      elixir: "~> 1.14",
      description: "Python in a process of its own, driven from the BEAM",
      compilers: [:pythonx_port] ++ Mix.compilers(),
      elixirc_paths: elixirc_paths(Mix.env()),
      test_paths: ["tests/lib", "tests/examples"],
      start_permanent: Mix.env() == :prod,
      # Poolboy, which an example and a test use where it is there, is no dependency, but comes with the system.
      prune_code_paths: false,
      deps: []
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto], mod: {PythonxPort.Application, []}]
  end

  defp elixirc_paths(:test), do: ["lib", "tests/lib/support"]
  defp elixirc_paths(_env), do: ["lib"]
end
