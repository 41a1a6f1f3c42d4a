defmodule PythonxPort.Session.SendQueue do
  @moduledoc false
  # Holds back requests that Python has no room for yet. When too many are queued in Python it reads no further, and a
  # cancel behind them would not reach it. They are queued here instead, and urgent frames go past them. Pure
  # functions.

  # Half of what Python takes (port/engine/queue/job.c).
  @most 8_192
  @most_bytes 128 * 1024 * 1024

  # `count` and `bytes` are those of the requests that Python has and that have no reply yet. `frames` has the queued
  # entries by key, in the order of `keys`; keys of dropped entries are still in there. `held` is the first key
  # that is held back, with all those behind it, or `:all`, or nil.
  defstruct count: 0, bytes: 0, frames: %{}, keys: :queue.new(), held: nil

  @typedoc "Frames that go out together. An entry without a size takes no room, but keeps its place in the order."
  @type entry :: {frames :: [iodata()], size :: non_neg_integer() | nil}
  @type t :: %__MODULE__{
          count: non_neg_integer(),
          bytes: non_neg_integer(),
          frames: %{term() => entry()},
          keys: :queue.queue(term()),
          held: term()
        }

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "Returns `:send` if an entry is to be sent now; else it is queued."
  @spec admit(t(), term(), entry()) :: {:send | :wait, t()}
  def admit(%__MODULE__{frames: frames} = queue, key, {_frames, size} = entry) do
    if frames == %{} and queue.held == nil and room?(queue, size) do
      {:send, take(queue, size)}
    else
      {:wait, %{queue | frames: Map.put(frames, key, entry), keys: :queue.in(key, queue.keys)}}
    end
  end

  @doc "Takes note that a request of this size has its reply; returns the queued entries that are to be sent now."
  @spec done(t(), non_neg_integer() | nil) :: {[{term(), [iodata()]}], t()}
  def done(queue, nil), do: {[], queue}

  def done(%__MODULE__{} = queue, size) do
    next(%{queue | count: queue.count - 1, bytes: queue.bytes - size}, [])
  end

  @doc "Holds back the entry that is admitted next, which has this key, and all behind it; `:all` holds back all."
  @spec hold(t(), term()) :: t()
  def hold(%__MODULE__{} = queue, key), do: %{queue | held: key}

  @doc "Ends `hold/2`, or holds back from this key on; returns the queued entries that are to be sent now."
  @spec release(t(), term()) :: {[{term(), [iodata()]}], t()}
  def release(%__MODULE__{} = queue, key \\ nil), do: next(%{queue | held: key}, [])

  @doc "Adds a frame to a queued entry. Returns `:sent` if it is not in the queue any more."
  @spec append(t(), term(), iodata()) :: {:ok, t()} | :sent
  def append(%__MODULE__{frames: frames} = queue, key, frame) do
    case frames do
      %{^key => {first, size}} -> {:ok, %{queue | frames: %{frames | key => {first ++ [frame], size}}}}
      _sent -> :sent
    end
  end

  defp next(%__MODULE__{held: :all} = queue, []), do: {[], queue}

  defp next(%__MODULE__{frames: frames} = queue, ready) when frames == %{} do
    # The key that is held back keeps its place, also if its entry was dropped.
    {Enum.reverse(ready), if(queue.held, do: queue, else: %{queue | keys: :queue.new()})}
  end

  defp next(%__MODULE__{} = queue, ready) do
    {:value, key} = :queue.peek(queue.keys)

    case queue.frames do
      _frames when key == queue.held ->
        {Enum.reverse(ready), queue}

      %{^key => {frames, size}} ->
        if room?(queue, size),
          do: queue |> drop_first(key) |> take(size) |> next([{key, frames} | ready]),
          else: {Enum.reverse(ready), queue}

      _dropped ->
        queue |> drop_first(key) |> next(ready)
    end
  end

  @doc "Drops a queued entry. Returns `:sent` if it is not in the queue any more."
  @spec drop(t(), term()) :: {:dropped, t()} | :sent
  def drop(%__MODULE__{frames: frames} = queue, key) do
    case frames do
      %{^key => _entry} -> {:dropped, %{queue | frames: Map.delete(frames, key)}}
      _sent -> :sent
    end
  end

  # A request that is larger than all room goes alone.
  defp room?(_queue, nil), do: true
  defp room?(%{count: 0}, _size), do: true
  defp room?(%{count: count, bytes: bytes}, size), do: count < @most and bytes + size <= @most_bytes

  defp take(queue, nil), do: queue
  defp take(queue, size), do: %{queue | count: queue.count + 1, bytes: queue.bytes + size}

  defp drop_first(queue, key) do
    %{queue | keys: :queue.drop(queue.keys), frames: Map.delete(queue.frames, key)}
  end
end
