unless Code.ensure_loaded?(:telemetry) do
  defmodule :telemetry do
    @moduledoc false
    # Stands in for the package telemetry, which is not needed to build or test this library: so much of it as is used here.

    @table __MODULE__

    def attach(id, event, function, config), do: attach_many(id, [event], function, config)

    def attach_many(id, events, function, config) do
      start()
      for event <- events, do: :ets.insert(@table, {event, id, function, config})
      :ok
    end

    def detach(id) do
      start()
      :ets.match_delete(@table, {:_, id, :_, :_})
      :ok
    end

    def execute(event, measurements, metadata) do
      start()

      for {_event, _id, function, config} <- :ets.lookup(@table, event),
          do: function.(event, measurements, metadata, config)

      :ok
    end

    # The table belongs to a process that outlives tests.
    defp start do
      if :ets.whereis(@table) == :undefined do
        caller = self()
        owner = spawn(fn -> own(caller) end)
        receive do: ({^owner, :ready} -> :ok)
      end
    end

    defp own(caller) do
      try do
        :ets.new(@table, [:named_table, :public, :bag])
        send(caller, {self(), :ready})
        Process.sleep(:infinity)
      rescue
        ArgumentError -> send(caller, {self(), :ready})
      end
    end
  end
end
