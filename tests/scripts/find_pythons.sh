#!/bin/sh
# find_pythons.sh [whole]: prints the interpreters to run the session tests under, joined by colons: one for each minor
# version of CPython, from 3.11 on, that exports its API; with "whole" only those whose own program holds all of Python.
usable='
import sys, sysconfig
assert sys.version_info >= (3, 11) and not sysconfig.get_config_var("Py_GIL_DISABLED")
import ctypes
ctypes.pythonapi.Py_InitializeEx
assert sys.argv[1:] != ["whole"] or "/libpython" not in open("/proc/self/maps").read()
print("%d.%d" % sys.version_info[:2], sys.executable)
'

candidates() {
    for minor in '' .11 .12 .13 .14 .15 .16 .17 .18 .19; do
        command -v "python3$minor"
    done
    ls /usr/bin/python3 /usr/local/bin/python3 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/python3 2>/dev/null
}

candidates | while read -r python; do
    "$python" -I -c "$usable" "$@" 2>/dev/null
done | sort -s -u -k1,1 | cut -d' ' -f2- | paste -s -d: -
