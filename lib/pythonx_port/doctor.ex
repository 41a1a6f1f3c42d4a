defmodule PythonxPort.Doctor do
  @moduledoc false
  # Turns the report of the port program's doctor into a map, in the words of this library.

  alias PythonxPort.PortProgram
  alias PythonxPort.Session.Options

  # The doctor gives up an interpreter that hangs, and imports NumPy from a slow disk, within this time.
  @timeout 60_000

  @labels %{
    "launcher" => :launcher,
    "engine" => :engine,
    "chosen by" => :chosen_by,
    "python" => :python,
    "libpython" => :libpython,
    "host" => :host,
    "version" => :version,
    "prefix" => :prefix,
    "numpy" => :numpy,
    "problem" => :problem
  }

  @typedoc "See `PythonxPort.doctor/1`."
  @type report :: %{
          required(:ok) => boolean(),
          required(:problem) => String.t() | nil,
          required(:text) => String.t(),
          required(:traceback) => String.t() | nil,
          optional(atom()) => String.t()
        }

  @doc "Examines the Python of a session with these options."
  @spec examine(keyword()) :: report()
  def examine(options) do
    with {:ok, options} <- options |> Options.new() |> Options.with_python(),
         {:ok, text, content} <- run(options) do
      text |> PortProgram.name_choice(options.python_from) |> String.trim_trailing() |> report(content)
    else
      {:error, error} ->
        %{ok: false, problem: error.message, text: "problem:     " <> error.message, traceback: nil}
    end
  end

  defp run(options) do
    task = Task.async(fn -> PortProgram.doctor(options) end)

    case Task.yield(task, @timeout) || Task.shutdown(task, :brutal_kill) do
      {:ok, result} -> result
      _nothing -> {:ok, "problem:     the interpreter does not answer: is it a Python interpreter?", false}
    end
  end

  defp report(text, content) do
    fields =
      for line <- String.split(text, "\n"),
          [_all, label, value] <- [Regex.run(~r/\A([a-z ]+): +(.+)\z/, line)],
          key = @labels[label],
          into: %{},
          do: {key, value}

    {_rest, traceback} = PortProgram.split_report(text)
    Map.merge(%{problem: nil}, Map.merge(fields, %{ok: content, text: text, traceback: traceback}))
  end
end
