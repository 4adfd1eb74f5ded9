//! Mirrors through tunnels, and packets in fragments: what belongs together arrives under outer addresses or
//! ports that differ by direction, so that the kernel's spreading parts it, and two shards must bring it
//! together again.
//!
//! Where the kernel lacks a tunnel's device, `wrap.py` puts the headers on.

use crate::lab::{Lab, PATIENCE, Process, Reach, SERVER, say, script};
use crate::observe;

/// A tunnel: its name for `wrap.py`, and its devices of the kernel, one for each direction or one for both.
struct Tunnel {
    kind: &'static str,
    devices: &'static [&'static str],
    addresses: &'static [&'static str],
}

#[test]
fn vxlan() {
    through(&Tunnel {
        kind: "vxlan",
        // The kernel's source ports follow the sending socket, so they differ by direction.
        devices: &["vxlan id 42 local 192.0.2.10 remote 192.0.2.9 dstport 4789 noudpcsum"],
        addresses: &SERVER,
    });
}

#[test]
fn geneve() {
    through(&Tunnel {
        kind: "geneve",
        devices: &["geneve id 42 remote 192.0.2.9", "geneve id 42 remote 192.0.2.8"],
        addresses: &SERVER,
    });
}

#[test]
fn gre_with_a_key() {
    through(&Tunnel {
        kind: "gretap",
        devices: &[
            "gretap local 192.0.2.10 remote 192.0.2.9 key 42",
            "gretap local 192.0.2.14 remote 192.0.2.9 key 42",
        ],
        addresses: &SERVER,
    });
}

#[test]
fn erspan_ii() {
    through(&Tunnel {
        kind: "erspan2",
        devices: &[
            "erspan local 192.0.2.10 remote 192.0.2.9 seq key 42 erspan_ver 1",
            "erspan local 192.0.2.14 remote 192.0.2.9 seq key 42 erspan_ver 1",
        ],
        addresses: &SERVER,
    });
}

#[test]
fn erspan_iii_over_ipv6() {
    through(&Tunnel {
        kind: "erspan3",
        devices: &[
            "ip6erspan local fd00::10 remote fd00::9 seq key 42 erspan_ver 2",
            "ip6erspan local fd00::14 remote fd00::9 seq key 42 erspan_ver 2",
        ],
        addresses: &SERVER,
    });
}

#[test]
fn vlan_in_vlan() {
    // Both directions under the same tags: other tags are another network.
    through(&Tunnel {
        kind: "qinq",
        devices: &["vlan id 200 protocol 802.1Q link m100"],
        addresses: &SERVER,
    });
}

#[test]
fn ip_in_ip() {
    through(&Tunnel {
        kind: "ipip",
        devices: &["ipip local 192.0.2.10 remote 192.0.2.9", "ipip local 192.0.2.14 remote 192.0.2.9"],
        addresses: &["198.18.0.10"],
    });
}

#[test]
fn ipv6_in_ipv4() {
    through(&Tunnel {
        kind: "sit",
        devices: &["sit local 192.0.2.10 remote 192.0.2.9", "sit local 192.0.2.14 remote 192.0.2.9"],
        addresses: &["2001:db8:18::10"],
    });
}

#[test]
fn fragments_of_an_answer() {
    let Some(mut lab) = Lab::new("fragments", Reach::Routed) else { return };
    lab.mirror();
    let mut sensor = lab.sensor().with("-i t0 --shards 2");
    let watch = sensor.start(&lab);
    observe(&mut lab, &sensor, watch, "t0", |lab| lab.call(2_000, 16, &["198.18.0.10"]));
    let capture = lab.path("t0.pcap");
    let fragments =
        lab.tap.command("tcpdump").args(["-nr"]).arg(capture).arg("ip[6:2] & 0x3fff != 0").output();
    assert!(!fragments.unwrap().stdout.is_empty(), "the answers came in fragments");
}

#[test]
fn fragments_of_a_tunnel() {
    let Some(mut lab) = Lab::new("outer", Reach::Direct) else { return };
    carry(
        &mut lab,
        &Tunnel {
            kind: "vxlan",
            devices: &["vxlan id 42 local 192.0.2.10 remote 192.0.2.9 dstport 4789 noudpcsum"],
            addresses: &SERVER,
        },
    );
    // Whole frames do not fit any more.
    lab.server.run("ip link set m0 mtu 1400");
    lab.server.run("ip link set i0 mtu 1500");
    let mut sensor = lab.sensor().with("-i t0 --shards 2");
    let watch = sensor.start(&lab);
    observe(&mut lab, &sensor, watch, "t0", |lab| lab.call(2_000, 16, &SERVER));
}

/// Watches a mirror that arrives through a tunnel.
fn through(tunnel: &Tunnel) {
    let Some(mut lab) = Lab::new(tunnel.kind, Reach::Direct) else { return };
    carry(&mut lab, tunnel);
    let mut sensor = lab.sensor().with("-i t0 --shards 2");
    let watch = sensor.start(&lab);
    observe(&mut lab, &sensor, watch, "t0", |lab| lab.call(2_000, 16, tunnel.addresses));
}

/// Mirrors the server's interface into a tunnel to the tap.
fn carry(lab: &mut Lab, tunnel: &Tunnel) {
    lab.join_tap("m0", "t0");
    let server = &lab.server;
    server.address("m0", &["192.0.2.1/24", "192.0.2.10/24", "192.0.2.14/24", "fd00::10/64", "fd00::14/64"]);
    for neighbour in ["192.0.2.9", "192.0.2.8", "fd00::9"] {
        // The tap answers nothing, so the way to it is told.
        server.run(&format!("ip neighbour add {neighbour} lladdr 02:00:5e:00:00:09 dev m0"));
    }
    let outer_tag = server.try_run("ip link add link m0 name m100 type vlan id 100 protocol 802.1ad");
    if outer_tag.is_ok_and(|output| output.status.success()) {
        server.run("ip link set m100 up");
    }
    let names = ["i0", "e0"];
    let made = tunnel.devices.iter().zip(names).all(|(device, name)| {
        let device = match device.split_once(" link ") {
            Some((device, below)) => format!("link {below} name {name} type {device}"),
            None => format!("name {name} type {device}"),
        };
        server.try_run(&format!("ip link add {device}")).is_ok_and(|output| output.status.success())
    });
    if made {
        let last = if tunnel.devices.len() == 1 { "i0" } else { "e0" };
        for name in ["i0", last] {
            server.run(&format!("ip link set {name} mtu 1500 up"));
        }
        server.mirror("s0", "i0", last);
        return;
    }
    say(&format!("{}: this kernel has no such device, so wrap.py takes its place", tunnel.kind));
    for (near, far) in [("i0", "i1"), ("e0", "e1")] {
        server.cable(near, server, far);
    }
    let mut wrap = server.command("python3");
    wrap.arg("-B").arg(script("wrap.py")).args([tunnel.kind, "i1", "e1", "m0"]);
    let wrap = Process::spawn("wrap.py", wrap, &lab.path("wrap"));
    wrap.await_words("ready", PATIENCE);
    server.mirror("s0", "i0", "e0");
    lab.keep(wrap);
}
