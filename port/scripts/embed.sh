#!/bin/sh
# Writes each Python file named as a row of a C table: {"name", "text"}.
set -eu

for file in "$@"; do
    printf '{"%s",\n' "$(basename "$file" .py)"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/ "/' -e 's/$/\\n"/' "$file"
    printf '},\n'
done
