//! Facts in, verdicts out: what each fact means for a sensor and what mends it.

use crate::cli::style::{bytes, plural, thousands};
use crate::config::{Interface, Settings};
use crate::sandbox::SandboxError;
use crate::source::ethtool::Offloads;
use crate::source::host::{Counters, InterfaceFacts, Softnet};
use crate::source::live::LiveError;
use std::num::NonZeroUsize;
use std::path::Path;

/// How it stands, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// A sensor cannot work, or loses what it should see.
    Bad,
    /// It works less well than it could, or soon will.
    Warn,
    /// It could not be found out.
    Unknown,
    /// As it should be.
    Ok,
}

impl Verdict {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bad => "BAD",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Check {
    /// What it is about: `host`, `interface eth0`, `storage`.
    pub(super) subject: String,
    /// What was looked at.
    #[serde(rename = "check")]
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do about it.
    pub(super) advice: Option<String>,
}

impl Check {
    fn new(subject: &str, name: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), name, verdict, found: found.into(), advice: None }
    }

    fn advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

const HOST: &str = "host";
const STORAGE: &str = "storage";
const CAP_NET_RAW: u64 = 1 << 13;
/// Less of a burst than this is lost when a shard waits once for its turn on a busy host.
const LEAST_BURST_MS: u64 = 100;
/// Names of packets that a driver or the kernel merged go up to this.
const MERGED_BYTES: u32 = 65_536;
/// What a link puts before and after a packet: Ethernet with two tags.
const LINK_BYTES: u64 = 22;

/// `user`: whether a sensor started as root could become its user; `None` when this is not root.
pub(super) fn privileges(
    effective: Option<u64>,
    user: Option<Result<(), SandboxError>>,
    settings: &Settings,
) -> Check {
    let is_raw = effective.map(|bits| bits & CAP_NET_RAW != 0);
    let new = |verdict, found: String| Check::new(HOST, "privileges", verdict, found);
    match (is_raw, user) {
        (Some(false), _) => new(Verdict::Bad, "no CAP_NET_RAW: no interface can be opened".to_owned()).advice(
            "start it from deploy/spanlight.service, or as root: setcap cap_net_raw=ep \"$(command -v spanlight)\"",
        ),
        (_, Some(Err(error))) => new(Verdict::Bad, "a sensor started as root could not become another user".to_owned())
            .advice(error.to_string()),
        (Some(true), Some(Ok(()))) => {
            let user = &settings.privileges.user;
            new(Verdict::Ok, format!("root: a sensor becomes {user} and keeps CAP_NET_RAW alone"))
        }
        (Some(true), None) => new(Verdict::Ok, "CAP_NET_RAW, and not root".to_owned()),
        (None, _) => new(Verdict::Unknown, "/proc/self/status does not tell the capabilities".to_owned()),
    }
}

pub(super) fn processors(cores: Option<NonZeroUsize>, shards: NonZeroUsize) -> Check {
    let Some(cores) = cores else {
        return Check::new(HOST, "processors", Verdict::Unknown, "their number is not told");
    };
    let found =
        format!("{} for {}", plural(cores.get() as u64, "core"), plural(shards.get() as u64, "shard"));
    if shards > cores {
        Check::new(HOST, "processors", Verdict::Warn, format!("{found}: shards wait for each other"))
            .advice("set capture.shards to 0, for one a core")
    } else {
        Check::new(HOST, "processors", Verdict::Ok, found)
    }
}

/// The rings of all shards and interfaces, which are never swapped, against what memory there is.
pub(super) fn rings_in_memory(settings: &Settings, available: Option<u64>) -> Check {
    let one: u64 = settings.interfaces.iter().map(|interface| interface.ring_bytes).sum();
    let all = one.saturating_mul(settings.shards.get() as u64);
    let Some(available) = available else {
        return Check::new(
            HOST,
            "memory",
            Verdict::Unknown,
            format!("rings take {}; what is free is not told", bytes(all)),
        );
    };
    let found = format!("rings take {} of {} available", bytes(all), bytes(available));
    let verdict = match all {
        _ if all > available / 2 => Verdict::Bad,
        _ if all > available / 4 => Verdict::Warn,
        _ => Verdict::Ok,
    };
    let check = Check::new(HOST, "memory", verdict, found);
    match verdict {
        Verdict::Ok | Verdict::Unknown => check,
        Verdict::Bad | Verdict::Warn => {
            check.advice("lower ring_mib or capture.shards, or give the host more memory")
        }
    }
}

pub(super) fn softnet(before: Softnet, now: Softnet) -> Check {
    let new = |verdict, found: String| Check::new(HOST, "backlog", verdict, found);
    let advice = "raise it: sysctl -w net.core.netdev_max_backlog=10000; spread interrupts over more cores";
    if now.dropped > before.dropped {
        let found = format!(
            "the kernel drops packets before any capture sees them: {} within a second",
            thousands(now.dropped - before.dropped)
        );
        new(Verdict::Bad, found).advice(advice)
    } else if now.dropped > 0 {
        let found = format!(
            "the kernel's queue was full for {} since it started, for none just now",
            plural(now.dropped, "packet")
        );
        new(Verdict::Warn, found).advice(advice)
    } else if now.squeezed > before.squeezed {
        let found = format!(
            "no packet dropped, but time was up with packets left {} within a second",
            plural(now.squeezed - before.squeezed, "time")
        );
        new(Verdict::Warn, found).advice("give it more: sysctl -w net.core.netdev_budget=600")
    } else {
        new(Verdict::Ok, "the kernel's queues dropped nothing since it started".to_owned())
    }
}

pub(super) fn clock(keeper: Option<(&'static str, Option<bool>)>) -> Check {
    let new = |verdict, found: String| Check::new(HOST, "clock", verdict, found);
    match keeper {
        Some((name, Some(true))) => new(Verdict::Ok, format!("{name} says that it is right")),
        Some((name, None)) => new(Verdict::Ok, format!("kept by {name}")),
        Some((name, Some(false))) => {
            new(Verdict::Warn, format!("{name} has not set it yet: first and last seen are off"))
                .advice("see timedatectl timesync-status")
        }
        None => new(
            Verdict::Unknown,
            "no sign of timesyncd, chrony, ntpd or ptp4l; in a container the host keeps it".to_owned(),
        )
        .advice(
            "see to it that something keeps it: first and last seen, and joins with other logs, rest on it",
        ),
    }
}

pub(super) fn kernel(
    version: Option<(u32, u32)>,
    has_packet_sockets: bool,
    landlock: Option<u32>,
    has_seccomp: bool,
) -> [Check; 3] {
    let new = |name, verdict, found: String| Check::new(HOST, name, verdict, found);
    let told =
        version.map_or_else(|| "of unknown version".to_owned(), |(major, minor)| format!("{major}.{minor}"));
    let packets = match version {
        // TPACKET_V3 came with 3.2, fanout by a program with 4.3.
        Some(version) if version < (4, 3) => {
            new("kernel", Verdict::Bad, format!("{told} has no fanout by a program"))
                .advice("one of Linux 4.3 or later is needed; 6.7 or later for a full sandbox")
        }
        Some(_) if has_packet_sockets => {
            new("kernel", Verdict::Ok, format!("{told}: packet sockets, TPACKET_V3, fanout"))
        }
        Some(_) => new("kernel", Verdict::Unknown, format!("{told}: packet sockets are not loaded yet"))
            .advice("the first capture loads them; if it cannot: modprobe af_packet"),
        None => new("kernel", Verdict::Unknown, told),
    };
    let landlock = match landlock {
        None => new(
            "Landlock",
            Verdict::Warn,
            "not there: a sensor could read and write what its user can".to_owned(),
        )
        .advice("Linux 5.13 and later have it; put landlock into the kernel's lsm= list"),
        Some(abi @ 1..=3) => new(
            "Landlock",
            Verdict::Ok,
            format!("ABI {abi}: files are locked, TCP ports (6.7) and signals (6.12) not yet"),
        ),
        Some(abi @ 4..=5) => new(
            "Landlock",
            Verdict::Ok,
            format!("ABI {abi}: files and TCP ports are locked, signals (6.12) not yet"),
        ),
        Some(abi) => {
            new("Landlock", Verdict::Ok, format!("ABI {abi}: files, TCP ports and signals are locked"))
        }
    };
    let seccomp = if has_seccomp {
        new("seccomp", Verdict::Ok, "system calls are locked".to_owned())
    } else {
        new("seccomp", Verdict::Warn, "not there: a sensor could make any system call".to_owned())
            .advice("take a kernel built with CONFIG_SECCOMP_FILTER")
    };
    [packets, landlock, seccomp]
}

pub(super) fn no_interface(all: &[String]) -> Check {
    Check::new("interfaces", "named", Verdict::Unknown, "none is named, so none was looked at")
        .advice(format!("name those that the mirror arrives on with -i: here are {}", all.join(", ")))
}

pub(super) fn missing(name: &str, all: &[String]) -> Check {
    Check::new(&subject(name), "there", Verdict::Bad, "there is no such interface")
        .advice(format!("here are {}; a sensor waits for one that is missing", all.join(", ")))
}

fn subject(name: &str) -> String {
    format!("interface {name}")
}

/// All that is to be said of an interface that is there. `lasted`: what it counted within a second.
pub(super) fn interface(
    interface: &Interface,
    shards: NonZeroUsize,
    facts: &InterfaceFacts,
    lasted: Option<Counters>,
    offloads: Option<Offloads>,
    opened: Result<(), LiveError>,
) -> Vec<Check> {
    let mut checks = vec![link(interface, facts), open(interface, facts, opened)];
    checks.extend(offloads.map(|offloads| merging(interface, offloads)));
    checks.extend(offloads.map(|offloads| tags(interface, offloads)));
    checks.push(lengths(interface, facts));
    checks.push(ring(interface, shards, facts, lasted));
    checks.push(losses(interface, facts, lasted));
    if facts.up {
        checks.extend(lasted.map(|lasted| load(interface, facts, lasted)));
    }
    checks
}

fn link(interface: &Interface, facts: &InterfaceFacts) -> Check {
    let name = &interface.name;
    let new = |verdict, found: String| Check::new(&subject(name), "link", verdict, found);
    match (facts.up, facts.carrier) {
        (false, _) => {
            new(Verdict::Bad, "down".to_owned()).advice(format!("ip link set {name} up; it needs no address"))
        }
        (true, Some(false)) => {
            new(Verdict::Bad, "up, but nothing is plugged in or the other end is down".to_owned())
                .advice("look at the cable, the transceiver and the mirror's destination port")
        }
        (true, Some(true)) => new(Verdict::Ok, format!("up{}", speed(facts))),
        (true, None) => new(Verdict::Ok, "up".to_owned()),
    }
}

/// Only real devices have a speed: others make one up.
fn real_megabits(facts: &InterfaceFacts) -> Option<u64> {
    facts.megabits.filter(|_| facts.has_device)
}

fn speed(facts: &InterfaceFacts) -> String {
    match real_megabits(facts) {
        Some(megabits) if megabits.is_multiple_of(1_000) => format!(", {} Gbit/s", megabits / 1_000),
        Some(megabits) => format!(", {megabits} Mbit/s"),
        None => String::new(),
    }
}

fn open(interface: &Interface, facts: &InterfaceFacts, opened: Result<(), LiveError>) -> Check {
    let new = |verdict, found: String| Check::new(&subject(&interface.name), "capture", verdict, found);
    match opened {
        Ok(()) if interface.promiscuous => {
            let others = if facts.promiscuous { "; something else does so already" } else { "" };
            new(Verdict::Ok, format!("opens, and takes packets for others (promiscuous){others}"))
        }
        Ok(()) => new(Verdict::Warn, "opens, but takes only packets addressed to this host".to_owned())
            .advice("on a mirror port set promiscuous to true"),
        Err(error @ LiveError::Forbidden { .. }) => new(Verdict::Unknown, error.to_string()),
        Err(error @ LiveError::Filter { .. }) => {
            new(Verdict::Bad, error.to_string()).advice("mend the filter, or leave it out")
        }
        Err(error @ (LiveError::Missing { .. } | LiveError::Down { .. } | LiveError::Other { .. })) => {
            new(Verdict::Bad, error.to_string())
        }
    }
}

fn merging(interface: &Interface, offloads: Offloads) -> Check {
    let name = &interface.name;
    let (what, settings) = match (offloads.gro, offloads.lro) {
        (false, false) => {
            return Check::new(
                &subject(name),
                "merging",
                Verdict::Ok,
                "GRO and LRO are off: packets arrive as they were sent",
            );
        }
        (true, false) => ("GRO is", "gro off"),
        (false, true) => ("LRO is", "lro off"),
        (true, true) => ("GRO and LRO are", "gro off lro off"),
    };
    let advice = format!("ethtool -K {name} {settings}");
    // The filter is run on the merged packet, and a short snaplen cuts it.
    if interface.snaplen < MERGED_BYTES {
        let cut = thousands(u64::from(interface.snaplen));
        let found = format!(
            "{what} on: packets are merged to up to 64 KiB, of which a snaplen of {cut} cuts off the rest"
        );
        return Check::new(&subject(name), "merging", Verdict::Bad, found).advice(advice);
    }
    let found = format!(
        "{what} on: packets are merged before they are captured. Nothing is lost, but counts and times are those of the merged"
    );
    Check::new(&subject(name), "merging", Verdict::Warn, found).advice(advice)
}

fn tags(interface: &Interface, offloads: Offloads) -> Check {
    let found = if offloads.vlan {
        "the card takes VLAN tags off, and libpcap puts the outer one back"
    } else {
        "VLAN tags stay on packets"
    };
    Check::new(&subject(&interface.name), "VLAN tags", Verdict::Ok, found)
}

fn lengths(interface: &Interface, facts: &InterfaceFacts) -> Check {
    let new = |verdict, found: String| Check::new(&subject(&interface.name), "lengths", verdict, found);
    let snaplen = u64::from(interface.snaplen);
    let Some(mtu) = facts.mtu else {
        return new(
            Verdict::Unknown,
            format!("the MTU is not told; up to {} are captured", plural(snaplen, "byte")),
        );
    };
    if snaplen < mtu.saturating_add(LINK_BYTES) {
        let found = format!(
            "MTU {mtu}, but only {} of each packet are captured: bodies have holes",
            plural(snaplen, "byte")
        );
        return new(Verdict::Warn, found)
            .advice(format!("set snaplen to at least {}", mtu.saturating_add(LINK_BYTES)));
    }
    // What a card cuts or refuses never gets here, so it must be said before.
    let note =
        if mtu <= 1_500 { "; a mirror in VXLAN needs 50 more than the hosts that it mirrors" } else { "" };
    new(Verdict::Ok, format!("MTU {mtu}{note}"))
}

/// How long a burst the rings hold while no shard reads.
fn ring(
    interface: &Interface,
    shards: NonZeroUsize,
    facts: &InterfaceFacts,
    lasted: Option<Counters>,
) -> Check {
    let all = interface.ring_bytes.saturating_mul(shards.get() as u64);
    let new = |verdict, found: String| Check::new(&subject(&interface.name), "ring", verdict, found);
    let size = format!("{} for {}", bytes(all), plural(shards.get() as u64, "shard"));
    let holds = |bits_per_second: u64| all.saturating_mul(8_000).checked_div(bits_per_second);
    if let Some(megabits) = real_megabits(facts)
        && let Some(milliseconds) = holds(megabits.saturating_mul(1_000_000))
    {
        let found = format!(
            "{size} hold {} at the full{} of the link",
            time(milliseconds),
            speed(facts).trim_start_matches(',')
        );
        if milliseconds >= LEAST_BURST_MS {
            return new(Verdict::Ok, found);
        }
        return new(Verdict::Warn, found).advice("raise ring_mib until a tenth of a second fits");
    }
    // A virtual interface has no speed to go by: what arrives now has to do.
    match lasted.and_then(|lasted| holds(lasted.bytes.saturating_mul(8))) {
        Some(milliseconds) => {
            new(Verdict::Ok, format!("{size} hold {} of what arrives now", time(milliseconds)))
        }
        None => new(Verdict::Ok, format!("{size}; nothing arrives to hold it against")),
    }
}

fn time(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => "more than a minute".to_owned(),
    }
}

fn losses(interface: &Interface, facts: &InterfaceFacts, lasted: Option<Counters>) -> Check {
    let name = &interface.name;
    let new = |verdict, found: String| Check::new(&subject(name), "losses", verdict, found);
    let all = &facts.counters;
    let advice = || {
        format!(
            "ethtool -G {name} rx 4096 for a larger ring in the card; ethtool -S {name} for its own counters"
        )
    };
    if let Some(lasted) = lasted.filter(|lasted| lasted.lost() > 0) {
        let found = format!("the card loses packets: {} within a second", thousands(lasted.lost()));
        return new(Verdict::Bad, found).advice(advice());
    }
    if all.lost() > 0 {
        let causes = [("missed", all.missed), ("queue full", all.fifo), ("too long", all.over)];
        let causes: Vec<String> = causes
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(cause, count)| format!("{cause} {}", thousands(*count)))
            .collect();
        let found = format!(
            "of {} the card lost, none just now: {}",
            plural(all.packets, "packet"),
            causes.join(", ")
        );
        return new(Verdict::Warn, found).advice(advice());
    }
    if let Some(lasted) = lasted.filter(|lasted| lasted.dropped > 0) {
        let found = format!(
            "the card lost none; the kernel dropped {} within a second, also those of protocols that nobody here speaks",
            thousands(lasted.dropped)
        );
        return new(Verdict::Ok, found);
    }
    new(Verdict::Ok, format!("none in {} since it was made", plural(all.packets, "packet")))
}

fn load(interface: &Interface, facts: &InterfaceFacts, lasted: Counters) -> Check {
    let new = |verdict, found: String| Check::new(&subject(&interface.name), "load", verdict, found);
    if lasted.packets == 0 {
        return new(Verdict::Warn, "no packet arrived within a second".to_owned()).advice(
            "when the mirror should be on: see its session on the switch, and tcpdump -c 10 -i on this host",
        );
    }
    let bits = lasted.bytes.saturating_mul(8);
    let found = format!(
        "{} packets/s, {}.{} Mbit/s",
        thousands(lasted.packets),
        thousands(bits / 1_000_000),
        bits % 1_000_000 / 100_000
    );
    match real_megabits(facts) {
        Some(megabits) if bits / 1_000_000 > megabits / 5 * 4 => new(
            Verdict::Warn,
            format!("{found}, more than four fifths of the link: a mirror loses what does not fit"),
        )
        .advice("mirror fewer ports, or to a faster one; both directions of a full link are twice its speed"),
        Some(_) | None => new(Verdict::Ok, found),
    }
}

/// Whether a folder can be written to. `user`: whom a sensor started as root becomes, and gives the folder to.
pub(super) fn writable(
    name: &str,
    folder: &Path,
    there: &Path,
    may_write: bool,
    user: Option<&str>,
) -> Check {
    let check = if name == "state" { "state" } else { "lake" };
    let new = |verdict, found: String| Check::new(STORAGE, check, verdict, found);
    let shown = folder.display();
    let made = if there == folder { "" } else { ", which is made at the start" };
    match (may_write, user) {
        (true, Some(user)) => new(Verdict::Ok, format!("{shown}{made}, and given to {user}")),
        (true, None) => new(Verdict::Ok, format!("{shown}{made}")),
        (false, _) => new(Verdict::Bad, format!("{shown}: {} cannot be written to", there.display())).advice(
            format!("make it the sensor's: install -d -m 750 -o USER {shown}; or name another folder"),
        ),
    }
}

/// How much still fits into a folder. `needed`: what may have to wait in it.
pub(super) fn space(name: &str, there: &Path, space: Option<(u64, u64)>, needed: u64) -> Check {
    let check = if name == "state" { "state disk" } else { "lake disk" };
    let new = |verdict, found: String| Check::new(STORAGE, check, verdict, found);
    let Some((free, all)) = space else {
        return new(Verdict::Unknown, format!("how much is free at {} is not told", there.display()));
    };
    if all == 0 {
        return new(Verdict::Bad, format!("{} is on no disk", there.display()))
            .advice("name a folder on one");
    }
    let found = format!("{} of {} free", bytes(free), bytes(all));
    if free < (64 << 20) || free < all / 100 {
        return new(Verdict::Bad, found)
            .advice("make room: a sensor whose disk is full goes on from memory, up to its bounds");
    }
    if name == "state" && free < needed {
        return new(
            Verdict::Warn,
            format!("{found}, but up to {} of files may wait for the lake", bytes(needed)),
        )
        .advice("make room, or lower lake.spool_mib");
    }
    if free < all / 10 {
        return new(Verdict::Warn, found).advice("make room before it is full");
    }
    new(Verdict::Ok, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, InterfaceConfig};

    fn settings() -> Settings {
        let interfaces = vec![InterfaceConfig::named("eth0")];
        Settings::from_config(&Config { interfaces, ..Config::default() }).unwrap()
    }

    fn facts() -> InterfaceFacts {
        InterfaceFacts {
            up: true,
            carrier: Some(true),
            promiscuous: false,
            mtu: Some(1_500),
            megabits: Some(10_000),
            has_device: true,
            counters: Counters { packets: 10, ..Counters::default() },
        }
    }

    const OFF: Offloads = Offloads { gro: false, lro: false, vlan: true };
    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    fn verdicts(
        change: impl Fn(&mut Interface, &mut InterfaceFacts, &mut Counters, &mut Offloads),
    ) -> Vec<&'static str> {
        let mut interface_settings = settings().interfaces.remove(0);
        let (mut facts, mut offloads) = (facts(), OFF);
        let mut lasted = Counters { packets: 1_000, bytes: 1_000_000, ..Counters::default() };
        change(&mut interface_settings, &mut facts, &mut lasted, &mut offloads);
        let checks = interface(&interface_settings, TWO, &facts, Some(lasted), Some(offloads), Ok(()));
        for check in &checks {
            let is_well = matches!(check.verdict, Verdict::Ok | Verdict::Unknown);
            assert_eq!(check.advice.is_none(), is_well, "{check:?}: what is wrong says what to do");
        }
        checks.into_iter().filter(|check| check.verdict != Verdict::Ok).map(|check| check.name).collect()
    }

    #[test]
    fn a_good_interface_has_nothing_to_complain_of() {
        assert_eq!(verdicts(|_, _, _, _| {}), Vec::<&str>::new());
    }

    #[test]
    fn each_trouble_of_an_interface_is_told_alone() {
        assert_eq!(verdicts(|_, facts, _, _| facts.carrier = Some(false)), ["link"]);
        assert_eq!(verdicts(|_, facts, _, _| facts.up = false), ["link"]);
        assert_eq!(verdicts(|_, _, _, offloads| offloads.gro = true), ["merging"]);
        assert_eq!(verdicts(|interface, _, _, _| interface.promiscuous = false), ["capture"]);
        assert_eq!(verdicts(|interface, _, _, _| interface.snaplen = 1_000), ["lengths"]);
        assert_eq!(verdicts(|interface, _, _, _| interface.ring_bytes = 1 << 20), ["ring"]);
        assert_eq!(verdicts(|_, facts, _, _| facts.counters.fifo = 1), ["losses"]);
        assert_eq!(verdicts(|_, _, lasted, _| lasted.missed = 1), ["losses"]);
        assert_eq!(verdicts(|_, _, lasted, _| lasted.packets = 0), ["load"]);
        assert_eq!(verdicts(|_, _, lasted, _| lasted.bytes = 1_200_000_000), ["load"]);
    }

    #[test]
    fn merged_packets_that_are_cut_are_bad() {
        let mut interface = settings().interfaces.remove(0);
        let gro = Offloads { gro: true, ..OFF };
        assert_eq!(merging(&interface, gro).verdict, Verdict::Warn);
        interface.snaplen = 2_000;
        assert_eq!(merging(&interface, gro).verdict, Verdict::Bad);
        assert_eq!(merging(&interface, gro).advice.as_deref(), Some("ethtool -K eth0 gro off"));
    }

    #[test]
    fn a_host_is_judged_by_what_it_has() {
        let settings = settings();
        assert_eq!(privileges(Some(0), None, &settings).verdict, Verdict::Bad);
        let unknown = SandboxError::NoUser { user: "x".into() };
        assert_eq!(privileges(Some(CAP_NET_RAW), Some(Err(unknown)), &settings).verdict, Verdict::Bad);
        assert_eq!(privileges(Some(CAP_NET_RAW), Some(Ok(())), &settings).verdict, Verdict::Ok);
        assert_eq!(privileges(Some(CAP_NET_RAW), None, &settings).verdict, Verdict::Ok);
        assert_eq!(processors(Some(NonZeroUsize::MIN), TWO).verdict, Verdict::Warn);
        let rings = settings.interfaces[0].ring_bytes * settings.shards.get() as u64;
        for (factor, verdict) in [(1, Verdict::Bad), (3, Verdict::Warn), (5, Verdict::Ok)] {
            assert_eq!(rings_in_memory(&settings, Some(rings * factor)).verdict, verdict, "{factor}");
        }
        let drops = |dropped| Softnet { dropped, squeezed: 0 };
        for (before, now, verdict) in [(0, 0, Verdict::Ok), (5, 5, Verdict::Warn), (5, 6, Verdict::Bad)] {
            assert_eq!(softnet(drops(before), drops(now)).verdict, verdict, "{before} {now}");
        }
        let bad = kernel(Some((3, 10)), true, None, false).map(|check| check.verdict);
        assert_eq!(bad, [Verdict::Bad, Verdict::Warn, Verdict::Warn]);
    }

    #[test]
    fn a_disk_is_judged_by_what_is_left_and_what_may_come() {
        let gib = 1 << 30;
        for (name, free, verdict) in [
            ("state", 50 * gib, Verdict::Ok),
            ("state", 15 * gib, Verdict::Warn),
            ("lake", 15 * gib, Verdict::Ok),
            ("lake", 5 * gib, Verdict::Warn),
            ("lake", gib / 2, Verdict::Bad),
        ] {
            assert_eq!(
                space(name, Path::new("/"), Some((free, 100 * gib)), 20 * gib).verdict,
                verdict,
                "{name} {free}"
            );
        }
    }
}
