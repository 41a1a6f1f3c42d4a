defmodule PythonxPort.Session.ArticleTest do
  # The calls of an article on embedding Python in Elixir, as it has them. A small module stands in for the library of
  # models that it loads; those of the numbers need NumPy.
  use ExUnit.Case, async: false

  require Logger

  alias PythonxPort, as: Pythonx
  alias PythonxPort.OSProcess

  setup do
    # What sessions inherit: where the module that stands in is.
    System.put_env("PYTHONPATH", Path.expand("../support/python", __DIR__))

    on_exit(fn ->
      System.delete_env("PYTHONPATH")
      Pythonx.stop_session(:default, 100)
    end)

    Pythonx.stop_session(:default)
  end

  defmodule PythonMath do
    def calculate_statistics(numbers) do
      python_code = """
      import numpy as np

      data = np.array(#{inspect(numbers)})
      result = {
          'mean': float(np.mean(data)),
          'std': float(np.std(data)),
          'median': float(np.median(data))
      }
      result
      """

      case Pythonx.eval(python_code) do
        {:ok, result} -> {:ok, result}
        {:error, reason} -> {:error, reason}
      end
    end
  end

  @tag :numpy
  test "synchronous execution" do
    assert PythonMath.calculate_statistics([1, 2, 3, 6]) ==
             {:ok, %{"mean" => 3.0, "std" => :math.sqrt(3.5), "median" => 2.5}}

    assert {:error, %PythonxPort.Error{type: "ValueError"}} = PythonMath.calculate_statistics([[1], [2, 3]])
  end

  defmodule ModelSession do
    def run_pipeline do
      Pythonx.session(fn session ->
        session
        |> Pythonx.exec("""
        from transformers import pipeline
        classifier = pipeline('sentiment-analysis')
        """)

        texts = ["I love this product", "This is terrible", "Meh, it is okay"]

        Enum.map(texts, fn text ->
          {:ok, result} =
            Pythonx.eval(session, """
            classifier('#{text}')[0]
            """)

          result
        end)
      end)
    end
  end

  test "working with Python state" do
    assert [%{"label" => "POSITIVE"}, %{"label" => "NEGATIVE"}, %{"label" => "NEUTRAL"}] =
             ModelSession.run_pipeline()
  end

  defmodule AsyncInference do
    def predict_async(json, seconds, timeout) do
      task =
        Pythonx.async_eval("""
        import time
        import json

        time.sleep(#{seconds})

        data = json.loads('#{json}')
        prediction = sum(data['features']) * 0.5  # Dummy model
        prediction
        """)

      Logger.info("Prediction submitted, doing other work...")

      case Pythonx.await(task, timeout) do
        {:ok, prediction} -> {:ok, prediction}
        {:error, :timeout} -> {:error, "Prediction timed out"}
      end
    end
  end

  @tag :capture_log
  test "asynchronous execution" do
    json = ~s({"features": [1.0, 2.0, 4.0]})
    assert AsyncInference.predict_async(json, 0.1, 10_000) == {:ok, 3.5}
    assert AsyncInference.predict_async(json, 60, 10) == {:error, "Prediction timed out"}
  end

  defmodule SentimentAnalyzer do
    use GenServer

    @model_name "distilbert-base-uncased-finetuned-sst-2-english"

    def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: __MODULE__)

    def analyze(text) when is_binary(text), do: GenServer.call(__MODULE__, {:analyze, text}, 30_000)

    @impl true
    def init(_opts) do
      session = Pythonx.start_session()

      Pythonx.exec(session, """
      from transformers import pipeline, AutoModelForSequenceClassification, AutoTokenizer

      model = AutoModelForSequenceClassification.from_pretrained('#{@model_name}')
      tokenizer = AutoTokenizer.from_pretrained('#{@model_name}')
      classifier = pipeline('sentiment-analysis', model=model, tokenizer=tokenizer)

      def analyze_sentiment(text):
          result = classifier(text)[0]
          return {
              'label': result['label'],
              'score': float(result['score'])
          }
      """)

      {:ok, %{session: session}}
    end

    @impl true
    def handle_call({:analyze, text}, _from, %{session: session} = state) do
      escaped_text = String.replace(text, "'", "\\'")

      result =
        Pythonx.eval(session, """
        analyze_sentiment('#{escaped_text}')
        """)

      case result do
        {:ok, analysis} -> {:reply, {:ok, analysis}, state}
        {:error, reason} -> {:reply, {:error, reason}, state}
      end
    end

    def handle_call(:session, _from, state), do: {:reply, state.session, state}

    @impl true
    def terminate(_reason, %{session: session}), do: Pythonx.stop_session(session)
  end

  test "a complete example: a service in a GenServer" do
    start_supervised!(SentimentAnalyzer)

    assert SentimentAnalyzer.analyze("I love it, it's great") ==
             {:ok, %{"label" => "POSITIVE", "score" => 0.9}}

    assert SentimentAnalyzer.analyze("terrible") == {:ok, %{"label" => "NEGATIVE", "score" => 0.9}}
    session = GenServer.call(SentimentAnalyzer, :session)
    GenServer.stop(SentimentAnalyzer)
    refute Process.alive?(session)
  end

  # The model server as in the article, which knows nothing of crashes, below a supervisor that does.
  defp supervise(child) do
    {:ok, supervisor} = Supervisor.start_link([child], strategy: :one_for_one)
    supervisor
  end

  defp kill_python(session), do: session |> OSProcess.of() |> OSProcess.kill("KILL")

  @tag :capture_log
  test "the service recovers by supervision, if Python is killed while it is idle" do
    supervise(SentimentAnalyzer)
    server = Process.whereis(SentimentAnalyzer)
    monitor = Process.monitor(server)
    kill_python(GenServer.call(SentimentAnalyzer, :session))
    assert_receive {:DOWN, ^monitor, :process, ^server, {%PythonxPort.Error{kind: :crashed}, _stacktrace}}
    assert OSProcess.eventually(fn -> Process.whereis(SentimentAnalyzer) not in [nil, server] end)
    assert {:ok, %{"label" => "POSITIVE"}} = SentimentAnalyzer.analyze("I love it")
  end

  @tag :capture_log
  test "the service recovers by supervision, if Python is killed while it serves a call" do
    supervise(SentimentAnalyzer)
    server = Process.whereis(SentimentAnalyzer)
    session = GenServer.call(SentimentAnalyzer, :session)
    Pythonx.exec!(session, "import time\ndef analyze_sentiment(text): time.sleep(60)")
    caller = Task.async(fn -> catch_exit(SentimentAnalyzer.analyze("slow")) end)
    assert OSProcess.eventually(fn -> Pythonx.info!(session).running end)
    kill_python(session)
    assert {{%PythonxPort.Error{kind: :crashed}, _stacktrace}, {GenServer, :call, _call}} = Task.await(caller)
    assert OSProcess.eventually(fn -> Process.whereis(SentimentAnalyzer) not in [nil, server] end)
    assert {:ok, %{"label" => "NEGATIVE"}} = SentimentAnalyzer.analyze("terrible")
  end

  @tag :numpy
  test "arrays as text" do
    session = Pythonx.start_session()
    encoded = Base.encode64(for n <- 1..6, into: <<>>, do: <<n::float-32-native>>)
    var_name = "array"

    Pythonx.exec(session, """
    import numpy as np
    import base64

    _binary = base64.b64decode('#{encoded}')
    #{var_name} = np.frombuffer(_binary, dtype=np.float32).reshape(#{inspect([2, 3])})
    """)

    {:ok, result} =
      Pythonx.eval(session, """
      import base64

      _arr = #{var_name}
      {
          'data': base64.b64encode(_arr.tobytes()).decode('utf-8'),
          'shape': list(_arr.shape),
          'dtype': str(_arr.dtype)
      }
      """)

    assert result == %{"data" => encoded, "shape" => [2, 3], "dtype" => "float32"}
  end

  defmodule PythonWorker do
    use GenServer

    def start_link(_opts), do: GenServer.start_link(__MODULE__, [])

    @impl true
    def init(_) do
      session = Pythonx.start_session()

      Pythonx.exec(session, """
      import random
      import json
      """)

      {:ok, %{session: session}}
    end

    @impl true
    def handle_call({:execute, fun}, _from, %{session: session} = state) do
      result = fun.(session)
      {:reply, result, state}
    end

    @impl true
    def terminate(_reason, %{session: session}), do: Pythonx.stop_session(session)
  end

  defmodule PythonPool do
    use Supervisor

    @pool_name :python_pool

    def start_link(opts), do: Supervisor.start_link(__MODULE__, opts, name: __MODULE__)

    @impl true
    def init(_opts) do
      pool_config = [name: {:local, @pool_name}, worker_module: PythonWorker, size: 2, max_overflow: 2]
      children = [pool().child_spec(@pool_name, pool_config, [])]
      Supervisor.init(children, strategy: :one_for_one)
    end

    def with_session(fun, timeout \\ 30_000) do
      pool().transaction(
        @pool_name,
        fn worker -> GenServer.call(worker, {:execute, fun}, timeout) end,
        timeout
      )
    end

    # By a function, since poolboy is no dependency.
    defp pool, do: :poolboy
  end

  @tag :poolboy
  test "a pool of sessions" do
    start_supervised!(PythonPool)

    assert {:ok, numbers} =
             PythonPool.with_session(fn session ->
               Pythonx.eval(session, "[random.random() for _ in range(10)]")
             end)

    assert length(numbers) == 10

    results =
      1..20
      |> Task.async_stream(
        fn n ->
          PythonPool.with_session(fn session ->
            Pythonx.eval!(session, "json.loads(n)", bindings: [n: "#{n}"])
          end)
        end,
        max_concurrency: 4
      )
      |> Enum.map(fn {:ok, result} -> result end)

    assert results == Enum.to_list(1..20)
  end

  @tag :poolboy
  @tag :capture_log
  test "a pool recovers by supervision, if Python is killed in idle and in busy workers" do
    supervise(PythonPool)
    os_pid = fn -> PythonPool.with_session(&OSProcess.of/1) end
    before = os_pid.()
    OSProcess.kill(before, "KILL")

    # Poolboy replaces a worker when it gets the exit signal: until then it may hand the old one out.
    assert OSProcess.eventually(fn ->
             match?(
               {:ok, [1]},
               catch_exit_of(fn -> PythonPool.with_session(&Pythonx.eval(&1, "json.loads('[1]')")) end)
             )
           end)

    exit =
      catch_exit(
        PythonPool.with_session(fn session -> Pythonx.exec(session, "import os; os.kill(os.getpid(), 9)") end)
      )

    assert {{%PythonxPort.Error{kind: :crashed, signal: :sigkill}, _stacktrace}, _call} = exit
    assert OSProcess.eventually(fn -> apply(:poolboy, :status, [:python_pool]) |> elem(1) == 2 end)

    results =
      1..8
      |> Task.async_stream(fn n ->
        PythonPool.with_session(
          &{n, OSProcess.of(&1), Pythonx.eval!(&1, "json.loads(n)", bindings: [n: "#{n}"])}
        )
      end)
      |> Enum.map(fn {:ok, result} -> result end)

    assert for({n, _os_pid, n} <- results, do: n) == Enum.to_list(1..8)
    refute before in Enum.map(results, &elem(&1, 1))
  end

  defp catch_exit_of(function) do
    function.()
  catch
    :exit, reason -> {:exit, reason}
  end

  test "a worker of a pool" do
    worker = start_supervised!(PythonWorker)
    assert GenServer.call(worker, {:execute, &Pythonx.eval(&1, "json.dumps([1])")}) == {:ok, "[1]"}
  end
end
