//! What `deploy/` ships: the sample against the code, the unit and the manifests against what reads them.
//!
//! Tools that a machine may lack (systemd-analyze, helm, kubernetes-validate) are used where they are; what is skipped
//! says so. What can be checked without them always is.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is not as expected fails")]

mod common;

use common::{spanlight, stderr, stdout};
use serde::Deserialize as _;
use serde_json::Value;
use spanlight::config::{Config, InterfaceConfig, Settings};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn documents(text: &str) -> Vec<Value> {
    let all = serde_norway::Deserializer::from_str(text).map(|one| Value::deserialize(one).unwrap());
    all.filter(|one| !one.is_null()).collect()
}

/// Runs a tool; `None`, and said, where it is not installed.
fn tool(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped: {}: {error}", command.get_program().display());
            None
        }
    }
}

/// The keys of a section and, as paths, of those in it.
fn keys(value: &Value, above: &str, into: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{above}{key}");
        keys(value, &format!("{path}."), into);
        into.insert(path);
    }
}

#[test]
fn the_sample_holds_every_key_and_says_the_defaults() {
    let file = deploy("spanlight.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let [mut sample] = documents(&text).try_into().unwrap();
    let mut known = serde_json::to_value(Config::default()).unwrap();
    let interface = sample["interfaces"].as_array().unwrap().first().unwrap().clone();
    let (mut in_sample, mut in_config) = (BTreeSet::new(), BTreeSet::new());
    keys(&interface, "interfaces.", &mut in_sample);
    keys(&serde_json::to_value(InterfaceConfig::default()).unwrap(), "interfaces.", &mut in_config);
    keys(&sample.take(), "", &mut in_sample);
    keys(&known.take(), "", &mut in_config);
    assert_eq!(in_sample, in_config);

    let settings = Settings::load(&file).unwrap();
    let interfaces = vec![InterfaceConfig::named("eth1")];
    let defaults = Settings::from_config(&Config { interfaces, ..Config::default() }).unwrap();
    assert_eq!(settings.differences(&defaults), []);
    assert_eq!(settings.interfaces, defaults.interfaces);
    assert_eq!(settings.log, defaults.log);
    for (at, line) in text.lines().enumerate() {
        assert!(line.chars().count() <= 130, "line {} is too long to read", at + 1);
    }
}

#[test]
fn the_unit_is_understood_and_as_tight_as_it_goes() {
    let unit = fs::read_to_string(deploy("spanlight.service")).unwrap();
    for line in [
        "Type=notify",
        "AmbientCapabilities=CAP_NET_RAW",
        "CapabilityBoundingSet=CAP_NET_RAW",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "StateDirectory=spanlight",
        "Restart=on-failure",
        "WatchdogSec=60",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
    // systemd-analyze wants the program that is started to be there.
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("spanlight.service");
    fs::write(&here, unit.replace("/usr/bin/spanlight", env!("CARGO_BIN_EXE_spanlight"))).unwrap();
    let Some(verified) = tool(Command::new("systemd-analyze").arg("verify").arg(&here)) else { return };
    let said = stderr(&verified);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("spanlight.service")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
    let mut rate = Command::new("systemd-analyze");
    rate.args(["security", "--offline=true", "--no-pager", "--threshold=20"]).arg(&here);
    let rated = tool(&mut rate).unwrap();
    // Versions before 250 cannot rate a file.
    if !stderr(&rated).contains("unrecognized option") {
        assert!(rated.status.success(), "an exposure above 2.0:\n{}", stdout(&rated));
    }
}

/// What every manifest must say of the sensor's pods.
fn assert_locked_down(daemon_set: &Value, from: &str) {
    let pod = &daemon_set["spec"]["template"]["spec"];
    assert_eq!(pod["hostNetwork"], true, "{from}");
    assert_eq!(pod["automountServiceAccountToken"], false, "{from}");
    assert_eq!(
        daemon_set["spec"]["selector"]["matchLabels"], daemon_set["spec"]["template"]["metadata"]["labels"],
        "{from}"
    );
    let sensor = &pod["containers"][0];
    let security = &sensor["securityContext"];
    assert_eq!(security["runAsNonRoot"], true, "{from}");
    assert_eq!(security["runAsUser"], 65_532, "{from}");
    assert_eq!(security["readOnlyRootFilesystem"], true, "{from}");
    assert_eq!(security["capabilities"], serde_json::json!({"drop": ["ALL"], "add": ["NET_RAW"]}), "{from}");
    assert_eq!(sensor["args"], serde_json::json!(["watch", "/etc/spanlight/spanlight.yaml"]), "{from}");
    for container in
        pod["containers"].as_array().unwrap().iter().chain(pod["initContainers"].as_array().unwrap())
    {
        assert!(container["resources"]["requests"]["cpu"].is_string(), "{from}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{from}");
        assert_ne!(container["securityContext"]["privileged"], true, "{from}");
    }
    let mounted: BTreeSet<&str> = sensor["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|mount| mount["name"].as_str())
        .collect();
    let volumes: BTreeSet<&str> =
        pod["volumes"].as_array().unwrap().iter().filter_map(|volume| volume["name"].as_str()).collect();
    assert_eq!(mounted, volumes, "{from}");
}

fn of_kind<'v>(documents: &'v [Value], kind: &str) -> &'v Value {
    documents.iter().find(|one| one["kind"] == kind).unwrap()
}

/// The file that a manifest hands to the sensor must be one that the sensor takes.
fn assert_config_is_taken(documents: &[Value]) {
    let text = of_kind(documents, "ConfigMap")["data"]["spanlight.yaml"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("spanlight.yaml"), text).unwrap();
    let settings = Settings::load(&folder.path().join("spanlight.yaml")).unwrap();
    assert!(settings.state.starts_with("/var/lib/spanlight"), "the one folder that is kept");
}

#[test]
fn the_manifest_is_locked_down_and_valid() {
    let file = deploy("kubernetes/daemonset.yaml");
    let documents = documents(&fs::read_to_string(&file).unwrap());
    assert_locked_down(of_kind(&documents, "DaemonSet"), "daemonset.yaml");
    assert_config_is_taken(&documents);
    if let Some(checked) = tool(Command::new("kubernetes-validate").arg("--strict").arg(&file)) {
        assert!(checked.status.success(), "{}{}", stdout(&checked), stderr(&checked));
    }
}

#[test]
fn the_chart_makes_what_the_manifest_says() {
    let values = documents(&fs::read_to_string(deploy("helm/spanlight/values.yaml")).unwrap());
    let chart = documents(&fs::read_to_string(deploy("helm/spanlight/Chart.yaml")).unwrap());
    assert_eq!(chart[0]["appVersion"], env!("CARGO_PKG_VERSION"));
    let template = fs::read_to_string(deploy("helm/spanlight/templates/daemonset.yaml")).unwrap();
    for line in [
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "drop: [ALL]",
        "add: [NET_RAW]",
        "hostNetwork: true",
    ] {
        assert!(template.contains(line), "{line}");
    }
    assert!(values[0]["resources"]["limits"]["memory"].is_string());
    let render = |settings: &[&str]| {
        let mut helm = Command::new("helm");
        helm.args(["template", "spanlight"]).arg(deploy("helm/spanlight"));
        tool(helm.args(["--namespace", "spanlight", "--kube-version", "1.25.0"]).args(settings))
    };
    let Some(rendered) = render(&[]) else { return };
    let mut rendered = documents(&stdout(&rendered));
    for one in &mut rendered {
        if let Some(metadata) = one.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
            assert!(metadata.remove("annotations").is_some(), "a new configuration starts new pods");
        }
    }
    let manifest = documents(&fs::read_to_string(deploy("kubernetes/daemonset.yaml")).unwrap());
    for kind in ["ConfigMap", "DaemonSet"] {
        assert_eq!(of_kind(&rendered, kind), of_kind(&manifest, kind), "{kind}");
    }
    let everything =
        ["--set", "keySecret=k,lakeClaim=l,specConfigMaps={a},priorityClassName=p,podAnnotations.a=b"];
    let rendered = render(&everything).unwrap();
    let rendered = documents(&stdout(&rendered));
    assert_locked_down(of_kind(&rendered, "DaemonSet"), "every value set");
    assert_config_is_taken(&rendered);
}

#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn a_program_with_the_one_capability_in_its_file_captures_as_another_user() {
    if !is_root() {
        eprintln!("skipped: only root gives a file a capability");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("spanlight");
    fs::copy(env!("CARGO_BIN_EXE_spanlight"), &program).unwrap();
    allow_all(folder.path());
    let Some(set) = tool(Command::new("setcap").arg("cap_net_raw+ep").arg(&program)) else { return };
    assert!(set.status.success(), "{}", stderr(&set));
    // As the manifests start it: another user, and nothing but the one capability in reach.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65532", "--regid=65532", "--clear-groups", "--bounding-set=-all,+net_raw"]);
    let Some(output) = tool(command.arg(&program).args(["doctor", "-i", "lo", "--json"])) else { return };
    let told = stdout(&output);
    let capture = told.lines().find(|line| line.contains(r#""check":"capture""#)).unwrap();
    assert!(capture.contains(r#""verdict":"ok""#), "{told}");
}

#[cfg(all(feature = "live", target_os = "linux"))]
fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap_or_default().contains("\nUid:\t0\t0\t")
}

#[cfg(all(feature = "live", target_os = "linux"))]
fn allow_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_sample_passes_the_check_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = spanlight(folder.path()).arg("check").arg(deploy("spanlight.yaml")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("eth1  all packets, promiscuous"), "{}", stdout(&output));
}
