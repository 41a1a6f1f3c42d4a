defmodule PythonxPort.Output do
  @moduledoc """
  Delivers the text that Python writes to `sys.stdout` and `sys.stderr`.

  Sessions and requests take an option `:output`:

    * `:stdio` - the group leader of the process that gives the option. This is the default. The option of a request is
      for the text that the request writes, that of the session for all other text (of a thread, or at exit).
    * `:stderr` - standard error.
    * `{:device, device}` - an IO device: a `StringIO`, or a file opened with `File.open!(path, [:write, :utf8])`.
    * a pid - receives `{:pythonx_output, session, :stdout | :stderr, text}` messages.
    * a function of two arguments - is called with `:stdout | :stderr` and the text.
    * `:ignore` - drops the text.

  Text is delivered before the result of the request that wrote it. A function runs in the session's process, which
  waits for it: it should be quick, and must not use the session itself.
  """

  require Logger

  alias PythonxPort.Arguments

  @typedoc "A value of the option `:output`."
  @type t :: :stdio | :stderr | :ignore | {:device, IO.device()} | pid() | (stream(), String.t() -> term())

  @typedoc "Which of Python's streams a text was written to."
  @type stream :: :stdout | :stderr

  @typedoc false
  @type target ::
          :ignore | {:device, IO.device()} | {:process, pid()} | {:function, (stream(), binary() -> term())}

  @doc false
  # Checks the option, in the process that gives it, whose group leader is the default. `nil` stands for no option.
  @spec target(t() | nil) :: target()
  def target(output) when output in [nil, :stdio], do: {:device, Process.group_leader()}
  def target(:stderr), do: {:device, :standard_error}
  def target(:ignore), do: :ignore
  def target({:device, :stdio}), do: target(:stdio)
  def target({:device, :stderr}), do: target(:stderr)
  def target({:device, device}) when is_pid(device) or is_atom(device), do: {:device, device}
  def target(pid) when is_pid(pid), do: {:process, pid}
  def target(function) when is_function(function, 2), do: {:function, function}

  def target(other) do
    expected = ":stdio, :stderr, :ignore, {:device, device}, a pid, or a function of two arguments"

    Arguments.refuse_option(:output, other, expected)
  end

  @doc false
  # Delivers text, in the session's process. A function that fails is logged: it must not end the session.
  @spec deliver(target(), stream(), binary()) :: :ok
  def deliver(:ignore, _stream, _text), do: :ok

  def deliver({:process, pid}, stream, text) do
    send(pid, {:pythonx_output, self(), stream, text})
    :ok
  end

  def deliver({:device, device}, _stream, text) do
    # Not IO.write/2, which waits for the device: a slow one would delay every request of the session. Text that is not
    # UTF-8 was written to sys.stdout.buffer: its bytes are shown as Latin-1.
    encoding = if String.valid?(text), do: :unicode, else: :latin1
    send(device, {:io_request, self(), make_ref(), {:put_chars, encoding, text}})
    :ok
  rescue
    # No device has that name (any more).
    ArgumentError -> :ok
  end

  def deliver({:function, function}, stream, text) do
    function.(stream, text)
    :ok
  catch
    kind, reason ->
      Logger.error("a function given as :output failed: " <> Exception.format(kind, reason, __STACKTRACE__))
      :ok
  end
end
