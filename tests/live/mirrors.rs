//! Mirrors without a tunnel: one interface or two, whole packets or their beginnings, once or twice.

use crate::lab::{Lab, PATIENCE, Process, Reach, SERVER, must, script};
use crate::{lake, observe};

#[test]
fn a_mirror_is_read_as_its_capture_is() {
    let Some(mut lab) = Lab::new("plain", Reach::Direct) else { return };
    lab.mirror();
    let mut sensor = lab.sensor().with("-i t0 --shards 1");
    let watch = sensor.start(&lab);
    observe(&mut lab, &sensor, watch, "t0", |lab| {
        lab.call(2_000, 8, &SERVER);
        for _ in 0..10 {
            must(lab.client.command("curl").args(["-sS", "-H", "Host: api.shop.example"]).arg(CURLED));
        }
    });
}

const CURLED: &str = "http://198.18.0.10/v1/accounts/[200000-200004]";

#[test]
fn two_shards_tell_what_one_does() {
    let Some(mut lab) = Lab::new("shards", Reach::Direct) else { return };
    lab.mirror();
    let mut sensor = lab.sensor().with("-i t0 --shards 2");
    let watch = sensor.start(&lab);
    observe(&mut lab, &sensor, watch, "t0", |lab| {
        lab.call(1_000, 16, &SERVER);
        // As fast as two connections go.
        let mut wrk = lab.client.command("wrk");
        wrk.args(["-t", "2", "-c", "2", "-d", "3"])
            .arg("-s")
            .arg(script("walk.lua"))
            .arg("http://198.18.0.10");
        let mut wrk = Process::spawn("wrk", wrk, &lab.path("wrk"));
        assert!(wrk.wait(PATIENCE).success(), "{}", wrk.told());
    });
}

#[test]
fn two_interfaces_with_a_direction_each_are_one_tap() {
    let Some(mut lab) = Lab::new("dual", Reach::Direct) else { return };
    lab.join_tap("m0", "t0");
    lab.join_tap("m1", "t1");
    lab.server.mirror("s0", "m0", "m1");
    let mut sensor = lab.sensor().with("-i t0 -i t1 --shards 2");
    let watch = sensor.start(&lab);
    observe(&mut lab, &sensor, watch, "any", |lab| lab.call(2_000, 16, &SERVER));
}

#[test]
fn what_a_mirror_delivers_twice_counts_once() {
    let Some(mut lab) = Lab::new("twice", Reach::Direct) else { return };
    lab.mirror();
    // The client's end is mirrored, too, and comes in on the same interface.
    lab.client.cable("m1", &lab.tap, "t1");
    lab.client.mirror("c0", "m1", "m1");
    lab.tap.run("tc qdisc add dev t1 clsact");
    lab.tap.run(
        "tc filter add dev t1 ingress protocol all u32 match u32 0 0 action mirred ingress redirect dev t0",
    );
    let mut sensor = lab.sensor().with("-i t0 --shards 2");
    let watch = sensor.start(&lab);
    observe(&mut lab, &sensor, watch, "t0", |lab| lab.call(2_000, 8, &[SERVER[0]]));
    let duplicates: u64 =
        lake::captures(sensor.lake()).iter().map(|row| lake::sum(&row.fates, "duplicate")).sum();
    let records: u64 = lake::captures(sensor.lake()).iter().map(|row| row.records).sum();
    // All of TCP; of IPv6, which numbers no packets, two acknowledgements could be one sent twice.
    assert!(duplicates * 2 <= records && duplicates * 2 + 100 > records, "{duplicates} of {records} packets");
}

#[test]
fn packets_cut_by_the_snaplen_cost_what_was_cut() {
    let Some(mut lab) = Lab::new("snaplen", Reach::Direct) else { return };
    lab.mirror();
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --snaplen 400");
    let recording = lab.record("t0", &["-s", "400"]);
    let watch = sensor.start(&lab);
    lab.call(2_000, 8, &SERVER);
    let capture = recording.stop();
    watch.stop();
    lab.close();
    let analyzed = sensor.analyze(&lab, &[capture], &[]);
    // The heads fit, so every exchange is there.
    lake::assert_true(&analyzed, &lab);
    lake::assert_same(sensor.lake(), &analyzed);
    let cut: u64 = lake::captures(sensor.lake()).iter().map(|row| lake::sum(&row.fates, "cut")).sum();
    assert!(cut > 0, "the capture says that packets were cut");
}
