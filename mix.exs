defmodule Mix.Tasks.Compile.PythonxPort do
  @moduledoc false
  # Runs `make` for the port program, so that a plain `mix compile` (also as a dependency) leaves it in priv/.
  # It is called as elixir_make would call it: with $MAKE, and with $CC, $CROSSCOMPILE and the like passed on.
  use Mix.Task.Compiler

  # Those of a make that called mix would only confuse this one.
  @outer_make [{"MAKEFLAGS", nil}, {"MAKELEVEL", nil}, {"MFLAGS", nil}]

  @impl true
  def run(_args) do
    if System.get_env("PYTHONX_PORT_SKIP_MAKE") in [nil, "", "0"], do: make(Mix.target()), else: :ok
  end

  defp make(:host) do
    call_make(["PRIV=priv"])
    # priv/ may be new: Mix links it into the build only if it exists.
    Mix.Project.build_structure()
    :ok
  end

  # What is for another machine goes into a build folder of its own, and where Mix gathers the files for that target.
  defp make(target) do
    priv = Path.join(Mix.Project.app_path(), "priv")
    if match?({:ok, _link}, File.read_link(priv)), do: File.rm!(priv)
    call_make(["PRIV=#{priv}", "BUILD=build/#{target}"])
  end

  # A compiler that is newer than this release may warn of what this one did not: no reason to stop.
  defp call_make(variables) do
    make = System.get_env("MAKE") || "make"
    args = ["-s", "-j#{System.schedulers_online()}", "WERROR=" | variables]

    case System.cmd(make, ["all" | args],
           cd: __DIR__,
           env: @outer_make,
           into: IO.stream(),
           stderr_to_stdout: true
         ) do
      {_output, 0} -> :ok
      {_output, status} -> Mix.raise("make ended with status #{status}; the port program could not be built")
    end
  end
end

defmodule PythonxPort.MixProject do
  use Mix.Project

  # In the order of a reader.
  @topics ~w(sessions values tensors async_and_streams callbacks environments supervision containers python
             troubleshooting delivery protocol development)
  @guides Enum.map(@topics, &"guides/#{&1}.md")

  def project do
    [
      app: :pythonx_port,
      version: "0.1.0",
      elixir: "~> 1.14",
      description: "Python in a process of its own, driven from the BEAM",
      compilers: [:pythonx_port] ++ Mix.compilers(),
      elixirc_paths: elixirc_paths(Mix.env()),
      test_paths: ["tests/lib", "tests/examples", "tests/delivery"],
      start_permanent: Mix.env() == :prod,
      # Tests implement PythonxPort.Encoder, and Kino.Render, while they run.
      consolidate_protocols: Mix.env() != :test,
      # Poolboy, which an example and a test use if it is installed, is no dependency, but comes with the system.
      prune_code_paths: false,
      deps: deps(),
      docs: docs()
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto], mod: {PythonxPort.Application, []}]
  end

  # Nothing needs a package, except for `mix docs`.
  defp deps do
    if System.get_env("PYTHONX_PORT_DOCS") in [nil, "", "0"],
      do: [],
      else: [{:ex_doc, "~> 0.34", only: :dev, runtime: false}]
  end

  defp docs do
    [
      main: "readme",
      # Two files of one name would have one page.
      extras:
        ["README.md"] ++
          @guides ++ [{"port/PROTOCOL.md", filename: "protocol_reference"}, "CHANGELOG.md", "LICENSE"],
      groups_for_extras: [
        Guides: @guides,
        Reference: ["port/PROTOCOL.md", "CHANGELOG.md", "LICENSE"]
      ],
      groups_for_modules: [
        "The library": [PythonxPort, PythonxPort.Session],
        Values: [
          PythonxPort.Bytes,
          PythonxPort.Code,
          PythonxPort.Encoder,
          PythonxPort.Object,
          PythonxPort.Rich,
          PythonxPort.Tensor
        ],
        Requests: [PythonxPort.Error, PythonxPort.Task],
        Observation: [PythonxPort.Output, PythonxPort.PythonLog, PythonxPort.Telemetry],
        Protocol: [PythonxPort.Protocol]
      ]
    ]
  end

  defp elixirc_paths(:test), do: ["lib", "tests/lib/support", "tests/delivery/support"]
  defp elixirc_paths(_env), do: ["lib"]
end
