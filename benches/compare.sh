#!/bin/bash
# Spanlight beside other readers of HTTP, on one large capture, in one run.
#
#   sudo benches/compare.sh [--mib N] [--runs N] [--keep DIR] [--capture FILE]
#
#   --mib N        size of the capture, about (300)
#   --runs N       runs of each command; the one with the least CPU time counts (3)
#   --keep DIR     keep the capture and the server's log there, and use them when they are there already
#   --capture FILE measure on a capture of yours; nothing is recorded, and nothing is known to be exact
#
# The capture is made anew: nginx serves a small generated bank over keep-alive connections, one network
# namespace to another over a veth pair without offloads, tcpdump listens on the server's end. The site and
# the requests follow from a seed, so every run makes the same exchanges. nginx's own log is the truth that
# the exchanges of each reader are counted against; Spanlight's are also compared with it one by one.
#
# Needs root (namespaces), iproute2, ethtool, nginx, tcpdump, GNU time and Python 3; uses those of tshark,
# httpry, suricata and zeek that are installed. Sends nothing off the machine.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
PATH=$PATH:/usr/sbin:/sbin
spanlight=${SPANLIGHT:-${CARGO_TARGET_DIR:-$root/target}/release/spanlight}
mib=300 runs=3 keep='' capture=''

fail() { echo "compare.sh: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
        --mib) mib=${2:?}; shift 2 ;;
        --runs) runs=${2:?}; shift 2 ;;
        --keep) keep=${2:?}; shift 2 ;;
        --capture) capture=${2:?}; shift 2 ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) fail "unknown argument $1; see --help" ;;
    esac
done

[ -x "$spanlight" ] || fail "no $spanlight; run 'make build' first, or name the program in SPANLIGHT"
[ -x /usr/bin/time ] || fail "GNU time is missing (Debian: time)"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/spanlight-compare.XXXXXX")

down() {
    for pid in ${dump:-} ${nginx:-}; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    ip netns del slb-srv 2>/dev/null || true
    ip netns del slb-cli 2>/dev/null || true
    rm -rf "$work"
}
trap down EXIT
trap 'exit 2' INT TERM

# Records $1/bench.pcap and $1/access.log.
record() {
    [ "$(id -u)" = 0 ] || fail "needs root to make network namespaces and to capture"
    for tool in ip ethtool nginx tcpdump python3; do
        command -v "$tool" >/dev/null || fail "$tool is missing"
    done
    python3 "$here/compare_site.py" site "$work/site"
    ip netns del slb-srv 2>/dev/null || true
    ip netns del slb-cli 2>/dev/null || true
    ip netns add slb-srv
    ip netns add slb-cli
    ip link add slb-s netns slb-srv type veth peer name slb-c netns slb-cli
    for end in srv:slb-s:198.18.1.10 cli:slb-c:198.18.1.20; do
        IFS=: read -r ns dev address <<<"$end"
        # No offloads: packets as a wire carries them.
        ip netns exec "slb-$ns" ethtool -K "$dev" rx off tx off sg off tso off gso off gro off >/dev/null 2>&1 || true
        ip -n "slb-$ns" link set lo up
        ip -n "slb-$ns" link set "$dev" mtu 1500 up
        ip -n "slb-$ns" addr add "$address/24" dev "$dev"
    done
    sed "s|@WORK@|$work|g" >"$work/nginx.conf" <<'CONF'
daemon off;
user root;
worker_processes 1;
pid @WORK@/nginx.pid;
error_log @WORK@/error.log;
events { worker_connections 512; }
http {
    log_format bench '$request_method $request_uri $status $body_bytes_sent';
    access_log @WORK@/access.log bench buffer=64k;
    keepalive_requests 100000000;
    tcp_nodelay on;
    sendfile off;
    types { }
    default_type application/json;
    server {
        listen 198.18.1.10:80;
        server_name api.bench.example;
        root @WORK@/site;
        location / { try_files $uri =404; }
        location = /v1/payments { return 201 '{"id":"pay_7781","status":"AcceptedSettlementInProcess"}'; }
    }
}
CONF
    ip netns exec slb-srv nginx -c "$work/nginx.conf" 2>"$work/nginx.err" &
    nginx=$!
    ip netns exec slb-srv tcpdump -Z root -i slb-s -s 0 -B 262144 -w "$work/bench.pcap" tcp 2>"$work/tcpdump.err" &
    dump=$!
    sleep 2
    ip netns exec slb-cli python3 "$here/compare_site.py" call 198.18.1.10 "$mib"
    sleep 2
    kill -INT "$dump" && wait "$dump" || true
    dump=''
    grep -q '^0 packets dropped by kernel' "$work/tcpdump.err" || fail "tcpdump lost packets: $(cat "$work/tcpdump.err")"
    kill -QUIT "$nginx" && wait "$nginx" || true
    nginx=''
    [ "$1" = "$work" ] || { mkdir -p "$1" && mv "$work/bench.pcap" "$work/access.log" "$1/"; }
}

truth=''
if [ -z "$capture" ]; then
    folder=${keep:-$work}
    capture=$folder/bench.pcap truth=$folder/access.log
    if [ -s "$capture" ] && [ -s "$truth" ]; then
        echo "using $capture" >&2
    else
        echo "recording about $mib MiB ..." >&2
        record "$folder"
    fi
fi
[ -r "$capture" ] || fail "cannot read $capture"

size=$(stat -c %s "$capture")
served=$([ -z "$truth" ] || wc -l <"$truth")
head -c 32 /dev/urandom >"$work/key"

# time_it NAME COUNT COMMAND...: runs it as often as asked and prints a row; COUNT is a shell snippet that
# prints how many exchanges the run found.
time_it() {
    local name=$1 count=$2 run best='' line
    shift 2
    cat "$capture" >/dev/null # from the page cache, for all alike
    for ((run = 0; run < runs_here; run++)); do
        rm -rf "$work/run" && mkdir "$work/run"
        if ! (cd "$work/run" && /usr/bin/time -o "$work/run/time" -f '%U %S %M %e' "$@" >"$work/run/out" 2>"$work/run/err"); then
            printf '%-24s failed: %s\n' "$name" "$(tail -n 1 "$work/run/err" | cut -c 1-80)"
            return
        fi
        line=$(tail -n 1 "$work/run/time")
        best=$(printf '%s\n%s\n' "$best" "$line" | awk 'NF == 4 && (!n || $1 + $2 < least) { n = 1; least = $1 + $2; l = $0 } END { print l }')
    done
    (cd "$work/run" && eval "$count" || true) | awk -v name="$name" -v best="$best" -v size="$size" -v served="$served" '
        { found = $1 }
        END {
            split(best, t, " "); cpu = t[1] + t[2]; if (cpu <= 0) cpu = 0.01
            of = served == "" ? "" : sprintf("%8.2f %%", 100 * found / served)
            printf "%-24s %8.2f %8.2f %10.2f %14.0f %8.0f %12d %s\n", name, t[4], cpu, size * 8 / 1e9 / cpu, found / cpu, t[3] / 1024, found, of
        }'
}

spanlight_count="sed -n '1s/.* \([0-9,]*\) exchanges\{0,1\} .*/\1/p' out | tr -d ,"
echo "machine:  $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors"
echo "capture:  $((size / 1048576)) MiB${served:+, $served exchanges served}; least CPU time of $runs runs, files in the page cache"
echo
printf '%-24s %8s %8s %10s %14s %8s %12s %s\n' '' 'wall s' 'CPU s' 'Gbit/CPU s' 'exchanges/CPU s' 'peak MiB' 'found' 'of the log'
runs_here=$runs
time_it 'spanlight --no-bodies' "$spanlight_count" "$spanlight" analyze --quiet --no-bodies --key "$work/key" "$capture"
time_it 'spanlight' "$spanlight_count" "$spanlight" analyze --quiet --key "$work/key" "$capture"
# httpry pairs nothing: its start lines of responses are the nearest to exchanges.
if command -v httpry >/dev/null; then
    time_it "httpry $(httpry -h 2>&1 | sed -n 's/^httpry version \([0-9.]*\).*/\1/p' | head -n 1)" "grep -c '^<' log" \
        httpry -q -r "$capture" -o log -f direction,method,request-uri,status-code tcp
fi
if command -v suricata >/dev/null; then
    # Its default stops to read a connection after 1 MiB, so the depth is lifted.
    time_it "suricata $(suricata -V | sed 's/.*version \([0-9.]*\).*/\1/')" "grep -c '\"event_type\":\"http\"' eve.json" \
        suricata -r "$capture" -l . -S /dev/null -k none --runmode single --set stream.reassembly.depth=0
fi
if command -v zeek >/dev/null; then
    time_it "zeek $(zeek --version | sed 's/.* //')" "grep -vc '^#' http.log" zeek -C -r "$capture"
fi
if command -v tshark >/dev/null; then
    runs_here=1 # minutes each
    time_it "tshark $(tshark --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')" 'wc -l <out' \
        tshark -r "$capture" -Y http.response -T fields -e http.response.code -e http.request_in
fi

if [ -n "$truth" ]; then
    "$spanlight" analyze --quiet --no-bodies --key "$work/key" --transactions "$work/found.jsonl" --unredacted "$capture" >/dev/null
    python3 "$here/compare_site.py" check "$truth" "$work/found.jsonl"
fi
