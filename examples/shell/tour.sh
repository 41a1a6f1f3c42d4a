#!/bin/sh
# Python from a shell: requests are Erlang terms as text, and so are the replies.
set -eu

built=$(dirname "$0")/../../build/pythonx_port
[ -x "$built" ] || built=pythonx_port
port=${PYTHONX_PORT:-$built}

# Takes requests on standard input and prints replies, all in one Python process.
ask() {
    "$port" encode | "$port" | "$port" decode
}

title() {
    printf '\n== %s\n' "$1"
}

title 'One expression'
echo '{eval, 1, <<"1 + 1">>}.' | ask

title 'Several requests: bindings, and names that stay'
ask <<'END'
{exec, define, <<"def mean(xs): return sum(xs) / len(xs)">>}.
{eval, 1, <<"mean(xs) ** 2">>, #{bindings => #{xs => [1, 2, 6]}}}.
{call, 2, <<"mean">>, [[3, 4]]}.
{call, 3, <<"json.loads">>, [<<"{\"answer\": 42}">>]}.
END

title 'What Python prints, and text beyond ASCII'
ask <<'END'
{eval, 1, <<"print('Grüße')"/utf8>>}.
END

title 'An error is a reply like others, and the process goes on'
ask <<'END'
{eval, 1, <<"1 / 0">>}.
{eval, 2, <<"6 * 7">>}.
END

title 'Which Python is it?'
"$port" doctor
