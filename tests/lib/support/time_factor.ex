defmodule PythonxPort.TimeFactor do
  @moduledoc false
  # Stretches what tests wait for on machines that are much slower than most, such as emulated ones. The Check tests
  # have the same factor (tests/port/time_factor.h).

  @doc "The milliseconds times `$PYTHONX_TEST_TIME_FACTOR`, which is 1 by default."
  @spec stretch(pos_integer()) :: pos_integer()
  def stretch(milliseconds), do: milliseconds * factor()

  defp factor do
    case System.get_env("PYTHONX_TEST_TIME_FACTOR", "") do
      "" -> 1
      text -> max(String.to_integer(text), 1)
    end
  end
end
