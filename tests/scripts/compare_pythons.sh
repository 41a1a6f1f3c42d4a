#!/bin/sh
# compare_pythons.sh PORT: runs the snippets of tests/python3 under each Python of this machine, by python3 and in a
# session. Exits with status 1 if anything differs that is not marked.
set -u

status=0
pythons=$(sh tests/scripts/find_pythons.sh)
[ -n "$pythons" ] || exit 1
IFS=:
for python in $pythons; do
    PYTHONDONTWRITEBYTECODE=1 "$python" tests/python3/compare.py "$1" "$python" || status=1
done
exit $status
