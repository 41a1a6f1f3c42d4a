defmodule PythonxPort.MadeUpModules do
  @moduledoc false
  # Modules of a package that these tests cannot have, compiled while they run.

  @doc "Compiles modules; returns a function that removes them, and `others` that depend on them."
  @spec add(String.t(), [module()]) :: (... -> :ok)
  def add(source, others \\ []) do
    modules = for {module, _bytes} <- Code.compile_string(source), do: module
    fn -> Enum.each(others ++ modules, &remove/1) end
  end

  defp remove(module) do
    :code.purge(module)
    :code.delete(module)
    :code.purge(module)
  end
end
