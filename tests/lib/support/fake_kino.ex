defmodule PythonxPort.FakeKino do
  @moduledoc false
  # Compiles modules with the names of Kino, which is no dependency, while tests run: what Livebook shows is the name of
  # the module that was called, and its arguments.

  @source ~S"""
  defprotocol Kino.Render do
    @fallback_to_any true
    def to_livebook(value)
  end

  defimpl Kino.Render, for: Any do
    def to_livebook(value), do: {:inspected, value}
  end

  defmodule Kino.Shown do
    defstruct [:by, :args]
  end

  defimpl Kino.Render, for: Kino.Shown do
    def to_livebook(shown), do: {shown.by, shown.args}
  end

  for {module, arity} <- [{Kino.HTML, 1}, {Kino.Markdown, 1}, {Kino.Text, 1}, {Kino.Image, 2}] do
    args = Macro.generate_arguments(arity, __MODULE__)

    body =
      quote do
        def new(unquote_splicing(args)), do: struct!(Kino.Shown, by: __MODULE__, args: unquote(args))
      end

    Module.create(module, body, __ENV__)
  end
  """

  @doc "Compiles the modules; the returned function removes them, and what this library has made for them."
  @spec add() :: (... -> :ok)
  def add, do: PythonxPort.MadeUpModules.add(@source, [Module.concat(Kino.Render, PythonxPort.Rich)])
end
