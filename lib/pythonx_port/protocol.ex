defmodule PythonxPort.Protocol do
  @moduledoc """
  Encodes requests and decodes replies; no processes, no state. `port/PROTOCOL.md` describes the bytes.

  Large terms are encoded and decoded by the process that uses them: a caller encodes the `body/1` of a request, and
  the session puts the head in front of it (`request/3`); the session identifies a reply by `read/1` and passes the
  frame on, and the caller decodes it with `result/1`. A body refers to the large binaries in it, and a result that is
  a binary is a part of its frame: neither is copied.
  """

  alias PythonxPort.Error

  @version 131
  @small_tuple 104
  @integer 98
  @small_integer 97
  @small_big 110
  @binary_ext 109
  # The forms of an atom; OTP 25 and older prefer the old ones.
  @atom_ext 100
  @small_atom_ext 115
  @atom_utf8_ext 118
  @small_atom_utf8_ext 119
  # Each with the bits of its length.
  @atom_forms [{@small_atom_utf8_ext, 8}, {@small_atom_ext, 8}, {@atom_utf8_ext, 16}, {@atom_ext, 16}]

  @max_id 0x7FFF_FFFF
  @arities [
    eval: 4,
    exec: 4,
    assign: 4,
    call: 6,
    stream: 4,
    info: 2,
    segment: 4,
    fetch: 5,
    stop: 2,
    cancel: 2,
    next: 3
  ]

  @typedoc "A request's number: it fits the 32-bit integer of the external term format."
  @type id :: 0..0x7FFF_FFFF

  @typedoc "Requests that get a reply, and (`:cancel`, `:next`) messages about a request under way."
  @type operation ::
          :eval | :exec | :call | :assign | :stream | :info | :segment | :fetch | :stop | :cancel | :next

  @typedoc "Python's name for a call to the BEAM: its bytes, which go back as they came."
  @type call_id :: binary()

  @doc "Returns the largest id of a request."
  @spec max_id() :: id()
  def max_id, do: @max_id

  @doc """
  Encodes the elements of a request's tuple that come after its id, as iodata that refers to large binaries.

      iex> PythonxPort.Protocol.body(["1 + 1"]) |> IO.iodata_to_binary()
      <<109, 0, 0, 0, 5, "1 + 1">>
  """
  @spec body([term()]) :: iodata()
  def body(elements), do: Enum.map(elements, &encode/1)

  @doc """
  Returns a whole request: operation and id, then its body.

      iex> PythonxPort.Protocol.request(:info, 7, []) |> IO.iodata_to_binary() |> :erlang.binary_to_term()
      {:info, 7}
  """
  @spec request(operation(), id(), iodata()) :: iodata()
  for {operation, arity} <- @arities do
    name = Atom.to_string(operation)

    @head <<@version, @small_tuple, arity, @small_atom_utf8_ext, byte_size(name), name::binary, @integer>>
    def request(unquote(operation), id, body) when id in 0..@max_id, do: [@head, <<id::32>> | body]
  end

  @doc """
  Returns a request that Python runs at once, while it waits for the answer to a call.

      iex> <<131, call_id::binary>> = :erlang.term_to_binary({3, 7})
      iex> info = PythonxPort.Protocol.request(:info, 8, [])
      iex> PythonxPort.Protocol.within(call_id, info) |> IO.iodata_to_binary() |> :erlang.binary_to_term()
      {:within, {3, 7}, {:info, 8}}
  """
  @spec within(call_id(), iodata()) :: iodata()
  def within(call_id, [<<@version, head::binary>> | rest]) do
    [<<@version, @small_tuple, 3, @small_atom_utf8_ext, 6, "within", call_id::binary>>, head | rest]
  end

  @doc """
  Encodes the answer to a call from Python, as iodata that refers to large binaries.

      iex> <<131, call_id::binary>> = :erlang.term_to_binary({3, 7})
      iex> reply = PythonxPort.Protocol.reply(call_id, {:ok, "done"})
      iex> reply |> IO.iodata_to_binary() |> :erlang.binary_to_term()
      {:reply, {3, 7}, {:ok, "done"}}
  """
  @spec reply(call_id(), {:ok, term()} | {:error, map()}) :: iodata()
  def reply(call_id, answer) do
    [<<@version, @small_tuple, 3, @small_atom_utf8_ext, 5, "reply", call_id::binary>> | encode(answer)]
  end

  @doc "Encodes the message that releases objects, by their numbers. It has no reply."
  @spec release([non_neg_integer()]) :: iodata()
  def release(refs), do: :erlang.term_to_iovec({:release, refs})

  @doc "Encodes the message that gives segments back to Python. It has no reply."
  @spec give_back([pos_integer()]) :: iodata()
  def give_back(numbers), do: :erlang.term_to_iovec({:give_back, numbers})

  @doc """
  Identifies a frame: the reply to a request, which `result/1` decodes, or an event.

      iex> PythonxPort.Protocol.read(:erlang.term_to_binary({:ok, 300, "a value"}))
      {:reply, 300}

  If the value of a reply is in segments of shared memory, their numbers are returned, too:

      iex> value = {:"$segment", 5, 9, 0, 1_000_000, 1_048_576, 1, 27}
      iex> PythonxPort.Protocol.read(:erlang.term_to_binary({:ok, 300, value, [5]}))
      {:reply, 300, [5]}

  `items/1` decodes items of a stream, `call/1` a call from Python.

      iex> PythonxPort.Protocol.read(:erlang.term_to_binary({:yields, 300, [1, 2, 3]}))
      {:items, 300, []}

      iex> PythonxPort.Protocol.read(:erlang.term_to_binary({:output, nil, :stdout, "text"}))
      {:event, {:output, nil, :stdout, "text"}}
  """
  @spec read(binary()) ::
          {:reply, id()}
          | {:reply, id(), segments :: [pos_integer()]}
          | {:items, id(), segments :: [pos_integer()]}
          | {:invoke, call_id(), {number :: integer(), id() | nil}}
          | {:event, tuple()}
  # The usual forms are recognised without decoding the value.
  for {status, kind} <- [ok: :reply, error: :reply, yields: :items, yield: :items],
      {tag, size_bits} <- @atom_forms do
    name = Atom.to_string(status)
    size = byte_size(name)
    @head <<@version, @small_tuple, 3, tag, size::size(size_bits), name::binary>>
    found = if kind == :reply, do: quote(do: {:reply, var!(id)}), else: quote(do: {:items, var!(id), []})

    def read(<<@head, @small_integer, id, _value::binary>>), do: unquote(found)
    def read(<<@head, @integer, id::signed-32, _value::binary>>), do: unquote(found)
  end

  for {tag, size_bits} <- @atom_forms do
    @head <<@version, @small_tuple, 4, tag, 6::size(size_bits), "invoke">>
    # Arguments may be large. The process of the call decodes them.
    def read(<<@head, @small_tuple, 2, rest::binary>>) do
      size = size(rest)
      id = binary_part(rest, size, byte_size(rest) - size)
      call_id = <<@small_tuple, 2, binary_part(rest, 0, size + size(id))::binary>>
      {:invoke, call_id, :erlang.binary_to_term(<<@version, call_id::binary>>)}
    end
  end

  def read(frame) do
    case :erlang.binary_to_term(frame) do
      {status, id, _value} when status in [:ok, :error] and is_integer(id) -> {:reply, id}
      {:ok, id, _value, segments} -> {:reply, id, segments}
      {status, id, _value} when status in [:yield, :yields] -> {:items, id, []}
      {status, id, _value, segments} when status in [:yield, :yields] -> {:items, id, segments}
      event -> {:event, event}
    end
  end

  @doc """
  Decodes the result in the frame of a reply.

      iex> PythonxPort.Protocol.result(:erlang.term_to_binary({:ok, 1, [2, 3]}))
      {:ok, [2, 3]}
  """
  @spec result(binary()) :: {:ok, term()} | {:error, Error.t()}
  def result(
        <<@version, @small_tuple, 3, @small_atom_utf8_ext, 2, "ok", @integer, _id::32, @binary_ext,
          rest::binary>>
      ) do
    <<size::32, value::binary-size(size)>> = rest
    {:ok, value}
  end

  def result(frame) do
    case :erlang.binary_to_term(frame) do
      {:ok, _id, value} -> {:ok, value}
      {:ok, _id, value, _segments} -> {:ok, value}
      {:error, _id, error} -> {:error, Error.from_reply(error)}
    end
  end

  @doc """
  Returns whether the frame of a reply has an error, without decoding a value.

      iex> PythonxPort.Protocol.error?(:erlang.term_to_binary({:ok, 1, [2, 3]}))
      false
  """
  @spec error?(binary()) :: boolean()
  for {tag, size_bits} <- @atom_forms do
    @head <<@version, @small_tuple, 3, tag, 5::size(size_bits), "error">>
    def error?(<<@head, _rest::binary>>), do: true
  end

  def error?(_frame), do: false

  @doc """
  Decodes the items in a frame of a stream.

      iex> PythonxPort.Protocol.items(:erlang.term_to_binary({:yields, 300, [1, 2, 3]}))
      [1, 2, 3]
      iex> PythonxPort.Protocol.items(:erlang.term_to_binary({:yield, 300, [1, 2, 3]}))
      [[1, 2, 3]]
  """
  @spec items(binary()) :: [term()]
  def items(frame) do
    case :erlang.binary_to_term(frame) do
      {:yields, _id, items} -> items
      {:yields, _id, items, _segments} -> items
      {:yield, _id, item} -> [item]
      {:yield, _id, item, _segments} -> [item]
    end
  end

  @doc """
  Decodes a call from Python: a function or its names, and the arguments.

      iex> PythonxPort.Protocol.call(:erlang.term_to_binary({:invoke, {3, 7}, {"Elixir.Enum", "sum"}, [[1, 2]]}))
      {{"Elixir.Enum", "sum"}, [[1, 2]]}
  """
  @spec call(binary()) :: {function() | {module() | binary(), atom() | binary()}, [term()]}
  def call(frame) do
    {:invoke, _call_id, target, args} = :erlang.binary_to_term(frame)
    {target, args}
  end

  # The size of the integer or the atom that comes first.
  defp size(<<@small_integer, _value, _rest::binary>>), do: 2
  defp size(<<@integer, _value::32, _rest::binary>>), do: 5
  defp size(<<@small_big, size, _rest::binary>>), do: size + 3
  defp size(<<tag, size, _rest::binary>>) when tag in [@small_atom_utf8_ext, @small_atom_ext], do: size + 2
  defp size(<<tag, size::16, _rest::binary>>) when tag in [@atom_utf8_ext, @atom_ext], do: size + 3

  # Encodes a term without the version byte, which only the head of the whole tuple has.
  defp encode(term) do
    [<<@version, first::binary>> | rest] = :erlang.term_to_iovec(term)
    [first | rest]
  end
end
