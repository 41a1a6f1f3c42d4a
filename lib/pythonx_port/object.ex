defmodule PythonxPort.Object do
  @moduledoc """
  A reference to an object that stays in Python.

  With `return: :ref` you get one instead of the value, for objects that cannot become a term (a model, an open file)
  or that are too large to send. It can be a binding, an argument or the target of `PythonxPort.call/5`, in the
  session that it came from and in no other:

      {:ok, model} = PythonxPort.eval(session, "load_model()", return: :ref)
      {:ok, label} = PythonxPort.call(session, "predict", [model, "some text"])
      :ok = PythonxPort.release(model)

  For objects that you want to take apart rather than keep, see the option `:decode` of `PythonxPort.eval/3`.

  ## Owners

  The process that made the request owns the object. Python keeps it until

    * `PythonxPort.release/1` releases it, which any process may call
    * its owner ends, or the node of its owner is not connected any more
    * the session ends

  Other processes can use an object without owning it, as long as Python keeps it. To let it outlive the process that
  made it, such as a `Task` that loads a model, hand it over with `transfer/2`:

      task =
        Task.async(fn ->
          model = PythonxPort.eval!(session, "load_model()", return: :ref)
          :ok = PythonxPort.Object.transfer(model, owner)
          model
        end)

  A function that Python calls runs in a process of its own: what it requests with `return: :ref` is released when it
  has returned, after Python has its result.
  """

  alias PythonxPort.Error

  @enforce_keys [:ref]
  defstruct [:ref, :type, :repr, :session]

  @typedoc """
  `ref` is the object's number in its session, and `session` the process of that session; `type` and `repr` are
  Python's description of the object.
  """
  @type t :: %__MODULE__{
          ref: non_neg_integer(),
          type: String.t() | nil,
          repr: String.t() | nil,
          session: pid() | nil
        }

  @doc """
  Hands an object over to another process, which owns it from now on; only its owner may do so.

  Once it has returned `:ok`, the end of the calling process does not matter to the object. If the new owner has ended
  already, or ends later, the object is released. It may run on another node. If the new owner is the session's own
  process, as in `transfer(object, object.session)`, Python keeps the object until it is released or the session ends.

  Returns an error of kind `:undecodable` if the object was released, and of kind `:not_running` if its session has
  ended. Raises an `ArgumentError` if another process owns it.
  """
  @spec transfer(t(), pid()) :: :ok | {:error, Error.t()}
  def transfer(%__MODULE__{session: session, ref: ref}, pid) when is_pid(session) and is_pid(pid) do
    # The session does nothing that takes long, and the call ends with it and with the connection to its node.
    case GenServer.call(session, {:transfer, ref, pid}, :infinity) do
      :ok ->
        :ok

      {:error, :unknown} ->
        {:error, %Error{kind: :undecodable, message: "the object was released"}}

      {:error, {:owner, owner}} ->
        raise ArgumentError, "only the owner of an object can hand it over: #{inspect(owner)}"
    end
  catch
    :exit, {reason, _call} when reason != :calling_self ->
      {:error, %Error{kind: :not_running, message: "the session of the object has ended"}}
  end

  def transfer(%__MODULE__{session: nil} = object, pid) when is_pid(pid) do
    raise ArgumentError, "#{inspect(object)} does not come from a session"
  end

  defimpl Inspect do
    def inspect(%{ref: ref, type: type, repr: repr}, _options) do
      description = Enum.map_join([type, repr], fn part -> if part, do: " " <> part, else: "" end)
      "#PythonxPort.Object<#{ref}#{description}>"
    end
  end
end
