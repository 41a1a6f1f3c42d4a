# What needs a package that is not there is excluded, and shown as that.
has_numpy = match?({:ok, nil}, PythonxPort.exec("import numpy"))
PythonxPort.stop_session(:default)

missing =
  for {tag, false} <- [numpy: has_numpy, poolboy: Code.ensure_loaded?(:poolboy)] do
    tag
  end

# No test waits for as long unless it fails.
ExUnit.start(exclude: missing, assert_receive_timeout: 10_000)
