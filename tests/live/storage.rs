//! A lake that cannot be written for a while.

use crate::lab::{Lab, PATIENCE, Process, Reach, SERVER, wait_until};
use crate::lake;
use crate::sensor::{DRAIN, Sensor, program};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_full_disk_delays_rows_and_loses_none() {
    outlasts("full", "size=48k", None, "size=64m");
}

#[test]
fn a_lake_out_of_reach_delays_rows_and_loses_none() {
    outlasts("unreachable", "size=64m", Some("ro"), "rw");
}

#[test]
fn what_the_end_could_not_write_the_next_start_does() {
    let Some(mut lab) = Lab::new("spooled", Reach::Direct) else { return };
    lab.mirror();
    let volume = Volume::new(&lab, "size=64m");
    let mut sensor =
        lab.sensor().with("-i t0 --shards 2 --interval 1 --roll 1").into_lake(volume.folder.clone());
    let start = |sensor: &mut Sensor| {
        let watch = sensor.start_with(volume.around(&lab.tap.command(program())));
        watch.process.await_words("capturing on", PATIENCE);
        watch
    };
    let mut watch = start(&mut sensor);
    lab.call(1_000, 8, &SERVER);
    volume.remount("ro");
    lab.call(1_000, 8, &SERVER);
    watch.process.signal("TERM");
    watch.process.wait(DRAIN * 2);
    volume.remount("rw");
    start(&mut sensor).stop();
    lab.close();
    lake::assert_true(&volume.seen_from_here(), &lab);
}

/// Lets a lake's file system, mounted with these options, refuse for a while (once remounted so), and mend.
fn outlasts(name: &str, mounted: &str, refusing: Option<&str>, mending: &str) {
    let Some(mut lab) = Lab::new(name, Reach::Direct) else { return };
    lab.mirror();
    let volume = Volume::new(&lab, mounted);
    let mut sensor =
        lab.sensor().with("-i t0 --shards 2 --interval 1 --roll 1").into_lake(volume.folder.clone());
    let watch = sensor.start_with(volume.around(&lab.tap.command(program())));
    watch.process.await_words("capturing on", PATIENCE);
    let mut calls = lab.calling(u32::MAX, 4, 300, &SERVER);
    sleep(Duration::from_secs(2));
    if let Some(options) = refusing {
        volume.remount(options);
    }
    let complaint = if refusing.is_some() { "Read-only file system" } else { "No space left on device" };
    watch.process.await_words(complaint, PATIENCE);
    // It goes on capturing meanwhile.
    sleep(Duration::from_secs(3));
    volume.remount(mending);
    sleep(Duration::from_secs(3));
    calls.signal("TERM");
    calls.wait(PATIENCE);
    sleep(Duration::from_millis(300));
    watch.stop();
    lab.close();
    lake::assert_true(&volume.seen_from_here(), &lab);
}

/// A small file system that only the sensor's mount namespace has.
struct Volume {
    keeper: Process,
    folder: PathBuf,
}

impl Volume {
    fn new(lab: &Lab, options: &str) -> Self {
        let folder = lab.path("volume");
        std::fs::create_dir(&folder).unwrap();
        let mut keeper = Command::new("unshare");
        keeper.args([
            "--mount",
            "sh",
            "-c",
            r#"mount -t tmpfs -o mode=777,"$1" tmpfs "$2" && echo mounted && exec sleep 600"#,
        ]);
        keeper.args(["sh", options]).arg(&folder).stdin(Stdio::null());
        let keeper = Process::spawn("unshare", keeper, &lab.path("keeper"));
        keeper.await_words("mounted", PATIENCE);
        Self { keeper, folder }
    }

    /// The front of a command that runs where the file system is.
    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.keeper.id().to_string()]).stdin(Stdio::null());
        command
    }

    /// A command, run where the file system is.
    fn around(&self, inner: &Command) -> Command {
        let mut command = self.command();
        command.arg(inner.get_program()).args(inner.get_args());
        command
    }

    /// Changes its options, once nobody is in the middle of a file.
    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let remounted = || {
            let output = self.command().args(["mount", "-o", &options]).arg(&self.folder).output();
            output.is_ok_and(|output| output.status.success())
        };
        wait_until(PATIENCE, remounted).unwrap_or_else(|()| panic!("mount -o {options}"));
    }

    fn seen_from_here(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        PathBuf::from(root).join(self.folder.strip_prefix("/").unwrap())
    }
}
