#!/bin/sh
# run_port_tests.sh PROGRAM PYTHON: runs the Check tests, all of them with the Pythons of this machine and those of
# arrays with the venvs of test_venvs.sh as well; one of them has uvloop, too. What starts sessions runs in both hosts
# of a Python that has two. The tests' own process uses the Python that is first on PATH. Suites run side by side, as
# many as there are processors.
set -u

check=$1
packages=$(sh tests/scripts/test_venvs.sh "$2" packages)
numpy1=$(sh tests/scripts/test_venvs.sh "$2" numpy1)
all=$(sh tests/scripts/find_pythons.sh)
whole=$(sh tests/scripts/find_pythons.sh whole)
path=$PATH
output=$(mktemp -d) || exit 1
trap 'rm -rf "$output"' EXIT

# Pythons of $all that run in their program, and have a libpython as well; joined by colons.
both=$(echo "$whole" | tr : '\n' | while read -r python; do
    case ":$all:" in *":$python:"*) ;; *) continue ;; esac
    "$PYTHONX_PORT" doctor --python "$python" --host library >/dev/null 2>&1 && echo "$python"
done | paste -s -d: -)

# make_alone PYTHON: a copy of its program with the standard library but without libpython; prints its path.
make_alone() {
    program=$(realpath "$1") base=$("$1" -c 'import sys; print(sys.base_prefix)') && name=$(basename "$program") || return
    mkdir -p "$output/alone/bin" "$output/alone/lib" && cp "$program" "$output/alone/bin/" &&
        ln -s "$base/lib/$name" "$output/alone/lib/" && ln -s "$name" "$output/alone/bin/python3" || return
    # Where Debian's Python has its packages.
    [ ! -d "$base/lib/python3" ] || ln -s "$base/lib/python3" "$output/alone/lib/"
    echo "$output/alone/bin/python3"
}
alone=
[ -z "$whole" ] || alone=$(make_alone "${whole%%:*}") || exit 1

# run_suite SUITE KIND: all, packages, numpy1, library or alone.
run_suite() {
    host=
    case $2 in
    all) PATH=${packages:+$packages/bin:}$path pythons=$all ;;
    packages) PATH=$path pythons=$packages/bin/python3 ;;
    numpy1) PATH=$numpy1/bin:$path pythons=$numpy1/bin/python3 ;;
    library) PATH=${packages:+$packages/bin:}$path pythons=$both host=library ;;
    alone) PATH=${packages:+$packages/bin:}$path pythons=$alone ;;
    esac
    PYTHONX_HOST=$host PYTHONX_TEST_PYTHONS=$pythons CK_RUN_SUITE=$1 "$check" >"$output/$1-$2" 2>&1
    status=$?
    sed "1s/\$/ ($2)/" "$output/$1-$2"
    return $status
}

suites() {
    "$check" --list | sed 's/$/ all/'
    [ -z "${SANITIZE:-}" ] || return # slow, and the same C again
    [ -z "$packages" ] || printf '%s packages\n' session_bulk session_control session_signals
    [ -z "$numpy1" ] || printf '%s numpy1\n' tensor session_bulk
    sessions='^session.*\|^program$\|^hosts$'
    [ -z "$both" ] || "$check" --list | sed -n "s/$sessions/& library/p"
    [ -z "$alone" ] || [ -n "$both" ] || "$check" --list | sed -n "s/$sessions/& alone/p"
    [ -z "$both" ] || printf '%s alone\n' session program
}

# Each worker takes the suites of its number, which leaves none waiting for long: they come in the order of their times.
worker() {
    failed=0
    suites | awk "NR % $workers == $1" >"$output/list$1"
    while read -r suite kind; do
        run_suite "$suite" "$kind" </dev/null || failed=1
    done <"$output/list$1"
    return $failed
}

workers=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
pids=
for number in $(seq 0 $((workers - 1))); do
    worker "$number" &
    pids="$pids $!"
done
result=0
for pid in $pids; do
    wait "$pid" || result=1
done
exit $result
