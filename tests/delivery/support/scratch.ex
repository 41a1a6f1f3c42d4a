defmodule PythonxPort.Scratch do
  @moduledoc false
  # Folders and programs for the tests of delivery: copies of the sources, and commands that run in them as they would
  # for a user who has nothing to do with this checkout.
  import ExUnit.Assertions

  @root Path.expand("../../..", __DIR__)
  # What a user would have got, with mix.exs first.
  @sources ~w(mix.exs Makefile rebar.config pythonx_port.spec README.md CHANGELOG.md LICENSE guides lib port src)
  # What those who run these tests have set for them.
  @unset ~w(PYTHONX_PORT PYTHONX_PORT_SKIP_MAKE MIX_ENV MIX_TARGET MIX_BUILD_PATH MIX_DEPS_PATH MIX_EXS CROSSCOMPILE
            MAKEFLAGS MAKELEVEL MFLAGS)

  @doc "This checkout."
  def root, do: @root

  @doc "A new folder, for the time of the test or, in `setup_all`, of the module."
  def folder! do
    folder =
      Path.join(
        System.tmp_dir!(),
        "pythonx_port-delivery-#{System.pid()}-#{System.unique_integer([:positive])}"
      )

    File.mkdir_p!(folder)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(folder) end)
    # What the programs that are run see may be another name for it.
    run!("pwd -P", cd: folder) |> String.trim()
  end

  @doc "Copies the sources to a new folder of that name, without what was built from them."
  def copy_sources!(folder) do
    File.mkdir_p!(folder)
    for source <- @sources, do: File.cp_r!(Path.join(@root, source), Path.join(folder, source))
    folder
  end

  @doc "Makes a git repository of a folder, and returns its URL."
  def git_url!(folder) do
    author = "-c user.name=Test -c user.email=test@example.org -c commit.gpgsign=false"
    run!("git init -q -b main && git add -A && git #{author} commit -q -m All", cd: folder)
    "file://" <> folder
  end

  @doc "Writes files, given as a map from paths to contents."
  def write!(folder, files) do
    for {path, content} <- files do
      path = Path.join(folder, path)
      File.mkdir_p!(Path.dirname(path))
      File.write!(path, content)
    end
  end

  @doc "Runs commands of the shell and returns what they print; they have to succeed. Other tests have the right of way."
  def run!(commands, options) do
    env = Enum.map(@unset, &{&1, nil}) ++ Keyword.get(options, :env, [])
    options = [cd: Keyword.fetch!(options, :cd), env: env, stderr_to_stdout: true]
    {output, status} = System.cmd("nice", ["sh", "-e", "-c", commands], options)
    assert status == 0, "status #{status} of: #{commands}\n#{output}"
    output
  end

  @doc "Evaluates 1+1 in a shell pipe through a port program, from the root folder."
  def one_and_one!(program) do
    pipe = ~s(echo '{eval, 1, <<"1+1">>}.' | "$PROGRAM" encode | "$PROGRAM" | "$PROGRAM" decode)
    assert run!(pipe, cd: "/", env: [{"PROGRAM", program}]) =~ ~r/^{ready,.*^{ok,1,2}$/ms
  end
end
