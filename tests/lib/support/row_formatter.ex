defmodule PythonxPort.RowFormatter do
  @moduledoc false
  # A formatter for ExUnit that prints a line for each file of tests once it is done: "row: FILE|RESULT|SECONDS". The
  # script that tests other architectures makes its table of them (tests/scripts/worlds_emulated.sh).
  use GenServer

  @impl true
  def init(_options), do: {:ok, %{}}

  # How many tests of a module are left out. A finished module has them no more.
  @impl true
  def handle_cast({:test_finished, %{state: {state, _reason}} = test}, left_out)
      when state in [:excluded, :skipped],
      do: {:noreply, Map.update(left_out, test.module, 1, &(&1 + 1))}

  def handle_cast({:module_finished, module}, left_out) do
    file = Path.relative_to_cwd(module.file)
    seconds = module.tests |> Enum.map(& &1.time) |> Enum.sum() |> div(1_000_000)
    IO.puts("\nrow: #{file}|#{result(module, Map.get(left_out, module.name, 0))}|#{seconds}")
    {:noreply, left_out}
  end

  def handle_cast(_event, left_out), do: {:noreply, left_out}

  defp result(%{state: {:failed, _failures}}, _left_out), do: "failed: setup_all"

  defp result(module, left_out) do
    failed =
      for %{state: {state, _reason}, name: name} <- module.tests, state in [:failed, :invalid], do: name

    others = if left_out > 0, do: ", left out #{left_out}"

    case failed do
      [] -> "passed #{length(module.tests)}#{others}"
      names -> "failed #{length(names)} of #{length(module.tests)}#{others}: #{Enum.join(names, "; ")}"
    end
  end
end
