#!/bin/sh
# Sees to it that the live tests find their tools: network namespaces and traffic control, servers, clients, tcpdump.
# Says nothing when all are there. Does nothing without root, without which those tests are skipped anyway, and
# leaves it at a word where it cannot install: the tests then say what they lack.
set -eu

[ "$(id -u)" -eq 0 ] && [ "$(uname -s)" = Linux ] || exit 0

# What to look for, and its package with apt.
packages=''
lack() {
    command -v "$1" >/dev/null || packages="$packages $2"
}
PATH=$PATH:/usr/sbin:/sbin
lack ip iproute2
lack tc iproute2
lack ethtool ethtool
lack sysctl procps
lack nginx nginx-light
lack haproxy haproxy
lack openssl openssl
lack tcpdump tcpdump
lack curl curl
lack openssl openssl
lack wrk wrk
lack h2load nghttp2-client
lack nsenter util-linux
lack logger bsdutils
lack rsyslogd rsyslog
lack logrotate logrotate
[ -e "$(echo /usr/lib/*/rsyslog/lmnsd_gtls.so)" ] || packages="$packages rsyslog-gnutls"
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "the live tests need:$packages" >&2
    exit 0
fi
echo "installing for the live tests:$packages" >&2
log=$(mktemp)
# The servers are for the tests alone: they must not start as services.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] && policy='' || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; }
trap 'rm -f "$log" $policy' EXIT
install() {
    # iproute2 may stand there twice.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $packages >"$log" 2>&1
}
# The lists of a fresh machine are empty or old: then once more with new ones.
install || { apt-get update -qq >&2 && install; } || {
    cat "$log" >&2
    echo "could not install them; the live tests will be skipped" >&2
}
