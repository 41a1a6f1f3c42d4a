defmodule PythonxPort.Session.QueueLimit do
  @moduledoc false
  # Counts the requests that are queued, for the option `:max_queue`. Pure functions.
  #
  # A request is counted until it is known to have begun. Python reports how many have not (`waiting` of `info`), and
  # begins them in order. Nothing is reported while there is room; if there seems to be none, the session asks before
  # it refuses a request. Requests that come meanwhile are undecided, in order.

  alias PythonxPort.Protocol

  @enforce_keys [:max_requests, :max_bytes]
  defstruct @enforce_keys ++
              [bytes: 0, last: 0, numbers: %{}, sizes: :gb_trees.empty(), undecided: [], asked: nil]

  @typedoc "The option `:max_queue`."
  @type option :: pos_integer() | [requests: pos_integer(), bytes: pos_integer()] | :infinity

  @typedoc """
  `numbers` has the place in the order of each request that is counted, and `sizes` by that place its id and its
  bytes. `asked` are the requests that the next report decides about, nil if Python was not asked; `undecided` those
  that came later, in reverse order.
  """
  @type t :: %__MODULE__{
          max_requests: pos_integer() | :infinity,
          max_bytes: pos_integer() | :infinity,
          bytes: non_neg_integer(),
          last: non_neg_integer(),
          numbers: %{Protocol.id() => pos_integer()},
          sizes: :gb_trees.tree(),
          undecided: [entry()],
          asked: [entry()] | nil
        }

  @typedoc "A request and its bytes."
  @type entry :: {Protocol.id(), non_neg_integer()}

  @doc "Returns the limits of the option, or nil if there are none."
  @spec new(option()) :: t() | nil
  def new(:infinity), do: nil
  def new(count) when is_integer(count), do: new(requests: count)

  def new(limits) do
    %__MODULE__{
      max_requests: Keyword.get(limits, :requests, :infinity),
      max_bytes: Keyword.get(limits, :bytes, :infinity)
    }
  end

  @doc "Counts a request, or returns `:full`. An empty queue takes any request, however large it is."
  @spec add(t(), entry()) :: {:ok, t()} | :full
  def add(%__MODULE__{bytes: queued, max_bytes: max_bytes} = limit, {id, bytes}) do
    count = map_size(limit.numbers)
    # Numbers are smaller than atoms.
    if count == 0 or (count < limit.max_requests and queued + bytes <= max_bytes) do
      number = limit.last + 1
      numbers = Map.put(limit.numbers, id, number)
      sizes = :gb_trees.insert(number, {id, bytes}, limit.sizes)
      {:ok, %{limit | numbers: numbers, sizes: sizes, last: number, bytes: queued + bytes}}
    else
      :full
    end
  end

  @doc "Removes a request that has ended, if it is still counted."
  @spec remove(t() | nil, Protocol.id()) :: t() | nil
  def remove(nil, _id), do: nil

  def remove(%__MODULE__{} = limit, id) do
    case limit.numbers do
      %{^id => number} ->
        {{^id, bytes}, sizes} = :gb_trees.take(number, limit.sizes)
        %{limit | numbers: Map.delete(limit.numbers, id), sizes: sizes, bytes: limit.bytes - bytes}

      _not_counted ->
        limit
    end
  end

  @doc "Removes the oldest requests, all but `count` of them: they have begun."
  @spec keep(t(), non_neg_integer()) :: t()
  def keep(%__MODULE__{} = limit, count) do
    if map_size(limit.numbers) > count do
      {_number, {id, _bytes}} = :gb_trees.smallest(limit.sizes)
      limit |> remove(id) |> keep(count)
    else
      limit
    end
  end

  @doc "Leaves it undecided whether there is room for a request."
  @spec defer(t(), entry()) :: t()
  def defer(%__MODULE__{} = limit, entry), do: %{limit | undecided: [entry | limit.undecided]}

  @doc "Takes the requests about which the report decides that Python is asked for now."
  @spec ask(t()) :: t()
  def ask(%__MODULE__{} = limit) do
    %{limit | asked: Enum.reverse(limit.undecided), undecided: []}
  end

  @doc "Returns the requests to decide about: those that Python was asked for, then those that came later."
  @spec take_undecided(t()) :: {[entry()], [entry()], t()}
  def take_undecided(%__MODULE__{asked: asked} = limit) do
    {asked, Enum.reverse(limit.undecided), %{limit | asked: nil, undecided: []}}
  end

  @doc "Describes the queue, and its limits, for a message."
  @spec describe(t()) :: String.t()
  def describe(%__MODULE__{} = limit) do
    most =
      [{limit.max_requests, "requests"}, {limit.max_bytes, "bytes"}]
      |> Enum.reject(fn {most, _unit} -> most == :infinity end)
      |> Enum.map_join(" and ", fn {most, unit} -> "#{most} #{unit}" end)

    "#{map_size(limit.numbers)} requests (#{limit.bytes} bytes) are queued; :max_queue allows #{most}"
  end
end
