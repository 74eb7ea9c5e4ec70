//! When something runs out, is taken away, or is more than anybody expects.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{GATE, Home, PROGRAM, eventually, pipeline, stage};

/// A small file system of its own, there until the test ends.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m,mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|it| it.status.success());
        if !mounted {
            eprintln!("skipped: this user may not mount a file system");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    fn fill(&self) {
        // As much as goes in; the error at the end is the point.
        let _ = std::fs::write(self.0.join("filler"), vec![1_u8; 64 << 20]);
    }

    fn make_space(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_ends_the_runtime_with_a_word_and_it_goes_on_once_there_is_space() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let Some(disk) = SmallDisk::mount(&home.state_dir(), 8) else { return };
    let watch = home.watch();
    home.commit("one");
    let token = home.open_gate("p");
    disk.fill();
    home.commit("two");
    watch.wait_for("history cannot be written");
    watch.wait_for("check free space");
    assert_eq!(watch.finished(), 2);
    disk.make_space();
    assert_eq!(home.open_gate("p"), token, "what was decided before is there");
    let _watch = home.watch_unready();
    home.ok(&["approve", "p/Release/gate", "--token", &token, "-m", "ok"]);
    eventually("both went through", || {
        let state = home.run(&["approve", "p/Release/gate", "-m", "ok"]);
        let executions = home.executions("p");
        let over = executions.iter().all(|it| it["status"] == "Succeeded");
        (over && executions.len() == 2 && state.code != 0).then_some(())
    });
}

#[test]
fn an_action_whose_log_finds_no_space_has_failed_with_that_reason() {
    let make = r#"commands = ["head -c 20000000 /dev/urandom | base64"]"#;
    let home = Home::with_pipeline(&pipeline("p", "main", &stage("Build", "make", make)));
    let Some(_disk) = SmallDisk::mount(&home.state_dir(), 12) else { return };
    let finished = home.run(&["run", "p"]);
    // The log has taken all space, so the history may have found none either.
    assert!([1, 2].contains(&finished.code), "{}", finished.stderr);
    for entry in std::fs::read_dir(home.state_dir().join("logs")).unwrap().flatten() {
        let log = std::fs::OpenOptions::new().write(true).open(entry.path().join("log"));
        let _ = log.map(|log| log.set_len(1000));
    }
    let _watch = home.watch_unready();
    let execution = home.newest_becomes("p", "Failed");
    let error = home.action(&execution, "make").unwrap()["output"]["executionResult"].to_string();
    assert!(error.contains("log") && error.contains("No space left"), "{error}");
}

#[test]
fn a_line_of_a_hundred_mebibytes_is_kept_and_costs_no_memory() {
    let make = r#"commands = ["head -c 104857600 /dev/zero | tr '\\0' x", "printf '\\377\\000\\033]0;title\\007\\n'", "echo over"]"#;
    let home = Home::with_pipeline(&pipeline("p", "main", &stage("Build", "make", make)));
    let watch = home.watch();
    home.commit("change");
    let execution = home.newest_becomes("p", "Succeeded");
    let status = std::fs::read_to_string(format!("/proc/{}/status", watch.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < 64 << 10, "the runtime took {kibibytes} KiB");
    let id = home.action(&execution, "make").unwrap()["actionExecutionId"].clone();
    let log = home.state_dir().join("logs").join(id.as_str().unwrap()).join("log");
    let length = std::fs::metadata(log).unwrap().len();
    assert!(length > 100 << 20, "{length}");
}

#[test]
fn nobody_else_gets_a_say() {
    if !is_root() {
        eprintln!("skipped: only root can act as somebody else");
        return;
    }
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let _watch = home.watch();
    home.commit("change");
    let token = home.open_gate("p");
    // The program and the folder around the state directory may be seen by everybody.
    let program = home.root().join("stagegate");
    std::fs::copy(PROGRAM, &program).unwrap();
    std::fs::set_permissions(home.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for arguments in [
        ["approve", "p/Release/gate", "--token", token.as_str()].as_slice(),
        &["status", "p"],
        &["shutdown"],
    ] {
        let output = Command::new(&program)
            .args(arguments)
            .env("STAGEGATE_STATE_DIR", home.state_dir())
            .current_dir("/")
            .uid(65_534)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
    }
    assert_eq!(home.open_gate("p"), token);
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

#[test]
fn with_few_file_descriptors_work_waits_or_fails_with_the_reason() {
    let home = Home::with_pipeline(&pipeline(
        "p",
        "main",
        &stage("Build", "make", r#"commands = ["true"]"#),
    ));
    drop(home.watch());
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" run p", PROGRAM])
        .current_dir(home.repository())
        .env("STAGEGATE_STATE_DIR", home.state_dir())
        .env("HOME", home.root());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_inotify_commits_are_seen_all_the_same() {
    let stages = stage("Build", "make", "commands = [\"true\"]");
    let home = Home::with_pipeline(&pipeline("shop", "main", &stages));
    // A namespace of our own in which nobody has an inotify instance left.
    let exhausted = "echo 0 > /proc/sys/user/max_inotify_instances";
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Ur", "sh", "-c", script]).current_dir(home.repository());
        command.env("STAGEGATE_STATE_DIR", home.state_dir()).env("HOME", home.root());
        command.env_remove("XDG_CONFIG_HOME").stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    if !unshare(exhausted).status().is_ok_and(|it| it.success()) {
        eprintln!("skipped: this machine gives nobody a user namespace");
        return;
    }
    let mut watch = unshare(&format!("{exhausted}; exec {PROGRAM} watch")).spawn().unwrap();
    eventually("the baseline is taken", || {
        home.run(&["events"]).stdout.contains("watching from main").then_some(())
    });
    home.commit("seen by looking");
    home.newest_becomes("shop", "Succeeded");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn front_ends_that_are_gone_leave_nothing_behind() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let watch = home.watch();
    let descriptors = || {
        let folder = format!("/proc/{}/fd", watch.id());
        std::fs::read_dir(folder).unwrap().count()
    };
    home.ok(&["status"]);
    let before = eventually("all is quiet", || {
        let count = descriptors();
        (count == descriptors()).then_some(count)
    });
    for _ in 0..10 {
        home.ok(&["status"]);
    }
    eventually("they are gone", || (descriptors() <= before).then_some(()));
}
