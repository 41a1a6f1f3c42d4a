defmodule PythonxPort.Session.PortWriter do
  @moduledoc false
  # Writes frames to a port without being suspended. A process that writes to a busy port is suspended until the other
  # side has read enough, which may be never while Python computes. A helper process is suspended instead; frames that
  # are written meanwhile wait in order, and the session goes on with its other work.

  defstruct [:port, :helper, waiting: []]

  @typedoc "`waiting` has frames in reverse order."
  @type t :: %__MODULE__{port: port(), helper: pid() | nil, waiting: [iodata()]}

  @spec new(port()) :: t()
  def new(port), do: %__MODULE__{port: port}

  @doc "Writes a frame, now or as soon as the port takes it."
  @spec write(t(), iodata()) :: t()
  def write(%__MODULE__{helper: nil} = writer, frame) do
    if command(writer.port, frame, [:nosuspend]), do: writer, else: start_helper(writer, [frame])
  end

  def write(%__MODULE__{} = writer, frame), do: %{writer | waiting: [frame | writer.waiting]}

  @doc "Handles the exit of the helper, which is linked to the session."
  @spec helper_ended(t()) :: t()
  def helper_ended(%__MODULE__{waiting: []} = writer), do: %{writer | helper: nil}
  def helper_ended(writer), do: start_helper(%{writer | waiting: []}, Enum.reverse(writer.waiting))

  defp start_helper(%{port: port} = writer, frames) do
    %{writer | helper: spawn_link(fn -> Enum.each(frames, &command(port, &1, [])) end)}
  end

  defp command(port, frame, options) do
    Port.command(port, frame, options)
  rescue
    # The port is closed. The message that says so is on its way to the session, and ends it.
    ArgumentError -> true
  end
end
