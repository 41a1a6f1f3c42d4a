defmodule PythonxPort.Environment do
  @moduledoc false
  # Chooses the Python of a session, and creates environments with uv, each in a folder named after its contents.
  #
  # An environment is created in a folder beside its own, which is renamed when it is complete, by one process at a
  # time. The process that has the lock also removes what interrupted processes have left.

  alias PythonxPort.{Arguments, Error, Telemetry}
  alias PythonxPort.Environment.{Lock, UV}

  # Raised when the way in which environments are created changes.
  @format 1

  @beside ".new-"

  @doc "Creates the environment if it does not exist, and makes sessions use it; returns its interpreter."
  @spec init(keyword()) :: {:ok, Path.t()} | {:error, Error.t()}
  def init(options) do
    uv = UV.new(options)

    with {:ok, python} <- ensure(uv) do
      remember({python, uv})
      {:ok, python}
    end
  end

  @doc "Returns the options in the configuration, also if no application was started, as in the `eval` of a release."
  @spec configuration() :: keyword() | nil
  def configuration do
    Application.load(:pythonx_port)
    Application.get_env(:pythonx_port, :uv_init)
  end

  @doc "Returns the interpreter of a session with this option `:python`, and what has chosen it; nil if nothing has."
  @spec choose(String.t() | nil) :: {:ok, {String.t(), String.t()} | nil} | {:error, Error.t()}
  def choose(nil) do
    case {remembered(), Application.get_env(:pythonx_port, :uv_init)} do
      {nil, nil} -> {:ok, configured()}
      {nil, options} -> options |> init() |> chosen_by_uv()
      # The environment may have been removed with the rest of the cache.
      {{python, uv}, _options} -> python |> ensure_interpreter(uv) |> chosen_by_uv()
    end
  end

  def choose(python), do: {:ok, {python, "the option :python"}}

  @doc "Makes sessions choose as if there had been no environment."
  @spec forget() :: :ok
  def forget, do: remember(nil)

  defp chosen_by_uv({:ok, python}), do: {:ok, {python, "uv_init"}}
  defp chosen_by_uv({:error, error}), do: {:error, error}

  defp configured do
    case Application.get_env(:pythonx_port, :python_path) do
      nil -> nil
      python when is_binary(python) -> {python, "config :pythonx_port, :python_path"}
      other -> Arguments.refuse("a path as a string in config :pythonx_port, :python_path", other)
    end
  end

  defp ensure_interpreter(python, uv), do: if(File.exists?(python), do: {:ok, python}, else: ensure(uv))

  defp remembered, do: :persistent_term.get(__MODULE__, nil)
  defp remember(environment), do: :persistent_term.put(__MODULE__, environment)

  # -- creating one ---------------------------------------------------------------------------------------------------

  defp ensure(uv) do
    Telemetry.uv_init(%{python_version: uv.python_version}, fn ->
      with {:ok, root} <- root(uv.directory), do: ensure(uv, root)
    end)
  end

  defp ensure(uv, root) do
    name =
      hash({@format, uv.project, uv.python_version, to_string(:erlang.system_info(:system_architecture))})

    place = Path.join(root, name)

    case existing(uv, place) do
      nil ->
        with :ok <- make_folder(root) do
          waiting = fn -> if UV.show?(uv), do: IO.puts("Waiting for the process that makes #{place}") end
          Lock.run(place <> ".lock", waiting, fn -> make_under_lock(uv, place) end)
        end

      python ->
        {:ok, python}
    end
  end

  # A lock file that does not exist is written from a new environment.
  defp existing(%{uv_lock: nil}, place), do: python_in(place)

  defp existing(%{uv_lock: path}, place) do
    case File.read(path) do
      {:ok, text} -> place |> place_of_lock(text) |> python_in()
      {:error, _reason} -> nil
    end
  end

  defp place_of_lock(place, text), do: place <> "-" <> hash(text)

  # The interpreter is a link to another one, which may not exist any more.
  defp python_in(place) do
    python = Path.join(place, ".venv/bin/python3")
    if File.exists?(python), do: python
  end

  defp make_under_lock(uv, place) do
    case existing(uv, place) do
      nil ->
        remove_left(place)
        new = place <> @beside <> Base.encode32(:crypto.strong_rand_bytes(5), case: :lower)
        result = make(uv, place, new)
        File.rm_rf(new)
        result

      python ->
        {:ok, python}
    end
  end

  defp remove_left(place) do
    start = Path.basename(place) <> @beside

    for name <- File.ls!(Path.dirname(place)), String.starts_with?(name, start) do
      File.rm_rf(Path.join(Path.dirname(place), name))
    end
  end

  defp make(uv, place, new) do
    with :ok <- make_folder(new),
         :ok <- write(Path.join(new, "pyproject.toml"), uv.project),
         :ok <- give_lock(uv.uv_lock, new),
         :ok <- UV.make(uv, new),
         {:ok, place} <- keep_lock(uv.uv_lock, place, new),
         do: move(new, place)
  end

  defp give_lock(nil, _new), do: :ok

  defp give_lock(path, new) do
    case File.read(path) do
      {:ok, text} -> write(Path.join(new, "uv.lock"), text)
      {:error, :enoent} -> :ok
      {:error, reason} -> failed("#{path} could not be read: #{:file.format_error(reason)}")
    end
  end

  defp keep_lock(nil, place, _new), do: {:ok, place}

  defp keep_lock(path, place, new) do
    text = File.read!(Path.join(new, "uv.lock"))

    with :ok <- if(File.read(path) == {:ok, text}, do: :ok, else: write(path, text)) do
      {:ok, place_of_lock(place, text)}
    end
  end

  # The place may be taken: by the environment of a lock file that was restored, or by one that has lost its Python.
  defp move(new, place) do
    python = python_in(place)
    if python == nil, do: File.rm_rf(place)

    case python || File.rename(new, place) do
      :ok -> {:ok, Path.join(place, ".venv/bin/python3")}
      {:error, reason} -> failed("#{place} could not be made: #{:file.format_error(reason)}")
      python -> {:ok, python}
    end
  end

  # -- folders --------------------------------------------------------------------------------------------------------

  defp root(nil) do
    if System.get_env("HOME") || System.get_env("XDG_CACHE_HOME") do
      {:ok, Path.join(:filename.basedir(:user_cache, "pythonx_port"), "environments")}
    else
      failed(
        "there is no folder for environments: set $HOME or $XDG_CACHE_HOME, or give the option :directory"
      )
    end
  end

  defp root(path), do: {:ok, path}

  # Not with :crypto: loading it would take longer than all the rest if the environment exists. To make two projects
  # with one hash is no attack, since it takes the right to change the project.
  defp hash(term) do
    term |> :erlang.term_to_binary() |> :erlang.md5() |> Base.encode32(case: :lower, padding: false)
  end

  defp make_folder(path) do
    with {:error, reason} <- File.mkdir_p(path) do
      failed("the folder #{path} could not be made: #{:file.format_error(reason)}")
    end
  end

  defp write(path, text) do
    with {:error, reason} <- File.write(path, text) do
      failed("#{path} could not be written: #{:file.format_error(reason)}")
    end
  end

  defp failed(message), do: {:error, %Error{kind: :environment_failed, message: message}}
end
