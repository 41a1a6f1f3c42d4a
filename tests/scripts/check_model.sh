#!/bin/sh
# check_model.sh FOLDER: proves the models of tests/model with Spin, in FOLDER, and prints a line for each proof. Each
# is also run with a mistake made on purpose, which Spin must find: a model that cannot fail proves nothing.
set -u

folder=$1
models=$(pwd)/tests/model
for tool in spin cc; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "model: left out: there is no $tool here" >&2
        exit 0
    fi
done
mkdir -p "$folder" && cd "$folder" || exit 1
failed=0

# check WANTED TEXT MODEL FLAGS [PAN-FLAGS]: WANTED is "proved", or the failure that Spin must find.
check() {
    wanted=$1 text=$2 model=$3 flags=$4 options=${5:-}
    kind=-DSAFETY
    case $options in *-a*) kind=-DNFAIR=2 ;; esac
    rm -f pan pan.* *.trail
    # shellcheck disable=SC2086
    spin -a $flags "$models/$model.pml" >spin.log 2>&1 &&
        cc -O2 -w $kind -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c 2>>spin.log &&
        ./pan -m1000000 -w24 $options >pan.log 2>&1
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)
    if [ -z "$states" ] || grep -q 'max search depth too small\|Search not completed\|out of memory' pan.log; then
        found=unfinished
    else
        found=proved
    fi
    if grep -q '^pan:1: ' pan.log; then
        found=$(sed -n 's/^pan:1: //p' pan.log)
    fi
    case $found in
    *"$wanted"*)
        if [ "$wanted" = proved ]; then result=proved; else result='found as wanted'; fi
        ;;
    *)
        result="FAILED ($found)"
        cat spin.log
        failed=1
        ;;
    esac
    printf '%-16s %10s states  %s\n' "$result" "${states:-no}" "$text"
}

# -E: the observer checks the end of all.
no_cancel='-DCANCELS=0 -DDEADLINES=0'
one_cancel='-DCANCELS=1 -DDEADLINES=0'
one_timeout='-DCANCELS=0 -DDEADLINES=1'
kinds() { [ $# = 2 ] && echo "-DKIND_0=$1 -DKIND_1=$2" || echo "-DJOBS=3 -DKIND_0=$1 -DKIND_1=$2 -DKIND_2=$3"; }

all='one reply, nothing lost, no wrong victim, no wrong arrow'
check proved "$all: two requests of any kind, a cancel" scheduler "$one_cancel" -E
check proved "$all: two requests of any kind, a timeout" scheduler "$one_timeout" -E
check proved "$all: three, a task within a call, a cancel" scheduler "$one_cancel $(kinds HANGS SLEEPS PLAIN)" -E
check proved "$all: three, two calls and a stream" scheduler "$no_cancel $(kinds CALLS CALLS ITERATES)" -E
check 'job[j].replied' '... a cancel that replies to what runs' scheduler "$one_cancel -DFAULT_DOUBLE_REPLY" -E
check 'assertion violated' '... a signal before the read that is not repeated' scheduler \
    "$one_timeout -DFAULT_LOST_POKE $(kinds HANGS PLAIN)" -E
check 'assertion violated' '... an abort that is not delivered again' scheduler "$one_timeout -DFAULT_NO_RETRY" -E
check 'assertion violated' '... an abort that does not wake the loop on top' scheduler \
    "$one_cancel -DFAULT_LOOP_SLEEPS $(kinds HANGS SLEEPS)" -E
check 'assertion violated' '... two looks at the clock' scheduler "$no_cancel -DFAULT_TWO_CLOCKS $(kinds HANGS PLAIN)" -E
check '.asked' '... one bit for the aborts of all' scheduler "$one_cancel -DFAULT_WRONG_VICTIM" -E
check 'state==' '... a timeout that looks and acts in two sections' scheduler \
    "$one_timeout -DFAULT_NO_LOCK $(kinds PLAIN PLAIN)" -E

answered='an answered call goes on, whatever a stream within it does'
endless="$no_cancel -DLTL_ANSWER $(kinds CALLS ENDLESS)"
check proved "$answered" scheduler "$endless" '-E -a -f'
check 'acceptance cycle' '... streams before the answer' scheduler "$endless -DFAULT_ANSWER_STARVES" '-E -a -f'
for pair in 'CALLS AWAITS' 'AWAITS AWAITS' 'ASKS CALLS' 'ITERATES PLAIN'; do
    # shellcheck disable=SC2086
    check proved "a queued request is replied to: $pair" scheduler "$no_cancel -DLTL_SERVED $(kinds $pair)" '-E -a -f'
done

check proved 'jobs on a thread: no wrong victim, no abort lost' threads '' -E
check '.asked' '... an exception set in a thread that begins to wait' threads -DFAULT_WRONG_VICTIM -E
check 'assertion violated' '... a signal noted by a thread past its last bytecode' threads -DFAULT_LOST_HANDLERS -E

check proved 'the order of the locks: no deadlock' locks ''
check 'invalid end state' '... sending taken with the GIL or the session' locks -DFAULT_LOCK_ORDER
exit $failed
