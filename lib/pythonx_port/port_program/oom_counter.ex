defmodule PythonxPort.PortProgram.OomCounter do
  @moduledoc false
  # Finds out whether the kernel killed a session because memory ran out. The kernel counts such kills for each cgroup
  # (`oom_kill` in memory.events, or memory.oom_control in version 1); a session compares the counts of its own cgroup
  # at its start and after its death. Sessions that share a cgroup claim one kill each, so that the kill of one does
  # not explain the end of another. The count names no process: the kill of another process of the cgroup is mistaken
  # for that of the next session there that SIGKILL ends.

  @enforce_keys [:file, :kills]
  defstruct @enforce_keys

  @typedoc "A session's cgroup: the file with its count, and the count at the start."
  @type t :: %__MODULE__{file: Path.t(), kills: non_neg_integer()}

  # The kills that sessions have claimed, as {file, number}.
  @claims __MODULE__

  @doc "Makes the table of claims, which belongs to the calling process."
  @spec init() :: :ok
  def init do
    :ets.new(@claims, [:named_table, :public, write_concurrency: true])
    :ok
  end

  @doc "Reads the count of a process's cgroup; returns `nil` if the system has none."
  @spec new(pos_integer() | nil, Path.t()) :: t() | nil
  def new(os_pid, proc \\ "/proc")
  def new(nil, _proc), do: nil

  def new(os_pid, proc) do
    with {:ok, groups} <- File.read(Path.join([proc, "#{os_pid}", "cgroup"])),
         {:ok, mounts} <- File.read(Path.join([proc, "self", "mountinfo"])) do
      groups
      |> files(mounts)
      |> Enum.find_value(fn file ->
        if kills = read(file), do: %__MODULE__{file: file, kills: kills}
      end)
    else
      {:error, _reason} -> nil
    end
  end

  @doc "Returns whether a kill was counted that no other session has claimed, and claims it."
  @spec claim?(t() | nil) :: boolean()
  def claim?(nil), do: false

  def claim?(%__MODULE__{file: file} = counter) do
    # The oldest kill first: a session that started later can only claim later ones.
    case read(file) do
      now when is_integer(now) and now > counter.kills ->
        Enum.any?((counter.kills + 1)..now, &claim(file, &1))

      _none ->
        false
    end
  end

  # The files that may have the count, the best first.
  defp files(groups, mounts) do
    groups =
      for line <- lines(groups),
          [_number, names, path] <- [String.split(line, ":", parts: 3)],
          do: {names, path}

    mounts = Enum.flat_map(lines(mounts), &mount/1)
    by_controller = Enum.find(groups, fn {names, _path} -> "memory" in String.split(names, ",") end)

    case by_controller || List.keyfind(groups, "", 0) do
      nil ->
        []

      {"", path} ->
        for name <- ["memory.events.local", "memory.events"], file <- below(mounts, :v2, path, name), do: file

      {_names, path} ->
        below(mounts, :v1, path, "memory.oom_control")
    end
  end

  # A mount may show a part of the tree alone, as it does in containers.
  defp below(mounts, version, path, name) do
    for {^version, root, point} <- mounts, rest = relative(path, root), do: Path.join([point, rest, name])
  end

  defp relative(path, "/"), do: if(String.starts_with?(path, "/.."), do: nil, else: path)
  defp relative(path, path), do: "/"

  defp relative(path, root) do
    if String.starts_with?(path, root <> "/"), do: String.replace_prefix(path, root, "")
  end

  # proc_pid_mountinfo(5)
  defp mount(line) do
    with [left, right] <- String.split(line, " - ", parts: 2),
         [_id, _parent, _device, root, point | _options] <- String.split(left, " "),
         [type, _source, options] <- String.split(right, " "),
         version when version != nil <- version(type, String.split(options, ",")) do
      [{version, unescape(root), unescape(point)}]
    else
      _other -> []
    end
  end

  defp version("cgroup2", _options), do: :v2
  defp version("cgroup", options), do: if("memory" in options, do: :v1)
  defp version(_type, _options), do: nil

  defp unescape(text) do
    Regex.replace(~r/\\([0-7]{3})/, text, fn _all, octal -> <<String.to_integer(octal, 8)>> end)
  end

  defp read(file) do
    with {:ok, text} <- File.read(file),
         ["oom_kill " <> count] <- Enum.filter(lines(text), &String.starts_with?(&1, "oom_kill ")),
         {kills, ""} <- Integer.parse(count) do
      kills
    else
      _none -> nil
    end
  end

  defp lines(text), do: String.split(text, "\n", trim: true)

  # There is no table if the application was not started.
  defp claim(file, number) do
    :ets.whereis(@claims) == :undefined or :ets.insert_new(@claims, {{file, number}})
  end
end
