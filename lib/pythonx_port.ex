defmodule PythonxPort do
  @moduledoc """
  Python for Elixir, in a process of its own.

      iex> PythonxPort.eval("sum(numbers) / len(numbers)", bindings: [numbers: [1, 2, 6]])
      {:ok, 3.0}

  Each *session* is an operating system process with a Python interpreter inside. Whatever happens to it, be it a
  segmentation fault in an extension module or a loop without end, stays there: the caller gets an error, the BEAM
  goes on, and a supervisor starts the next session.

  ## Sessions

  A session keeps what its code defines, such as imports, functions and loaded models, from one request to the next:

      iex> session = PythonxPort.start_session()
      iex> PythonxPort.exec(session, "import math\\ndef area(radius): return math.pi * radius ** 2")
      {:ok, nil}
      iex> PythonxPort.eval(session, "round(area(2.0), 2)")
      {:ok, 12.57}
      iex> PythonxPort.stop_session(session)
      :ok

  `start_session/1` is for a process that owns its session: they end together. `session/2` is for a session that a
  single function needs. `start_link/1` and `child_spec/1` put a session into a supervision tree. Calls without a
  session share the *default session*, which starts when it is first used; where a session is wanted, `:default`
  names it. The configuration `config :pythonx_port, :default_session, [...]` holds its options.

  One session runs one request at a time, in the order in which they came. For more at once, start more sessions: a
  pool of them, such as poolboy makes it, works well. What waits for the network rather than computes can be a
  coroutine: with `concurrent: true`, and as a stream, it does not make others wait.

  ## Values go in as bindings

  Never write a value into the code with `\#{}`: pass it in `bindings:`, or as an argument of `call/5`.

      iex> text = "it's \\"quoted\\", and {braced}"
      iex> PythonxPort.eval("text.upper()", bindings: [text: text])
      {:ok, "IT'S \\"QUOTED\\", AND {BRACED}"}

    * Text from outside that becomes code *is* code: `'); import os; os.remove('...` would run.
    * Nothing needs to be quoted or escaped, and no escaping can be wrong.
    * Code that stays the same is compiled once. Code with values in it is new each time.
    * Values keep their types, binaries and floats their every bit, and dates stay dates.

  ## Errors

  Results are `{:ok, value}` or `{:error, error}`, with a `PythonxPort.Error` that knows the Python traceback, or how
  the Python process ended. Functions with a `!` return the value alone, and raise the error.

      iex> {:error, error} = PythonxPort.eval("1 / 0")
      iex> {error.kind, error.type, error.message}
      {:exception, "ZeroDivisionError", "division by zero"}

  What Python prints appears where the caller's own output goes; see `PythonxPort.Output`. What it logs goes to
  Logger; see `PythonxPort.PythonLog`.

  ## Requests that end early

  A request ends before it is done when its `:timeout` is over, when it is cancelled (`cancel/1`, an expired
  `await/2`, a stream that is not read to its end), and when the process that made it dies. One that waits never runs.
  One that runs gets an exception in Python, `erlang.TimedOut` or `erlang.Cancelled`: `finally` blocks and context
  managers do their work, and the session can be used as before. Both are no `Exception` but a `BaseException`, so
  that `except Exception` does not stop them.

  An exception cannot end a call of C code that does not return to Python. A request that has not ended after its
  *grace* (5 seconds) is ended by killing the Python process: the error is of kind `:killed` then. All others that
  wait get an error of kind `:crashed`, and the session's supervisor starts the next.

  ## Python calls Elixir

  Functions and pids are values that Python can use:

      iex> add = fn a, b -> a + b end
      iex> PythonxPort.eval("sum(add(n, 1) for n in range(4))", bindings: [add: add])
      {:ok, 10}

      iex> PythonxPort.exec("import erlang; erlang.send(pid, ('progress', 0.5))", bindings: [pid: self()])
      iex> receive do
      ...>   {"progress", done} -> done
      ...> end
      0.5

  Functions and processes with a name need the option `:allow` of `start_session/1`:

      iex> PythonxPort.session([allow: [{String, :upcase, 1}]], fn session ->
      ...>   PythonxPort.eval!(session, "import erlang; erlang.call('String', 'upcase', ['hello'])")
      ...> end)
      "HELLO"

  A function runs in a process of its own, with the caller of the request in its `$callers`, and the caller's group
  leader and Logger metadata. What it raises is an `erlang.Error` in Python, whose `kind`, `type`, `message` and
  `stacktrace` tell what it was. When the request is cancelled, the process is killed.

  Such a function, and a `Task` that it starts, may use the same session: Python is waiting for it, and runs the
  request there and then. This is told by `$callers`. Of a server that makes a request on behalf of such a function it
  is not known: Python runs its request, too, but only when it has waited for half a second. A server can have it at
  once, by `Process.put(:"$callers", [pid])` with the process that it works for, or by a session of its own.
  """

  alias PythonxPort.{Client, Code, Doctor, Environment, Error, Object, Session, Task}

  @typedoc "A session: what `start_session/1` returns, a registered name, or `:default`."
  @type session :: GenServer.server() | :default

  @typedoc "Python source."
  @type code :: String.t() | Code.t()

  @typedoc "What a request came to."
  @type result :: {:ok, term()} | {:error, Error.t()}

  @typedoc "Options of a session; `start_session/1` explains them."
  @type session_options :: [
          python: String.t(),
          init: code() | [code()],
          init_timeout: timeout(),
          grace: timeout(),
          output: PythonxPort.Output.t(),
          log: PythonxPort.PythonLog.t(),
          allow: :all | [allowed()],
          env: Enumerable.t(),
          cd: Path.t(),
          memory_limit: pos_integer(),
          oom_score_adj: -1000..1000,
          children: :end | :keep,
          max_frame: pos_integer(),
          spin: non_neg_integer(),
          executable: Path.t(),
          name: GenServer.name()
        ]

  @typedoc "Options of an environment; `uv_init/1` explains them."
  @type uv_options :: [
          packages: [String.t()],
          pyproject_toml: String.t(),
          python_version: String.t(),
          uv_lock: Path.t() | {Application.app(), Path.t()},
          locked: boolean(),
          directory: Path.t() | {Application.app(), Path.t()},
          uv_path: Path.t(),
          env: Enumerable.t(),
          progress: boolean()
        ]

  @typedoc "What Python may call, or whom it may send to by name; see the option `:allow` of `start_session/1`."
  @type allowed :: :all | module() | {module(), atom()} | {module(), atom(), arity()} | {:send, atom()}

  @typedoc "Options of a request; `eval/3` explains them."
  @type options :: [
          bindings: keyword() | map(),
          binaries: :str | :bytes,
          return: :value | :ref,
          timeout: timeout(),
          grace: timeout(),
          concurrent: boolean(),
          output: PythonxPort.Output.t(),
          file: String.t(),
          line: pos_integer()
        ]

  @typedoc "Options of a stream; `stream/3` explains them."
  @type stream_options :: [
          demand: pos_integer(),
          bindings: keyword() | map(),
          binaries: :str | :bytes,
          timeout: timeout(),
          grace: timeout(),
          output: PythonxPort.Output.t(),
          file: String.t(),
          line: pos_integer()
        ]

  @doc """
  Starts a session that ends with the calling process, and returns it.

  Raises a `PythonxPort.Error` where it cannot be started. Options:

    * `:python` – the interpreter, such as a venv's `bin/python3`; else the environment of `uv_init/1`, the
      configuration `config :pythonx_port, :python_path`, the environment variables `PYTHONX_PYTHON` and
      `VIRTUAL_ENV`, and `python3` on `PATH` are asked, in this order. Any CPython from 3.11 on with a shared libpython
      will do, free-threaded builds excepted: a venv's, virtualenv's, conda's, pyenv's, uv's and the system's.
      Each session can have another
    * `:init` – code, or a list of it, that runs before the first request
    * `:init_timeout` – how long starting may take, in milliseconds, `:init` included (60,000)
    * `:output` – where Python's output goes; see `PythonxPort.Output`
    * `:log` – where the records of Python's `logging` go: `true`, to Logger (the default), `false`, or a function; see
      `PythonxPort.PythonLog`
    * `:allow` – what Python may call and send to by name: a list of `Module`, `{Module, :function}`,
      `{Module, :function, arity}` and `{:send, name}`, or `:all`. The default is `[]`: only functions and pids that
      were passed in
    * `:grace` – how long, in milliseconds, a request may go on after its timeout or its cancellation before the
      Python process is killed (5,000); `:infinity` never kills it
    * `:env` – environment variables, as `{name, value}` pairs of strings; `nil` or an empty string unsets one
    * `:cd` – the directory to run in
    * `:memory_limit` – the most address space, in bytes, that the process may have: past it, Python raises a
      `MemoryError`
    * `:oom_score_adj` – on Linux, how soon the kernel kills the process if memory runs out, from -1000 (never) to 1000.
      By default it is raised to 500, unless it is higher, so that the session is killed and not the BEAM; to lower it
      needs a privilege. Processes that Python starts inherit it. See the
      [guide to containers](guides/containers.md)
    * `:children` – what becomes of processes that Python has started (`subprocess`, `os.fork`, `multiprocessing`) and
      that are still there when the session ends, however it ends: `:end` (the default) gives them a moment to end by
      themselves, sends SIGTERM, and SIGKILL after a second; `:keep` lets them live on. So do daemons, which have a
      session of their own (`start_new_session=True`, setsid(2)), and all on systems other than Linux
    * `:max_frame` – the longest request, in bytes, that is accepted (4 GiB)
    * `:spin` – how long, in microseconds, Python watches for the next request before it sleeps (0): quicker answers
      for a processor that is kept busy
    * `:name` – a name to register the session under
    * `:executable` – the port program; else the environment variable `PYTHONX_PORT` names it, or it is the one that
      comes with the library, or the one on `PATH`

  ## Examples

      iex> session = PythonxPort.start_session(init: "import json")
      iex> PythonxPort.call(session, "json.dumps", [%{"a" => [1, nil]}])
      {:ok, ~s({"a": [1, null]})}
      iex> PythonxPort.stop_session(session)
      :ok
  """
  @spec start_session(session_options()) :: pid()
  def start_session(options \\ []) do
    case Session.Starter.start_supervised(options, self()) do
      {:ok, session} -> session
      {:error, %Error{} = error} -> raise error
      {:error, {:already_started, pid}} -> raise name_taken(options[:name], pid)
    end
  end

  @doc """
  Stops a session, after the requests that it already has; returns when it has ended.

  Python's `atexit` functions run. What is not done after `timeout` milliseconds is killed. Stopping a session that
  has ended is no error.
  """
  @spec stop_session(session(), timeout()) :: :ok
  def stop_session(session, timeout \\ 5_000)
      when timeout == :infinity or (is_integer(timeout) and timeout >= 0) do
    Client.stop(if(session == :default, do: Session.Default, else: session), timeout)
  end

  @doc """
  Runs a function with a new session, which is always stopped afterwards, and returns what the function returns.

      iex> PythonxPort.session(fn session ->
      ...>   PythonxPort.exec!(session, "total = 0")
      ...>   for n <- 1..3, do: PythonxPort.exec!(session, "total += n", bindings: [n: n])
      ...>   PythonxPort.eval!(session, "total")
      ...> end)
      6

  Options are those of `start_session/1`.
  """
  @spec session(session_options(), (pid() -> value)) :: value when value: term()
  def session(options \\ [], function) when is_function(function, 1) do
    session = start_session(options)

    try do
      function.(session)
    after
      stop_session(session)
    end
  end

  @doc """
  Starts a session that is linked to the calling process, as a supervisor does.

  Options are those of `start_session/1`. A session that cannot be started is an `{:error, error}` and leaves the
  caller alive. When the Python process dies, so does the session, and the supervisor starts a new one: its `:init`
  code runs again, whatever else was defined is gone.

      children = [
        {PythonxPort, name: MyApp.Python, init: "from my_model import predict"}
      ]

      Supervisor.start_link(children, strategy: :one_for_one)
      PythonxPort.call(MyApp.Python, "predict", ["some text"])
  """
  @spec start_link(session_options()) :: {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  defdelegate start_link(options \\ []), to: Session.Starter

  @doc "A child specification for a supervisor; see `start_link/1`. The name, where there is one, is its id."
  @spec child_spec(session_options()) :: Supervisor.child_spec()
  def child_spec(options) do
    # Supervisors log child specifications.
    %{
      id: Keyword.get(options, :name, __MODULE__),
      start: {__MODULE__, :start_link, [Session.Secret.wrap(options)]}
    }
  end

  @doc """
  Runs code and returns the value of its last expression, or `nil` where the last statement is none.

  To be called as `eval(code)`, `eval(code, options)`, `eval(session, code)` or `eval(session, code, options)`.
  Options:

    * `:bindings` – variables to set first, as a keyword list or a map; they stay set in the session
    * `:binaries` – `:bytes` has all binaries in the bindings become `bytes`, instead of `str` (see
      `PythonxPort.Bytes` for single ones)
    * `:return` – `:ref` returns a `PythonxPort.Object`, a reference to the value, which stays in Python
    * `:timeout` – how long it may take, in milliseconds, the time that it waits for others included (`:infinity`). The
      request is ended then, with an error of kind `:timeout`
    * `:grace` – the session's `:grace` for this request: how long it may go on after its timeout or its cancellation
      before the Python process is killed. With `:infinity` it never is; a caller whose timeout is over does not wait
      for the end then
    * `:concurrent` – `true` lets the requests behind this one run while it awaits something, where its value is an
      awaitable: code with a top-level `await`, or a coroutine that a function returns
    * `:output` – where the output of this request goes; see `PythonxPort.Output`
    * `:file`, `:line` – where the code stands, for tracebacks

  ## Examples

      iex> PythonxPort.eval("[n ** 2 for n in range(4)]")
      {:ok, [0, 1, 4, 9]}

      iex> PythonxPort.eval("a + b", bindings: [a: "x", b: "y"])
      {:ok, "xy"}

      iex> PythonxPort.eval("x = 1")
      {:ok, nil}

      iex> {:error, error} = PythonxPort.eval("while True: pass", timeout: 20)
      iex> error.kind
      :timeout
  """
  @spec eval(session() | code(), code() | options(), options()) :: result()
  def eval(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options)
    Client.run(session, :eval, code, options)
  end

  @doc """
  Runs code for its effect; as `eval/3`, but the result is always `{:ok, nil}`.

      iex> PythonxPort.exec("greeting = 'hello'")
      {:ok, nil}
      iex> PythonxPort.eval("greeting.title()")
      {:ok, "Hello"}
  """
  @spec exec(session() | code(), code() | options(), options()) :: {:ok, nil} | {:error, Error.t()}
  def exec(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options)
    Client.run(session, :exec, code, options)
  end

  @doc """
  Calls a function, and returns its value. Nothing is compiled, so this is the quickest way to use Python.

  `target` is a name in the session, a dotted name such as `"json.dumps"` whose module is imported when needed, or
  a `PythonxPort.Object`. Options are those of `eval/3`, except for bindings and place.

      iex> PythonxPort.call(:default, "math.sqrt", [2.25])
      {:ok, 1.5}

      iex> PythonxPort.call(:default, "sorted", [["bb", "a"]], key: nil, reverse: true)
      {:ok, ["bb", "a"]}
  """
  @spec call(session(), String.t() | Object.t(), [term()], keyword() | map(), options()) :: result()
  def call(session, target, args, kwargs \\ [], options \\ []) do
    Client.call(locate(session), target, args, kwargs, options)
  end

  @doc """
  As `eval/3`, but returns at once, with a handle for `await/2`. There is no option `:timeout`: `await/2` has one.

      iex> one = PythonxPort.async_eval("1")
      iex> two = PythonxPort.async_eval("2")
      iex> {PythonxPort.await(two), PythonxPort.await(one)}
      {{:ok, 2}, {:ok, 1}}
  """
  @spec async_eval(session() | code(), code() | options(), options()) :: Task.t()
  def async_eval(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options)
    Task.new(Client.start_run(session, :eval, code, options))
  end

  @doc "As `exec/3`, but returns at once, with a handle for `await/2`. There is no option `:timeout`: `await/2` has one."
  @spec async_exec(session() | code(), code() | options(), options()) :: Task.t()
  def async_exec(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options)
    Task.new(Client.start_run(session, :exec, code, options))
  end

  @doc "As `call/5`, but returns at once, with a handle for `await/2`. There is no option `:timeout`: `await/2` has one."
  @spec async_call(session(), String.t() | Object.t(), [term()], keyword() | map(), options()) :: Task.t()
  def async_call(session, target, args, kwargs \\ [], options \\ []) do
    Task.new(Client.start_call(locate(session), target, args, kwargs, options))
  end

  @doc """
  Waits for the result of `async_eval/3` and its like, in the process that called it.

  Where none comes in `timeout` milliseconds it is `{:error, :timeout}`, and the request is cancelled: to await it
  again is an error of kind `:cancelled`, at once. A result is given out once.

      iex> task = PythonxPort.async_exec("import time; time.sleep(60)")
      iex> PythonxPort.await(task, 20)
      {:error, :timeout}
      iex> {:error, error} = PythonxPort.await(task)
      iex> error.kind
      :cancelled
  """
  @spec await(Task.t(), timeout()) :: result() | {:error, :timeout}
  def await(task, timeout \\ 5_000), do: task |> Task.request() |> Client.await(timeout)

  @doc """
  Cancels what `async_eval/3` and its like have begun; returns at once. Any process may do this.

  What it came to can still be awaited, and tells when it has ended: an error of kind `:cancelled`, or of kind
  `:killed` where Python had to be killed, or its value where it was done already. Cancelling what is done is no
  error.

      iex> task = PythonxPort.async_exec("while True: pass")
      iex> PythonxPort.cancel(task)
      :ok
      iex> {:error, error} = PythonxPort.await(task)
      iex> error.kind
      :cancelled
  """
  @spec cancel(Task.t()) :: :ok
  def cancel(task), do: Task.cancel(task)

  @doc """
  What Python iterates over, as a lazy enumerable.

  Nothing runs before the enumerable is used, and each use runs the code anew. The value of the last expression is
  iterated: a generator, also an asynchronous one, or anything else that can be iterated. Errors raise a
  `PythonxPort.Error` when their turn has come.

      iex> PythonxPort.stream("(n * n for n in range(1_000_000))") |> Enum.take(4)
      [0, 1, 4, 9]

  To be called as `stream(code)`, `stream(code, options)`, `stream(session, code)` or `stream(session, code, options)`.
  Python runs ahead of the consumer, but only so far as it has been asked to. A consumer that takes no more, be it
  that it has enough, raises or dies, cancels the stream: the generator is closed, so that its `finally` blocks run.
  The consumer waits for that. A stream that waits for its consumer does not make other requests wait.

  Options are `:bindings`, `:binaries`, `:output`, `:file`, `:line`, `:timeout` (of all, from the start to the last
  item) and `:grace` as of `eval/3`, and

    * `:demand` – how many items Python may be ahead (256). Where they are large it is fewer, so that they take no
      more than some 16 MiB. Choose a small number, such as 2, where they are costly

  The process that begins to read a stream must also be the one that goes on with it.
  """
  @spec stream(session() | code(), code() | stream_options(), stream_options()) :: Enumerable.t()
  def stream(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options)
    Client.Stream.new(session, code, options)
  end

  @doc """
  What a session does and has, as a map; answered at once, also while Python computes.

  `running` is the number of the request that runs or `nil`, `running_us` since when; `queued` tells how many wait,
  `requests` how many there were; `memory` is the memory in use, in bytes; `os_pid`, `python` (the version),
  `uptime_us`, `bytes_in`, `bytes_out` and `max_frame` say what they are called. `queue_us` and `run_us` are sums of
  how long the requests that are done have waited and run, `errors` counts those that came to an error; `tasks`,
  `streams` and `calls` are the coroutines, the streams and the calls to Elixir under way.

      iex> {:ok, info} = PythonxPort.info(:default)
      iex> info.queued
      0
  """
  @spec info(session()) :: {:ok, map()} | {:error, Error.t()}
  def info(session), do: session |> locate() |> Client.info()

  @doc """
  Lets go of objects that `return: :ref` had kept in Python. References to them are no longer valid.

      iex> {:ok, counter} = PythonxPort.eval("iter(range(10))", return: :ref)
      iex> PythonxPort.call(:default, "next", [counter])
      {:ok, 0}
      iex> PythonxPort.release(:default, counter)
      :ok
      iex> {:error, error} = PythonxPort.call(:default, "next", [counter])
      iex> error.kind
      :undecodable
  """
  @spec release(session(), Object.t() | [Object.t()]) :: :ok
  def release(session, objects) do
    # A default session that does not run has no objects.
    session = if session == :default, do: Session.Default.whereis(), else: session
    Client.release(session, List.wrap(objects))
  end

  @doc """
  Has sessions use an environment with the given packages, which `uv` makes first where it is not there yet; returns
  the path of its interpreter.

  Without options it takes those of the configuration:

      config :pythonx_port, :uv_init,
        packages: ["numpy>=2", "scikit-learn"],
        python_version: "3.11"

  Sessions that are started afterwards, the default session included, use the environment of the last call, unless
  they have a `:python` of their own. With several environments, give each session what this function returned for it:
  `start_session(python: python)`.

  Nothing is made when the application `:pythonx_port` starts. An application that wants its environment to be there
  before anything else calls `uv_init/0` in its `c:Application.start/2`. Where it does not, but there is a
  configuration, the first session that needs the environment waits for it.

  The program `uv` does the work, with its own configuration and environment variables: it is found on `PATH`, or named
  by `:uv_path`. It also finds the Python, or downloads it. What was made is kept, and is used by all nodes of the host,
  also after a restart: asked for again, it takes a few milliseconds and no `uv`. Of processes that want the same at the
  same time one makes it, and the others wait. One that is interrupted leaves nothing that would be taken for whole.

  Raises a `PythonxPort.Error` of kind `:environment_failed` with what `uv` said where it could not make it. Options:

    * `:packages` – requirements, as a list of strings
    * `:pyproject_toml` – instead, the text of a `pyproject.toml`. Paths in it have to be absolute
    * `:python_version` – such as `"3.11"` or `"3.12.1"`, or a specifier such as `">=3.12"`
    * `:uv_lock` – the path of a lock file to be checked in: its versions are taken where it is there, and it is written
      where it is not, or where other packages are wanted. A change to it makes a new environment. With
      `{:my_app, "priv/uv.lock"}` it is in the sources of that application, and comes along with its release. Without
      the option the versions are locked on each host, in the environment's folder
    * `:locked` – `true` makes it an error when the lock file does not fit, instead of changing it
    * `:directory` – the folder to keep environments in, by default `pythonx_port/environments` in the user's cache.
      `{:my_app, "python"}` keeps them within that application, which is in `_build`, or in the release. What is there
      may be removed when no session uses it
    * `:uv_path` – the program `uv`; else `config :pythonx_port, :uv_path`, or `uv` on `PATH`
    * `:env` – environment variables for `uv`, as `{name, value}` pairs
    * `:progress` – whether `uv`'s progress is shown; by default it is where standard output is a terminal
  """
  @spec uv_init(uv_options()) :: Path.t()
  def uv_init(options \\ Environment.configuration() || []) do
    options |> Environment.init() |> value!()
  end

  @doc """
  Tells which Python a session with these options gets, and what is wrong with it; prints that, and returns it.

  It starts a session with these options, without their init code. The map has `:ok`, `:problem` (what is wrong and
  what to do, or `nil`), `:traceback` (Python's, if its start failed with one, or `nil`), `:text` (what was printed)
  and, as far as they are known, `:python`, `:libpython`, `:version`, `:prefix`, `:numpy`, `:chosen_by`, `:launcher` and `:engine`. Options
  are those of `start_session/1`.

      PythonxPort.doctor(python: "/opt/venv/bin/python")
  """
  @spec doctor(session_options()) :: Doctor.report()
  def doctor(options \\ []) do
    report = Doctor.examine(options)
    IO.puts(report.text)
    report
  end

  @doc "As `eval/3`, but returns the value alone, and raises the error."
  @spec eval!(session() | code(), code() | options(), options()) :: term()
  def eval!(session_or_code, code_or_options \\ [], options \\ []) do
    session_or_code |> eval(code_or_options, options) |> value!()
  end

  @doc "As `exec/3`, but returns `nil`, and raises the error."
  @spec exec!(session() | code(), code() | options(), options()) :: nil
  def exec!(session_or_code, code_or_options \\ [], options \\ []) do
    session_or_code |> exec(code_or_options, options) |> value!()
  end

  @doc "As `call/5`, but returns the value alone, and raises the error."
  @spec call!(session(), String.t() | Object.t(), [term()], keyword() | map(), options()) :: term()
  def call!(session, target, args, kwargs \\ [], options \\ []) do
    session |> call(target, args, kwargs, options) |> value!()
  end

  @doc "As `await/2`, but returns the value alone, and raises the error, also where it is a timeout, which cancels."
  @spec await!(Task.t(), timeout()) :: term()
  def await!(task, timeout \\ 5_000) do
    case await(task, timeout) do
      {:error, :timeout} -> raise Error.timed_out(timeout)
      result -> value!(result)
    end
  end

  @doc "As `info/1`, but returns the map alone, and raises the error."
  @spec info!(session()) :: map()
  def info!(session), do: session |> info() |> value!()

  @doc ~S'''
  Python source that knows the Elixir file and line where it stands, so that tracebacks name them.

  Nothing is interpolated and nothing escaped: the text is Python's alone. The value is a `PythonxPort.Code`, for
  everything that takes code. Sigils of two letters need Elixir 1.15; before that, there is
  `PythonxPort.Code.new/2`.

      import PythonxPort, only: [sigil_PY: 2]

      PythonxPort.exec(session, ~PY"""
      def greet(name):
          return f"hello {name}\n"
      """)
  '''
  defmacro sigil_PY({:<<>>, meta, [source]}, []) when is_binary(source) do
    # A heredoc's text begins on the line after its opening quotes.
    line = if meta[:indentation], do: __CALLER__.line + 1, else: __CALLER__.line
    Macro.escape(Code.new(source, file: Path.relative_to_cwd(__CALLER__.file), line: line))
  end

  defp arguments(session_or_code, code_or_options, options) do
    {session, code, options} = Client.arguments(session_or_code, code_or_options, options, :default)
    {locate(session), code, options}
  end

  # The default session starts when a request is sent to it: not before its arguments are checked, or a stream is read.
  defp locate(:default), do: &Session.Default.fetch/0
  defp locate(session), do: session

  defp value!({:ok, value}), do: value
  defp value!({:error, error}), do: raise(error)

  defp name_taken(name, pid) do
    Error.exception(kind: :start_failed, message: "the name #{inspect(name)} is taken by #{inspect(pid)}")
  end
end
