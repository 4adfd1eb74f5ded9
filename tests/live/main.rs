//! The sensor on a tap: `spanlight watch` on a mirror of real traffic, between real hosts.
//!
//! Each test makes hosts of its own out of network namespaces ([`lab`]), lets a real client call a real server, has
//! the kernel mirror what passes to a third host, and runs tcpdump and the sensor there side by side. What the
//! sensor writes into its lake must be what `analyze` makes of tcpdump's capture, and that must be what the
//! server's own log says ([`lake`]).
//!
//! Needs root and a few tools (`tests/live/prerequisites.sh` installs them); without, each test says so and
//! passes. Nothing leaves the machine. `SPANLIGHT` names another program to test. `tests/live/uml.sh` runs them on a
//! kernel that has every tunnel.
#![cfg(all(target_os = "linux", feature = "lake", feature = "live"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that cannot go on is a failed test")]
#![expect(unreachable_pub, reason = "a module of tests shows what the others use")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a column fails the test")]
#![expect(clippy::disallowed_methods, reason = "these tests are about what happens when")]

mod endings;
mod guards;
mod keys;
mod lab;
mod lake;
mod links;
mod mirrors;
mod privacy;
mod sensor;
mod storage;
mod tunnels;

use lab::Lab;
use sensor::{Sensor, Watch};

/// Lets tcpdump and the sensor watch the same traffic, and holds that the sensor's lake, the one `analyze`
/// makes of the capture, and the server's log agree.
fn observe(lab: &mut Lab, sensor: &Sensor, watch: Watch, interface: &str, traffic: impl FnOnce(&Lab)) {
    let recording = lab.record(interface, &[]);
    traffic(lab);
    let capture = recording.stop();
    watch.stop();
    lab.close();
    let analyzed = sensor.analyze(lab, &[capture], &[]);
    lake::assert_true(&analyzed, lab);
    lake::assert_same(sensor.lake(), &analyzed);
}
