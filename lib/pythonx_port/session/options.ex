defmodule PythonxPort.Session.Options do
  @moduledoc false
  # Checks the options of a session when they are given, not when they are first used.

  alias PythonxPort.{Arguments, Callback, Code, Environment, Error, Output, Results}
  alias PythonxPort.Session.{QueueLimit, Secret}

  # The default of the port program, and the most that {packet, 4} can carry.
  @max_frame 0xFFFF_FFFF
  @max_spin 1_000_000
  @max_result 0x7FFF_FFFF_FFFF_FFFF

  # The environment may hold secrets, and options are logged when a session crashes.
  @derive {Inspect, except: [:env]}
  defstruct [
    :python,
    :python_from,
    :output,
    :memory_limit,
    :segment_limit,
    :max_result,
    :atom_limit,
    :oom_score_adj,
    :host,
    :cd,
    :executable,
    :spin,
    :name,
    :decode,
    :tensors,
    :results,
    max_frame: @max_frame,
    init: [],
    init_timeout: 60_000,
    grace: 5_000,
    children: :end,
    start: :sync,
    link: true,
    max_queue: :infinity,
    allow: [],
    log: true,
    env: []
  ]

  @type t :: %__MODULE__{
          python: String.t() | nil,
          python_from: String.t() | nil,
          output: Output.target(),
          memory_limit: pos_integer() | nil,
          segment_limit: non_neg_integer() | nil,
          max_result: pos_integer() | nil,
          atom_limit: non_neg_integer() | nil,
          oom_score_adj: -1000..1000 | nil,
          host: :library | :executable | nil,
          cd: Path.t() | nil,
          executable: Path.t() | nil,
          spin: non_neg_integer() | nil,
          name: GenServer.name() | nil,
          decode: %{String.t() => Results.decoder()} | nil,
          tensors: :nx | :tensor | nil,
          results: Results.t(),
          max_frame: pos_integer(),
          init: [String.t() | Code.t()],
          init_timeout: timeout(),
          grace: timeout(),
          children: :end | :keep,
          start: :sync | :async,
          link: boolean(),
          max_queue: QueueLimit.option(),
          allow: Callback.Allowlist.t(),
          log: PythonxPort.PythonLog.t(),
          env: [{String.t(), String.t() | nil | false}] | map()
        }

  @doc "Checks options; must be called by the process that gives them, whose group leader gets the output by default."
  @spec new(keyword()) :: t()
  def new(options) do
    options = Arguments.options!(options, known(), "a session")
    options = for {key, value} <- options, do: {key, Secret.unwrap(value)}
    Enum.each(options, &check/1)

    __MODULE__
    |> struct!(options)
    |> Map.update!(:init, &List.wrap/1)
    |> Map.update!(:allow, &allow/1)
    |> Map.update!(:output, &Output.target/1)
    |> Map.put(:results, Results.new(for {key, value} <- options, value != nil, do: {key, value}))
  end

  @doc """
  Chooses the interpreter, if the options or the configuration say which; its environment is created first if
  necessary.
  """
  @spec with_python(t()) :: {:ok, t()} | {:error, Error.t()}
  def with_python(options) do
    with {:ok, chosen} <- Environment.choose(options.python) do
      {python, from} = chosen || {nil, nil}
      {:ok, %{options | python: python(python), python_from: from}}
    end
  end

  defp known, do: Map.keys(%__MODULE__{}) -- [:__struct__, :python_from, :results]

  defp allow(entries) do
    case Callback.Allowlist.new(entries) do
      {:ok, allow} -> allow
      :error -> Arguments.refuse_option(:allow, entries, expected(:allow))
    end
  end

  # A name is looked up on PATH. A path is relative to the current directory, whatever the option :cd says.
  defp python(nil), do: nil
  defp python(python), do: if(String.contains?(python, "/"), do: Path.expand(python), else: python)

  # Those without a default here.
  @optional [:python, :memory_limit, :segment_limit, :max_result, :atom_limit] ++
              [:oom_score_adj, :host, :cd, :executable, :spin, :name, :decode, :tensors]

  defp check({key, nil}) when key in @optional, do: :ok

  defp check({key, value}) when key in [:python, :cd, :executable] and is_binary(value) and value != "",
    do: :ok

  defp check({:memory_limit, value}) when is_integer(value) and value > 0, do: :ok
  defp check({:max_result, value}) when value in 1..@max_result, do: :ok
  defp check({:atom_limit, value}) when value in 0..0xFFFF_FFFF, do: :ok
  defp check({:segment_limit, value}) when is_integer(value) and value >= 0, do: :ok
  defp check({:oom_score_adj, value}) when value in -1000..1000, do: :ok
  defp check({:host, value}) when value in [:library, :executable], do: :ok
  defp check({:children, value}) when value in [:end, :keep], do: :ok
  defp check({:start, value}) when value in [:sync, :async], do: :ok
  defp check({:link, value}) when is_boolean(value), do: :ok
  defp check({:max_queue, :infinity}), do: :ok
  defp check({:max_queue, count}) when is_integer(count) and count > 0, do: :ok
  defp check({:max_queue, [_ | _] = limits}), do: check_limits(limits)
  defp check({:max_frame, value}) when value in 1..@max_frame, do: :ok
  defp check({:spin, value}) when value in 0..@max_spin, do: :ok

  defp check({key, value}) when key in [:init_timeout, :grace] do
    if not Arguments.timeout?(value), do: Arguments.refuse_option(key, value, "milliseconds, or :infinity")
  end

  defp check({:log, log}) when is_boolean(log) or is_function(log, 1), do: :ok
  defp check({:env, env}), do: Arguments.variables!(env, "a session")

  defp check({:init, init}), do: check_init(init)
  defp check({:name, name}) when is_atom(name) and name != :default, do: :ok
  defp check({:name, {:global, _term}}), do: :ok
  defp check({:name, {:via, module, _term}}) when is_atom(module), do: :ok
  # Output.target/1 and Callback.Allowlist.new/1 check these.
  defp check({key, _value}) when key in [:output, :allow], do: :ok

  defp check({key, value}) when key in [:decode, :tensors] do
    if not Results.valid?(key, value), do: Arguments.refuse_option(key, value, Results.expected(key))
  end

  defp check({key, value}), do: Arguments.refuse_option(key, value, expected(key))

  @expected %{
    python: "the path of an interpreter, or its name on PATH, as a string",
    cd: "the path of a folder, as a string",
    executable: "the path of the port program, as a string",
    memory_limit: "a number of bytes, at least 1",
    segment_limit: "a number of bytes",
    max_result: "a number of bytes, at least 1",
    max_frame: "a number of bytes, from 1 to 4_294_967_295",
    atom_limit: "a number of atoms",
    oom_score_adj: "a number from -1000 to 1000",
    spin: "a number of microseconds, at most 1_000_000",
    children: ":end or :keep",
    host: ":library or :executable",
    link: "true or false",
    max_queue: "a number of requests, [requests: number, bytes: number], or :infinity",
    start: ":sync or :async",
    log: "true, false, or a function of one argument",
    name: "an atom other than :default, {:global, term} or {:via, module, term}",
    allow: ":all, or a list of modules, {module, function}, {module, function, arity} and {:send, name}"
  }

  defp expected(key), do: @expected[key]

  defp check_init(code) when is_binary(code) or is_struct(code, Code), do: :ok

  defp check_init(init) do
    if Arguments.charlist?(init) or not Arguments.proper_list?(init), do: refuse_init(init)
    Enum.each(init, fn code -> is_binary(code) or is_struct(code, Code) or refuse_init(code) end)
  end

  defp check_limits(limits) do
    valid? = fn {key, value} -> key in [:requests, :bytes] and is_integer(value) and value > 0 end

    unless Keyword.keyword?(limits) and Enum.all?(limits, valid?) and
             limits == Enum.uniq_by(limits, &elem(&1, 0)),
           do: Arguments.refuse_option(:max_queue, limits, expected(:max_queue))
  end

  @spec refuse_init(term()) :: no_return()
  defp refuse_init(init) do
    Arguments.refuse("code, or a list of it, for the option :init", init, Arguments.charlist_hint(init))
  end
end
