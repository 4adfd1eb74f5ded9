#!/bin/bash
# Runs live tests in User-Mode Linux, a Linux that is a process: Debian's has a device for every tunnel, which the
# kernels of many virtual machines lack. Slow: some six minutes for the tunnels.
#
#   sudo tests/live/uml.sh [NAME...]     tests whose names contain one of these (tunnels::)
#
# Its root is the file system of this machine. Needs root, and Debian's apt for the package, which is unpacked into
# target/uml and not installed; the modules are loaded with kmod.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
home=$root/target/uml
[ "$(id -u)" = 0 ] || { echo "uml.sh: needs root" >&2; exit 2; }
command -v modprobe >/dev/null || { echo "uml.sh: needs modprobe (Debian: kmod)" >&2; exit 2; }
[ $# -gt 0 ] || set -- tunnels::

if [ ! -x "$home/usr/bin/linux.uml" ]; then
    mkdir -p "$home"
    (cd "$home" && apt-get download -qq user-mode-linux && dpkg-deb -x user-mode-linux_*.deb .)
    mkdir -p "$home/lib"
    mv "$home/usr/lib/uml/modules" "$home/lib/modules"
    depmod -b "$home" "$(ls "$home/lib/modules")"
fi
cd "$root"
tests=$(cargo test --locked --no-run --test live --message-format=json | sed -n 's/.*"name":"live".*"executable":"\([^"]*\)".*/\1/p')

cat >"$home/init" <<INIT
#!/bin/bash
export PATH=$PATH HOME=$HOME TMPDIR=/run ${SPANLIGHT:+SPANLIGHT=$SPANLIGHT}
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs -o mode=755 run /run
for module in af_packet veth sch_ingress cls_u32 act_mirred 8021q vxlan geneve ip_gre ip6_gre ipip sit; do
    modprobe -d $home \$module || echo "no module \$module"
done
ip link set lo up
cd $root && $tests --test-threads 1 $*
echo \$? >$home/status
sync
echo o >/proc/sysrq-trigger
sleep 60
INIT
chmod +x "$home/init"
echo 101 >"$home/status"
"$home/usr/bin/linux.uml" mem=3G rootfstype=hostfs rootflags=/ rw init="$home/init" con=null con0=fd:0,fd:1 quiet </dev/null
exit "$(cat "$home/status")"
