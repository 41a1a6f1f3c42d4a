#!/bin/sh
# Tests another architecture than this machine's, in bare Debian roots that qemu-user runs; worlds.sh sources it, and
# `make worlds ARCH=arm64` runs that. Each Check suite and each file of ExUnit tests is a row of the table, with its
# commit: a row stays until its suite is run again. What qemu-user cannot run is in emulated.txt, with the reasons.
#   SUITES       names of rows to run, and setup and venvs; all by default
#   TIME_FACTOR  by what the waits of tests are stretched; 20 by default
#   PREBUILT     a folder build/ that a cross-compiler has made of this commit; by default the root's compiler builds
# qemu-user 10 runs these tests; 7.2 does as well, but starts a session three times as slowly.
# One root is kept for each release, so that a further run installs and builds only what is new.

case $arch in arm64) machine=aarch64 ;; *) machine=$arch ;; esac
factor=${TIME_FACTOR:-20}
left_out_list=tests/scripts/emulated.txt
rows=$output/emulated
touch "$rows"

# left_out SUITE: the names of its tests that are left out, one a line; * is all of them.
left_out() {
    awk -F ' \\| ' -v suite="$1" '!/^#/ && $1 == suite {print $2}' "$left_out_list"
}

# update_root RELEASE: the root with the sources of the commit, made if it is missing.
update_root() {
    root=$cache/$1.root
    if [ ! -e "$root/usr/local/bin/erl" ]; then
        make_bare "$1"
        make_root "$1"
        # The BEAM's JIT maps its code twice, which qemu-user does not notice; with one mapping it works.
        printf '#!/bin/sh\nexec /usr/lib/erlang/bin/erl +JMsingle true "$@"\n' >"$root/usr/local/bin/erl"
        chmod +x "$root/usr/local/bin/erl"
    fi
    git -C "$root/root/pythonx_port" fetch -q "$PWD" HEAD &&
        git -C "$root/root/pythonx_port" checkout -q FETCH_HEAD || fail "no sources for $1"
}

# emulate RELEASE LOG COMMAND: runs it with what the tests read.
emulate() {
    log=$output/$1-$2
    settings="export PYTHONX_PORT=\$PWD/build/pythonx_port PYTHONX_TEST_TIME_FACTOR=$factor PYTHONX_PORT_SKIP_MAKE=1
        packages=\$(sh tests/scripts/test_venvs.sh python3 packages)
        PATH=\${packages:+\$packages/bin:}\$PATH PYTHONX_PYTHON=\$(command -v python3)
        export PATH PYTHONX_PYTHON PYTHONX_TEST_PYTHONS=\$PYTHONX_PYTHON"
    inside "$1" root "$settings
        $3" >"$log" 2>&1 </dev/null
}

# put_row RELEASE SUITE RESULT SECONDS: prints it, and puts it in the place of the last one of that suite.
put_row() {
    version=$(cat "$cache/$1.root/etc/debian_version")
    row="| $2 | $version | $commit | $3 | $4 s |"
    echo "$row"
    grep -v -F "| $2 | $version |" "$rows" >"$rows.new"
    echo "$row" >>"$rows.new"
    mv "$rows.new" "$rows"
}

list_check() {
    sed -n 's/.*SUITE(\([a-z_]*\)).*/\1/p' tests/port/suites.h
}

list_exunit() {
    find tests/lib tests/examples tests/delivery -name '*_test.exs' | sort
}

is_wanted() {
    case " ${SUITES:-$1} " in *" $1 "*) ;; *) return 1 ;; esac
    [ "$(left_out "$1")" != '*' ]
}

# run_command RELEASE NAME COMMAND
run_command() {
    is_wanted "$2" || return 0
    started=$(date +%s)
    if emulate "$1" "$(echo "$2" | tr ' /' '--')" "$3"; then result=passed; else result="**failed**" failed=1; fi
    put_row "$1" "$2" "$result" $(($(date +%s) - started))
    [ "$result" = passed ]
}

# run_check RELEASE SUITE
run_check() {
    is_wanted "$2" || return 0
    started=$(date +%s)
    names=$(left_out "$2")
    emulate "$1" "check-$2" "PYTHONX_TEST_LEFT_OUT='$names' CK_RUN_SUITE=$2 timeout 7200 build/check_port"
    status=$?
    # 100%: Checks: 23, Failures: 0, Errors: 0
    count=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\),.*/\1/p' "$log" | tail -n 1)
    if [ $status -eq 0 ]; then
        result="passed $count${names:+, left out $(echo "$names" | wc -l)}"
    else
        # FILE:LINE:F:CASE:TEST:ROUND: message
        result="**failed** of ${count:-?}: $(sed -n 's/^[^ ]*:[0-9]*:[FE]:[^:]*:\([^:]*\):.*/\1/p' "$log" | sort -u | tr '\n' ' ')"
        failed=1
    fi
    put_row "$1" "$2" "$result" $(($(date +%s) - started))
}

# run_exunit RELEASE: all files in one BEAM; the formatter prints a line for each.
run_exunit() {
    files='' names=''
    for file in $(list_exunit); do
        if is_wanted "$file"; then
            files="$files $file"
            names="$names
$(left_out "$file")"
        fi
    done
    [ -n "$files" ] || return 0
    emulate "$1" exunit "PYTHONX_TEST_LEFT_OUT='$names' timeout 14400 mix test --max-cases 1 \
        --formatter ExUnit.CLIFormatter --formatter PythonxPort.RowFormatter $files" || failed=1
    sed -n 's/^row: //p' "$log" | sort >"$log-rows"
    while IFS='|' read -r file result seconds; do
        put_row "$1" "$file" "$(echo "$result" | sed 's/^failed/**failed**/; s/^passed 0, //; s/|/\\|/g')" "$seconds"
    done <"$log-rows"
    # A BEAM that ended early has printed no line for the rest.
    for file in $files; do
        grep -q -F "$file|" "$log-rows" || put_row "$1" "$file" '**not run to its end**' 0
    done
}

# install_prebuilt RELEASE: what a cross-compiler has made of this commit, as if it had been built here.
install_prebuilt() {
    to=$cache/$1.root/root/pythonx_port
    mkdir -p "$to/build" "$to/priv"
    touch "$output/prebuilt"
    cp "$PREBUILT/pythonx_port" "$PREBUILT/"pythonx_*.so "$PREBUILT/pythonx_terms.escript" "$to/priv/" &&
        cp "$to/priv/"* "$PREBUILT/check_port" "$PREBUILT/fail_malloc.so" "$PREBUILT/exports_python" "$to/build/" ||
        fail "$PREBUILT is not whole"
}

run_emulated() {
    update_root "$1"
    is_wanted setup && { emulate "$1" setup 'sh port/scripts/install_tools.sh test' || fail "no tools: $log"; }
    # Without these the tests that need packages are left out, and say so.
    is_wanted venvs && emulate "$1" venvs 'sh tests/scripts/test_venvs.sh python3'
    if [ -n "${PREBUILT:-}" ]; then
        install_prebuilt "$1"
    else
        run_command "$1" 'make all build/check_port' 'make -s all build/check_port' || return
        run_command "$1" 'make demo' 'make demo'
    fi
    for suite in $(list_check); do
        run_check "$1" "$suite"
    done
    run_exunit "$1"
}

# qemu_version: "qemu-aarch64 version 10.0.13", of the first that is installed.
qemu_version() {
    for qemu in "qemu-$machine" "qemu-$machine-static"; do
        command -v "$qemu" >/dev/null && "$qemu" --version | sed -n '1s/ *(.*//p' && return
    done
}

# print_rows: the rows, and a row for each suite that has none.
print_rows() {
    {
        cat "$rows"
        for suite in $(list_check) $(list_exunit); do
            grep -q -F "| $suite |" "$rows" || echo "| $suite | - | - | not run | - |"
        done
    } | sort
}

# print_emulated: the section of the table's file.
print_emulated() {
    echo "## $machine"
    echo
    echo "\`make worlds ARCH=$arch\` runs each Check suite and each file of ExUnit tests in a bare Debian root for"
    echo "that architecture, as root, under $(qemu_version) (qemu-user). Speed says nothing there, and what"
    echo "the weaker order of memory of a real processor would bring to light is not tried. The BEAM runs with"
    echo "\`+JMsingle true\`, since qemu-user does not notice that its JIT changes code through a second mapping."
    echo "Tests that need a package which the root does not have are left out as well."
    [ ! -e "$output/prebuilt" ] || echo "For some rows a cross-compiler had built what the suites test."
    echo "$(date -u +%Y-%m-%d):"
    echo
    echo "| suite | Debian | commit | result | time |"
    echo "| --- | --- | --- | --- | --- |"
    print_rows
    echo
    echo "Left out, since qemu-user cannot run it:"
    echo
    echo "| suite | test | why |"
    echo "| --- | --- | --- |"
    sed -n '/^#/d; s/.* | .* | .*/| & |/p' "$left_out_list"
}
