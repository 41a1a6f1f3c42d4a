#!/bin/sh
# check_rooms.sh [FOLDER]: checks the includes of port/ (or FOLDER) against the order of its rooms (port/README.md).
# Prints each offender, and ends with status 1 if there is one. Tests are not checked: they may include anything.
set -u
LC_ALL=C
export LC_ALL

root=${1:-port}
# From the lowest room to the highest; the files in engine/ itself are above all of them.
rooms="os wire engine/queue engine/python engine/shm engine/numpy engine/codec engine/exec engine/session engine/beam engine"

# Prints "FILE:LINE INCLUDED" for each include of ours.
list_includes() {
    find "$root" -name '*.[ch]' -exec grep -n '^ *# *include *"' /dev/null {} + |
        sed 's/^\([^:]*:[0-9]*\):[^"]*"\([^"]*\)".*/\1 \2/' | sort
}

check_includes() {
    awk -v root="$root" -v rooms="$rooms" '
        function room_of(path) {
            return path ~ /\// ? substr(path, 1, match(path, /\/[^\/]*$/) - 1) : ""
        }
        function complain(what) {
            printf "%s: includes \"%s\": %s\n", $1, $2, what
            failed = 1
        }
        function exists(path,    line, status) {
            status = (getline line < (root "/" path))
            close(root "/" path)
            return status >= 0
        }
        # Includes name a file by its path below the root, or below engine/.
        function find_file(name) {
            return exists(name) ? name : exists("engine/" name) ? "engine/" name : ""
        }
        BEGIN {
            count = split(rooms, names, " ")
            for (i = 1; i <= count; i++)
                rank[names[i]] = i
        }
        {
            file = $1
            sub(/:.*/, "", file)
            from = room_of(substr(file, length(root) + 2))
            if ($2 == "embedded_files.h") # made by the build
                next
            if ($2 !~ /\// && $2 != "engine.h" && $2 != "erlang_module.h") {
                complain("an include names its room")
                next
            }
            path = find_file($2)
            if (path == "") {
                complain("there is no such file")
                next
            }
            to = room_of(path)
            if (from == to)
                next
            if (from == "launcher") {
                if (to != "os" && to != "wire" && path != "engine/engine.h")
                    complain("launcher/ includes os/, wire/ and engine/engine.h alone")
            } else if (from == "host") {
                if (to != "os" && to != "launcher")
                    complain("host/ includes os/ and launcher/ alone")
            } else if (!(from in rank)) {
                complain("no room of this name has a place in the order")
            } else if (!(to in rank) || rank[to] > rank[from]) {
                complain(from "/ is below " to "/")
            }
        }
        END { exit failed }'
}

# Readers, and some compilers, mix up two headers of one name.
check_names() {
    twice=$(find "$root" -name '*.h' | sed 's,.*/,,' | sort | uniq -d)
    for name in $twice; do
        echo "$name: more than one header bears this name:" $(find "$root" -name "$name" | sort)
    done
    [ -z "$twice" ]
}

status=0
list_includes | check_includes || status=1
check_names || status=1
exit $status
