//! Actions with an image: what the container engine is told, and a real engine where there is one.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::support::{Home, eventually, pipeline, stage};

/// Writes down what it is told and runs the command without any container.
const PRETENDED_ENGINE: &str = r#"#!/bin/sh
echo "$HOME: $@" >> "$0.told"
[ "$1" = run ] || exit 0
while [ "$1" != --entrypoint ]; do
  if [ "$1" = --env ]; then case $2 in *=*) export "$2" ;; esac; fi
  shift
done
shift 3
exec sh "$@"
"#;

fn with_settings(pipeline: &str, settings: &str) -> Home {
    let mut home = Home::with_pipeline(pipeline);
    let file = home.root().join("config.toml");
    std::fs::write(&file, settings).unwrap();
    let setting = ("STAGEGATE_CONFIG".to_owned(), file.to_string_lossy().into_owned());
    home.environment.push(setting);
    home
}

#[test]
fn the_engine_is_told_image_folders_and_variables_but_no_secret() {
    let action = r#"image = "debian:#{variables.release}"
commands = ["echo $PLAIN ${#TOKEN}", "VERSION=7", "cat file.txt > out.txt"]
output_variables = ["VERSION"]
output_artifacts = [{ name = "out", files = ["out.txt"] }]
environment_variables = [
  { name = "PLAIN", value = "in the open" },
  { name = "HOME", value = "/inside" },
  { name = "TOKEN", value = "env:MY_TOKEN", type = "SECRET" },
]"#;
    let variable = "[[variable]]\nname = \"release\"\ndefault_value = \"12\"\n";
    let text = pipeline("p", "main", &(stage("Build", "make", action) + variable));
    let engines = tempfile::tempdir().unwrap();
    let engine = engines.path().join("engine");
    std::fs::write(&engine, PRETENDED_ENGINE).unwrap();
    std::fs::set_permissions(&engine, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut home = with_settings(
        &text,
        &format!("[containers]\nengine = [{engine:?}]\narguments = [\"--network=none\"]"),
    );
    home.environment.push(("MY_TOKEN".to_owned(), "hunter2".to_owned()));
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let execution = home.executions("p").remove(0);
    assert!(home.log(&execution, "make").contains("\nin the open 7\n"));
    assert_eq!(
        home.action(&execution, "make").unwrap()["output"]["outputVariables"]["VERSION"],
        "7"
    );
    let told = std::fs::read_to_string(engines.path().join("engine.told")).unwrap();
    let source = home.state_dir().join("workspaces/p/main/Build/make/src");
    for part in [
        "run --rm --name stagegate-",
        &format!(" --workdir {} ", source.display()),
        " --env PLAIN=in the open ",
        " --env TOKEN --network=none --entrypoint sh debian:12 -c ",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("hunter2") && !told.contains("PATH="), "{told}");
    assert!(told.contains(" --env HOME=/inside ") && !told.starts_with("/inside"), "{told}");
}

#[test]
fn without_an_engine_the_action_fails_and_says_what_to_do() {
    let action = "image = \"debian:12\"\ncommands = [\"true\"]";
    let text = pipeline("p", "main", &stage("Build", "make", action));
    let home = with_settings(&text, "[containers]\nengine = [\"/no/engine\"]");
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 1);
    assert!(finished.stdout.contains("cannot start /no/engine"), "{}", finished.stdout);
}

#[test]
fn commands_run_inside_the_image_and_a_container_ends_with_its_action() {
    let Some(settings) = real_engine() else { return };
    let inside = format!(
        "image = {IMAGE:?}\ncommands = [\"ls /bin/busybox /etc/passwd || echo elsewhere\", \
         \"cat file.txt > out.txt; id -u\", \"exit 7\"]"
    );
    let home = with_settings(&pipeline("p", "main", &stage("Build", "make", &inside)), settings);
    let finished = home.run(&["run", "p"]);
    let execution = home.executions("p").remove(0);
    let log = home.log(&execution, "make");
    assert!(finished.stdout.contains("exit code 7"), "{}{log}", finished.stdout);
    assert!(log.contains("\nelsewhere\n"), "{log}");
    let out = home.state_dir().join("workspaces/p/main/Build/make/src/out.txt");
    assert_eq!(std::fs::read_to_string(out).unwrap(), "first\n");

    let waits = format!("image = {IMAGE:?}\ncommands = [\"echo up; sleep 300\"]");
    home.write_pipeline(&pipeline("p", "main", &stage("Build", "make", &waits)));
    // What is there was seen by the run above.
    let watch = home.watch_unready();
    watch.wait_for("version 2 loaded");
    home.ok(&["start", "p"]);
    let execution = logs_up(&home);
    let id = execution["pipelineExecutionId"].as_str().unwrap();
    let container = container_of(&home, &execution);
    assert!(is_there(&container), "{container}");
    home.ok(&["stop", "p", "--execution", id, "--abandon"]);
    eventually("the container is gone", || (!is_there(&container)).then_some(()));
}

#[test]
fn a_container_that_lost_everybody_is_removed_once_nobody_wants_it() {
    let Some(settings) = real_engine() else { return };
    let waits = format!("image = {IMAGE:?}\ncommands = [\"echo up; sleep 300\"]");
    let home = with_settings(&pipeline("p", "main", &stage("Build", "make", &waits)), settings);
    let watch = home.watch();
    home.ok(&["start", "p"]);
    let execution = logs_up(&home);
    let container = container_of(&home, &execution);
    let supervisors = children(watch.id());
    let clients: Vec<u32> = supervisors.iter().flat_map(|it| children(*it)).collect();
    watch.kill_hard();
    for process in supervisors.iter().chain(&clients) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(*process).unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    assert!(is_there(&container), "{container}");
    let id = execution["pipelineExecutionId"].as_str().unwrap();
    home.ok(&["stop", "p", "--execution", id, "--abandon"]);
    let _watch = home.watch_unready();
    eventually("the container is gone", || (!is_there(&container)).then_some(()));
}

fn logs_up(home: &Home) -> serde_json::Value {
    eventually("the container is up", || {
        let newest = home.executions("p").into_iter().next()?;
        let logs = home.run(&["logs", newest["pipelineExecutionId"].as_str()?, "make"]);
        logs.stdout.contains("\nup").then_some(newest)
    })
}

fn container_of(home: &Home, execution: &serde_json::Value) -> String {
    let action = home.action(execution, "make").unwrap();
    format!("stagegate-{}", action["actionExecutionId"].as_str().unwrap())
}

fn is_there(container: &str) -> bool {
    engine(&["ps", "--format={{.Names}}"]).is_some_and(|it| it.contains(container))
}

fn children(process: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    listed.unwrap().split_whitespace().map(|it| it.parse().unwrap()).collect()
}

const IMAGE: &str = "localhost/stagegate-test:latest";

/// Returns the settings with which podman works here, and makes an image with nothing but busybox.
fn real_engine() -> Option<&'static str> {
    static WORKS: OnceLock<Option<String>> = OnceLock::new();
    let works = WORKS.get_or_init(|| {
        make_image()?;
        // The engine's own choice, and one for where nobody may raise limits.
        let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        let ways = [(&[][..], &[][..]), (&["--runtime", "runc"], &limits)];
        ways.into_iter().find_map(|(before, after)| {
            let words = [before, &["run", "--rm"], after, &[IMAGE, "true"]].concat();
            engine(&words)?;
            let program = [&["podman"], before].concat();
            Some(format!("[containers]\nengine = {program:?}\narguments = {after:?}"))
        })
    });
    if works.is_none() {
        eprintln!("skipped: podman cannot run a container here, or there is no static busybox");
    }
    works.as_deref()
}

fn make_image() -> Option<()> {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy("/bin/busybox", bin.join("busybox")).ok()?;
    for name in ["sh", "ls", "cat", "sleep", "id", "kill", "true"] {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    let tar = root.path().join("image.tar");
    let packed = Command::new("tar")
        .args(["-C", root.path().to_str()?, "-cf", tar.to_str()?, "bin"])
        .status();
    packed.ok()?.success().then_some(())?;
    engine(&["import", Path::new(&tar).to_str()?, IMAGE]).map(drop)
}

/// Returns what podman prints, if it succeeds.
fn engine(arguments: &[&str]) -> Option<String> {
    let output = Command::new("podman").args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
