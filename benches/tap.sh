#!/bin/bash
# Spanlight on a live mirror, tcpdump beside it on the same interface, at one rate after another.
#
#   sudo benches/tap.sh [--seconds N] [--rates 'R R ...'] [--connections N] [--shards N] [--ring-mib N] [--metrics PORT]
#
#   --seconds N      in all, divided among the rates (600)
#   --rates LIST     requests a second; `max` is as many as are answered
#   --connections N  of the client, kept open (32)
#   --shards N       of Spanlight (2)
#   --ring-mib N     of kernel memory for packets, for each of the two readers (64)
#
# A client and nginx in a network namespace each, joined by a veth pair; the kernel mirrors both directions (`tc
# mirred`) to a third one, where `tcpdump -w /dev/null` and `spanlight watch` listen, a process each and started
# anew for each rate. Client, server, mirror and both readers share this machine's processors, so the highest
# rates are those at which something must give.
#
# The claim: at every rate where tcpdump drops nothing, Spanlight drops nothing. Exits with 1 where it does not
# hold. Needs root, iproute2, ethtool, nginx, h2load, tcpdump, curl. Sends nothing off the machine.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
PATH=$PATH:/usr/sbin:/sbin
spanlight=${SPANLIGHT:-${CARGO_TARGET_DIR:-$root/target}/release/spanlight}
seconds=600 rates='500 1000 2000 4000 8000 12000 16000 20000 24000 max' connections=32 shards=2 ring=64

fail() { echo "tap.sh: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=${2:?}; shift 2 ;;
        --rates) rates=${2:?}; shift 2 ;;
        --connections) connections=${2:?}; shift 2 ;;
        --shards) shards=${2:?}; shift 2 ;;
        --ring-mib) ring=${2:?}; shift 2 ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) fail "unknown argument $1; see --help" ;;
    esac
done

[ "$(id -u)" = 0 ] || fail "needs root to make network namespaces and to capture"
[ -x "$spanlight" ] || fail "no $spanlight; run 'make build' first, or name the program in SPANLIGHT"
for tool in ip tc ethtool nginx h2load tcpdump curl; do
    command -v "$tool" >/dev/null || fail "$tool is missing; tests/live/prerequisites.sh installs it"
done
work=$(mktemp -d "${TMPDIR:-/var/tmp}/spanlight-tap.XXXXXX")
chmod 755 "$work"

down() {
    for pid in ${watch:-} ${dump:-} ${nginx:-}; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for ns in slt-cli slt-srv slt-tap; do ip netns del "$ns" 2>/dev/null || true; done
    rm -rf "$work"
}
trap down EXIT
trap 'exit 2' INT TERM

for ns in slt-cli slt-srv slt-tap; do
    ip netns del "$ns" 2>/dev/null || true
    ip netns add "$ns"
    ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$ns" link set lo up
done
ip link add c0 netns slt-cli type veth peer name s0 netns slt-srv
ip link add m0 netns slt-srv type veth peer name t0 netns slt-tap
for end in cli:c0 srv:s0 srv:m0 tap:t0; do
    # No offloads: packets as a wire carries them.
    ip netns exec "slt-${end%:*}" ethtool -K "${end#*:}" rx off tx off sg off tso off gso off gro off >/dev/null 2>&1 || true
    ip -n "slt-${end%:*}" link set "${end#*:}" up
done
ip -n slt-cli addr add 198.18.0.20/24 dev c0
ip -n slt-srv addr add 198.18.0.10/24 dev s0
ip netns exec slt-srv tc qdisc add dev s0 clsact
for side in ingress egress; do
    ip netns exec slt-srv tc filter add dev s0 $side protocol all u32 match u32 0 0 action mirred egress mirror dev m0
done

# The server of the live tests, its log left out: it would cost what is measured.
entry='{"date":"2026-03-01","amount":"-17.20","currency":"EUR","text":"card payment"}'
entries=$entry
for _ in $(seq 11); do entries=$entries,$entry; done
sed -e "s|@TRANSACTIONS@|$entries|" -e 's|access_log access.log served;|access_log off;|' \
    "$root/tests/live/nginx.conf" >"$work/nginx.conf"
ip netns exec slt-srv nginx -p "$work" -c "$work/nginx.conf" -e error.log 2>"$work/nginx.err" &
nginx=$!
for number in $(seq 100017 613 150000); do
    echo "http://198.18.0.10/v1/accounts/$number"
    echo "http://198.18.0.10/v1/accounts/$number/transactions"
    echo "http://198.18.0.10/v1/payments/$number"
done >"$work/uris"
"$spanlight" key new "$work/key" >/dev/null

await() { # FILE WORDS
    for _ in $(seq 200); do
        grep -q "$2" "$1" 2>/dev/null && return
        sleep 0.1
    done
    fail "waited for '$2': $(tail -n 5 "$1")"
}

# cost PID: seconds of processor time, and MiB of memory at its peak.
ticks=$(getconf CLK_TCK)
cost() {
    local stat
    stat=$(cat "/proc/$1/stat")
    # The name in parentheses may hold spaces.
    # shellcheck disable=SC2086
    set -- "$1" ${stat##*) }
    awk -v ticks="$ticks" -v used=$((${13} + ${14})) '/^VmHWM/ { printf "%.2f %.0f", used / ticks, $2 / 1024 }' "/proc/$1/status"
}

arrived() { ip netns exec slt-tap cat /sys/class/net/t0/statistics/rx_packets; }

# seen_by_spanlight LOG: packets seen, and dropped anywhere, from its closing line.
seen_by_spanlight() {
    sed -n 's/.*packets=\([0-9]*\).*dropped=\([0-9]*\).*/\1 \2/p' "$1" | tail -n 1
}

steps=$(wc -w <<<"$rates")
each=$((seconds / steps))
[ "$each" -ge 3 ] || fail "$seconds s are too few for $steps rates"
echo "machine:  $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors; Linux $(uname -r)"
echo "traffic:  h2load --h1, $connections connections, $each s at each rate; nginx; mirror of both directions"
echo "readers:  $(tcpdump --version 2>&1 | head -n 1), $("$spanlight" --version) with $shards shards; $ring MiB of ring each"
echo
printf '%10s %10s %12s | %12s %9s %7s %5s | %12s %9s %7s %5s\n' requests/s answered/s 'packets' \
    tcpdump dropped 'CPU s' MiB spanlight dropped 'CPU s' MiB

broken=0
for rate in $rates; do
    rm -rf "$work/lake" "$work/state" && mkdir -m 777 "$work/lake" "$work/state"
    ip netns exec slt-tap tcpdump -Z root -i t0 -s 0 -B $((ring * 1024)) -w /dev/null 2>"$work/tcpdump.err" &
    dump=$!
    ip netns exec slt-tap "$spanlight" watch -i t0 --lake "$work/lake" --state "$work/state" --key "$work/key" \
        --shards "$shards" --ring-mib "$ring" >/dev/null 2>"$work/watch.err" &
    watch=$!
    await "$work/tcpdump.err" 'listening on'
    await "$work/watch.err" 'capturing on'
    before=$(arrived)
    # h2load takes the rate of each connection, in whole numbers: so many connections that it comes out even.
    if [ "$rate" = max ]; then
        limit=() clients=$connections
    else
        clients=$((rate < connections ? rate : connections))
        limit=(--rps $(((rate + clients - 1) / clients)))
    fi
    ip netns exec slt-cli h2load --h1 -t 1 -c "$clients" -D "$each" "${limit[@]}" -i "$work/uris" >"$work/h2load" 2>&1 ||
        fail "h2load: $(tail -n 3 "$work/h2load")"
    answered=$(sed -n 's/^requests: .* \([0-9]*\) succeeded.*/\1/p' "$work/h2load")
    sleep 2 # for what is under way
    passed=$(($(arrived) - before))
    read -r dump_cpu dump_mib <<<"$(cost "$dump")"
    read -r watch_cpu watch_mib <<<"$(cost "$watch")"
    kill -INT "$dump" && wait "$dump" || true
    dump=''
    kill -TERM "$watch"
    wait "$watch" || fail "spanlight: $(tail -n 3 "$work/watch.err")"
    watch=''
    dump_seen=$(sed -n 's/^\([0-9]*\) packets captured/\1/p' "$work/tcpdump.err")
    dump_lost=$(awk '/dropped by (kernel|interface)/ { lost += $1 } END { print lost + 0 }' "$work/tcpdump.err")
    read -r watch_seen watch_lost <<<"$(seen_by_spanlight "$work/watch.err")"
    printf '%10s %10d %12d | %12d %9d %7.2f %5d | %12d %9d %7.2f %5d\n' "$rate" $((answered / each)) "$passed" \
        "$dump_seen" "$dump_lost" "$dump_cpu" "$dump_mib" "$watch_seen" "$watch_lost" "$watch_cpu" "$watch_mib"
    if [ "$dump_lost" -eq 0 ] && [ "$watch_lost" -gt 0 ]; then
        broken=1
    fi
done
echo
if [ "$broken" -eq 0 ]; then
    echo "At every rate where tcpdump dropped nothing, Spanlight dropped nothing."
else
    echo "At a rate where tcpdump dropped nothing, Spanlight dropped packets."
    exit 1
fi
