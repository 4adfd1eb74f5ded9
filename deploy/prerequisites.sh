#!/bin/sh
# Sees to it that Spanlight can be built here: cargo, a C compiler, pkg-config, libpcap's headers and Python's venv.
# Says nothing when all are there. Installs what is missing with apt, through sudo when not root; where it
# cannot, it names what to install and exits with 2.
set -eu

need=1.89

fail() {
    printf '%s\n' "$@" >&2
    exit 2
}

if ! version=$(cargo --version 2>/dev/null); then
    fail "cargo is missing: install Rust $need or later, see https://rustup.rs"
fi
version=${version#cargo }
version=${version%% *}
major=${version%%.*} rest=${version#*.}
minor=${rest%%.*}
if [ "$major" -lt "${need%%.*}" ] || { [ "$major" -eq "${need%%.*}" ] && [ "$minor" -lt "${need#*.}" ]; }; then
    fail "cargo is $version, and Spanlight needs $need or later: run 'rustup update stable', or see https://rustup.rs" \
        "(what distributions package is often older)"
fi

# What to look for, its package with apt, and with dnf.
missing='' apt='' dnf=''
lack() {
    missing="$missing${missing:+, }$1" apt="$apt $2" dnf="$dnf $3"
}
command -v make >/dev/null || lack make make make
command -v cc >/dev/null && echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1 || lack "a C compiler" "gcc libc6-dev" "gcc glibc-devel"
command -v pkg-config >/dev/null || lack pkg-config pkg-config pkgconf-pkg-config
echo '#include <pcap/pcap.h>' | cc -E - >/dev/null 2>&1 || lack "libpcap's headers" libpcap-dev libpcap-devel
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || lack "Python 3 with venv" "python3 python3-venv" "python3 python3-pip"
[ -n "$missing" ] || exit 0

by_hand="Please install:  Debian, Ubuntu:$apt;  Fedora, RHEL:$dnf"
command -v apt-get >/dev/null || fail "missing: $missing" "$by_hand"
as_root=''
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "missing: $missing; neither root nor sudo to install it" "$by_hand"
    as_root=sudo
    # Without a terminal nobody can type a password.
    [ -t 0 ] || sudo -n true 2>/dev/null || fail "missing: $missing; sudo wants a password" "$by_hand"
fi

echo "installing what is missing:$apt" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $apt >"$log" 2>&1
}
# The lists of a fresh machine are empty or old: then once more with new ones.
install || { $as_root apt-get update -qq >&2 && install; } || {
    cat "$log" >&2
    fail "could not install it" "$by_hand"
}
