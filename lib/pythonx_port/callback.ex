defmodule PythonxPort.Callback do
  @moduledoc false
  # Runs a call from Python, in a process of its own: finds the function, checks whether it may be called, calls it,
  # and encodes the answer. Whatever the function does, there is an answer, or the process dies.

  alias PythonxPort.{Protocol, Structs}
  alias PythonxPort.Callback.Allowlist

  # Room for an answer's bytes around the value.
  @head_size 128

  @doc "Returns the answer to the frame of an `invoke` event; an error if it would be longer than `max_frame` bytes."
  @spec run(binary(), Protocol.call_id(), Allowlist.t(), pos_integer()) :: iodata()
  def run(frame, call_id, allow, max_frame) do
    reply = Protocol.reply(call_id, answer(frame, allow))

    if IO.iodata_length(reply) + @head_size > max_frame,
      do:
        failed(call_id, "the result is longer than #{max_frame} bytes, which is all that this session takes"),
      else: reply
  end

  @doc "Returns the answer to a call whose process has died."
  @spec died(Protocol.call_id(), term()) :: iodata()
  def died(call_id, reason) do
    failed(call_id, "the process that ran the function ended: #{Exception.format_exit(reason)}", :exit)
  end

  defp failed(call_id, message, kind \\ :error) do
    Protocol.reply(call_id, {:error, %{kind: kind, message: text(message)}})
  end

  defp answer(frame, allow) do
    {target, args} = Protocol.call(frame)

    with {:ok, value} <- call(target, args, allow) do
      if Structs.encoders?() and Structs.encodable?(value),
        do: {:ok, Structs.replace(value)},
        else: {:ok, value}
    end
  catch
    kind, reason -> {:error, describe(kind, reason, __STACKTRACE__)}
  end

  defp call(function, args, _allow) when is_function(function), do: {:ok, apply(function, args)}

  defp call({module, function}, args, allow) do
    arity = length(args)

    with {:ok, module_atom} <- Allowlist.atom(module),
         {:ok, function_atom} <- Allowlist.atom(function),
         true <- Allowlist.call?(allow, module_atom, function_atom, arity) do
      {:ok, apply(module_atom, function_atom, args)}
    else
      _unknown_or_refused -> {:error, refusal(module, function, arity, allow)}
    end
  end

  # Python may not call it, or there is no such name.
  defp refusal(module, function, arity, allow) do
    name = Allowlist.shown(module)
    whole = "#{name}.#{function}/#{arity}"

    case Allowlist.atom(module) do
      {:ok, atom} ->
        if Allowlist.module?(allow, atom), do: undefined(whole), else: refused(whole, name, function, arity)

      :error ->
        if allow == :all, do: undefined(whole), else: refused(whole, name, function, arity)
    end
  end

  defp undefined(whole) do
    message = text("function #{whole} is undefined: there is no such name in this BEAM")
    %{kind: :error, type: "UndefinedFunctionError", message: message}
  end

  defp refused(whole, name, function, arity) do
    message =
      "Python may not call #{whole}. To allow it, start the session with " <>
        "allow: [{#{name}, #{Allowlist.shown(function)}, #{arity}}], or pass the function in as an argument or a binding"

    %{kind: :refused, message: text(message)}
  end

  # The contents of the exception in Python.
  defp describe(:error, reason, stacktrace) do
    exception = Exception.normalize(:error, reason, stacktrace)

    %{
      kind: :error,
      type: inspect(exception.__struct__),
      message: exception |> Exception.message() |> text(),
      stacktrace: formatted(:error, exception, stacktrace)
    }
  end

  defp describe(:exit, reason, stacktrace) do
    %{
      kind: :exit,
      message: text(Exception.format_exit(reason)),
      stacktrace: formatted(:exit, reason, stacktrace)
    }
  end

  defp describe(:throw, value, stacktrace) do
    %{kind: :throw, message: inspect(value), stacktrace: formatted(:throw, value, stacktrace)}
  end

  # Leaves out the frames of this library, below those of the function.
  defp formatted(kind, reason, stacktrace) do
    stacktrace = Enum.take_while(stacktrace, fn entry -> elem(entry, 0) != __MODULE__ end)
    kind |> Exception.format(reason, stacktrace) |> text()
  end

  # A message that is no text is shown as bytes: the error itself must not fail.
  defp text(message), do: if(String.valid?(message), do: message, else: inspect(message))
end
