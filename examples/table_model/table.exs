# Columns of Elixir become a table of pandas, a model is fitted to it, and predictions come back as columns.

defmodule Customers do
  @moduledoc "Invented customers, as columns: who calls often and is new tends to leave, above all on the basic plan."

  alias PythonxPort.Tensor

  @doc "The columns of `count` customers, and a tensor of ones for those who have left."
  def invent(count) do
    customers = for _ <- 1..count, do: invent()
    left = for customer <- customers, into: <<>>, do: <<leaves(customer)::8>>
    {columns(customers), Tensor.new(left, {:u, 8}, {count})}
  end

  @doc "Numbers without gaps go as tensors; what is text, or has gaps, as lists."
  def columns(customers) do
    %{
      "months" => numbers(for c <- customers, do: c.months),
      "calls" => numbers(for c <- customers, do: c.calls),
      "age" => for(c <- customers, do: c.age),
      "plan" => for(c <- customers, do: c.plan)
    }
  end

  defp numbers(values) do
    Tensor.new(for(value <- values, into: <<>>, do: <<value::64-native>>), {:s, 64}, {length(values)})
  end

  defp invent do
    # Every sixth age is unknown.
    age = if :rand.uniform(6) > 1, do: 17 + :rand.uniform(60)
    plan = Enum.random(["basic", "family", "premium"])
    %{months: :rand.uniform(60), calls: :rand.uniform(10) - 1, age: age, plan: plan}
  end

  defp leaves(customer) do
    basic = if customer.plan == "basic", do: 2, else: 0
    if customer.calls + basic - customer.months / 10 + :rand.normal() > 2, do: 1, else: 0
  end
end

defmodule Demo do
  @model Path.expand("model.py", __DIR__)

  def run do
    # The same customers each time.
    :rand.seed(:exsss, {1, 2, 3})
    session = PythonxPort.start_session()
    define(session)

    {columns, left} = Customers.invent(2000)
    # The model is of no use outside of Python: it stays in the session, and a reference comes back.
    {:ok, model} = PythonxPort.call(session, "fit", [columns, left], [], return: :ref)
    IO.puts("fitted to 2000 customers, #{Enum.count(columns["age"], &is_nil/1)} of them of unknown age")

    {others, truth} = Customers.invent(500)
    {:ok, expected} = PythonxPort.call(session, "predict", [model, others])
    right = Enum.count(Enum.zip(list(expected["leaves"]), list(truth)), fn {one, other} -> one == other end)
    IO.puts("foretold #{right} of 500 others")

    new = [
      %{months: 12, calls: 4, age: 30, plan: "basic"},
      %{months: 30, calls: 4, age: nil, plan: "premium"},
      %{months: 20, calls: 5, age: 61, plan: "student"}
    ]

    {:ok, expected} = PythonxPort.call(session, "predict", [model, Customers.columns(new)])

    for {customer, probability} <- Enum.zip(new, list(expected["probability"])) do
      IO.puts("#{inspect(customer)} leaves with a probability of #{Float.round(probability, 2)}")
    end

    {:error, error} = PythonxPort.call(session, "predict", [model, Map.delete(others, "plan")])
    IO.puts("without a column: #{error.type}: #{error.message}")

    :ok = PythonxPort.stop_session(session)
  end

  defp define(session) do
    code = PythonxPort.Code.new(File.read!(@model), file: @model)

    with {:error, error} <- PythonxPort.exec(session, code) do
      IO.puts(:stderr, """
      #{error.type}: #{error.message}
      This example needs pandas and scikit-learn: install them, or name a Python that has them in PYTHONX_PYTHON.
      """)

      System.halt(1)
    end
  end

  # The numbers of a tensor, one by one.
  defp list(%{type: {:f, 64}, data: data}), do: for(<<number::float-64-native <- data>>, do: number)
  defp list(%{type: {:u, 8}, data: data}), do: for(<<number::8 <- data>>, do: number)
end

Demo.run()
