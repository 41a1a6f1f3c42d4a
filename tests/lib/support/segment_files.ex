defmodule PythonxPort.SegmentFiles do
  @moduledoc false
  # Looks at the files of shared memory that a Python process has, or that are open here.

  alias PythonxPort.OSProcess

  @doc "Bytes in all files of a session, or of a Python process."
  @spec of(PythonxPort.session() | pos_integer()) :: non_neg_integer()
  def of(session) when not is_integer(session), do: session |> OSProcess.of() |> of()

  def of(os_pid) do
    directory = "/proc/#{os_pid}/fd"
    for fd <- files(directory), reduce: 0, do: (sum -> sum + File.stat!("#{directory}/#{fd}").size)
  end

  @doc "How many files of any session are open in this process."
  @spec open_here() :: non_neg_integer()
  def open_here, do: length(files("/proc/#{System.pid()}/fd"))

  defp files(directory) do
    Enum.filter(File.ls!(directory), fn fd ->
      match?({:ok, "/memfd:pythonx_port" <> _deleted}, File.read_link("#{directory}/#{fd}"))
    end)
  end
end
