defmodule PythonxPort.Application do
  @moduledoc false
  # Supervises the sessions that PythonxPort.start_session/1 starts, and the default session.
  use Application

  @impl true
  def start(_type, _args) do
    PythonxPort.PortProgram.OomCounter.init()
    PythonxPort.Rich.implement_render()

    children = [
      PythonxPort.PortProgram.CrashFiles,
      {DynamicSupervisor, name: PythonxPort.SessionSupervisor, strategy: :one_for_one}
    ]

    Supervisor.start_link(children, strategy: :one_for_one, name: PythonxPort.Supervisor)
  end
end
