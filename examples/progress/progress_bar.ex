defmodule ProgressBar do
  @moduledoc """
  A line on the terminal that is drawn again with each `{:progress, done, total, loss}` message, from any sender.
  """
  use GenServer

  @width 30

  def start_link(_options \\ []), do: GenServer.start_link(__MODULE__, nil)

  @doc "Returns when all messages that were there are drawn."
  def finish(bar), do: GenServer.stop(bar)

  @impl true
  def init(nil), do: {:ok, nil}

  @impl true
  def handle_info({:progress, done, total, loss}, _drawn) do
    percent = div(100 * done, total)
    filled = div(@width * done, total)
    bar = String.duplicate("#", filled) <> String.duplicate(".", @width - filled)
    IO.write("\r[#{bar}] #{percent}% loss #{:erlang.float_to_binary(loss, decimals: 4)}")
    {:noreply, done}
  end

  @impl true
  def terminate(_reason, nil), do: :ok
  def terminate(_reason, _drawn), do: IO.write("\n")
end
