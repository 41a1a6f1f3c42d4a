#!/bin/sh
# check_words.sh [FOLDER]: counts words that make prose hard to read ("where none is" for *if there is none*, "nobody",
# "anew") in the comments and documents of the port and its tests, below FOLDER. Prints each place. Ends with status 1
# if they are more than one in 1,000 words.
set -u
LC_ALL=C
export LC_ALL

cd "${1:-.}" || exit 2
folders='port tests/port tests/schedules tests/bench tests/fuzz tests/scripts'
worst='where (there|it|none|nobody|they|this|that)|nobody|whoever|somebody|to be had|anew|in vain|all the same'

# This file must name the words.
list_files() {
    find $folders -type f ! -name check_words.sh \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' \
        -o -name '*.escript' -o -name '*.md' -o -name '*.1' \)
}

# Prints "FILE:LINE TEXT" for each line of a comment or document. In Python docstrings are comments, too.
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
        FNR == 1 { inside = 0; kind = FILENAME; sub(/.*\./, "", kind) }
        kind == "c" || kind == "h" { put_c($0) }
        kind == "py" { put_python($0) }
        kind == "sh" && match($0, /(^|[ \t])# /) { put(substr($0, RSTART)) }
        kind == "escript" && match($0, /(^|[ \t])%+ /) { put(substr($0, RSTART)) }
        kind == "md" || kind == "1" { put($0) }' "$@"
}

print_prose $(list_files | sort) | awk -v worst="$worst" '
    # A phrase may go on in the next line of the same text.
    {
        place = $1
        line = tolower($0)
        sub(/^[^ ]+ /, "", line)
        words += split(line, parts, /[^a-z0-9_'\''-]+/)
        text = " " last_text " " line " "
        gsub(/[^a-z0-9_]+/, " ", text)
        known = length(last_text)
        rest = text
        while (match(rest, " (" worst ") ")) {
            end = length(text) - length(rest) + RSTART + RLENGTH - 1
            if (end > known + 2) {
                found++
                printf "%s: \"%s\"\n", place, substr(rest, RSTART + 1, RLENGTH - 2)
            }
            rest = substr(rest, RSTART + RLENGTH - 1)
        }
        last_text = line
        gsub(/[^a-z0-9_]+/, " ", last_text)
        gsub(/^ | $/, "", last_text)
    }
    END {
        rate = words > 0 ? found * 1000 / words : 0
        printf "%d of the worst words in %d words of comments and documents: %.2f in 1,000\n", found, words, rate
        exit rate > 1
    }'
