defmodule PythonxPort do
  @moduledoc """
  Runs Python from Elixir, each session in an operating system process of its own.

      iex> PythonxPort.eval("sum(numbers) / len(numbers)", bindings: [numbers: [1, 2, 6]])
      {:ok, 3.0}

  A *session* is a process with a Python interpreter inside. A segmentation fault in an extension module or an endless
  loop stays in there: your code gets an error, the BEAM goes on, and a supervisor starts the next session.

  ## Sessions

  A session keeps what your code defines, such as imports, functions and loaded models:

      iex> session = PythonxPort.start_session()
      iex> PythonxPort.exec(session, "import math\\ndef area(radius): return math.pi * radius ** 2")
      {:ok, nil}
      iex> PythonxPort.eval(session, "round(area(2.0), 2)")
      {:ok, 12.57}
      iex> PythonxPort.stop_session(session)
      :ok

    * `start_session/1` starts a session for the calling process, its *owner*: they [end
      together](#module-a-session-and-its-owner).
    * `session/2` starts one for the time that a function runs.
    * `start_link/1` and `child_spec/1` put one into a [supervision tree](#module-supervision).
    * Calls without a session share the *default session*, which the first of them starts. Functions that need a
      session take `:default` for it. Set its options with `config :pythonx_port, :default_session, [...]`.

  A session runs one request at a time, in order. To run more at once, start more sessions, for example in a pool
  (poolboy works well). A coroutine that waits for the network does not make other requests wait if you run it with
  `concurrent: true` or as a stream.

  ## A session and its owner

  A session and the process that has called `start_session/1` end together:

    * If the owner ends, for whatever reason, so does the session.
    * If the session crashes, the owner gets an exit signal, since they are linked. The reason is `{error, stacktrace}`
      with a `PythonxPort.Error`. An owner that does not trap exits ends as well: a GenServer that starts a session in
      its `init/1`, or a worker of a pool, is started again by its supervisor, and starts a new session.
    * An owner that traps exits gets the message `{:EXIT, session, reason}` instead.
    * `stop_session/2` is no crash: the owner lives on. If it traps exits, it gets a message with the reason `:normal`.

  If the session dies during a call of its owner, an owner that does not trap exits ends within the call, and does not
  see its error. One that traps exits gets the error from the call; the message is in its mailbox when the call returns.

  A start that fails raises, and the owner lives on. With `link: false` the session ends with its owner, but not the
  owner with the session: this suits shells and notebooks, whose variables would be lost. Sessions of `session/2`, and
  the default session, are not linked.

  ## Supervision

  If a supervised session crashes, its supervisor starts it again, and its `:init` code runs again:

      children = [
        {PythonxPort, name: MyApp.Python, init: "from my_model import predict"}
      ]

  A supervisor waits for each child, and for the `:init` code of a session, before it starts the next one. With
  `start: :async` it goes on at once, and sessions start side by side. Requests wait for them in order, and the time
  counts for their timeouts. If the start fails, the session ends with the error as its reason, and all requests that
  wait get this error. `info/1` answers during the start, except while an environment is created. `stop_session/2` and
  the end of a supervisor work as usual.

  A supervisor gives up after more than `:max_restarts` restarts within `:max_seconds` (3 in 5 seconds by default), and
  ends with all its children; then its own supervisor does the same, and in the end the application stops. One restart
  takes as long as Python and the `:init` code need. Choose the numbers so that

    * a failure that a restart cures, such as a request that uses too much memory, is survived as often as it may occur:
      one client that repeats it should not take the sessions of others along;
    * a failure that repeats on each start, such as a missing model, is given up on. With `start: :async` it counts as a
      restart each time; without, the supervisor's own start fails with it.

  A supervisor of its own keeps a model that crashes from taking the application along:

      defmodule MyApp.PythonSupervisor do
        use Supervisor

        def start_link(options), do: Supervisor.start_link(__MODULE__, options, name: __MODULE__)

        @impl true
        def init(_options) do
          children = [{PythonxPort, name: MyApp.Python, init: "from my_model import predict", start: :async}]
          # As many crashes as one bad client can cause in a minute.
          Supervisor.init(children, strategy: :one_for_one, max_restarts: 20, max_seconds: 60)
        end
      end

  Start it with `Supervisor.child_spec(MyApp.PythonSupervisor, restart: :temporary)`, as a child of the application's
  supervisor: if it gives up, the application goes on, and requests return errors of kind `:not_running`. To try again
  later, use `restart: :permanent` and a `:max_restarts` of the application's supervisor that allows for it.

  ## Load

  A session queues the requests that it cannot run yet, as many as come. Callers that wait for their results keep that
  queue short: it has as many requests as there are callers. If callers do not wait (`async_eval/3`), or if there may be
  very many of them, limit it: with `max_queue: 100`, a request that would be queued behind 100 others returns an error
  of kind `:overloaded` at once.

  ## Values go in as bindings

  Never put a value into the code with `\#{}`. Pass it in `bindings:`, or as an argument of `call/5`.

      iex> text = "it's \\"quoted\\", and {braced}"
      iex> PythonxPort.eval("text.upper()", bindings: [text: text])
      {:ok, "IT'S \\"QUOTED\\", AND {BRACED}"}

  A binding is a name of this code's own, as in `Code.eval_string/3`: its functions, classes, comprehensions and
  coroutines see it as well, and it is gone with the request. Everything else that the code assigns, imports or defines
  stays in the session. Code that assigns the name of a binding (also by `def`, `import` or `for`) changes its own only,
  as a function does with a parameter. Use `assign/3` for what later code needs, too.

      iex> PythonxPort.eval("total = price * 2\\nprice = 5\\ntotal", bindings: [price: 4])
      {:ok, 8}
      iex> PythonxPort.eval("total, 'price' in globals()")
      {:ok, {8, false}}

    * Text from outside that becomes code *is* code: `'); import os; os.remove('...` would run.
    * Bindings need no quotes and no escapes. The sigil `~PY"..."b` makes bindings of Elixir's variables; see
      `sigil_PY/2`.
    * Python compiles the same code once. Code with values in it is new each time.
    * Values keep their types, binaries and floats their bits, and dates stay dates.

  ## Objects of your types

  Both sides can say what the other gets for their own types. Implement or derive `PythonxPort.Encoder` for what Python
  gets of your structs. The other way, the option `:decode`, of a request or of a session, names types of Python with
  functions that make a value of each object:

      iex> PythonxPort.exec("class Point:\\n  def __init__(self, x, y): self.x, self.y = x, y")
      iex> decode = %{"__main__.Point" => fn %{"x" => x, "y" => y} -> {:point, x, y} end}
      iex> PythonxPort.eval("[Point(1, 2), Point(3, 4)]", decode: decode)
      {:ok, [{:point, 1, 2}, {:point, 3, 4}]}

  The function gets what the object would come as without it, such as the map of a dataclass, or a map of its attributes
  if it has no form of its own. It is called for objects of subclasses, too, unless there is one for the subclass, and
  innermost objects first. With `return: :ref` it gets the `PythonxPort.Object`. It runs in the calling process. Names
  are as in the tracebacks of Python: with the module, outside of builtins. Python's own numbers, texts, lists, tuples
  and dicts are never decoded, and arguments of functions that Python calls neither.

  In Python, `erlang.register_encoder(type, function)` gives a type a form for all requests.

  ## Errors

  Functions return `{:ok, value}` or `{:error, error}` with a `PythonxPort.Error`, which has the Python traceback, or
  how the Python process ended. Functions with a `!` return the value alone, and raise the error.

      iex> {:error, error} = PythonxPort.eval("1 / 0")
      iex> {error.kind, error.type, error.message}
      {:exception, "ZeroDivisionError", "division by zero"}

  What Python prints appears where the caller's own output goes (`PythonxPort.Output`). What it logs goes to Logger
  (`PythonxPort.PythonLog`).

  ## Timeouts and cancellation

  A request ends before it is done if its `:timeout` is over, if you cancel it (`cancel/1`, an expired `await/2`, a
  stream that is not read to its end), or if its caller dies. A queued request never runs. A running one gets an
  exception in Python, `erlang.TimedOut` or `erlang.Cancelled`: `finally` blocks and context managers run, and the
  session stays usable. Both exceptions are a `BaseException`, so that `except Exception` does not catch them.

  No exception can end C code that does not return to Python. If a request has not ended after its *grace* (5 seconds
  by default), the Python process is killed: this request gets an error of kind `:killed`, all others of kind
  `:crashed`, and the session's supervisor starts the next session.

  ## Python calls Elixir

  Python can call functions, and send to pids, that you pass in as values:

      iex> add = fn a, b -> a + b end
      iex> PythonxPort.eval("sum(add(n, 1) for n in range(4))", bindings: [add: add])
      {:ok, 10}

      iex> PythonxPort.exec("import erlang; erlang.send(pid, ('progress', 0.5))", bindings: [pid: self()])
      iex> receive do
      ...>   {"progress", done} -> done
      ...> end
      0.5

  To call functions and send to processes by their names, it needs the option `:allow` of `start_session/1`:

      iex> PythonxPort.session([allow: [{String, :upcase, 1}]], fn session ->
      ...>   PythonxPort.eval!(session, "import erlang; erlang.call('String', 'upcase', ['hello'])")
      ...> end)
      "HELLO"

  Each call runs in a process of its own, with the caller of the request in its `$callers`, and with the caller's group
  leader and Logger metadata. If it raises, Python gets an `erlang.Error` with `kind`, `type`, `message` and
  `stacktrace`. If the request is cancelled, the process is killed.

  A function that Python calls, and a `Task` that it starts, may use the same session: Python runs the request while it
  waits for the function. The library recognises such requests by `$callers`. Requests that a server makes on behalf of
  the function are not recognised; they are delayed by 500 ms. To avoid the delay, let the server call
  `Process.put(:"$callers", [pid])` with the process that it works for, or give it a session of its own.
  """

  alias PythonxPort.{Arguments, Client, Code, Doctor, Environment, Error, Object, Session, Task}

  @typedoc "A session: what `start_session/1` returns, a registered name, or `:default`."
  @type session :: GenServer.server() | :default

  @typedoc "Python source."
  @type code :: String.t() | Code.t()

  @typedoc "A Python function: a name in the session, a dotted name such as `\"json.dumps\"`, or an object."
  @type target :: String.t() | atom() | Object.t()

  @typedoc "The result of a request."
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
          segment_limit: non_neg_integer(),
          max_result: pos_integer(),
          atom_limit: non_neg_integer(),
          oom_score_adj: -1000..1000,
          host: :library | :executable,
          children: :end | :keep,
          max_frame: pos_integer(),
          max_queue: pos_integer() | [requests: pos_integer(), bytes: pos_integer()] | :infinity,
          start: :sync | :async,
          link: boolean(),
          decode: decode(),
          tensors: :tensor | :nx,
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

  @typedoc "A function that Python may call, or a name that it may send to; see `:allow` in `start_session/1`."
  @type allowed :: :all | module() | {module(), atom()} | {module(), atom(), arity()} | {:send, atom()}

  @typedoc """
  Functions that make values of Python objects, by the names of their types; see [Objects of your
  types](#module-objects-of-your-types). One of two arguments also gets the name of the object's own type.
  """
  @type decode :: %{String.t() => (term() -> term()) | (term(), String.t() -> term())}

  @typedoc "Options of a request; `eval/3` explains them."
  @type options :: [
          bindings: keyword() | map(),
          binaries: :str | :bytes,
          return: :value | :ref | :rich,
          decode: decode(),
          tensors: :tensor | :nx,
          timeout: timeout(),
          grace: timeout(),
          concurrent: boolean(),
          max_result: pos_integer(),
          output: PythonxPort.Output.t(),
          file: String.t(),
          line: pos_integer()
        ]

  @typedoc "Options of a stream; `stream/3` explains them."
  @type stream_options :: [
          demand: pos_integer(),
          bindings: keyword() | map(),
          binaries: :str | :bytes,
          return: :value | :rich,
          decode: decode(),
          tensors: :tensor | :nx,
          timeout: timeout(),
          grace: timeout(),
          max_result: pos_integer(),
          output: PythonxPort.Output.t(),
          file: String.t(),
          line: pos_integer()
        ]

  @doc """
  Starts a session, and returns it; the session and the calling process [end
  together](#module-a-session-and-its-owner).

  Raises a `PythonxPort.Error` if it cannot be started. Options:

    * `:python` - the interpreter, such as a venv's `bin/python3`. Any CPython from 3.11 on works, except for
      free-threaded builds: a venv's, virtualenv's, conda's, pyenv's, uv's and the system's. Each
      session can have another. Defaults to the first of: the environment of `uv_init/1`, `config :pythonx_port,
      :python_path`, the environment variables `PYTHONX_PYTHON` and `VIRTUAL_ENV`, and `python3` on `PATH`.
    * `:init` - code, or a list of it, that runs before the first request.
    * `:init_timeout` - milliseconds that starting may take, `:init` included. Defaults to `60_000`. The creation of an
      environment (`uv_init/1`) comes before that, and is not limited.
    * `:start` - `:async` returns at once, while the session still starts; see [Supervision](#module-supervision). Then
      no error is raised if the start fails: the session ends. Defaults to `:sync`, which waits until it is ready.
    * `:link` - `false` lets the calling process live on if the session crashes; see [A session and its
      owner](#module-a-session-and-its-owner). `start_link/1` does not take it. Defaults to `true`.
    * `:max_queue` - how many requests may be queued, or `[requests: count, bytes: size]`, or one of these. One more
      is an error of kind `:overloaded` at once. A running request is not queued, nor is a coroutine or a stream that
      has begun. A stream is one request. Requests that functions make while Python calls them, `info/1` and
      `cancel/1` always pass, as does a request that finds the queue empty, whatever its size. `bytes` counts code and
      values as they are sent, shared memory included. Defaults to `:infinity`; see [Load](#module-load).
    * `:output` - where Python's output goes; see `PythonxPort.Output`.
    * `:log` - where the records of Python's `logging` go: `true` (to Logger), `false`, or a function; see
      `PythonxPort.PythonLog`. Defaults to `true`.
    * `:allow` - what Python may call and send to by name: a list of `Module`, `{Module, :function}`,
      `{Module, :function, arity}` and `{:send, name}`, or `:all`. Defaults to `[]`: only functions and pids that you
      pass in.
    * `:grace` - milliseconds that a request may go on after its timeout or its cancellation before the Python process
      is killed; `:infinity` never kills it. Defaults to `5_000`.
    * `:env` - environment variables, as `{name, value}` pairs of strings. `nil` or an empty string unsets one.
      Reports of crashes and of supervisors do not show them.
    * `:cd` - the directory to run in.
    * `:memory_limit` - bytes of address space that the process may have. Beyond them, Python raises a `MemoryError`.
    * `:segment_limit` - bytes of shared memory that large values may take on their way. Beyond them, and with `0`,
      they go through the pipe, which is slower. Defaults to 1 GiB.
    * `:oom_score_adj` - on Linux, how soon the kernel kills the process if memory runs out, from -1000 (never) to
      1000. By default it is raised to 500 unless it is higher, so that the kernel kills the session and not the BEAM.
      To lower it needs a privilege. Processes that Python starts inherit it. See the [guide to
      containers](guides/containers.md).
    * `:host` - what the session runs in: `:executable` is the interpreter's own program, `:library` its shared
      libpython. By default it is the program if that holds all of Python, as on Debian, where it is the faster one.
      See the [guide to environments](guides/environments.md#the-host).
    * `:children` - what happens, on Linux, to processes that Python has started (`subprocess`, `os.fork`,
      `multiprocessing`) when the session ends, however it ends: `:end` gives them a moment to end on their own, sends
      SIGTERM, and SIGKILL after a second; `:keep` lets them live on. Daemons with a session of their own
      (`start_new_session=True`, setsid(2)) always live on. Defaults to `:end`.
    * `:max_frame` - bytes of the longest request that is accepted. Defaults to 4 GiB.
    * `:max_result` - bytes of the largest result that Python may send. A larger one is an error of kind `:unencodable`
      that names the value at which the limit was reached; nothing is built beyond it. It also bounds each item of a
      stream, messages of `erlang.send` and arguments of calls, which raise in Python, and records of `logging`. No
      limit by default.
    * `:atom_limit` - how many different atoms Python may create, since the BEAM never frees one and ends when it has
      too many. Atoms that you sent to Python do not count. One more is an error of kind `:unencodable`. Defaults to
      `10_000`.
    * `:decode` - the `:decode` of requests that have none of their own; see `eval/3`.
    * `:tensors` - the `:tensors` of requests that have none; see `eval/3`. Defaults to `:tensor`.
    * `:spin` - microseconds that Python polls for the next request before it sleeps. This makes answers quicker, and
      keeps a processor busy. Defaults to `0`.
    * `:name` - a name to register the session under.
    * `:executable` - the port program. Defaults to the first of: the environment variable `PYTHONX_PORT`, the program
      that comes with the library, and the one on `PATH`.

  ## Examples

      iex> session = PythonxPort.start_session(init: "import json")
      iex> PythonxPort.call(session, "json.dumps", [%{"a" => [1, nil]}])
      {:ok, ~s({"a": [1, null]})}
      iex> PythonxPort.stop_session(session)
      :ok
  """
  @spec start_session(session_options()) :: pid()
  def start_session(options \\ []) do
    start_session(options, true)
  end

  defp start_session(options, link) do
    case Session.Starter.start_supervised(options, self(), link) do
      {:ok, session} -> session
      {:error, %Error{} = error} -> raise error
      {:error, {:already_started, pid}} -> raise name_taken(options[:name], pid)
    end
  end

  @doc """
  Stops a session after the requests that it already has; returns when it has ended.

  Python's `atexit` functions run. If Python has not ended after `timeout` milliseconds, it is killed. Returns `:ok`
  also if the session has ended before.
  """
  @spec stop_session(session(), timeout()) :: :ok
  def stop_session(session, timeout \\ 5_000) do
    session = if session == :default, do: Session.Default, else: session

    Client.stop(
      Client.Arguments.session!(session),
      Arguments.timeout!(timeout, "the timeout of stop_session/2")
    )
  end

  @doc """
  Starts a session, calls a function with it, and stops it; returns what the function returns.

  The session is not linked to the calling process: if it crashes, its functions return errors.

      iex> PythonxPort.session(fn session ->
      ...>   PythonxPort.exec!(session, "total = 0")
      ...>   for n <- 1..3, do: PythonxPort.exec!(session, "total += n", bindings: [n: n])
      ...>   PythonxPort.eval!(session, "total")
      ...> end)
      6

  Options are those of `start_session/1`.
  """
  @spec session(session_options(), (pid() -> value)) :: value when value: term()
  def session(options \\ [], function) do
    if not is_function(function, 1), do: Arguments.refuse("a function that takes the session", function)
    session = start_session(options, false)

    try do
      function.(session)
    after
      stop_session(session)
    end
  end

  @doc """
  Starts a session that is linked to the calling process, such as a supervisor.

  Options are those of `start_session/1`, except for `:link`. Returns `{:error, error}` if the session cannot be
  started; the caller lives on. With `start: :async` it returns `{:ok, session}` before that is known. If the Python
  process dies, the session ends, and the supervisor starts a new one: its `:init` code runs again, and all other
  definitions are gone. See [Supervision](#module-supervision).

      children = [
        {PythonxPort, name: MyApp.Python, init: "from my_model import predict"}
      ]

      Supervisor.start_link(children, strategy: :one_for_one)
      PythonxPort.call(MyApp.Python, "predict", ["some text"])
  """
  @spec start_link(session_options()) :: {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  defdelegate start_link(options \\ []), to: Session.Starter

  @doc "Returns a child specification for a supervisor; see `start_link/1`. Its id is the name, if there is one."
  @spec child_spec(session_options()) :: Supervisor.child_spec()
  def child_spec(options) do
    if not Keyword.keyword?(options), do: Session.Options.new(options)
    # Supervisors log child specifications.
    %{
      id: Keyword.get(options, :name, __MODULE__),
      start: {__MODULE__, :start_link, [Session.Secret.wrap(options)]}
    }
  end

  @doc """
  Runs code and returns the value of its last expression, or `nil` if the last statement is no expression.

  Call it as `eval(code)`, `eval(code, options)`, `eval(session, code)` or `eval(session, code, options)`. Options:

    * `:bindings` - values for names that this code alone sees, as a keyword list or a map; see [Values go in as
      bindings](#module-values-go-in-as-bindings). `assign/3` sets variables that stay.
    * `:binaries` - `:bytes` turns all binaries in the bindings into `bytes`, `:str` into `str`. For single ones, see
      `PythonxPort.Bytes`. Defaults to `:str`.
    * `:return` - `:ref` returns a `PythonxPort.Object`, a reference to the value, which stays in Python until the
      calling process ends or releases it; `:rich` returns a `PythonxPort.Rich`, the value as a notebook shows it. Defaults to `:value`.
    * `:decode` - functions that make values of Python objects, by the names of their types: `%{"shop.Order" =>
      &Order.new/1}`; see [Objects of your types](#module-objects-of-your-types). Defaults to the session's `:decode`.
    * `:tensors` - `:nx` returns arrays as `Nx.Tensor`, also inside other values; `:tensor` as `PythonxPort.Tensor`.
      Defaults to the session's `:tensors`.
    * `:timeout` - milliseconds that the request may take, the time in the queue included. Then it is ended, with an
      error of kind `:timeout`. Defaults to `:infinity`.
    * `:grace` - milliseconds that the request may go on after its timeout or its cancellation before the Python
      process is killed. With `:infinity` it never is; then a caller does not wait beyond its timeout. Defaults to the
      session's `:grace`.
    * `:concurrent` - `true` lets the requests behind this one run while it awaits something, if its value is an
      awaitable: code with a top-level `await`, or a coroutine that a function returns. Defaults to `false`.
    * `:max_result` - bytes of the largest result that you want; a larger one is an error of kind `:unencodable`. It
      cannot exceed the session's own `:max_result`.
    * `:output` - where the output of this request goes; see `PythonxPort.Output`.
    * `:file`, `:line` - the place of the code, for tracebacks.

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
    {session, code, options} = arguments(session_or_code, code_or_options, options, "eval")
    Client.run(session, :eval, code, options)
  end

  @doc """
  Runs code for its effect. As `eval/3`, but the value is always `nil`.

      iex> PythonxPort.exec("greeting = 'hello'")
      {:ok, nil}
      iex> PythonxPort.eval("greeting.title()")
      {:ok, "Hello"}
  """
  @spec exec(session() | code(), code() | options(), options()) :: {:ok, nil} | {:error, Error.t()}
  def exec(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options, "exec")
    Client.run(session, :exec, code, options)
  end

  @doc """
  Sets variables of the session, which all later code sees.

  Call it as `assign(session, variables)`, `assign(session, variables, options)` or, for the default session,
  `assign(variables)`. `variables` is a keyword list or a map of names to values. If one of them cannot be a variable,
  none is set.

      iex> PythonxPort.assign(words: ["b", "a"], limit: 1)
      {:ok, nil}
      iex> PythonxPort.eval("sorted(words)[:limit]")
      {:ok, ["a"]}

  Options are `:binaries`, `:grace`, `:output` and `:timeout`, as for `eval/3`.
  """
  @spec assign(session(), keyword() | map(), options()) :: {:ok, nil} | {:error, Error.t()}
  def assign(session, variables, options \\ []), do: Client.assign(locate(session), variables, options)

  @doc "Sets variables of the default session; see `assign/3`."
  @spec assign(keyword() | map()) :: {:ok, nil} | {:error, Error.t()}
  def assign(variables), do: assign(:default, variables, [])

  @doc """
  Calls a function, and returns its value. This is the quickest way to use Python, since it compiles nothing.

  Call it as `call(session, target, args)`, with keyword arguments and options behind if there are any, or, for the
  default session, in the same way without `session`.

  `target` is a name in the session, a dotted name such as `"json.dumps"`, whose module is imported if necessary, or a
  `PythonxPort.Object`. Names may be atoms as well. `args` is a list, and `kwargs` a keyword list or a map. Options are
  those of `eval/3`, except for `:bindings`, `:file` and `:line`.

      iex> PythonxPort.call("math.sqrt", [2.25])
      {:ok, 1.5}

      iex> PythonxPort.call(:sorted, [["bb", "a"]], key: nil, reverse: true)
      {:ok, ["bb", "a"]}

      iex> PythonxPort.call(:default, :len, ["é"], [], binaries: :bytes)
      {:ok, 2}
  """
  @spec call(session(), target(), [term()], keyword() | map(), options()) :: result()
  @spec call(target(), [term()], keyword() | map(), options(), []) :: result()
  def call(session, target, args, kwargs \\ [], options \\ []) do
    {session, target, args, kwargs, options} =
      Client.Arguments.sort_call(session, target, args, kwargs, options)

    Client.call(locate(session), target, args, kwargs, options)
  end

  @doc "Calls a function in the default session; see `call/5`."
  @spec call(target(), [term()]) :: result()
  def call(target, args) do
    {session, target, args} = default_call(target, args)
    Client.call(session, target, args, [], [])
  end

  @doc """
  Starts `eval/3`, and returns at once a handle for `await/2`.

  The result also comes as a message, which `handle_reply/2` reads in a server. With the option `:timeout`, the request
  ends in time even if no process awaits it.

      iex> one = PythonxPort.async_eval("1")
      iex> two = PythonxPort.async_eval("2")
      iex> {PythonxPort.await(two), PythonxPort.await(one)}
      {{:ok, 2}, {:ok, 1}}
  """
  @spec async_eval(session() | code(), code() | options(), options()) :: Task.t()
  def async_eval(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options, "async_eval")
    Task.new(Client.start_run(session, :eval, code, options))
  end

  @doc "Starts `exec/3`, and returns at once a handle for `await/2` or `handle_reply/2`."
  @spec async_exec(session() | code(), code() | options(), options()) :: Task.t()
  def async_exec(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options, "async_exec")
    Task.new(Client.start_run(session, :exec, code, options))
  end

  @doc "Starts `call/5`, and returns at once a handle for `await/2` or `handle_reply/2`."
  @spec async_call(session(), target(), [term()], keyword() | map(), options()) :: Task.t()
  @spec async_call(target(), [term()], keyword() | map(), options(), []) :: Task.t()
  def async_call(session, target, args, kwargs \\ [], options \\ []) do
    {session, target, args, kwargs, options} =
      Client.Arguments.sort_call(session, target, args, kwargs, options)

    Task.new(Client.start_call(locate(session), target, args, kwargs, options))
  end

  @doc "Starts `call/2`, and returns at once a handle; see `async_call/5`."
  @spec async_call(target(), [term()]) :: Task.t()
  def async_call(target, args) do
    {session, target, args} = default_call(target, args)
    Task.new(Client.start_call(session, target, args, [], []))
  end

  @doc """
  Waits for the result of `async_eval/3`, `async_exec/3` or `async_call/5`, in the process that called it.

  Returns `{:error, :timeout}` if there is none within `timeout` milliseconds, and cancels the request. (The option
  `:timeout` of the request itself is another one: its end is an error of kind `:timeout`.) A result is returned once: if you await the same task again, you get an error of kind `:cancelled` at once.

      iex> task = PythonxPort.async_exec("import time; time.sleep(60)")
      iex> PythonxPort.await(task, 20)
      {:error, :timeout}
      iex> {:error, error} = PythonxPort.await(task)
      iex> error.kind
      :cancelled
  """
  @spec await(Task.t(), timeout()) :: result() | {:error, :timeout}
  def await(task, timeout \\ 5_000) do
    Task.await(task, Arguments.timeout!(timeout, "the timeout of await/2"))
  end

  @doc """
  Takes the result of a task from a message that its owner has received, such as in `c:GenServer.handle_info/2`.

  `tasks` is a task, a list of them, or a map of them by their `ref`. Returns `{:reply, result, task}` if the message is
  the reply to one of them, or says that its session has ended. Nothing else comes for that task. Returns `:no_reply`
  for all other messages.

      iex> task = PythonxPort.async_eval("1 + 1")
      iex> receive do
      ...>   message -> {:reply, {:ok, 2}, ^task} = PythonxPort.handle_reply(message, %{task.ref => task})
      ...> end
      iex> PythonxPort.handle_reply(:other, task)
      :no_reply

  `PythonxPort.Task` has a server that uses it. A task has one result: take it from a message, or `await/2` it. If no
  result shall come too late, start the request with the option `:timeout`.
  """
  @spec handle_reply(message :: term(), Task.t() | [Task.t()] | %{reference() => Task.t()}) ::
          {:reply, result(), Task.t()} | :no_reply
  defdelegate handle_reply(message, tasks), to: Task

  @doc """
  Cancels a request that `async_eval/3`, `async_exec/3` or `async_call/5` has started; returns at once.

  Any process may call this. You can still await the task, which returns when the request has ended: an error of kind
  `:cancelled`, or of kind `:killed` if Python had to be killed, or its value if it was done before. Returns `:ok`
  also if the request was done before.

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
  Returns a lazy enumerable of the items that Python iterates over.

  Nothing runs before you use the enumerable, and each use runs the code again. The value of the last expression is
  iterated: a generator, an asynchronous one, or any other iterable. An error is raised as a `PythonxPort.Error` after
  the items before it.

      iex> PythonxPort.stream("(n * n for n in range(1_000_000))") |> Enum.take(4)
      [0, 1, 4, 9]

  Call it as `stream(code)`, `stream(code, options)`, `stream(session, code)` or `stream(session, code, options)`.
  Python runs ahead of the consumer, up to `:demand` items. A consumer that stops reading, because it has enough,
  raises or dies, cancels the stream: the generator is closed, its `finally` blocks run, and the consumer waits for
  that. A stream that waits for its consumer does not make other requests wait.

  Options are `:bindings`, `:binaries`, `:output`, `:file`, `:line`, `:return` (not `:ref`), `:decode`, `:tensors` and
  `:max_result` (of each item), `:timeout` (from the start to the last item) and `:grace` as in `eval/3`, and

    * `:demand` - how many items Python may be ahead. Large items are fewer, so that they take about 16 MiB at most.
      Choose a small number, such as 2, if items are costly to make. Defaults to `256`.

  One process must read the whole stream.
  """
  @spec stream(session() | code(), code() | stream_options(), stream_options()) :: Enumerable.t()
  def stream(session_or_code, code_or_options \\ [], options \\ []) do
    {session, code, options} = arguments(session_or_code, code_or_options, options, "stream")
    Client.Stream.new(session, code, options)
  end

  @doc """
  Returns a map of what a session does and has, at once, also while Python computes, or runs its `:init` code.

    * `running`, `running_us` - the id of the running request or `nil`, and since when it runs
    * `queued`, `requests` - how many requests are queued, and how many there have been
    * `waiting` - how many of the queued requests wait for others, as `:max_queue` counts them
    * `tasks`, `streams`, `calls` - how many coroutines, streams and calls to Elixir are under way
    * `queue_us`, `run_us` - how long the requests that are done have been queued and have run, in sum
    * `errors` - how many requests have ended with an error
    * `refs` - how many objects Python keeps for `return: :ref`
    * `memory` - the memory in use, in bytes
    * `os_pid`, `python` (the version), `uptime_us`, `bytes_in`, `bytes_out`, `max_frame`

      iex> {:ok, info} = PythonxPort.info(:default)
      iex> info.queued
      0
  """
  @spec info(session()) :: {:ok, map()} | {:error, Error.t()}
  def info(session), do: session |> locate() |> Client.info()

  @doc """
  Releases objects that `return: :ref` has kept in Python. References to them are not valid any more.

  An object is also released when the process that owns it ends; see `PythonxPort.Object`.

      iex> {:ok, counter} = PythonxPort.eval("iter(range(10))", return: :ref)
      iex> PythonxPort.call(:default, "next", [counter])
      {:ok, 0}
      iex> PythonxPort.release(counter)
      :ok
      iex> {:error, error} = PythonxPort.call(:default, "next", [counter])
      iex> error.kind
      :undecodable
  """
  @spec release(Object.t() | [Object.t()]) :: :ok
  def release(objects) do
    objects
    |> List.wrap()
    |> Enum.group_by(&session_of/1)
    |> Enum.each(fn {session, objects} -> Client.release(session, objects) end)
  end

  defp session_of(%Object{session: session}) when is_pid(session), do: session

  defp session_of(other) do
    raise ArgumentError, "expected objects that come from a session, got: #{inspect(other)}"
  end

  @doc "As `release/1`, but for objects of the given session."
  @spec release(session(), Object.t() | [Object.t()]) :: :ok
  def release(session, objects) do
    # A default session that does not run has no objects.
    session = if session == :default, do: Session.Default.whereis(), else: Client.Arguments.session!(session)
    objects = Client.Arguments.objects!(objects)
    Client.release(session, objects)
  end

  @doc """
  Makes an environment with the given packages the one that sessions use, and returns the path of its interpreter.

  `uv` creates the environment if it does not exist. Without options, those of the configuration are used:

      config :pythonx_port, :uv_init,
        packages: ["numpy>=2", "scikit-learn"],
        python_version: "3.11"

  Sessions that start later, the default session included, use the environment of the last call, unless they have a
  `:python` of their own. With several environments, pass what this function returned to each session:
  `start_session(python: python)`.

  Starting the application `:pythonx_port` creates nothing. Call `uv_init/0` in your `c:Application.start/2` if you
  want the environment to exist before anything else runs. If you do not, and there is a configuration, the first
  session that needs the environment waits for it.

  The program `uv` does the work, with its own configuration and environment variables; it also finds or downloads the
  Python. Environments are kept, and all nodes of the host share them. An existing environment is found within a few
  milliseconds, without `uv`. If several processes need the same one, one creates it and the others wait. An
  interrupted run leaves nothing that could be mistaken for an environment.

  Raises a `PythonxPort.Error` of kind `:environment_failed`, with `uv`'s message, if the environment cannot be
  created. Options:

    * `:packages` - requirements, as a list of strings.
    * `:pyproject_toml` - the text of a `pyproject.toml`, instead of `:packages`. Paths in it must be absolute.
    * `:python_version` - such as `"3.11"` or `"3.12.1"`, or a specifier such as `">=3.12"`.
    * `:uv_lock` - the path of a lock file, to be checked in. Its versions are used if it exists; it is written if it
      does not exist, or if you want other packages. A change to it makes a new environment. `{:my_app,
      "priv/uv.lock"}` is a file in the sources of that application, and in its release. Without this option, each
      host locks the versions in the environment's folder.
    * `:locked` - `true` makes a lock file that does not fit an error, instead of changing it. Defaults to `false`.
    * `:directory` - the folder for environments. `{:my_app, "python"}` keeps them within that application: in
      `_build`, or in the release. You may remove what is in there while no session uses it. Defaults to
      `pythonx_port/environments` in the user's cache.
    * `:uv_path` - the program `uv`. Defaults to `config :pythonx_port, :uv_path`, or to `uv` on `PATH`.
    * `:env` - environment variables for `uv`, as `{name, value}` pairs.
    * `:progress` - whether `uv`'s progress is shown. By default it is if standard output is a terminal.
  """
  @spec uv_init(uv_options()) :: Path.t()
  def uv_init(options \\ Environment.configuration() || []) do
    options |> Environment.init() |> value!()
  end

  @doc """
  Finds out which Python a session with these options gets, and whether it works; prints a report, and returns it.

  Options are those of `start_session/1`. A session starts with them, without their init code. The map has

    * `:ok` - whether it works
    * `:problem` - what is wrong and what to do, or `nil`
    * `:traceback` - Python's traceback, if its start failed with one, or `nil`
    * `:text` - what was printed
    * `:python`, `:libpython`, `:host`, `:version`, `:prefix`, `:numpy`, `:chosen_by`, `:launcher` and `:engine`, if they are
      known

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

  @doc "As `assign/3`, but returns `nil`, and raises the error."
  @spec assign!(session(), keyword() | map(), options()) :: nil
  def assign!(session, variables, options \\ []), do: session |> assign(variables, options) |> value!()

  @doc "As `assign/1`, but returns `nil`, and raises the error."
  @spec assign!(keyword() | map()) :: nil
  def assign!(variables), do: variables |> assign() |> value!()

  @doc "As `call/5`, but returns the value alone, and raises the error."
  @spec call!(session(), target(), [term()], keyword() | map(), options()) :: term()
  @spec call!(target(), [term()], keyword() | map(), options(), []) :: term()
  def call!(session, target, args, kwargs \\ [], options \\ []) do
    session |> call(target, args, kwargs, options) |> value!()
  end

  @doc "As `call/2`, but returns the value alone, and raises the error."
  @spec call!(target(), [term()]) :: term()
  def call!(target, args), do: target |> call(args) |> value!()

  @doc "As `await/2`, but returns the value alone, and raises the error, also that of a timeout."
  @spec await!(Task.t(), timeout()) :: term()
  def await!(task, timeout \\ 5_000) do
    case await(task, timeout) do
      {:error, :timeout} -> raise Error.timed_out(timeout, "the timeout of await!/2")
      result -> value!(result)
    end
  end

  @doc "As `info/1`, but returns the map alone, and raises the error."
  @spec info!(session()) :: map()
  def info!(session), do: session |> info() |> value!()

  @doc ~S'''
  Makes a `PythonxPort.Code` of Python source, with its Elixir file and line, so that tracebacks name them.

  Nothing in the text is interpolated or unescaped. You can pass the value wherever code is expected. Sigils of two
  letters need Elixir 1.15; before that, use `PythonxPort.Code.new/2`.

      import PythonxPort, only: [sigil_PY: 2]

      PythonxPort.exec(session, ~PY"""
      def greet(name):
          return f"hello {name}\n"
      """)

  ## Elixir's variables

  With the modifier `b` the code sees the variables of the Elixir code around it, as bindings:

      words = ["b", "a"]
      {:ok, ["A", "B"]} = PythonxPort.eval(session, ~PY"sorted(word.upper() for word in words)"b)

    * A variable is bound if the code uses its name and does not assign it at its top level. In `~PY"total = 2 * n"b`,
      `n` is Elixir's variable, and `total` becomes a variable of the session, whatever `total` is in Elixir. To give it
      a value to begin with, use `bindings:`.
    * Elixir's variable comes before a variable of the session and before a builtin of the same name. If `sum` is a
      variable in Elixir, `sum(numbers)` in Python calls its value, which is hardly a function.
    * Explicit `bindings:` come before Elixir's variables.
    * A name that the code uses but Elixir does not have is Python's, as without the modifier.
    * Only variables whose names occur in the text are sent, so that the compiler still warns of variables that nothing
      uses. A name in a string or a comment of Python occurs, too: its variable counts as used and is sent, but Python
      ignores it.
    * Variables that begin with `_` are left out, as are those that end with `?` or `!`, which are no names in Python.
    * In a `quote`, the variables are those of the place where the macro is used, as with `binding/0`; those of the
      macro itself are not seen. Pass them in `bindings:`.
  '''
  defmacro sigil_PY({:<<>>, meta, [source]}, modifiers) when is_binary(source) do
    # A heredoc's text begins on the line after its opening quotes.
    line = if meta[:indentation], do: __CALLER__.line + 1, else: __CALLER__.line
    code = Code.new(source, file: Path.relative_to_cwd(__CALLER__.file), line: line)

    case modifiers do
      [] -> Macro.escape(code)
      [?b] -> with_variables(code, __CALLER__)
      _other -> raise ArgumentError, "the sigil ~PY takes the modifier b alone, got: #{modifiers}"
    end
  end

  defp with_variables(code, env) do
    names = Code.names_in(code.source, for({name, nil} <- Macro.Env.vars(env), do: name))
    variables = for name <- names, do: {Atom.to_string(name), Macro.var(name, nil)}
    quote do: %{unquote(Macro.escape(code)) | bindings: %{unquote_splicing(variables)}}
  end

  defp arguments(session_or_code, code_or_options, options, function) do
    {session, code, options} = Client.Arguments.sort(session_or_code, code_or_options, options, function)
    {locate(session), code, options}
  end

  defp default_call(target, args) do
    {locate(:default), Client.Arguments.target!(target), Client.Arguments.args!(args)}
  end

  # The default session starts when a request is sent to it: not before its arguments are checked, or a stream is read.
  defp locate(:default), do: &Session.Default.fetch/0
  defp locate(session), do: Client.Arguments.session!(session)

  defp value!({:ok, value}), do: value
  defp value!({:error, error}), do: raise(error)

  defp name_taken(name, pid) do
    Error.exception(kind: :start_failed, message: "the name #{inspect(name)} is taken by #{inspect(pid)}")
  end
end
