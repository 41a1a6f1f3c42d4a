#!/bin/sh
# Makes Pythons with the packages that some tests need, each in a venv. They are in the user's cache, not in the
# checkout: several checkouts share them, and `make clean` does not remove them.
#   test_venvs.sh PYTHON         makes the missing ones, with PYTHON; warns if it cannot
#   test_venvs.sh PYTHON NAME    prints the folder of one, or nothing if it was not made
set -u

python=$1
version=$("$python" -I -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') || exit 0
folder=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/pythonx_port/venvs/$version

packages_of() {
    case $1 in
    packages) echo 'numpy>=2 pandas polars pyarrow xarray ml_dtypes scikit-learn uvloop tqdm attrs pydantic matplotlib' ;;
    numpy1) echo 'numpy<2' ;;
    uv) echo 'uv virtualenv' ;;
    esac
}

# The list is written last, so a venv with another list, or none, is not whole.
is_whole() {
    [ -x "$folder/$1/bin/python3" ] && [ "$(cat "$folder/$1/list" 2>/dev/null)" = "$(packages_of "$1")" ]
}

# Built beside its place first: neither an interruption nor another make at the same time leaves half a venv.
make_venv() {
    new=$folder/$1.new.$$
    mkdir -p "$folder" &&
        "$python" -m venv "$new" &&
        "$new/bin/python3" -m pip install -q --disable-pip-version-check --retries 2 --timeout 15 \
            --only-binary :all: $(packages_of "$1") &&
        packages_of "$1" >"$new/list" &&
        rm -rf "${folder:?}/$1" &&
        "$python" -I -c 'import os, sys; os.rename(*sys.argv[1:])' "$new" "$folder/$1"
    made=$?
    rm -rf "$new"
    return $made
}

if [ $# -gt 1 ]; then
    if is_whole "$2"; then echo "$folder/$2"; fi
    exit 0
fi

for name in packages numpy1 uv; do
    # NumPy 1 ends with Python 3.12.
    case $name/$version in numpy1/3.11.* | numpy1/3.12.* | packages/* | uv/*) ;; *) continue ;; esac
    is_whole "$name" && continue
    echo "setup: installing for the tests, in $folder/$name: $(packages_of "$name")"
    if ! make_venv "$name"; then
        echo "setup: that did not work; the tests that need these packages will be left out" >&2
        break # the next would fail as slowly
    fi
done
