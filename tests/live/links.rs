//! Interfaces that come and go.

use crate::lab::{Lab, PATIENCE, Reach, SERVER, now};
use crate::{lake, observe};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn an_interface_may_come_after_the_sensor() {
    let Some(mut lab) = Lab::new("late", Reach::Direct) else { return };
    let mut sensor = lab.sensor().with("-i t0 --shards 2");
    let command = lab.tap.command(crate::sensor::program());
    let watch = sensor.start_with(command);
    watch.process.await_words("waiting for interface", PATIENCE);
    lab.mirror();
    watch.process.await_words("capturing on", PATIENCE);
    observe(&mut lab, &sensor, watch, "t0", |lab| lab.call(1_000, 8, &SERVER));
}

/// What happens to a link, and what the sensor says of it.
type Step<'a> = (&'a dyn Fn(), &'a str);

#[test]
fn a_link_that_flaps_costs_what_passed_meanwhile() {
    let Some(mut lab) = Lab::new("flap", Reach::Direct) else { return };
    lab.mirror();
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --interval 1");
    let watch = sensor.start(&lab);
    let mut calls = lab.calling(u32::MAX, 8, 300, &SERVER);
    // There and back.
    let steps: [[Step<'_>; 2]; 2] = [
        [
            (&|| lab.tap.run("ip link set t0 down"), "the interface is down"),
            (&|| lab.tap.run("ip link set t0 up"), "the interface is up again"),
        ],
        [(&|| lab.tap.run("ip link del t0"), "lost the interface t0"), (&|| lab.mirror(), "capturing on t0")],
    ];
    // From when to when the sensor says that it captures, and from when to when there was nothing to capture.
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut since = now();
    for [(take_down, is_down), (bring_up, is_up)] in steps {
        sleep(Duration::from_millis(1_500));
        let before = watch.process.told().matches(is_up).count();
        up.push((since, now()));
        take_down();
        let gone = now();
        watch.process.await_words(is_down, PATIENCE);
        sleep(Duration::from_millis(500));
        down.push((gone, now()));
        bring_up();
        watch.process.await_count(is_up, before + 1, PATIENCE);
        since = now();
    }
    sleep(Duration::from_millis(1_500));
    up.push((since, now()));
    calls.signal("TERM");
    calls.wait(PATIENCE);
    sleep(Duration::from_millis(300));
    watch.stop();
    lab.close();
    let seen = lake::total(sensor.lake());
    let served = lab.served();
    let within = |spans: &[(f64, f64)]| {
        // What was under way at a border is anybody's.
        let inner = |&(from, to): &(f64, f64), time: f64| from + 0.1 < time && time < to - 0.1;
        served.iter().filter(|(time, _)| spans.iter().any(|span| inner(span, *time))).count() as u64
    };
    let (least, most) = (within(&up), served.len() as u64 - within(&down));
    assert!(least > 500, "traffic ran while the link was up: {least}");
    assert!((least..=most).contains(&seen), "{seen} exchanges, not {least} to {most}");
}
