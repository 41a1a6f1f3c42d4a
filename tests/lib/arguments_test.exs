defmodule PythonxPort.ArgumentsTest do
  # What public functions do with what they cannot take: an ArgumentError that says what to write, or an error.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.{Bytes, Object, Tensor}

  doctest PythonxPort.Arguments

  defp refused(function) do
    error = catch_error(function.())
    assert %ArgumentError{message: message} = error
    message
  end

  describe "a session" do
    test "is no result, and no text", %{session: session} do
      assert refused(fn -> PythonxPort.eval({:ok, session}, "1") end) ==
               "expected a session: a pid, the name of one, or :default, got: {:ok, #{inspect(session)}}. " <>
                 "Pass the pid in it: {:ok, session} = …"

      assert refused(fn -> PythonxPort.call("name", "len", [[]]) end) =~
               ~s(got: "name". A session comes before the code or the target)

      assert refused(fn -> PythonxPort.info(nil) end) =~ "leave the argument out, or write :default"
      assert refused(fn -> PythonxPort.eval({:error, :oops}, "1") end) =~ "The session was not started"
      assert refused(fn -> PythonxPort.exec(17, "1") end) =~ "got: 17"
      assert refused(fn -> PythonxPort.stop_session({:ok, session}) end) =~ "Pass the pid in it"
    end

    test "that does not run is named" do
      assert {:error, %Error{kind: :not_running, message: message}} = PythonxPort.eval(:no_such_session, "1")

      assert message ==
               "there is no session named :no_such_session: none was started under this name, or it has ended"

      assert {:error, %{message: message}} = PythonxPort.call({:global, "x"}, :len, [[]])
      assert message =~ ~s(no session named {:global, "x"}:)
      assert {:error, %{message: message}} = PythonxPort.info({:no_such_session, node()})
      assert message =~ "no session named :no_such_session"

      assert_raise Error, ~r/no session named/, fn ->
        :no_such_session |> PythonxPort.stream("[]") |> Enum.to_list()
      end
    end

    test "that has ended is named", %{session: session} do
      PythonxPort.stop_session(session)
      message = "the session #{inspect(session)} has ended"
      assert {:error, %Error{kind: :not_running, message: ^message}} = PythonxPort.eval(session, "1")

      assert {:error, %Error{message: ^message}} =
               session |> PythonxPort.async_eval("1") |> PythonxPort.await()

      assert_raise Error, message, fn -> session |> PythonxPort.stream("[]") |> Enum.to_list() end
    end
  end

  describe "code" do
    test "is no charlist, and is not missing", %{session: session} do
      hint = "Write it in double quotes: single quotes make a charlist"
      assert refused(fn -> PythonxPort.eval(session, ~c"1 + 1") end) =~ hint
      assert refused(fn -> PythonxPort.eval(~c"1 + 1") end) =~ hint
      assert refused(fn -> PythonxPort.eval("1", ~c"1 + 1") end) =~ hint
      assert refused(fn -> PythonxPort.start_session(init: ~c"import os") end) =~ hint
      assert refused(fn -> PythonxPort.eval(session) end) =~ "Write eval(session, code), or eval(code)"
      assert refused(fn -> PythonxPort.exec(timeout: 5) end) =~ "expected code as a string, got: [timeout: 5]"

      assert refused(fn -> PythonxPort.eval(session, :code) end) =~
               "expected code as a string, or a PythonxPort.Code"

      assert refused(fn -> PythonxPort.eval(session, %PythonxPort.Code{source: nil}) end) =~ "Python source"
      assert refused(fn -> PythonxPort.Code.new(nil) end) =~ "Python source as a string, got: nil"
    end
  end

  describe "options" do
    test "are a keyword list", %{session: session} do
      for call <- [
            fn -> PythonxPort.eval("1", %{timeout: 5}) end,
            fn -> PythonxPort.eval(session, "1", %{timeout: 5}) end,
            fn -> PythonxPort.call(session, "len", [[]], [], %{timeout: 5}) end,
            fn -> PythonxPort.stream(session, "[]", %{demand: 5}) end,
            fn -> PythonxPort.start_session(%{init: "1"}) end,
            fn -> PythonxPort.start_link(%{init: "1"}) end,
            fn -> PythonxPort.child_spec(%{init: "1"}) end,
            fn -> PythonxPort.session(%{init: "1"}, fn _session -> flunk("it ran") end) end,
            fn -> PythonxPort.doctor(%{init: "1"}) end,
            fn -> PythonxPort.uv_init(%{packages: []}) end
          ] do
        assert refused(call) =~ "got a map: write [key: value] instead of %{key: value}"
      end

      assert refused(fn -> PythonxPort.eval(session, "1", [1 | 2]) end) =~ "such as [key: value]"
      assert refused(fn -> PythonxPort.eval("1", [], timeout: 1) end) =~ "one list of options"
    end

    test "that are unknown are named, with one that is meant", %{session: session} do
      message = refused(fn -> PythonxPort.eval(session, "1", timeuot: 5) end)
      assert message =~ "unknown option :timeuot of a request (did you mean :timeout?); its options are "
      assert refused(fn -> PythonxPort.start_session(pyhton: "x") end) =~ "did you mean :python?"
      assert refused(fn -> PythonxPort.eval(session, "1", timeout: 1, timeout: 2) end) =~ "is given twice"
    end

    test "with a wrong value say what they take", %{session: session} do
      for {option, value, expected} <- [
            {:timeout, -1, "milliseconds, or :infinity"},
            {:grace, 4_294_967_295, "milliseconds, or :infinity"},
            {:concurrent, nil, "true or false"},
            {:return, :reference, ":value, :ref or :rich"},
            {:binaries, "bytes", ":str or :bytes"},
            {:max_result, 0, "a number of bytes"},
            {:file, ~c"a.py", "as a string"},
            {:output, "x", "a function of two arguments"}
          ] do
        message = refused(fn -> PythonxPort.eval(session, "1", [{option, value}]) end)
        assert message =~ "invalid value for option #{inspect(option)}: #{inspect(value)}; it takes "
        assert message =~ expected
      end

      assert refused(fn -> PythonxPort.eval(session, "1", file: "x", line: 1_000_001) end) =~
               "from 1 to 1_000_000"

      assert refused(fn -> PythonxPort.stream(session, "[]", demand: 0) end) =~ "a number of items"
    end

    test "do not show what may be secret" do
      for env <- [
            [{"TOKEN", :secret}],
            [{"TOKEN", ~c"secret"}],
            %{"TOKEN" => 1},
            ["TOKEN=secret"],
            [{:a, "secret"} | 1]
          ] do
        message = refused(fn -> PythonxPort.start_session(env: env) end)
        assert message =~ "option :env of a session takes"
        refute message =~ "secret"
      end

      refute refused(fn -> PythonxPort.start_session(%{env: %{"TOKEN" => "secret"}}) end) =~ "secret"
      refute refused(fn -> PythonxPort.start_session(env: [{"TOKEN", "secret"}], nonsense: 1) end) =~ "secret"
    end

    test "are shown in short", %{session: session} do
      message = refused(fn -> PythonxPort.eval(session, "1", output: Enum.to_list(1..100_000)) end)
      assert String.length(message) < 300
    end
  end

  describe "a call" do
    test "takes a list of arguments", %{session: session} do
      message = "expected arguments as a list, got: \"abc\". Put a single one into a list, too: [value]"
      assert refused(fn -> PythonxPort.call(session, "len", "abc") end) == message
      assert refused(fn -> PythonxPort.call("len", "abc") end) == message

      assert refused(fn -> PythonxPort.call(session, "dict", %{a: 1}) end) =~
               "Keyword arguments come after the list"

      assert refused(fn -> PythonxPort.call(session, "len", [1 | 2]) end) =~ "It does not end with []"
    end

    test "takes a target", %{session: session} do
      for target <- [nil, 1, ~c"len", &length/1, {:json, :dumps}] do
        assert refused(fn -> PythonxPort.call(session, target, [[]]) end) =~
                 "expected the name of a Python function"

        assert refused(fn -> PythonxPort.call(target, [[]]) end) =~ "expected the name of a Python function"
      end
    end

    test "takes names for keyword arguments", %{session: session} do
      assert refused(fn -> PythonxPort.call(session, "dict", [], [:a]) end) =~
               "names and values as a keyword list"

      assert refused(fn -> PythonxPort.call(session, "dict", [], %{1 => 2}) end) =~
               "a name as a string or an atom"

      assert refused(fn -> PythonxPort.call(session, "dict", [], ~D[2000-01-01]) end) =~ "got: ~D[2000-01-01]"
    end
  end

  test "bindings and variables are names and values", %{session: session} do
    for wrong <- [:a, [:a], [1 | 2], {:a, 1}, %{1 => 1}, [{nil, 1}], ~D[2000-01-01], "a"] do
      assert refused(fn -> PythonxPort.eval(session, "1", bindings: wrong) end) =~ "expected "
      assert refused(fn -> PythonxPort.assign(session, wrong) end) =~ "expected "
    end
  end

  # Values of every kind, for each place in which a function may be given one.
  defp junk do
    dead = spawn(fn -> :ok end)

    [
      nil,
      true,
      -1,
      1.5,
      "",
      "text",
      ~c"text",
      [],
      [1],
      [1 | 2],
      [:a],
      [a: 1],
      [{"a", 1}],
      %{},
      %{a: 1},
      {},
      {:ok, self()}
    ] ++
      [{:ok, dead}, {:error, :reason}, {:a, :b, :c}, make_ref(), fn -> :ok end, dead, :no_such_name] ++
      [
        ~D[2000-01-01],
        %Object{ref: 999},
        %Bytes{data: 1},
        1..2,
        <<1::3>>,
        %Task{owner: nil, pid: nil, ref: nil, mfa: nil}
      ]
  end

  # Each of these gets one value, and must return, or raise an ArgumentError or a PythonxPort.Error.
  defp functions(session) do
    eval = &PythonxPort.eval/3
    task = fn -> PythonxPort.async_eval(session, "1") end

    [
      fn x -> eval.(x, "1", []) end,
      fn x -> eval.(session, x, []) end,
      fn x -> eval.(session, "1", x) end,
      fn x -> PythonxPort.exec(session, x) end,
      fn x -> PythonxPort.exec!(x, "1", timeout: x) end,
      fn x -> PythonxPort.assign(x, a: 1) end,
      fn x -> PythonxPort.assign(session, x) end,
      fn x -> PythonxPort.assign(session, [a: 1], x) end,
      fn x -> PythonxPort.call(x, "abs", [1]) end,
      fn x -> PythonxPort.call(session, x, [1]) end,
      fn x -> PythonxPort.call(session, "abs", x) end,
      fn x -> PythonxPort.call(session, "dict", [], x) end,
      fn x -> PythonxPort.call(session, "abs", [1], [], x) end,
      fn x -> PythonxPort.call(session, "id", [x]) end,
      fn x -> x |> PythonxPort.async_eval("1") |> PythonxPort.await() end,
      fn x -> session |> PythonxPort.async_eval("1", x) |> PythonxPort.await() end,
      fn x -> session |> PythonxPort.async_exec(x) |> PythonxPort.await() end,
      fn x -> session |> PythonxPort.async_call(x, [1]) |> PythonxPort.await() end,
      fn x -> session |> PythonxPort.async_call("abs", x) |> PythonxPort.await() end,
      fn x -> PythonxPort.await(x) end,
      fn x -> PythonxPort.await(task.(), x) end,
      fn x -> PythonxPort.await!(task.(), x) end,
      fn x -> PythonxPort.cancel(x) end,
      fn x -> x |> PythonxPort.stream("[1]") |> Enum.to_list() end,
      fn x -> session |> PythonxPort.stream(x) |> Enum.to_list() end,
      fn x -> session |> PythonxPort.stream("[1]", x) |> Enum.to_list() end,
      fn x -> PythonxPort.info(x) end,
      fn x -> PythonxPort.release(x, []) end,
      fn x -> PythonxPort.release(session, x) end,
      fn x -> PythonxPort.session(x, fn _session -> :ok end) end,
      fn x -> PythonxPort.session([], x) end,
      fn x -> PythonxPort.child_spec(x) end,
      fn x -> PythonxPort.Code.new(x) end,
      fn x -> PythonxPort.Code.new("1", x) end,
      fn x -> Bytes.new(x) end,
      fn x -> Tensor.new(x, {:u, 8}, {1}) end,
      fn x -> Tensor.new("a", x, {1}) end,
      fn x -> Tensor.new("a", {:u, 8}, x) end,
      fn x -> Tensor.byte_size({:u, 8}, x) end
    ] ++
      for option <- [
            :bindings,
            :binaries,
            :return,
            :timeout,
            :grace,
            :concurrent,
            :max_result,
            :output,
            :file,
            :line
          ] do
        fn x -> eval.(session, "1", [{option, x}]) end
      end
  end

  # A session that starts with one of these takes too long for a table: only wrong values.
  defp session_options do
    for option <-
          [:python, :init, :init_timeout, :output, :log, :allow, :grace, :env, :cd, :memory_limit] ++
            [
              :oom_score_adj,
              :host,
              :children,
              :max_frame,
              :max_result,
              :atom_limit,
              :spin,
              :name,
              :executable
            ] do
      fn x -> PythonxPort.Session.Options.new([{option, x}]) end
    end
  end

  defp uv_options do
    for option <- [
          :packages,
          :pyproject_toml,
          :python_version,
          :uv_lock,
          :locked,
          :directory,
          :uv_path,
          :env,
          :progress
        ] do
      fn x ->
        PythonxPort.Environment.UV.new([{option, x} | if(option == :packages, do: [], else: [packages: []])])
      end
    end
  end

  test "nothing raises anything but an ArgumentError or an Error", %{session: session} do
    for function <- functions(session) ++ session_options() ++ uv_options(), value <- junk() do
      try do
        function.(value)
      rescue
        error in ArgumentError -> assert error.message =~ ~r/\w/
        error in Error -> assert error.message =~ ~r/\w/
      catch
        kind, reason ->
          flunk("""
          #{inspect(value)} given to #{inspect(Function.info(function, :name))} led to
          #{Exception.format(kind, reason, __STACKTRACE__)}
          """)
      end
    end

    assert PythonxPort.eval(session, "1 + 1") == {:ok, 2}
  end
end
