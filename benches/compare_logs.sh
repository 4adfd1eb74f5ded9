#!/bin/bash
# Spanlight beside GoAccess, on one generated access log, in one run.
#
#   benches/compare_logs.sh [--lines N] [--runs N] [--keep DIR]
#
#   --lines N   lines of the log (5000000)
#   --runs N    runs of each command; the one with the least CPU time counts (3)
#   --keep DIR  keep the logs there, and use them when they are there already
#
# compare_logs.py writes the log of a bank's API, the same at every run, as nginx's combined format and as its JSON. Each
# program reads it from the page cache on one processor (`taskset`). Both count requests; Spanlight also learns path
# templates, callers and data classes, GoAccess its panels of visitors, agents and files, which it keeps by the path as it
# is: neither does the other's work.
#
# Needs Python 3, GNU time and util-linux; uses GoAccess when it is installed (Debian: goaccess).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
spanlight=${SPANLIGHT:-${CARGO_TARGET_DIR:-$root/target}/release/spanlight}
lines=5000000 runs=3 keep=''

fail() { echo "compare_logs.sh: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
        --lines) lines=${2:?}; shift 2 ;;
        --runs) runs=${2:?}; shift 2 ;;
        --keep) keep=${2:?}; shift 2 ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) fail "unknown argument $1; see --help" ;;
    esac
done

[ -x "$spanlight" ] || fail "no $spanlight; run 'make build' first, or name the program in SPANLIGHT"
[ -x /usr/bin/time ] || fail "GNU time is missing (Debian: time)"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/spanlight-compare.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

folder=${keep:-$work}
mkdir -p "$folder"
if [ ! -s "$folder/access.log" ] || [ ! -s "$folder/access.jsonl" ]; then
    echo "writing $lines lines twice ..." >&2
    python3 "$here/compare_logs.py" "$lines" "$folder/access.log" "$folder/access.jsonl"
fi
lines=$(wc -l <"$folder/access.log")
head -c 32 /dev/urandom >"$work/key"
cpu=$(taskset -cp $$ | sed 's/.*[:,-] *//')

# time_it NAME LOG COUNT COMMAND...: runs it as often as asked and prints a row; COUNT is a shell snippet that prints how
# many requests the run counted.
time_it() {
    local name=$1 log=$2 count=$3 run best='' line
    shift 3
    cat "$log" >/dev/null # from the page cache, for all alike
    for ((run = 0; run < runs; run++)); do
        rm -rf "$work/run" && mkdir "$work/run"
        if ! (cd "$work/run" && taskset -c "$cpu" /usr/bin/time -o "$work/run/time" -f '%U %S %M %e' "$@" >"$work/run/out" 2>"$work/run/err"); then
            printf '%-24s failed: %s\n' "$name" "$(tail -n 1 "$work/run/err" | cut -c 1-80)"
            return
        fi
        line=$(tail -n 1 "$work/run/time")
        best=$(printf '%s\n%s\n' "$best" "$line" | awk 'NF == 4 && (!n || $1 + $2 < least) { n = 1; least = $1 + $2; l = $0 } END { print l }')
    done
    (cd "$work/run" && eval "$count" || true) | awk -v name="$name" -v best="$best" -v size="$(stat -c %s "$log")" -v lines="$lines" '
        { found = $1 }
        END {
            split(best, t, " "); cpu = t[1] + t[2]; if (cpu <= 0) cpu = 0.01
            printf "%-24s %8.2f %8.2f %12.0f %10.1f %10.0f %12d\n", name, t[4], cpu, lines / cpu, size / 1e6 / cpu, t[3] / 1024, found
        }'
}

spanlight_count="sed -n '1s/.* \([0-9,]*\) exchanges\{0,1\} .*/\1/p' out | tr -d ,"
goaccess_count="python3 -c 'import json; print(json.load(open(\"report.json\"))[\"general\"][\"valid_requests\"])'"
echo "machine:  $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, of which one is used"
echo "log:      $lines lines; least CPU time of $runs runs, files in the page cache"
echo
printf '%-24s %8s %8s %12s %10s %10s %12s\n' '' 'wall s' 'CPU s' 'lines/CPU s' 'MB/CPU s' 'peak MiB' 'counted'
for kind in log jsonl; do
    time_it "spanlight $kind" "$folder/access.$kind" "$spanlight_count" "$spanlight" analyze --quiet --key "$work/key" "$folder/access.$kind"
done
if command -v goaccess >/dev/null; then
    version=$(goaccess --version | sed -n '1s/.* \([0-9.]*[0-9]\).*/\1/p')
    time_it "goaccess $version log" "$folder/access.log" "$goaccess_count" \
        goaccess "$folder/access.log" --log-format=COMBINED --no-global-config --no-progress -o report.json
    json='{"time":"%dT%t+%^","remote_addr":"%h","host":"%v","request_method":"%m","request_uri":"%U","server_protocol":"%H","status":"%s","body_bytes_sent":"%b","request_time":"%T","http_referer":"%R","http_user_agent":"%u"}'
    time_it "goaccess $version jsonl" "$folder/access.jsonl" "$goaccess_count" \
        goaccess "$folder/access.jsonl" --log-format="$json" --date-format=%F --time-format=%T --no-global-config --no-progress -o report.json
else
    echo "goaccess is not installed: nothing to compare with"
fi
