defmodule PythonxPort.Environment do
  @moduledoc false
  # The environments that uv has made, each in a folder named after what was asked for, and which Python a session
  # gets.
  #
  # An environment is made in a folder beside its own, which is renamed when it is whole, by one process at a time:
  # whoever has the lock may also remove what others left when they were interrupted.

  alias PythonxPort.Error
  alias PythonxPort.Environment.{Lock, UV}

  # To be raised when environments are made differently.
  @format 1

  @beside ".new-"

  @doc "Makes the environment where it is not there, and has sessions use it; its interpreter."
  @spec init(keyword()) :: {:ok, Path.t()} | {:error, Error.t()}
  def init(options) do
    uv = UV.new(options)

    with {:ok, python} <- ensure(uv) do
      remember({python, uv})
      {:ok, python}
    end
  end

  @doc "The options that the configuration holds, also where no application was started, as in a release's `eval`."
  @spec configuration() :: keyword() | nil
  def configuration do
    Application.load(:pythonx_port)
    Application.get_env(:pythonx_port, :uv_init)
  end

  @doc "The interpreter for a session that asks for `wanted`, and who has chosen it; nil where nothing has."
  @spec choose(String.t() | nil) :: {:ok, {String.t(), String.t()} | nil} | {:error, Error.t()}
  def choose(nil) do
    case {remembered(), Application.get_env(:pythonx_port, :uv_init)} do
      {nil, nil} -> {:ok, configured()}
      {nil, options} -> options |> init() |> chosen_by_uv()
      # It may have been removed with the rest of the cache.
      {{python, uv}, _options} -> python |> still_there(uv) |> chosen_by_uv()
    end
  end

  def choose(python), do: {:ok, {python, "the option :python"}}

  @doc "Has sessions choose as if there had been no environment."
  @spec forget() :: :ok
  def forget, do: remember(nil)

  defp chosen_by_uv({:ok, python}), do: {:ok, {python, "uv_init"}}
  defp chosen_by_uv({:error, error}), do: {:error, error}

  defp configured do
    case Application.get_env(:pythonx_port, :python_path) do
      nil -> nil
      python -> {python, "config :pythonx_port, :python_path"}
    end
  end

  defp still_there(python, uv), do: if(File.exists?(python), do: {:ok, python}, else: ensure(uv))

  defp remembered, do: :persistent_term.get(__MODULE__, nil)
  defp remember(environment), do: :persistent_term.put(__MODULE__, environment)

  # -- making one -----------------------------------------------------------------------------------------------------

  defp ensure(uv) do
    with {:ok, root} <- root(uv.directory), do: ensure(uv, root)
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

  # A lock file that is not there yet asks for an environment of which it is then written.
  defp existing(%{uv_lock: nil}, place), do: python_in(place)

  defp existing(%{uv_lock: path}, place) do
    case File.read(path) do
      {:ok, text} -> place |> place_of_lock(text) |> python_in()
      {:error, _reason} -> nil
    end
  end

  defp place_of_lock(place, text), do: place <> "-" <> hash(text)

  # The interpreter is a link to another, which may be gone.
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

  # There may be one already: that of a lock file that was lost and is now found again. Or one without its Python.
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

  # Not by :crypto, which takes longer to load than all the rest takes where the environment is there. Whoever could
  # make two projects alike could as well change one.
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
