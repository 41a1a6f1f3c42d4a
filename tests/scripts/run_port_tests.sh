#!/bin/sh
# run_port_tests.sh PROGRAM PYTHON: runs the Check tests, all of them with the Pythons of this machine and those of
# arrays with the venvs of test_venvs.sh as well; one of them has uvloop, too. The tests' own process uses the Python
# that is first on PATH. Suites run side by side, as many as there are processors.
set -u

check=$1
packages=$(sh tests/scripts/test_venvs.sh "$2" packages)
numpy1=$(sh tests/scripts/test_venvs.sh "$2" numpy1)
all=$(sh tests/scripts/find_pythons.sh)
path=$PATH
output=$(mktemp -d) || exit 1
trap 'rm -rf "$output"' EXIT

# run_suite SUITE KIND: all, packages or numpy1.
run_suite() {
    case $2 in
    all) PATH=${packages:+$packages/bin:}$path pythons=$all ;;
    packages) PATH=$path pythons=$packages/bin/python3 ;;
    numpy1) PATH=$numpy1/bin:$path pythons=$numpy1/bin/python3 ;;
    esac
    PYTHONX_TEST_PYTHONS=$pythons CK_RUN_SUITE=$1 "$check" >"$output/$1-$2" 2>&1
    status=$?
    cat "$output/$1-$2"
    return $status
}

suites() {
    "$check" --list | sed 's/$/ all/'
    [ -z "${SANITIZE:-}" ] || return # slow, and the same C again
    [ -z "$packages" ] || printf '%s packages\n' session_bulk session_control session_signals
    [ -z "$numpy1" ] || printf '%s numpy1\n' tensor session_bulk
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
