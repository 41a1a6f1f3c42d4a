defmodule PythonxPort.Session.SendQueue do
  @moduledoc false
  # Requests that Python has no room for yet. Where too many wait in Python it reads no further, and what comes behind
  # them, be it that one of them is to end, would not reach it. So they wait here, and what is urgent goes past them.
  # No processes, no messages.

  # Half of what Python takes (port/engine/queue/job.c).
  @most 8_192
  @most_bytes 128 * 1024 * 1024

  # `count` and `bytes` are those of requests that Python has and that have no reply yet; `frames` has what waits by
  # key, in the order of `keys`, where those that were dropped are still in.
  defstruct count: 0, bytes: 0, frames: %{}, keys: :queue.new()

  @typedoc "What goes out together. Without a size it takes no room, but keeps its place in the order."
  @type entry :: {iodata_frames :: [iodata()], size :: non_neg_integer() | nil}
  @type t :: %__MODULE__{}

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "Whether something is to be sent now; else it waits."
  @spec admit(t(), term(), entry()) :: {:send | :wait, t()}
  def admit(%__MODULE__{frames: frames} = backlog, key, {_frames, size} = entry) do
    if frames == %{} and room?(backlog, size) do
      {:send, take(backlog, size)}
    else
      {:wait, %{backlog | frames: Map.put(frames, key, entry), keys: :queue.in(key, backlog.keys)}}
    end
  end

  @doc "A request of this size has its reply. Gives what is to be sent now."
  @spec done(t(), non_neg_integer() | nil) :: {[{term(), [iodata()]}], t()}
  def done(backlog, nil), do: {[], backlog}

  def done(%__MODULE__{} = backlog, size) do
    next(%{backlog | count: backlog.count - 1, bytes: backlog.bytes - size}, [])
  end

  defp next(%__MODULE__{frames: frames} = backlog, ready) when frames == %{} do
    {Enum.reverse(ready), %{backlog | keys: :queue.new()}}
  end

  defp next(%__MODULE__{} = backlog, ready) do
    {:value, key} = :queue.peek(backlog.keys)

    case backlog.frames do
      %{^key => {frames, size}} ->
        if room?(backlog, size),
          do: backlog |> drop_first(key) |> take(size) |> next([{key, frames} | ready]),
          else: {Enum.reverse(ready), backlog}

      _dropped ->
        backlog |> drop_first(key) |> next(ready)
    end
  end

  @doc "Something that waits is not to be sent after all."
  @spec drop(t(), term()) :: {:dropped, t()} | :sent
  def drop(%__MODULE__{frames: frames} = backlog, key) do
    case frames do
      %{^key => _entry} -> {:dropped, %{backlog | frames: Map.delete(frames, key)}}
      _sent -> :sent
    end
  end

  # What is larger than all room goes alone.
  defp room?(_backlog, nil), do: true
  defp room?(%{count: 0}, _size), do: true
  defp room?(%{count: count, bytes: bytes}, size), do: count < @most and bytes + size <= @most_bytes

  defp take(backlog, nil), do: backlog
  defp take(backlog, size), do: %{backlog | count: backlog.count + 1, bytes: backlog.bytes + size}

  defp drop_first(backlog, key) do
    %{backlog | keys: :queue.drop(backlog.keys), frames: Map.delete(backlog.frames, key)}
  end
end
