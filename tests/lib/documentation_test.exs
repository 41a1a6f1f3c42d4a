defmodule PythonxPort.DocumentationTest do
  # The examples in the documentation. Those without a session share the default session, so that they run alone.
  use ExUnit.Case, async: false

  setup_all do
    on_exit(fn -> PythonxPort.stop_session(:default) end)
  end

  doctest PythonxPort
  doctest PythonxPort.Bytes
  doctest PythonxPort.Code
  doctest PythonxPort.Error
  doctest PythonxPort.Protocol
  doctest PythonxPort.Tensor

  test "every function that people use is documented and has a type" do
    for module <- [
          PythonxPort,
          PythonxPort.Bytes,
          PythonxPort.Code,
          PythonxPort.Error,
          PythonxPort.Protocol,
          PythonxPort.Task,
          PythonxPort.Telemetry,
          PythonxPort.Tensor
        ] do
      {:docs_v1, _, _, _, %{"en" => _moduledoc}, _, docs} = Code.fetch_docs(module)
      {:ok, specs} = Code.Typespec.fetch_specs(module)
      specified = MapSet.new(specs, fn {name_and_arity, _specs} -> name_and_arity end)

      for {{:function, name, arity}, _, _, doc, _} <- docs,
          doc != :hidden,
          not String.starts_with?("#{name}", "__") do
        assert %{"en" => _text} = doc, "#{inspect(module)}.#{name}/#{arity} is not documented"
        assert {name, arity} in specified, "#{inspect(module)}.#{name}/#{arity} has no @spec"
      end
    end
  end
end
