defmodule PythonxPort.SessionCase do
  @moduledoc false
  # For tests that need a session: each test has its own, which ends with it. A crash of the session does not end the test.
  use ExUnit.CaseTemplate

  using do
    quote do
      alias PythonxPort.{Error, Gate, OSProcess, OtherBEAM}
    end
  end

  setup do
    {:ok, session: PythonxPort.start_session(link: false)}
  end
end
