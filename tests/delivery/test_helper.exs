# What needs a program that is not there is excluded, and shown as that.
programs = [rpm: "rpmbuild", rebar3: "rebar3", mandoc: "mandoc"]
missing = for {tag, program} <- programs, System.find_executable(program) == nil, do: tag
if missing != [], do: IO.puts("Not here, so what needs it is not tested: #{Enum.join(missing, ", ")}")

# Other folders' helpers may have excluded something before.
ExUnit.start(exclude: missing ++ List.wrap(ExUnit.configuration()[:exclude]))
