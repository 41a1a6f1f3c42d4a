# Under the Python that `make setup` has given the packages, unless another one was named.
if System.get_env("PYTHONX_PYTHON") in [nil, ""] do
  {folder, 0} = System.cmd("sh", [Path.expand("../scripts/test_venvs.sh", __DIR__), "python3", "packages"])
  if folder != "", do: System.put_env("PYTHONX_PYTHON", String.trim(folder) <> "/bin/python3")
end

# What needs a package that is not there is excluded, and shown as that.
packages =
  ~w(matplotlib numpy pandas polars pyarrow xarray torch ml_dtypes sklearn uvloop tqdm attrs pydantic)

code = "from importlib.util import find_spec\n[name for name in names if find_spec(name) is None]"
session = PythonxPort.start_session()
{:ok, missing} = PythonxPort.eval(session, code, bindings: [names: packages])
# Systems other than Linux have none.
segments? = :sys.get_state(session).leases.directory != nil
PythonxPort.stop_session(session)

missing =
  Enum.map(missing, &String.to_atom/1) ++
    if(Code.ensure_loaded?(:poolboy), do: [], else: [:poolboy]) ++ if(segments?, do: [], else: [:segments])

uv =
  if uv = PythonxPort.TestUV.program(),
    do: if(PythonxPort.TestUV.reaches_index?(uv), do: [], else: [:network]),
    else: [:uv]

virtualenv = if PythonxPort.TestUV.beside("virtualenv"), do: [], else: [:virtualenv]

linux = if File.exists?("/proc/self/oom_score_adj"), do: [], else: [:linux]
cgroup = if PythonxPort.PortProgram.OomCounter.new(String.to_integer(System.pid())), do: [], else: [:cgroup]
memory_cgroup = if PythonxPort.MemoryCgroup.possible?(), do: [], else: [:memory_cgroup]
missing = missing ++ uv ++ virtualenv ++ linux ++ cgroup ++ memory_cgroup

if missing != [], do: IO.puts("Not here, so what needs it is not tested: #{Enum.join(missing, ", ")}")

# Names of tests, one a line, that cannot work on this machine; the Check tests read the same variable.
left_out = String.split(System.get_env("PYTHONX_TEST_LEFT_OUT", ""), "\n", trim: true)

# No test waits for as long unless it fails.
ExUnit.start(
  exclude: missing ++ Enum.map(left_out, &{:test, String.to_atom(&1)}),
  assert_receive_timeout: PythonxPort.TimeFactor.stretch(10_000),
  timeout: PythonxPort.TimeFactor.stretch(60_000)
)
