#!/bin/sh
# check_words.sh [FOLDER]: counts words that make prose hard to read ("where none is" for *if there is none*, "nobody",
# "anew") below FOLDER: in the documents, in comments, and in the documentation of modules. Prints each place. Ends
# with status 1 if they are more than one in 1,000 words of the documents, or of the rest.
set -u
LC_ALL=C
export LC_ALL

cd "${1:-.}" || exit 2
places='README.md CHANGELOG.md guides port lib examples tests mix.exs Makefile'
worst='where (there|it|none|nobody|they|this|that)|nobody|whoever|somebody|to be had|anew|in vain|all the same'
worst="$worst|for ever|in the midst of|by itself|by themselves|will do|is no error|what waits|who waits|those that are"
# A program reports, returns, delivers.
worst="$worst|tells|is told|are told|was told|hears|is heard"

# This file must name the words.
list_files() {
    for place in $places; do
        [ ! -e "$place" ] || find "$place" -type f ! -name check_words.sh \( -name '*.[ch]' -o -name '*.py' -o \
            -name '*.sh' -o -name '*.escript' -o -name '*.erl' -o -name '*.ex' -o -name '*.exs' -o -name '*.md' -o \
            -name '*.1' -o -name Makefile \)
    done
}

# Prints "FILE:LINE TEXT" for each line of a comment or document. The strings that document modules and functions of
# Python and Elixir are comments, too; the code in a document is not.
print_prose() {
    awk '
        function put(text) {
            gsub(/^[ \t*#%]+|[ \t]+$/, "", text)
            if (text != "")
                print FILENAME ":" FNR " " text
        }
        # Strings of C that hold the start of a comment are emptied first.
        function put_c(line,    at, text) {
            for (;;) {
                if (!inside) {
                    gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
                    at = index(line, "/*")
                    if (at == 0)
                        return
                    line = substr(line, at + 2)
                    inside = 1
                }
                at = index(line, "*/")
                text = at == 0 ? line : substr(line, 1, at - 1)
                put(text)
                if (at == 0)
                    return
                line = substr(line, at + 2)
                inside = 0
            }
        }
        function put_python(line,    count, text) {
            text = line
            count = gsub(/"""/, "\"\"\"", text)
            if (inside || count > 0) {
                if (!inside)
                    sub(/^[^"]*"""/, "", line)
                sub(/""".*$/, "", line)
                put(line)
                if (count % 2 == 1)
                    inside = !inside
            } else if (match(line, /(^|[ \t])# /)) {
                put(substr(line, RSTART))
            }
        }
        # Each text of an attribute such as @doc; other strings are skipped, as they may hold the start of a comment.
        function put_elixir(line,    text) {
            if (inside) {
                if (line ~ /^[ \t]*("""|\047\047\047)/)
                    inside = 0
                else if (inside == 1)
                    put(line)
            } else if (line ~ /("""|\047\047\047)$/) {
                inside = line ~ /^[ \t]*@(module|type)?doc / ? 1 : 2
            } else if (line ~ /^[ \t]*@(module|type)?doc "/) {
                sub(/^[ \t]*@[a-z]+ "/, "", line)
                put(line)
            } else {
                text = line
                gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
                if (match(text, /(^|[ \t])# /))
                    put(substr(text, RSTART))
            }
        }
        function put_document(line) {
            if (line ~ /^```/)
                inside = !inside
            else if (!inside)
                put(line)
        }
        FNR == 1 { inside = 0; kind = FILENAME; sub(/.*\./, "", kind) }
        kind == "c" || kind == "h" { put_c($0) }
        kind == "py" { put_python($0) }
        (kind == "sh" || kind == "Makefile") && match($0, /(^|[ \t])##? /) { put(substr($0, RSTART)) }
        (kind == "escript" || kind == "erl") && match($0, /(^|[ \t])%+ /) { put(substr($0, RSTART)) }
        kind == "ex" || kind == "exs" { put_elixir($0) }
        kind == "md" { put_document($0) }
        kind == "1" { put($0) }' "$@"
}

print_prose $(list_files | sort) | awk -v worst="$worst" '
    # A phrase may go on in the next line of the same text.
    {
        place = $1
        kind = place ~ /\.(md|1):/ ? "documents" : "comments"
        line = tolower($0)
        sub(/^[^ ]+ /, "", line)
        words[kind] += split(line, parts, /[^a-z0-9_'\''-]+/)
        text = " " last_text " " line " "
        gsub(/[^a-z0-9_]+/, " ", text)
        known = length(last_text)
        rest = text
        while (match(rest, " (" worst ") ")) {
            end = length(text) - length(rest) + RSTART + RLENGTH - 1
            if (end > known + 2) {
                found[kind]++
                printf "%s: \"%s\"\n", place, substr(rest, RSTART + 1, RLENGTH - 2)
            }
            rest = substr(rest, RSTART + RLENGTH - 1)
        }
        last_text = line
        gsub(/[^a-z0-9_]+/, " ", last_text)
        gsub(/^ | $/, "", last_text)
    }
    END {
        for (kind in words) {
            rate = found[kind] * 1000 / words[kind]
            printf "%d of the worst words in %d words of %s: %.2f in 1,000\n", found[kind], words[kind], kind, rate
            worst_rate = rate > worst_rate ? rate : worst_rate
        }
        exit worst_rate > 1
    }'
