defmodule PythonxPort.RichTest do
  # Results as notebooks show them.
  use PythonxPort.SessionCase, async: false

  import ExUnit.CaptureIO

  alias PythonxPort.{FakeKino, Rich, SharedMemory}

  describe "return: :rich" do
    test "has what an object's methods return", %{session: session} do
      code = """
      class Shown:
          def _repr_html_(self): return "<b>é</b>"
          def _repr_png_(self): return b"\\x89PNG"
          def _repr_mimebundle_(self, **_options): return {"image/svg+xml": "<svg/>", "application/json": {"a": [1]}}
          def __repr__(self): return "Shown()"
      Shown()
      """

      assert PythonxPort.eval!(session, code, return: :rich) ==
               %Rich{
                 text: "Shown()",
                 html: "<b>é</b>",
                 png: <<0x89, "PNG">>,
                 svg: "<svg/>",
                 data: %{"application/json" => %{"a" => [1]}}
               }

      assert PythonxPort.call!(session, "Shown", [], [], return: :rich).html == "<b>é</b>"
      stream = PythonxPort.stream(session, "[Shown(), 1, None]", return: :rich)
      assert [%Rich{html: "<b>é</b>"}, %Rich{text: "1", html: nil}, nil] = Enum.to_list(stream)
    end

    test "has the text of anything", %{session: session} do
      for {code, text} <- [{"'a'", "'a'"}, {"object", "<class 'object'>"}, {"[1, {2}]", "[1, {2}]"}] do
        assert PythonxPort.eval!(session, code, return: :rich) == %Rich{text: text}
      end

      assert PythonxPort.eval!(session, "x = 1", return: :rich) == nil
    end

    test "reports methods that fail in the output of the request", %{session: session} do
      code = """
      class Failing:
          def _repr_html_(self): raise ValueError("no html")
          def _repr_markdown_(self): return 5
          def _repr_latex_(self): return "$x$"
          def __repr__(self): return "Failing()"
      Failing()
      """

      output =
        capture_io(fn ->
          assert PythonxPort.eval!(session, code, return: :rich) == %Rich{text: "Failing()", latex: "$x$"}
        end)

      assert output =~ "__main__.Failing._repr_html_ raised"
      assert output =~ "ValueError: no html"
      assert output =~ "__main__.Failing._repr_markdown_ returned int for text/markdown, not str"
    end

    test "sends large pictures through shared memory", %{session: session} do
      size = 2 * SharedMemory.result_size()
      code = "class Large:\n  def _repr_png_(self): return b'x' * #{size}\nLarge()"
      assert %Rich{png: png} = PythonxPort.eval!(session, code, return: :rich)
      assert byte_size(png) == size
    end

    @tag :pandas
    test "has the HTML of a table", %{session: session} do
      code = "import pandas\npandas.DataFrame({'a': [1, 2]}, index=[5, 6])"
      assert %Rich{html: html, text: text} = PythonxPort.eval!(session, code, return: :rich)
      assert html =~ "<table"
      assert text =~ "a"
    end

    @tag :matplotlib
    test "has the picture of a figure, of axes and of lines", %{session: session} do
      PythonxPort.exec!(session, "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt")
      PythonxPort.exec!(session, "figure, axes = plt.subplots()")

      for code <-
            ["figure", "axes", "axes.plot([1, 2])", "axes.bar([1], [2])", "figure.subfigures()"] ++
              ["axes.hist([1, 2])", "plt.subplots(2)", "plt.subplots(2)[1]"] do
        assert %Rich{png: <<0x89, "PNG", _rest::binary>>, text: text} =
                 PythonxPort.eval!(session, code, return: :rich)

        assert is_binary(text)
      end

      assert PythonxPort.eval!(session, "import matplotlib.lines\nmatplotlib.lines.Line2D([], [])",
               return: :rich
             ).png ==
               nil
    end
  end

  describe "inspect" do
    test "shows the first line, and which forms there are" do
      assert inspect(%Rich{text: "5"}) == "#PythonxPort.Rich<5>"

      rich = %Rich{
        text: "Figure(640x480)\nmore",
        png: <<0::80>>,
        html: "<p>",
        data: %{"application/json" => 1}
      }

      assert inspect(rich) ==
               "#PythonxPort.Rich<Figure(640x480) …: html (3 bytes), png (10 bytes), application/json>"

      assert inspect(%Rich{text: String.duplicate("é", 100)}) ==
               "#PythonxPort.Rich<#{String.duplicate("é", 60)} …>"
    end
  end

  describe "without Kino" do
    test "the error says how to add it" do
      message = assert_raise(RuntimeError, fn -> Rich.to_kino(%Rich{text: "5"}) end).message
      assert message =~ ~s(add {:kino, "~> 0.12"} to the dependencies in mix.exs)
    end

    test "nothing is implemented for it" do
      assert Rich.implement_render() == :ok
      refute Code.ensure_loaded?(Module.concat(Kino.Render, Rich))
    end
  end

  describe "with Kino" do
    setup do
      on_exit(FakeKino.add())
    end

    @all %Rich{text: "t", html: "h", markdown: "m", latex: "l", svg: "s", png: "p", jpeg: "j"}

    test "the first form that there is is shown" do
      for {without, by, args} <- [
            {[], Kino.HTML, ["h"]},
            {[:html], Kino.Markdown, ["m"]},
            {[:markdown], Kino.Image, ["s", :svg]},
            {[:svg], Kino.Markdown, ["l"]},
            {[:latex], Kino.Image, ["p", :png]},
            {[:png], Kino.Image, ["j", :jpeg]},
            {[:jpeg], Kino.Text, ["t"]}
          ],
          reduce: @all do
        rich ->
          rich = Map.merge(rich, Map.new(without, &{&1, nil}))
          assert %{by: ^by, args: ^args} = Rich.to_kino(rich)
          rich
      end
    end

    test "a cell with such a value shows it, also if Kino came later" do
      assert {:inspected, %Rich{}} = apply(Kino.Render, :to_livebook, [@all])
      assert Rich.implement_render() == :ok
      assert apply(Kino.Render, :to_livebook, [@all]) == {Kino.HTML, ["h"]}
      assert Rich.implement_render() == :ok
    end

    test "it is implemented at compile time if Kino is there by then" do
      Code.compiler_options(ignore_module_conflict: true)
      Code.compile_file("lib/pythonx_port/rich.ex")
      assert apply(Kino.Render, :to_livebook, [@all]) == {Kino.HTML, ["h"]}
    after
      Code.compiler_options(ignore_module_conflict: false)
    end
  end
end
