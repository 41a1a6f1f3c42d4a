defmodule PythonxPort.GuideRunner do
  @moduledoc false
  # Runs the blocks of a Markdown file in order, each with the variables of those before it in the same language. Elixir
  # and Erlang are evaluated in the calling process, Python runs in one session, commands of the shell in the folder
  # of the sources. A block of text behind commands is what they must print, with … for what differs each time.

  import ExUnit.Assertions

  alias PythonxPort.Markdown

  @root Path.expand("../../..", __DIR__)

  @spec run_file(Path.t(), Path.t()) :: :ok
  def run_file(path, folder) do
    python = PythonxPort.start_session(cd: folder, output: :ignore, log: false)
    # For what the marks prepare.
    Process.put(:folder, folder)
    state = %{path: path, python: python, binding: [], env: new_env(path), erlang: [], output: nil}
    path |> Markdown.blocks() |> Enum.reduce(state, &check_block/2)
    PythonxPort.stop_session(python)
  end

  defp check_block(block, state) do
    state = if block.before, do: run(%{block | language: "elixir", text: block.before}, state), else: state

    cond do
      block.mode == :run and Enum.all?(block.needs, &available?(&1, state)) -> run(block, state)
      Enum.any?(block.needs, &match?("elixir-" <> _version, &1)) -> state
      true -> parse(block, state)
    end
  rescue
    error ->
      message = "#{Path.relative_to(state.path, @root)}:#{block.line}: #{Exception.message(error)}"
      reraise ExUnit.AssertionError, [message: message], __STACKTRACE__
  end

  defp available?("elixir-" <> version, _state), do: Version.match?(System.version(), ">= #{version}.0")
  defp available?("nx", _state), do: Code.ensure_loaded?(Nx)
  defp available?("telemetry", _state), do: Code.ensure_loaded?(:telemetry)

  defp available?(package, state) do
    code = "import importlib.util; importlib.util.find_spec(name) is not None"
    PythonxPort.eval!(state.python, code, bindings: [name: package])
  end

  defp new_env(path) do
    {_value, _binding, env} = Code.eval_quoted_with_env(nil, [], Code.env_for_eval(file: path))
    env
  end

  # -- running --------------------------------------------------------------------------------------------------------

  defp run(%{language: "elixir"} = block, state) do
    cond do
      # A configuration: its values are those that the library reads.
      block.text =~ ~r/^import Config$/m ->
        check_config(block)
        state

      # A part of a module.
      block.text =~ ~r/\A(#.*\n)*def / ->
        compile_functions(block, state)
        state

      true ->
        quoted = Code.string_to_quoted!(block.text, file: state.path, line: block.line)
        {_value, binding, env} = Code.eval_quoted_with_env(quoted, state.binding, state.env)
        %{state | binding: binding, env: env}
    end
  end

  defp run(%{language: "erlang"} = block, state) do
    if block.text =~ ~r/^-module\(/m do
      {:ok, module, binary} = :compile.forms(erlang_forms(block))
      {:module, ^module} = :code.load_binary(module, ~c"guide", binary)
      state
    else
      Enum.reduce(erlang_expressions(block), state, fn expressions, state ->
        {:value, _value, bindings} = :erl_eval.exprs(expressions, state.erlang)
        %{state | erlang: bindings}
      end)
    end
  end

  defp run(%{language: "python"} = block, state) do
    PythonxPort.exec!(state.python, block.text, file: state.path, line: block.line)
    state
  end

  defp run(%{language: "sh"} = block, state) do
    {output, status} = System.cmd("sh", ["-e", "-c", block.text], cd: @root, stderr_to_stdout: true)
    assert status == 0, output
    %{state | output: output}
  end

  defp run(%{language: "text"}, %{output: nil} = state), do: state

  defp run(%{language: "text"} = block, state) do
    for line <- String.split(block.text, "\n", trim: true) do
      pattern = line |> Regex.escape() |> String.replace("…", ".*")

      assert state.output =~ Regex.compile!("^" <> pattern <> "$", "mu"),
             "missing: #{line}\n\n#{state.output}"
    end

    %{state | output: nil}
  end

  @keys [:uv_init, :uv_path, :python_path, :default_session]

  defp check_config(block) do
    file = Path.join(System.tmp_dir!(), "pythonx_port-#{System.pid()}-config.exs")
    File.write!(file, block.text)

    for {:pythonx_port, values} <- Config.Reader.read!(file), {key, value} <- values do
      assert key in @keys
      types = %{uv_init: :uv_options, default_session: :session_options}
      if type = types[key], do: assert(Keyword.keys(value) -- keys_of_type(type) == [])
    end

    File.rm!(file)
  end

  # Those that the documentation promises.
  defp keys_of_type(name) do
    {:ok, types} = Code.Typespec.fetch_types(PythonxPort)

    for {:type, {^name, {:type, _, :list, [{:type, _, :union, pairs}]}, []}} <- types,
        {:type, _, :tuple, [{:atom, _, key}, _value]} <- pairs,
        do: key
  end

  defp compile_functions(block, state) do
    module =
      Module.concat([__MODULE__, Macro.camelize(Path.basename(state.path, ".md")), "Line#{block.line}"])

    body = Code.string_to_quoted!(block.text, file: state.path, line: block.line)
    Module.create(module, body, file: state.path, line: block.line)

    if function_exported?(module, :deps, 0) do
      assert [{:pythonx_port, options}] = module.deps()
      assert Keyword.has_key?(options, :path) or Keyword.has_key?(options, :git)
    end
  end

  # -- parsing --------------------------------------------------------------------------------------------------------

  defp parse(%{language: "elixir"} = block, state) do
    Code.string_to_quoted!(block.text, file: state.path, line: block.line)
    state
  end

  defp parse(%{language: "erlang"} = block, state) do
    if block.text =~ ~r/^-module\(/m, do: erlang_forms(block), else: erlang_expressions(block)
    state
  end

  defp parse(%{language: "python"} = block, state) do
    PythonxPort.exec!(state.python, "compile(text, '<block>', 'exec')", bindings: [text: block.text])
    state
  end

  defp parse(%{language: "sh"} = block, state) do
    {output, status} = System.cmd("sh", ["-n", "-c", block.text], stderr_to_stdout: true)
    assert status == 0, output
    state
  end

  defp parse(%{language: "text"}, state), do: state

  defp erlang_expressions(block) do
    for tokens <- erlang_tokens(block) do
      {:ok, expressions} = :erl_parse.parse_exprs(tokens)
      expressions
    end
  end

  defp erlang_forms(block) do
    for tokens <- erlang_tokens(block) do
      {:ok, form} = :erl_parse.parse_form(tokens)
      form
    end
  end

  # One list for each full stop.
  defp erlang_tokens(block) do
    {:ok, tokens, _line} = block.text |> String.to_charlist() |> :erl_scan.string(block.line)

    Enum.chunk_while(
      tokens,
      [],
      fn
        {:dot, _line} = dot, tokens -> {:cont, Enum.reverse([dot | tokens]), []}
        token, tokens -> {:cont, [token | tokens]}
      end,
      fn [] -> {:cont, []} end
    )
  end
end
