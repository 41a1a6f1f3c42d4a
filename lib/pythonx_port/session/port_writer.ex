defmodule PythonxPort.Session.PortWriter do
  @moduledoc false
  # Writes to a port without being held up by it. A process that writes to a busy port is suspended until the other
  # side has read enough, which may be never while Python computes. Here a helper is suspended instead, and what is
  # to be written meanwhile waits in order, so that the session goes on with its other work.

  defstruct [:port, :helper, waiting: []]

  @type t :: %__MODULE__{port: port(), helper: pid() | nil, waiting: [iodata()]}

  @spec new(port()) :: t()
  def new(port), do: %__MODULE__{port: port}

  @doc "Writes a frame, now or as soon as it can be."
  @spec write(t(), iodata()) :: t()
  def write(%__MODULE__{helper: nil} = outbox, frame) do
    if command(outbox.port, frame, [:nosuspend]), do: outbox, else: start_helper(outbox, [frame])
  end

  def write(%__MODULE__{} = outbox, frame), do: %{outbox | waiting: [frame | outbox.waiting]}

  @doc "To be called when the helper, which is linked, has ended."
  @spec helper_ended(t()) :: t()
  def helper_ended(%__MODULE__{waiting: []} = outbox), do: %{outbox | helper: nil}
  def helper_ended(outbox), do: start_helper(%{outbox | waiting: []}, Enum.reverse(outbox.waiting))

  defp start_helper(%{port: port} = outbox, frames) do
    %{outbox | helper: spawn_link(fn -> Enum.each(frames, &command(port, &1, [])) end)}
  end

  defp command(port, frame, options) do
    Port.command(port, frame, options)
  rescue
    # The port is closed. The message that says so is on its way to the session, and ends it.
    ArgumentError -> true
  end
end
