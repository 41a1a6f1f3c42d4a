#!/bin/sh
# Prints what the Makefile needs to know of this machine: which Python to build and test with, and where ei is.
# Variables that are set already (PYTHON, PYTHON_INCLUDE, ERL_EI_INCLUDE_DIR, ERL_EI_LIBDIR) are used as
# they are: when cross-compiling, they name the headers and libraries of the other machine.
set -u

fail() {
    echo "configure: $*" >&2
    exit 1
}

has_headers='
import os, sys, sysconfig
var = sysconfig.get_config_var
assert sys.version_info >= (3, 11) and (var("Py_ENABLE_SHARED") or var("PYTHONFRAMEWORK"))
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
'

# Finds the first Python that has all that is needed. NumPy is for the demo and the tests; the build works without it.
find_python() {
    for code in "$has_headers
import numpy" "$has_headers"; do
        for python in python3 /usr/bin/python3 /usr/local/bin/python3; do
            if command -v "$python" >/dev/null 2>&1 && "$python" -c "$code" 2>/dev/null; then
                "$python" -c 'import sys; print(sys.executable)'
                return
            fi
        done
    done
}

PYTHON=${PYTHON:-$(find_python)}
[ -n "$PYTHON" ] || [ -n "${PYTHON_INCLUDE:-}" ] ||
    fail "no Python 3.11 or later with headers and a shared libpython was found (try: make setup)"

if [ -z "${ERL_EI_INCLUDE_DIR:-}" ] || [ -z "${ERL_EI_LIBDIR:-}" ]; then
    command -v erl >/dev/null 2>&1 || fail "Erlang was not found (try: make setup)"
    ei=$(erl -noshell -eval 'io:format("~ts", [code:lib_dir(erl_interface)]), halt().') || fail "erl could not be run"
    ERL_EI_INCLUDE_DIR=${ERL_EI_INCLUDE_DIR:-$ei/include}
    ERL_EI_LIBDIR=${ERL_EI_LIBDIR:-$ei/lib}
fi
[ -f "$ERL_EI_INCLUDE_DIR/ei.h" ] || fail "$ERL_EI_INCLUDE_DIR has no ei.h (try: make setup)"
for library in "$ERL_EI_LIBDIR"/libei.*; do
    [ -f "$library" ] || fail "$ERL_EI_LIBDIR has no libei (try: make setup)"
done

# Without a Python on this machine (only headers of another one) its lines stay empty, and so do those of the tests.
if [ -n "$PYTHON" ]; then
    command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON is $PYTHON, which is no program"
    "$PYTHON" - <<'END' || fail "PYTHON is $PYTHON, which does not report its headers"
import os, sys, sysconfig
if sys.version_info < (3, 11):
    sys.exit(f"configure: Python {sys.version.split()[0]} is older than 3.11")
var = sysconfig.get_config_var
print(f"PYTHON := {sys.executable}")
print(f"PYTHON_EMBED := -L{var('LIBDIR')} -Wl,-rpath,{var('LIBDIR')} -lpython{var('LDVERSION')}")
if not os.environ.get("PYTHON_INCLUDE"):
    include = sysconfig.get_path('include')
    if not os.path.exists(os.path.join(include, "Python.h")):
        sys.exit(f"configure: {include} has no Python.h (try: make setup, or set PYTHON_INCLUDE)")
    print(f"PYTHON_INCLUDE := {include}")
END
fi
if [ -n "${PYTHON_INCLUDE:-}" ]; then
    [ -f "$PYTHON_INCLUDE/Python.h" ] || fail "PYTHON_INCLUDE is $PYTHON_INCLUDE, which has no Python.h"
    echo "PYTHON_INCLUDE := $PYTHON_INCLUDE"
fi
echo "EI_INCLUDE := $ERL_EI_INCLUDE_DIR"
echo "EI_LIBDIR := $ERL_EI_LIBDIR"
