defmodule PythonxPort.TestUV do
  # The uv that the tests run: the one on PATH, or the one that `make setup` has installed.

  @venvs Path.expand("../../scripts/test_venvs.sh", __DIR__)

  def program, do: System.find_executable("uv") || beside("uv")

  @doc "A program in the venv that has uv."
  def beside(name) do
    python = System.get_env("PYTHONX_PYTHON") || "python3"
    {folder, 0} = System.cmd("sh", [@venvs, python, "uv"])
    folder = String.trim(folder)
    if folder != "", do: System.find_executable(Path.join([folder, "bin", name]))
  end

  @doc "Whether packages can be had at all."
  def reaches_index?(uv) do
    arguments =
      ~w(pip install --dry-run --no-cache --quiet --target #{System.tmp_dir!()}/pythonx_port-none six)

    run =
      Task.async(fn -> System.cmd(uv, arguments, stderr_to_stdout: true, env: [{"UV_HTTP_RETRIES", "0"}]) end)

    match?(
      {:ok, {_output, 0}},
      Task.yield(run, PythonxPort.TimeFactor.stretch(20_000)) || Task.shutdown(run, :brutal_kill)
    )
  end

  @doc "Options that have uv find the Python of the tests, and keep what it makes in the folder."
  def options(folder) do
    python = PythonxPort.eval!("import sys; sys._base_executable")
    version = PythonxPort.eval!("'%d.%d' % sys.version_info[:2]")
    PythonxPort.stop_session(:default)

    [
      python_version: version,
      directory: folder,
      uv_path: program(),
      env: [{"PATH", Path.dirname(python) <> ":" <> System.get_env("PATH")}]
    ]
  end
end
