defmodule PythonxPort.Rich do
  @moduledoc """
  A Python object as a notebook shows it: as a picture, as HTML, or as text.

      {:ok, rich} = PythonxPort.eval(session, "figure", return: :rich)
      File.write!("figure.png", rich.png)

  The option `return: :rich` of `PythonxPort.eval/3`, `PythonxPort.call/5` and `PythonxPort.stream/3` returns one. It
  has what Python's notebooks (IPython) would show, by the methods `_repr_mimebundle_`, `_repr_html_`, `_repr_png_` and
  so on, which most libraries have: pandas and Polars show tables as HTML, Pillow shows pictures, plotly and altair show
  charts. A figure of matplotlib is a PNG, as is what plotting functions return, such as axes and lines. `None` is `nil`.

  A method that raises is reported in the output of the request (standard error), and the others are used.

  ## In Livebook

  With Kino among the dependencies, a cell whose value is a `PythonxPort.Rich` shows it. `to_kino/1` returns what it
  shows, to put it into a frame or a layout.
  """

  alias PythonxPort.Rich

  @enforce_keys [:text]
  defstruct [:text, :html, :markdown, :latex, :svg, :png, :jpeg, data: %{}]

  @typedoc """
  `text` is the object's `repr`; the other fields are `nil` if it does not have that form. `data` has contents of other
  types by the names of these, such as `"application/vnd.plotly.v1+json"`.
  """
  @type t :: %__MODULE__{
          text: String.t(),
          html: String.t() | nil,
          markdown: String.t() | nil,
          latex: String.t() | nil,
          svg: String.t() | nil,
          png: binary() | nil,
          jpeg: binary() | nil,
          data: %{String.t() => term()}
        }

  @doc """
  Returns a Kino that shows the first form that the object has: HTML, Markdown, SVG, LaTeX, PNG, JPEG, or text.

  Kino is looked for at run time: it may be added after this library was compiled. Raises a `RuntimeError` if it is not
  a dependency of your application.
  """
  @spec to_kino(t()) :: struct()
  def to_kino(%Rich{html: html}) when html != nil, do: kino(Kino.HTML, [html])
  def to_kino(%Rich{markdown: markdown}) when markdown != nil, do: kino(Kino.Markdown, [markdown])
  def to_kino(%Rich{svg: svg}) when svg != nil, do: kino(Kino.Image, [svg, :svg])
  # Livebook's Markdown has formulas between dollar signs, as LaTeX here has.
  def to_kino(%Rich{latex: latex}) when latex != nil, do: kino(Kino.Markdown, [latex])
  def to_kino(%Rich{png: png}) when png != nil, do: kino(Kino.Image, [png, :png])
  def to_kino(%Rich{jpeg: jpeg}) when jpeg != nil, do: kino(Kino.Image, [jpeg, :jpeg])
  def to_kino(%Rich{text: text}), do: kino(Kino.Text, [text])

  defp kino(module, args) do
    unless Code.ensure_loaded?(module) do
      raise "Kino is missing: add {:kino, \"~> 0.12\"} to the dependencies in mix.exs, and run mix deps.get"
    end

    apply(module, :new, args)
  end

  @doc false
  @spec to_livebook(t()) :: term()
  def to_livebook(rich), do: apply(Kino.Render, :to_livebook, [to_kino(rich)])

  @doc false
  # Implements Kino.Render when the application starts, if Kino was not there when this library was compiled. A protocol
  # that is consolidated takes no more implementations.
  @spec implement_render() :: :ok
  def implement_render do
    if Code.ensure_loaded?(Kino.Render) and not Protocol.consolidated?(Kino.Render) and
         not Code.ensure_loaded?(Module.concat(Kino.Render, Rich)) do
      Code.eval_quoted(
        quote do
          defimpl Kino.Render, for: PythonxPort.Rich do
            defdelegate to_livebook(rich), to: PythonxPort.Rich
          end
        end
      )
    end

    :ok
  end

  defimpl Inspect do
    import Inspect.Algebra

    @forms [:html, :markdown, :latex, :svg, :png, :jpeg]

    # How many characters of the text are shown.
    @shown 60

    def inspect(rich, _options) do
      forms =
        for form <- @forms, content = Map.fetch!(rich, form), do: "#{form} (#{byte_size(content)} bytes)"

      case Enum.join(forms ++ Enum.sort(Map.keys(rich.data)), ", ") do
        "" -> concat(["#PythonxPort.Rich<", first_line(rich.text), ">"])
        forms -> concat(["#PythonxPort.Rich<", first_line(rich.text), ": ", forms, ">"])
      end
    end

    defp first_line(text) do
      line = text |> String.split("\n", parts: 2) |> hd() |> String.slice(0, @shown)
      if line == text, do: line, else: line <> " …"
    end
  end
end

if Code.ensure_loaded?(Kino.Render) do
  defimpl Kino.Render, for: PythonxPort.Rich do
    defdelegate to_livebook(rich), to: PythonxPort.Rich
  end
end
