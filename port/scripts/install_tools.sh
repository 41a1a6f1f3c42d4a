#!/bin/sh
# Installs what building and testing need and this machine lacks, with the system's package manager: by Debian's names
# and Fedora's. If nothing is missing it changes nothing.
#   install_tools.sh            what building, checking and most tests need
#   install_tools.sh wishes     what single tests need; they are skipped if it cannot be installed
set -u

debian='' fedora=''

# need "command that succeeds if it is installed" debian-packages fedora-packages
need() {
    if ! sh -c "$1" >/dev/null 2>&1; then
        debian="$debian $2"
        fedora="$fedora $3"
    fi
}

has_python='python=$(sh port/scripts/configure.sh | sed -n "s/^PYTHON := //p"); [ -n "$python" ] && "$python" -c "import numpy"'

# has_library NAME: prints shell code that succeeds if Erlang has that library.
has_library() {
    echo "erl -noshell -eval 'true = is_list(code:lib_dir($1)), halt().'"
}

look() {
    debian='' fedora=''
    need 'command -v cc' gcc gcc
    need 'command -v pkg-config' pkg-config pkgconf-pkg-config
    need 'command -v git' git git
    need 'ls "$(erl -noshell -eval "io:format(code:lib_dir(erl_interface)), halt().")/include/ei.h"' \
        'erlang-base erlang-dev' 'erlang-erts erlang-erl_interface'
    need "$(has_library eunit)" erlang-eunit erlang-eunit
    need 'command -v mix' elixir elixir
    need "$(has_library poolboy)" erlang-poolboy erlang-poolboy
    need 'pkg-config --exists check' check check-devel
    need "$has_python" 'python3-dev libpython3-dev python3-numpy' 'python3-devel python3-libs python3-numpy'
    need 'python3 -c "import venv, ensurepip" || /usr/bin/python3 -c "import venv, ensurepip"' python3-venv python3
    need 'command -v clang-format' clang-format clang-tools-extra
    need 'command -v clang-tidy' clang-tidy clang-tools-extra
    need 'command -v cppcheck' cppcheck cppcheck
}

wish() {
    debian='' fedora=''
    need "$1" "$2" "$3"
    if [ -n "$debian" ] && ! install_missing; then
        echo "setup: that did not work; the tests that need it will be left out" >&2
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_missing() {
    if command -v apt-get >/dev/null 2>&1; then
        echo "setup: installing$debian"
        as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $debian
    elif command -v dnf >/dev/null 2>&1; then
        echo "setup: installing$fedora"
        as_root dnf install -y $fedora
    else
        echo "setup: neither apt-get nor dnf is here; please install (Debian's names):$debian" >&2
        return 1
    fi
}

if [ "${1:-}" = wishes ]; then
    wish 'command -v rpmbuild && command -v rpm2archive' rpm 'rpm rpm-build'
    wish 'command -v rebar3' rebar3 erlang-rebar3
    wish 'command -v mandoc' mandoc mandoc
    wish 'command -v spin' spin spin
    exit 0
fi

look
if [ -n "$debian" ]; then
    install_missing || exit 1
    rm -f build/config.mk # it may be out of date now
    look
    if [ -n "$debian" ]; then
        echo "setup: still missing after the installation (Debian's names):$debian" >&2
        exit 1
    fi
fi
