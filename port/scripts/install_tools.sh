#!/bin/sh
# Installs what this machine lacks, with the system's package manager: by Debian's names and Fedora's. If nothing is
# missing it changes nothing. Without root and sudo it says what is missing, and fails only if nothing can be built.
#   install_tools.sh build      what building and the demo need
#   install_tools.sh test       what the tests need
#   install_tools.sh check      what `make check` needs
#   install_tools.sh dialyzer   what `make dialyzer` needs
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

has_python='python=$(sh port/scripts/configure.sh | sed -n "s/^PYTHON := //p"); [ -n "$python" ]'
has_ei='ls "$(erl -noshell -eval "io:format(code:lib_dir(erl_interface)), halt().")/include/ei.h"'

# has_library NAME: prints shell code that succeeds if Erlang has that library.
has_library() {
    echo "erl -noshell -eval 'true = is_list(code:lib_dir($1)), halt().'"
}

look_for_build() {
    need 'command -v cc' 'gcc libc6-dev' gcc
    need "$has_ei" 'erlang-base erlang-dev' 'erlang-erts erlang-erl_interface'
    need 'command -v mix' elixir elixir
    need "$has_python && \"\$python\" -c 'import numpy'" 'python3-dev libpython3-dev python3-numpy' \
        'python3-devel python3-libs python3-numpy'
}

look_for_test() {
    look_for_build
    need 'command -v git' git git
    need 'command -v pkg-config' pkg-config pkgconf-pkg-config
    need 'pkg-config --exists check' check check-devel
    need "$(has_library eunit)" erlang-eunit erlang-eunit
    need "$(has_library poolboy)" erlang-poolboy erlang-poolboy
    need 'python3 -c "import venv, ensurepip" || /usr/bin/python3 -c "import venv, ensurepip"' python3-venv python3
}

look_for_check() {
    need 'command -v clang-format' clang-format clang-tools-extra
    need 'command -v clang-tidy' clang-tidy clang-tools-extra
    need 'command -v cppcheck' cppcheck cppcheck
}

look_for_dialyzer() {
    need 'command -v mix' elixir elixir
    need 'command -v dialyzer' erlang-dialyzer erlang-dialyzer
}

look() {
    debian='' fedora=''
    "look_for_$1"
}

# Without these nothing can be built.
can_build() {
    command -v cc && command -v mix && sh -c "$has_ei" && sh -c "$has_python"
}

may_install() {
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Lists of packages that are a few hours old are new enough: fetching them takes longer than most installations.
lists_are_new() {
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mmin -600 2>/dev/null | head -n 1)" ]
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

install_with_apt() {
    echo "setup: installing$debian (apt-get; from nothing this takes a minute)"
    { lists_are_new && apt_install $debian; } || { as_root apt-get update -q && apt_install $debian; }
}

install_missing() {
    started=$(date +%s)
    if ! may_install; then
        echo "setup: not root, and there is no sudo; please have installed (Debian's names):$debian" >&2
        return 1
    elif command -v apt-get >/dev/null 2>&1; then
        install_with_apt || return
    elif command -v dnf >/dev/null 2>&1; then
        echo "setup: installing$fedora (dnf; from nothing this takes a minute)"
        as_root dnf install -y $fedora || return
    else
        echo "setup: neither apt-get nor dnf is here; please install (Debian's names):$debian" >&2
        return 1
    fi
    echo "setup: installed in $(($(date +%s) - started)) s"
}

wish() {
    debian='' fedora=''
    need "$1" "$2" "$3"
    if [ -n "$debian" ] && ! install_missing; then
        echo "setup: that did not work; the tests that need it will be left out" >&2
    fi
}

purpose=${1:-build}
case $purpose in
wishes)
    # find-debuginfo runs file.
    wish 'command -v rpmbuild && command -v rpm2archive && command -v file' 'rpm file' 'rpm rpm-build file'
    wish 'command -v rebar3' rebar3 erlang-rebar3
    wish 'command -v mandoc' mandoc mandoc
    wish 'command -v spin' spin spin
    exit 0
    ;;
build | test | check | dialyzer) ;;
*)
    echo "usage: install_tools.sh build|test|check|dialyzer|wishes" >&2
    exit 2
    ;;
esac

look "$purpose"
[ -n "$debian" ] || exit 0
if install_missing; then
    rm -f build/config.mk # it may be out of date now
    look "$purpose"
    [ -n "$debian" ] || exit 0
    echo "setup: still missing after the installation (Debian's names):$debian" >&2
fi
if [ "$purpose" != check ] && [ "$purpose" != dialyzer ] && can_build >/dev/null 2>&1; then
    echo "setup: going on without" >&2
    exit 0
fi
exit 1
