#!/bin/sh
# run_port_tests.sh PROGRAM PYTHON: runs the Check tests, all of them with the Pythons of this machine and those of
# arrays with the venvs of test_venvs.sh as well; one of them has uvloop, too. The tests' own process uses the Python
# that is first on PATH.
set -u

check=$1
packages=$(sh tests/scripts/test_venvs.sh "$2" packages)
numpy1=$(sh tests/scripts/test_venvs.sh "$2" numpy1)

PYTHONX_TEST_PYTHONS=$(sh tests/scripts/find_pythons.sh) PATH=${packages:+$packages/bin:}$PATH "$check" || exit
[ -z "${SANITIZE:-}" ] || exit 0 # slow, and the same C again

if [ -n "$packages" ]; then
    for suite in session_bulk session_control session_signals; do
        PYTHONX_TEST_PYTHONS=$packages/bin/python3 CK_RUN_SUITE=$suite "$check" || exit
    done
fi
if [ -n "$numpy1" ]; then
    for suite in tensor session_bulk; do
        PYTHONX_TEST_PYTHONS=$numpy1/bin/python3 PATH=$numpy1/bin:$PATH CK_RUN_SUITE=$suite "$check" || exit
    done
fi
