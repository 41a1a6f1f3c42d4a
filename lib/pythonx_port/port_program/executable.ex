defmodule PythonxPort.PortProgram.Executable do
  @moduledoc false
  # Finds the port program.

  alias PythonxPort.Error

  @name "pythonx_port"

  @doc "Returns the path of the port program: of the given one, or of the first that exists."
  @spec find(String.t() | nil) :: {:ok, Path.t()} | {:error, Error.t()}
  def find(named \\ nil)

  def find(nil) do
    candidates = [System.get_env("PYTHONX_PORT"), in_priv(), System.find_executable(@name)]

    case Enum.find(candidates, &(&1 && File.regular?(&1))) do
      nil ->
        failed(
          "#{@name} was found neither by $PYTHONX_PORT, nor in the priv directory of the application, " <>
            "nor on PATH: run `make`, or give the option :executable"
        )

      path ->
        {:ok, Path.expand(path)}
    end
  end

  def find(executable) do
    case System.find_executable(executable) do
      nil -> failed("#{executable} is not an executable file")
      path -> {:ok, Path.expand(path)}
    end
  end

  defp in_priv do
    case :code.priv_dir(:pythonx_port) do
      {:error, :bad_name} -> nil
      directory -> Path.join(directory, @name)
    end
  end

  defp failed(message), do: {:error, %Error{kind: :start_failed, message: message}}
end
