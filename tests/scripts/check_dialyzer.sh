#!/bin/sh
# check_dialyzer.sh PLT: runs dialyzer, with its default flags, over the library. Builds the file PLT first if it does not
# exist, which takes some minutes. Fails if dialyzer has a warning.
set -eu

plt=$1
elixir=$(elixir -e 'for app <- [:elixir, :logger], do: IO.puts("#{:code.lib_dir(app)}/ebin")')
# Elixir's own modules are no applications of Erlang: dialyzer gets them as folders, and finds their compiler by -pa.
paths=$(for folder in $elixir; do printf ' -pa %s' "$folder"; done)

if [ ! -f "$plt" ]; then
    mkdir -p "$(dirname "$plt")"
    # It warns of what these applications call beyond themselves, so that its status says nothing.
    dialyzer --build_plt --quiet --output_plt "$plt.new" --apps erts kernel stdlib crypto $paths -r $elixir >"$plt.log" 2>&1 ||
        [ -f "$plt.new" ] || { cat "$plt.log"; exit 1; }
    mv "$plt.new" "$plt"
fi

PYTHONX_PORT_SKIP_MAKE=1 mix compile
modules=$(PYTHONX_PORT_SKIP_MAKE=1 mix run --no-start -e 'IO.puts(Mix.Project.compile_path())' | tail -n 1)
exec dialyzer --quiet --plt "$plt" $paths "$modules"/*.beam
