defmodule PythonxPort.Environment.UV do
  @moduledoc false
  # Checks the options of uv_init, finds the program uv, and runs it.

  alias PythonxPort.{Arguments, Error}
  alias PythonxPort.PortProgram.Executable

  # The environment may hold passwords of package indexes.
  @derive {Inspect, except: [:env]}
  @enforce_keys [:project]
  defstruct [:project, :python_version, :uv_lock, :uv_path, :progress, directory: nil, locked: false, env: []]

  @typedoc "The options of `PythonxPort.uv_init/1`; `project` is the text of the pyproject.toml."
  @type t :: %__MODULE__{}

  @keys [
    :packages,
    :pyproject_toml,
    :python_version,
    :uv_lock,
    :locked,
    :uv_path,
    :directory,
    :progress,
    :env
  ]

  @oldest_minor 11

  # The arguments say which environment is meant.
  @unset ~w(VIRTUAL_ENV CONDA_PREFIX UV_PROJECT UV_PROJECT_ENVIRONMENT UV_WORKING_DIRECTORY UV_PYTHON PYTHONHOME PYTHONPATH)

  # -- options --------------------------------------------------------------------------------------------------------

  @doc "Checks options; raises an ArgumentError for those that make no sense."
  @spec new(keyword()) :: t()
  def new(options) do
    options = Arguments.options!(options, @keys, "uv_init")
    Enum.each(options, &check/1)
    version = options[:python_version]

    project =
      case {options[:packages], options[:pyproject_toml]} do
        {nil, nil} ->
          raise ArgumentError,
                "uv_init needs :packages or :pyproject_toml, given or in `config :pythonx_port, :uv_init`"

        {packages, nil} ->
          project(packages, version)

        {nil, text} ->
          text

        _both ->
          raise ArgumentError, "uv_init takes :packages or :pyproject_toml, not both"
      end

    fields = Keyword.drop(options, [:packages, :pyproject_toml])

    __MODULE__
    |> struct!([project: project] ++ fields)
    |> Map.update!(:uv_lock, &path/1)
    |> Map.update!(:directory, &path/1)
  end

  defp path({app, path}), do: Application.app_dir(app, path)
  defp path(path), do: path && Path.expand(path)

  defp check({:packages, packages}) do
    if Arguments.charlist?(packages) or not Arguments.proper_list?(packages), do: refuse_package(packages)
    Enum.each(packages, &(is_binary(&1) or refuse_package(&1)))
  end

  defp check({:pyproject_toml, text}) when is_binary(text), do: :ok
  defp check({:python_version, version}) when is_binary(version), do: check_version(version)

  defp check({key, path}) when key in [:uv_lock, :uv_path, :directory] and is_binary(path) and path != "",
    do: :ok

  defp check({key, {app, path}}) when key in [:uv_lock, :directory] and is_atom(app) and is_binary(path),
    do: :ok

  defp check({key, value}) when key in [:locked, :progress] and is_boolean(value), do: :ok
  defp check({:env, env}), do: Arguments.variables!(env, "uv_init")
  defp check({key, nil}) when key != :packages, do: :ok

  defp check({key, value}), do: Arguments.refuse_option(key, value, expected(key))

  defp expected(:pyproject_toml), do: "the text of a pyproject.toml, as a string"
  defp expected(:python_version), do: ~s(a version as a string, such as "3.12")
  defp expected(:uv_path), do: "the path of the program uv, as a string"
  defp expected(key) when key in [:uv_lock, :directory], do: "a path as a string, or {application, path}"
  defp expected(key) when key in [:locked, :progress], do: "true or false"

  @spec refuse_package(term()) :: no_return()
  defp refuse_package(packages) do
    Arguments.refuse_option(:packages, packages, ~s(a list of strings, requirements such as "numpy>=2"))
  end

  defp check_version(version) do
    if version =~ ~r/\A\d+\.\d+t/ do
      raise ArgumentError, "free-threaded builds such as Python #{version} are not supported"
    end

    case Regex.run(~r/\A(\d+)\.(\d+)(?:\.\d+)?\z/, version) do
      [_all, "3", minor] -> if String.to_integer(minor) < @oldest_minor, do: too_old(version), else: :ok
      [_all, _major, _minor] -> too_old(version)
      # Such as ">=3.12", which uv understands or refuses.
      nil -> :ok
    end
  end

  defp too_old(version) do
    raise ArgumentError, "Python #{version} was asked for: CPython 3.#{@oldest_minor} or later is needed"
  end

  # A dependency group, not the project's dependencies: uv's message about a bad requirement is shorter.
  defp project(packages, version) do
    """
    [project]
    name = "pythonx-port-environment"
    version = "0"
    requires-python = #{quoted(requires_python(version))}

    [dependency-groups]
    session = [#{Enum.map_join(packages, ", ", &quoted/1)}]

    [tool.uv]
    package = false
    default-groups = ["session"]
    """
  end

  defp requires_python(nil), do: ">=3.#{@oldest_minor}"

  defp requires_python(version) do
    cond do
      version =~ ~r/\A\d+\.\d+\z/ -> "==#{version}.*"
      version =~ ~r/\A\d+(\.\d+)+\z/ -> "==#{version}"
      true -> version
    end
  end

  # A basic string of TOML, which escapes as JSON does.
  defp quoted(text) do
    escaped =
      for <<character::utf8 <- text>>, into: "" do
        case character do
          ?" -> ~S(\")
          ?\\ -> ~S(\\)
          control when control < 32 or control == 127 -> "\\u" <> hex(control)
          other -> <<other::utf8>>
        end
      end

    ~s("#{escaped}")
  end

  defp hex(number), do: number |> Integer.to_string(16) |> String.pad_leading(4, "0")

  # -- running uv -----------------------------------------------------------------------------------------------------

  @doc """
  Creates the environment `.venv` in a folder with a pyproject.toml, and perhaps a uv.lock; both stay there. The
  environment can be moved afterwards.
  """
  @spec make(t(), Path.t()) :: :ok | {:error, Error.t()}
  def make(uv, folder) do
    python = if uv.python_version, do: ["--python", uv.python_version], else: []
    locked = if uv.locked, do: ["--locked"], else: []

    with {:ok, program} <- find(uv.uv_path || Application.get_env(:pythonx_port, :uv_path)),
         {:ok, launcher} <- Executable.find(),
         run = &run(uv, [launcher, "guard", program, "--color", "never" | &1], folder),
         :ok <- run.(["venv", "--relocatable"] ++ python ++ [".venv"]) do
      run.(["sync", "--no-install-project", "--no-dev"] ++ locked)
    end
  end

  defp find(nil) do
    case System.find_executable("uv") do
      nil ->
        failed(
          "uv was not found on PATH: install it (`pip install uv`, or see https://docs.astral.sh/uv), " <>
            "or name it with `config :pythonx_port, :uv_path`"
        )

      path ->
        {:ok, path}
    end
  end

  defp find(path) when not is_binary(path) do
    Arguments.refuse("a path as a string in config :pythonx_port, :uv_path", path)
  end

  defp find(path) do
    case System.find_executable(path) do
      nil -> failed("#{path}, which :uv_path names, is not an executable file")
      found -> {:ok, Path.expand(found)}
    end
  end

  defp run(uv, [program | arguments], folder) do
    env = for(name <- @unset, do: {name, nil}) ++ Enum.to_list(uv.env)

    port =
      Port.open({:spawn_executable, program}, [
        :binary,
        :exit_status,
        :hide,
        :stderr_to_stdout,
        line: 4_096,
        args: arguments,
        cd: folder,
        env:
          Enum.map(env, fn {name, value} -> {to_charlist(name), (value && to_charlist(value)) || false} end)
      ])

    case collect(port, show?(uv), []) do
      {0, _output} -> :ok
      {_status, output} -> failed("uv could not make the environment:\n\n#{String.trim(output)}")
    end
  end

  defp collect(port, show, output) do
    receive do
      {^port, {:data, {ending, line}}} ->
        line = [printable(line), if(ending == :eol, do: "\n", else: [])]
        if show, do: IO.write(line)
        collect(port, show, [output | line])

      {^port, {:exit_status, status}} ->
        # The caller may trap exits.
        Process.unlink(port)

        receive do
          {:EXIT, ^port, _reason} -> :ok
        after
          0 -> :ok
        end

        {status, IO.iodata_to_binary(output)}
    end
  end

  defp printable(text), do: if(String.valid?(text), do: text, else: inspect(text, binaries: :as_strings))

  @doc "Returns whether progress is shown."
  @spec show?(t()) :: boolean()
  def show?(%{progress: nil}), do: match?({:ok, _columns}, :io.columns())
  def show?(%{progress: progress}), do: progress

  defp failed(message), do: {:error, %Error{kind: :environment_failed, message: message}}
end
