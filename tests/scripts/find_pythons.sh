#!/bin/sh
# Prints the interpreters to run the session tests under, joined by colons: one for each minor version of CPython, from
# 3.11 on, that is installed with a shared libpython.
usable='
import sys, sysconfig
assert sys.version_info >= (3, 11) and not sysconfig.get_config_var("Py_GIL_DISABLED")
import os
base, var = sys.base_prefix, sysconfig.get_config_var
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
assert any(os.path.exists(os.path.join(p, name)) for p in (var("LIBDIR"), base + "/lib", base + "/lib64"))
print("%d.%d" % sys.version_info[:2], sys.executable)
'

candidates() {
    for minor in '' .11 .12 .13 .14 .15 .16 .17 .18 .19; do
        command -v "python3$minor"
    done
    ls /usr/bin/python3 /usr/local/bin/python3 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/python3 2>/dev/null
}

candidates | while read -r python; do
    "$python" -I -c "$usable" 2>/dev/null
done | sort -s -u -k1,1 | cut -d' ' -f2- | paste -s -d: -
