//! How a sensor ends: asked to, or killed, and what the lake holds then.

use crate::lab::{Lab, PATIENCE, Reach, SERVER, now};
use crate::lake;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

/// Seconds between snapshots of what was learnt, and requests a second, while it is killed.
const INTERVAL: u32 = 2;
const RATE: u32 = 200;

#[test]
fn asked_to_end_it_writes_all_it_saw() {
    let Some(mut lab) = Lab::new("drain", Reach::Direct) else { return };
    lab.mirror();
    // So long that nothing is written before the end.
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --interval 60 --roll 600");
    let watch = sensor.start(&lab);
    lab.call(3_000, 8, &SERVER);
    let took = watch.stop();
    lake::assert_true(sensor.lake(), &lab);

    // And so in the middle of traffic, a second time on the same state.
    let watch = sensor.start(&lab);
    let mut calls = lab.calling(1_000_000, 8, 500, &SERVER);
    sleep(Duration::from_secs(2));
    let asked = now();
    let took_again = watch.stop();
    calls.signal("TERM");
    calls.wait(PATIENCE);
    lab.close();
    let before = |limit: f64| lab.served().iter().filter(|(time, _)| *time < limit).count() as u64;
    let (least, most) = (before(asked - 0.1), before(asked + took_again.as_secs_f64()));
    let seen = lake::total(sensor.lake());
    assert!(
        (least..=most).contains(&seen),
        "{seen} exchanges, not {least} to {most}; {took:?}, {took_again:?}"
    );
}

/// `SPANLIGHT_KILLS` says how often; a few times else.
#[test]
fn killed_at_any_moment_it_loses_no_more_than_an_interval() {
    let Some(mut lab) = Lab::new("kill", Reach::Direct) else { return };
    lab.mirror();
    let kills: u32 = std::env::var("SPANLIGHT_KILLS").map_or(3, |kills| kills.parse().unwrap());
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --roll 3").with(&format!("--interval {INTERVAL}"));
    let mut calls = lab.calling(u32::MAX, 8, RATE, &SERVER);
    let mut up = Vec::new();
    let mut killed = None;
    for kill in 1..=kills {
        let watch = sensor.start(&lab);
        if let Some((from, to)) = killed {
            assert_saved_lately(&watch.process.told(), from, to);
        }
        let since = now();
        let moment = random_millis(500, 5_000);
        sleep(moment);
        watch.kill();
        killed = Some((since, now()));
        up.extend(killed);
        let served = lab.served().len() as u64;
        let seen = assert_whole(sensor.lake());
        assert!(
            seen <= served,
            "after kill {kill}, {moment:?} on: {seen} exchanges in the lake, {served} served"
        );
    }
    // What the last one left behind in its state is written by the next.
    let watch = sensor.start(&lab);
    let since = now();
    calls.signal("TERM");
    calls.wait(PATIENCE);
    up.push((since, now()));
    watch.stop();
    lab.close();
    let served = lab.served();
    let while_up = |margin: f64| {
        let inside = |time: f64| up.iter().any(|(from, to)| from - margin < time && time < to + margin);
        served.iter().filter(|(time, _)| inside(*time)).count() as u64
    };
    let seen = assert_whole(sensor.lake());
    // It captures a little before it says so.
    assert!(seen <= while_up(0.5), "{seen} exchanges in the lake, {} while it ran", while_up(0.5));
    let lost = while_up(0.0).saturating_sub(seen);
    let allowed = u64::from(kills * RATE * INTERVAL);
    assert!(lost <= allowed, "{lost} exchanges lost in {kills} kills, {allowed} allowed");
    println!("{kills} kills: {seen} exchanges in the lake, {lost} lost of {} while it ran", while_up(0.0));
}

/// Holds that a sensor goes on from a state that its predecessor, if it ran for that long, saved no longer than an
/// interval, and the time that it takes to save, before it was killed.
fn assert_saved_lately(told: &str, started: f64, killed: f64) {
    let saved = told.split_once("saved=").and_then(|(_, rest)| rest.split_whitespace().next());
    // Times of day do: no test runs for as long.
    let day = 86_400_000_000;
    let of_day = |time: f64| u64::try_from(Duration::from_secs_f64(time).as_micros()).unwrap() % day;
    let age = |since: u64| Duration::from_micros((of_day(killed) + day - since) % day);
    // What was saved before it started is what it started from.
    let started = age(of_day(started));
    let age = saved.map_or(started, |saved| age(lake::micros(saved)).min(started));
    let allowed = Duration::from_secs(INTERVAL.into()) + Duration::from_millis(500);
    assert!(age <= allowed, "killed {age:?} after the state was saved: {told}");
}

/// Holds that every file of a lake is whole and nothing in it is told twice. Returns the exchanges in it.
fn assert_whole(root: &Path) -> u64 {
    if std::fs::read_dir(root).unwrap().next().is_none() {
        return 0;
    }
    for what in ["inventory", "findings"] {
        lake::table(what, root);
    }
    read_with_pyarrow(root);
    let rows = lake::observations(root);
    let mut told = BTreeSet::new();
    for stored in &rows {
        let (origin, row) = (&stored.origin, &stored.row);
        let of = (&origin.sensor, &origin.run, &row.endpoint, row.hour, &row.caller_group);
        assert!(told.insert(of), "told twice: {of:?}");
    }
    // Each roll tells of a time of its own.
    let mut windows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for stored in lake::stored_captures(root) {
        let window = (stored.origin.window_start, stored.origin.window_end);
        windows.entry((stored.origin.sensor, stored.row.source)).or_default().insert(window);
    }
    for (of, spans) in &windows {
        let spans: Vec<_> = spans.iter().collect();
        let overlap = spans.windows(2).find(|pair| pair[1].0 < pair[0].1);
        assert!(overlap.is_none(), "the time is told twice of {of:?}: {overlap:?}");
    }
    rows.iter().map(|stored| stored.row.by_status_class.iter().sum::<u64>()).sum()
}

/// Reads every file with pyarrow, where `SPANLIGHT_PYTHON` names a Python that has it.
fn read_with_pyarrow(lake: &Path) {
    const READ: &str = "import sys, pathlib, pyarrow.parquet as p
for file in pathlib.Path(sys.argv[1]).rglob('*.parquet'): p.read_table(file)";
    let Some(python) = std::env::var_os("SPANLIGHT_PYTHON") else { return };
    if Command::new(&python)
        .args(["-c", "import pyarrow"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        crate::lab::must(Command::new(python).args(["-c", READ]).arg(lake));
    }
}

/// A time between two bounds that nothing here depends on.
fn random_millis(least: u32, most: u32) -> Duration {
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    Duration::from_millis((least + nanos / 7 % (most - least)).into())
}
