defmodule PythonxPort.Object do
  @moduledoc """
  A reference to an object that stays in Python.

  With `return: :ref` you get one instead of the value, for objects that cannot become a term (a model, an open file)
  or that are too large to send. It can be a binding, an argument or the target of `PythonxPort.call/5`, in the
  session that it came from and in no other:

      {:ok, model} = PythonxPort.eval(session, "load_model()", return: :ref)
      {:ok, label} = PythonxPort.call(session, "predict", [model, "some text"])
      :ok = PythonxPort.release(session, model)

  Python keeps the object until `PythonxPort.release/2` or the end of the session.
  """

  @enforce_keys [:ref]
  defstruct [:ref, :type, :repr]

  @typedoc "`ref` is the object's number in its session; `type` and `repr` are Python's description of it."
  @type t :: %__MODULE__{ref: non_neg_integer(), type: String.t() | nil, repr: String.t() | nil}

  defimpl Inspect do
    def inspect(%{ref: ref, type: type, repr: repr}, _options) do
      description = Enum.map_join([type, repr], fn part -> if part, do: " " <> part, else: "" end)
      "#PythonxPort.Object<#{ref}#{description}>"
    end
  end
end
