//! What the sensor may do, what it reads again, and what it says when it cannot keep up.

use crate::lab::{Lab, PATIENCE, Reach, SERVER};
use crate::lake;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn it_runs_with_one_capability_in_a_sandbox() {
    let Some(lab) = Lab::new("guards", Reach::Direct) else { return };
    lab.mirror();
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --sandbox require");
    let watch = sensor.start(&lab);
    lab.call(200, 4, &SERVER);
    let tasks = format!("/proc/{}/task", watch.process.id());
    for task in fs::read_dir(tasks).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
            line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        for ids in ["Uid", "Gid"] {
            assert!(field(ids).iter().all(|id| id != "0"), "{status}");
        }
        assert!(field("Groups").iter().all(|id| id != "0"), "{status}");
        // CAP_NET_RAW is number 13.
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let held = u64::from_str_radix(&field(set)[0], 16).unwrap();
            assert_eq!(held & !(1 << 13), 0, "{set} in {status}");
        }
        assert_eq!(field("NoNewPrivs"), ["1"], "{status}");
        assert_eq!(field("Seccomp"), ["2"], "{status}");
    }
    watch.stop();
    assert_eq!(lake::total(sensor.lake()), 200);
}

#[test]
fn documents_are_read_again_without_losing_a_packet() {
    let Some(mut lab) = Lab::new("reload", Reach::Direct) else { return };
    lab.mirror();
    let specs = lab.path("specs");
    fs::create_dir(&specs).unwrap();
    let document = |paths: &str| {
        let all = format!(
            "openapi: 3.0.3\ninfo: {{title: Shop, version: '1'}}\nservers: [{{url: 'http://api.shop.example'}}]\npaths:\n{paths}"
        );
        fs::write(specs.join("shop.yaml"), all).unwrap();
    };
    let accounts = "  /v1/accounts:\n    get: {responses: {'200': {description: ok}}}\n";
    let cards = "  /v1/cards/{cardId}:\n    parameters: [{name: cardId, in: path, required: true, schema: {type: string}}]\n    get: {responses: {'200': {description: ok}}}\n";
    document(accounts);
    let config = lab.path("spanlight.yaml");
    fs::write(&config, "bodies: true\n").unwrap();
    let mut sensor = lab.sensor().with("-i t0 --shards 2 --interval 1 --roll 1");
    sensor = sensor.with(config.to_str().unwrap()).with(&format!("--spec {}", specs.display()));
    let watch = sensor.start(&lab);
    let mut calls = lab.calling(u32::MAX, 8, 400, &SERVER);
    let verdict = |expected: &str| {
        let said = || verdict_on_cards(sensor_lake(&lab).as_path());
        crate::lab::wait_until(PATIENCE, || said().as_deref() == Some(expected))
            .unwrap_or_else(|()| panic!("cards are {:?}, not {expected}: {}", said(), watch.process.told()));
    };
    verdict("shadow");

    document(&format!("{accounts}{cards}"));
    watch.reload("reloaded");
    verdict("documented");

    // What cannot be read is told, all of it, and nothing changes.
    fs::write(specs.join("broken.yaml"), "openapi: 3.0.3\npaths: [\n").unwrap();
    fs::write(specs.join("dangling.yaml"), "openapi: 3.0.3\npaths: {/a: {$ref: nowhere.yaml}}\n").unwrap();
    watch.reload("reload refused");
    fs::write(&config, "no_such_key: 1\nneither_this: 2\n").unwrap();
    watch.reload("reload refused");
    let told = watch.process.told();
    for problem in ["broken.yaml", "dangling.yaml", "no_such_key", "neither_this"] {
        assert!(told.contains(problem), "{problem} is not in: {told}");
    }
    sleep(Duration::from_secs(2));
    verdict("documented");

    calls.signal("TERM");
    calls.wait(PATIENCE);
    sleep(Duration::from_millis(300));
    watch.stop();
    lab.close();
    lake::assert_true(sensor.lake(), &lab);
}

fn sensor_lake(lab: &Lab) -> std::path::PathBuf {
    lab.path("lake")
}

/// What the documents say of `GET /v1/cards/{}`, as of the latest snapshot.
fn verdict_on_cards(root: &Path) -> Option<String> {
    let cards = |line: &Value| {
        line["method"] == "GET"
            && line["path_template"].as_str().is_some_and(|path| path.starts_with("/v1/cards/{"))
    };
    let line = lake::table("inventory", root).into_iter().find(cards)?;
    line["spec"].as_str().map(str::to_owned)
}

#[test]
fn packets_it_could_not_keep_up_with_are_counted_and_told() {
    let Some(lab) = Lab::new("overload", Reach::Direct) else { return };
    lab.mirror();
    let mut sensor = lab.sensor().with("-i t0 --shards 1 --ring-mib 1 --interval 1");
    let watch = sensor.start(&lab);
    lab.call(200, 4, &SERVER);
    watch.process.signal("STOP");
    lab.call(6_000, 8, &SERVER);
    watch.process.signal("CONT");
    watch.process.await_words("LOSING PACKETS", PATIENCE);
    lab.call(200, 4, &SERVER);
    watch.stop();
    let dropped: u64 =
        lake::captures(sensor.lake()).iter().map(|row| lake::sum(&row.dropped, "ring_full")).sum();
    assert!(dropped > 1_000, "{dropped} packets dropped");
    // Coverage tells that the figures are not whole.
    assert!(lake::observations(sensor.lake()).iter().any(|stored| stored.origin.coverage < 1.0));
}
