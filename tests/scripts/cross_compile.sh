#!/bin/sh
# Compiles all of port/ with each compiler that is installed, as Linux and as other systems have it. It only compiles:
# the headers of Python and NumPy are this machine's, which hold for every system with longs of 64 bits.
set -u

folder=build/portability
failed=0

# Debian's pyconfig.h includes that of the architecture, from a folder of its name.
for config in /usr/include/*/python3*/pyconfig.h; do
    [ -f "$config" ] || continue
    version=$(basename "$(dirname "$config")")
    for triple in aarch64-linux-gnu x86_64-linux-gnu x86_64-linux-musl; do
        mkdir -p "$folder/include/$triple/$version"
        cp "$config" "$folder/include/$triple/$version/"
    done
done

for compiler in gcc clang aarch64-linux-gnu-gcc musl-gcc; do
    if ! command -v "$compiler" >/dev/null 2>&1; then
        echo "portability: nothing compiled with $compiler, which is not here"
        continue
    fi
    for portable in '' 1; do
        build=$folder/$compiler${portable:+-portable}
        if ${MAKE:-make} --no-print-directory -s CC="$compiler" PORTABLE=$portable BUILD="$build" \
            CFLAGS="-O2 -g -isystem $folder/include" objects >"$folder/log" 2>&1; then
            echo "portability: $(find "$build/obj" -name '*.o' | wc -l) files compiled in $build"
        else
            cat "$folder/log" >&2
            failed=1
        fi
    done
done
exit $failed
