#!/bin/sh
# Runs `make demo` and `make test` of the last commit as a new user would, in bare Debian roots: one for each release
# named, with nothing in it but make. Prints a table, and the commands' output goes to files below the cache. Needs root,
# debootstrap, and unshare(1).
#   worlds.sh CACHE ARCHITECTURE [RELEASE...]
# Another architecture than this machine's runs under qemu-user, which must be installed with its entries in binfmt_misc:
# see worlds_emulated.sh, which tests trixie unless RELEASE is given.
# Bare roots and downloaded packages stay in CACHE; the root in which the commands run is new each time. Of this machine
# the roots get how it reaches the network: resolv.conf, certificates, the configuration of pip, variables.
set -u

cache=$1 arch=${2:-$(dpkg --print-architecture)}
shift 2
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
commit=$(git rev-parse --short HEAD) || exit 1

fail() {
    echo "worlds: $*" >&2
    exit 1
}

native=
[ "$arch" = "$(dpkg --print-architecture)" ] && native=yes
[ $# -gt 0 ] || set -- ${native:+bookworm} trixie ${native:+forky}
cache=$cache/$arch
output=$cache/output

[ "$(id -u)" -eq 0 ] || fail "must be root, for debootstrap and chroot"
for tool in debootstrap unshare; do
    command -v "$tool" >/dev/null || fail "needs $tool"
done
mkdir -p "$cache/archives/partial" "$output" || exit 1

# make_bare RELEASE: the root as debootstrap makes it, as a file.
make_bare() {
    bare=$cache/$1.tar
    [ -f "$bare" ] && return
    new=$cache/$1.new
    rm -rf "$new"
    # debootstrap may be older than the release.
    script=/usr/share/debootstrap/scripts/$1
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    echo "worlds: debootstrap $1 for $arch"
    debootstrap --arch="$arch" --variant=minbase --include=make "$1" "$new" "$mirror" "$script" >"$output/$1-debootstrap" 2>&1 ||
        fail "debootstrap failed: $output/$1-debootstrap"
    tar -C "$new" -cf "$bare.new" . && mv "$bare.new" "$bare"
    rm -rf "$new"
}

# make_root RELEASE: a new root with the sources, and a user without sudo.
make_root() {
    root=$cache/$1.root
    rm -rf "$root"
    mkdir -p "$root" && tar -C "$root" -xf "$cache/$1.tar" || fail "no root for $1"
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
        [ -e "$file" ] && mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"
    done
    # Of these the package ca-certificates makes the file above once it is installed.
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp -L /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null
    echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' >"$root/etc/apt/apt.conf.d/99keep"
    chroot "$root" useradd -m user
    for home in root home/user; do
        git clone -q . "$root/$home/pythonx_port" && git -C "$root/$home/pythonx_port" checkout -q "$commit"
    done
    chroot "$root" chown -R user:user /home/user
}

# inside RELEASE USER COMMAND: runs it in the root, whose mounts and processes end with it.
inside() {
    root=$cache/$1.root
    unshare --mount --pid --fork --kill-child sh -c '
        root=$1 user=$2 archives=$3
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys"
        mount --bind "$archives" "$root/var/cache/apt/archives"
        exec chroot "$root" su -s /bin/sh "$user" -c "cd ~/pythonx_port && $4"' \
        sh "$root" "$2" "$cache/archives" "$3"
}

# run RELEASE USER COMMAND: a row of the table.
run() {
    log=$output/$1-$2-$(echo "$3" | tr ' ' '-')
    started=$(date +%s)
    if inside "$1" "$2" "$3" >"$log" 2>&1 </dev/null; then result=passed; else result="**failed**"; failed=1; fi
    row="| $1 | $(chroot "$cache/$1.root" cat /etc/debian_version) | $commit | $2 | \`$3\` | $result | $(($(date +%s) - started)) s |"
    echo "$row"
    echo "$row" >>"$output/rows"
}

# The other architecture has a section of tests/WORLDS.md, the last one.
native_part() {
    sed '/^## /,$d' tests/WORLDS.md | sed '$!b; /^$/d'
    echo
}
emulated_part() {
    sed -n '/^## /,$p' tests/WORLDS.md
}

run_native() {
    make_bare "$1"
    make_root "$1"
    run "$1" root 'make demo'
    run "$1" root 'make test'
    run "$1" user 'make demo'
    run "$1" user 'make test'
    rm -rf "$cache/$1.root"
}

print_native() {
    echo "# Worlds"
    echo
    echo "\`make worlds\` runs the README's two commands in bare Debian roots, first as root, then as a user"
    echo "without sudo. Times are of the machine that ran it, downloads included. $(date -u +%Y-%m-%d):"
    echo
    echo "| release | Debian | commit | user | command | result | time |"
    echo "| --- | --- | --- | --- | --- | --- | --- |"
    cat "$output/rows"
    [ -z "$(emulated_part)" ] || echo
}

[ -n "$native" ] || . tests/scripts/worlds_emulated.sh
failed=
: >"$output/rows"
for release in "$@"; do
    if [ -n "$native" ]; then run_native "$release"; else run_emulated "$release"; fi
done

if [ -n "$native" ]; then
    { print_native && emulated_part; } >"$output/WORLDS.md"
else
    { native_part && print_emulated; } >"$output/WORLDS.md"
fi
cp "$output/WORLDS.md" tests/WORLDS.md
[ -z "$failed" ]
