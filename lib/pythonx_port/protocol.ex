defmodule PythonxPort.Protocol do
  @moduledoc """
  The bytes of requests and replies; no processes, no state. `port/PROTOCOL.md` describes them.

  The work is cut so that large terms are encoded and decoded by the process that has the use of them: a caller
  makes a request's `body/1`, the session puts `request/3` in front; the session looks at a reply with `read/1`
  and hands the frame on, and the caller takes it apart with `result/1`. A body refers to the large binaries in it,
  and a result that is a binary is a part of its frame: neither is copied.
  """

  alias PythonxPort.Error

  @version 131
  @small_tuple 104
  @integer 98
  @small_integer 97
  @binary_ext 109
  # Each form that an atom may come in; OTP 25 and older prefer the old ones.
  @atom_ext 100
  @small_atom_ext 115
  @atom_utf8_ext 118
  @small_atom_utf8_ext 119

  @max_id 0x7FFF_FFFF
  @arities [eval: 4, exec: 4, call: 6, info: 2, segment: 3, stop: 2]

  @typedoc "A request's number: it fits the 32-bit integer of the external term format."
  @type id :: 0..0x7FFF_FFFF

  @typedoc "Requests that are answered with one reply."
  @type operation :: :eval | :exec | :call | :info | :segment | :stop

  @doc "The largest id that a request may have."
  @spec max_id() :: id()
  def max_id, do: @max_id

  @doc """
  The elements of a request's tuple that come after its id, as iodata that refers to large binaries.

      iex> PythonxPort.Protocol.body(["1 + 1"]) |> IO.iodata_to_binary()
      <<109, 0, 0, 0, 5, "1 + 1">>
  """
  @spec body([term()]) :: iodata()
  def body(elements), do: Enum.map(elements, &encode/1)

  @doc """
  A whole request: operation and id, then its body.

      iex> PythonxPort.Protocol.request(:info, 7, []) |> IO.iodata_to_binary() |> :erlang.binary_to_term()
      {:info, 7}
  """
  @spec request(operation(), id(), iodata()) :: iodata()
  for {operation, arity} <- @arities do
    name = Atom.to_string(operation)

    @head <<@version, @small_tuple, arity, @small_atom_utf8_ext, byte_size(name), name::binary, @integer>>
    def request(unquote(operation), id, body) when id in 0..@max_id, do: [@head, <<id::32>> | body]
  end

  @doc "Tells Python to let go of objects, by their numbers. Nothing answers it."
  @spec release([non_neg_integer()]) :: iodata()
  def release(refs), do: :erlang.term_to_iovec({:release, refs})

  @doc "Tells Python that segments are not used here any more. Nothing answers it."
  @spec give_back([pos_integer()]) :: iodata()
  def give_back(numbers), do: :erlang.term_to_iovec({:give_back, numbers})

  @doc """
  What a frame is: the reply to a request, whose frame then goes to `result/1`, or an event.

      iex> PythonxPort.Protocol.read(:erlang.term_to_binary({:ok, 300, "a value"}))
      {:reply, 300}

  Of a reply whose value lies in segments of shared memory their numbers are told, too:

      iex> value = {:"$segment", 5, 9, 0, 1_000_000}
      iex> PythonxPort.Protocol.read(:erlang.term_to_binary({:ok, 300, value, [5]}))
      {:reply, 300, [5]}

      iex> PythonxPort.Protocol.read(:erlang.term_to_binary({:output, nil, :stdout, "text"}))
      {:event, {:output, nil, :stdout, "text"}}
  """
  @spec read(binary()) :: {:reply, id()} | {:reply, id(), segments :: [pos_integer()]} | {:event, tuple()}
  # The usual forms, told apart without decoding the value.
  for status <- [:ok, :error],
      {tag, size_bits} <- [
        {@small_atom_utf8_ext, 8},
        {@small_atom_ext, 8},
        {@atom_utf8_ext, 16},
        {@atom_ext, 16}
      ] do
    name = Atom.to_string(status)
    size = byte_size(name)
    @head <<@version, @small_tuple, 3, tag, size::size(size_bits), name::binary>>

    def read(<<@head, @small_integer, id, _value::binary>>), do: {:reply, id}
    def read(<<@head, @integer, id::signed-32, _value::binary>>), do: {:reply, id}
  end

  def read(frame) do
    case :erlang.binary_to_term(frame) do
      {status, id, _value} when status in [:ok, :error] and is_integer(id) -> {:reply, id}
      {:ok, id, _value, segments} -> {:reply, id, segments}
      event -> {:event, event}
    end
  end

  @doc """
  The result that a reply's frame holds.

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

  # A term without the version byte, which only the head of the whole tuple has.
  defp encode(term) do
    [<<@version, first::binary>> | rest] = :erlang.term_to_iovec(term)
    [first | rest]
  end
end
