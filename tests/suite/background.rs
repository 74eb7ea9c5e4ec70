//! A runtime apart from any terminal: how it comes, how it is reached, how it ends.

use std::{os::unix::net::UnixDatagram, path::PathBuf};

use crate::support::{Home, eventually, pipeline, stage};

const WORK: &str =
    r#"commands = ["echo run >> $MARK.runs", "until [ -e $MARK ]; do sleep 0.02; done"]"#;

/// A runtime in the background that ends with the test.
struct Detached(Home);

impl Detached {
    fn start(stages: &str) -> (Self, PathBuf) {
        let mut home = Home::with_pipeline(&pipeline("p", "main", stages));
        let mark = home.root().join("mark");
        home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
        let detached = Self(home);
        detached.0.ok(&["watch", "--detach"]);
        eventually("the commits are watched", || {
            detached.0.ok(&["events", "p"]).contains("watching from main").then_some(())
        });
        (detached, mark)
    }

    fn work_starts(&self, subject: &str) {
        self.0.commit(subject);
        eventually("the action runs", || {
            let runs = std::fs::read_to_string(self.0.root().join("mark.runs")).ok()?;
            (!runs.is_empty()).then_some(())
        });
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let _ = self.0.run(&["shutdown", "--abandon"]);
    }
}

fn two_stages() -> String {
    stage("Build", "make", WORK) + &stage("After", "next", r#"commands = ["true"]"#)
}

#[test]
fn a_runtime_that_ends_leaves_its_actions_to_the_next_one() {
    let (it, mark) = Detached::start(&two_stages());
    let home = &it.0;
    assert!(home.ok(&["watch", "--detach"]).is_empty(), "a second one is not needed");
    it.work_starts("change");
    let ended = home.run(&["shutdown"]);
    assert!(ended.stderr.contains("one action goes on"), "{}", ended.stderr);
    assert!(home.run(&["shutdown"]).stderr.contains("no runtime serves"));
    std::fs::write(&mark, "").unwrap();
    home.ok(&["watch", "--detach"]);
    home.newest_becomes("p", "Succeeded");
    let runs = std::fs::read_to_string(home.root().join("mark.runs")).unwrap();
    assert_eq!(runs, "run\n", "it ran once");
}

#[test]
fn a_runtime_can_end_when_its_actions_have_and_starts_nothing_more() {
    let (it, mark) = Detached::start(&two_stages());
    let home = &it.0;
    it.work_starts("change");
    let ending = home.background(&["shutdown", "--when-idle"]);
    ending.wait_for("waiting for the running actions");
    let told = home.ok(&["status"]);
    assert!(told.contains("ends this runtime when the running actions have ended"), "{told}");
    std::fs::write(&mark, "").unwrap();
    assert_eq!(ending.finished(), 0);
    let execution = home.executions("p").remove(0);
    assert_eq!(home.action(&execution, "make").unwrap()["status"], "Succeeded");
    assert!(home.action(&execution, "next").is_none(), "nothing more has started");
    home.ok(&["watch", "--detach"]);
    home.newest_becomes("p", "Succeeded");
}

#[test]
fn a_runtime_can_take_its_actions_with_it() {
    let (it, _mark) = Detached::start(&two_stages());
    let home = &it.0;
    it.work_starts("change");
    home.ok(&["shutdown", "--abandon"]);
    let stopped = home.executions("p").remove(0);
    assert_eq!(stopped["status"], "Stopped");
    assert_eq!(home.action(&stopped, "make").unwrap()["status"], "Abandoned");
    let id = home.action(&stopped, "make").unwrap()["actionExecutionId"].clone();
    let job = home.state_dir().join("logs").join(id.as_str().unwrap());
    eventually("its processes have ended", || job.join("result.json").exists().then_some(()));
}

#[test]
fn attach_never_starts_a_runtime() {
    let home = Home::new();
    let refused = home.run(&["attach"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("watch --detach"), "{}", refused.stderr);
    assert!(!home.state_dir().exists());
}

#[test]
fn a_runtime_that_cannot_come_up_says_why() {
    let home = Home::with_pipeline("name = \"p\"\n");
    let failed = home.run(&["watch", "--detach"]);
    assert_eq!(failed.code, 2);
    assert!(failed.stderr.contains("the runtime has ended at once"), "{}", failed.stderr);
}

#[test]
fn a_service_manager_is_told_when_the_runtime_is_ready() {
    let mut home = Home::with_pipeline(&pipeline("p", "main", &two_stages()));
    let path = home.root().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::support::patience())).unwrap();
    home.environment.push(("NOTIFY_SOCKET".to_owned(), path.to_string_lossy().into_owned()));
    let _watch = home.watch();
    let mut message = [0; 64];
    let length = socket.recv(&mut message).unwrap();
    assert_eq!(message[..length].trim_ascii_end(), b"READY=1");
}
