//! Whatever happens to the runtime: gates keep waiting, actions go on, nothing runs twice.

use crate::support::{GATE, Home, eventually, pipeline, stage};

#[test]
fn a_gate_keeps_its_token_through_kill_and_restart() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let watch = home.watch();
    home.commit("change");
    let token = home.open_gate("p");
    watch.kill_hard();
    assert_eq!(home.open_gate("p"), token, "readable without a runtime");
    let watch = home.watch_unready();
    assert_eq!(home.open_gate("p"), token);
    home.ok(&["approve", "p/Release/gate", "--token", &token]);
    home.newest_becomes("p", "Succeeded");
    assert_eq!(home.executions("p").len(), 1);
    drop(watch);
}

#[test]
fn a_running_action_survives_the_runtime_and_its_result_is_picked_up() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = [
  "echo started >> $MARK", "echo before", "while [ ! -e $MARK.go ]; do sleep 0.05; done", "echo after", "V=done",
]
output_variables = ["V"]"#,
    ) + &stage("Use", "use", r#"commands = ["echo got #{make.V}"]"#);
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    let started = || std::fs::read_to_string(&mark).unwrap_or_default();

    // It ends while nobody looks.
    let watch = home.watch();
    home.commit("one");
    eventually("the action runs", || (started() == "started\n").then_some(()));
    watch.kill_hard();
    std::fs::write(home.root().join("mark.go"), "").unwrap();
    let watch = home.watch_unready();
    let execution = home.newest_becomes("p", "Succeeded");
    let log = home.log(&execution, "make");
    assert!(log.contains("\nbefore\n") && log.contains("\nafter\n"), "{log}");
    assert!(home.log(&execution, "use").contains("got done"));
    assert_eq!(started(), "started\n", "it ran once");

    // It goes on while the next runtime looks.
    std::fs::remove_file(home.root().join("mark.go")).unwrap();
    home.commit("two");
    eventually("the action runs again", || (started() == "started\nstarted\n").then_some(()));
    watch.kill_hard();
    let watch = home.watch_unready();
    assert_eq!(home.executions("p")[0]["status"], "InProgress");
    std::fs::write(home.root().join("mark.go"), "").unwrap();
    home.newest_becomes("p", "Succeeded");
    assert_eq!(started(), "started\nstarted\n", "it ran once more, not twice");
    drop(watch);
}

/// A suspended machine is a runtime that stands still while the clock goes on.
#[test]
fn a_runtime_that_was_frozen_does_once_what_was_due_meanwhile() {
    let build = stage(
        "Build",
        "make",
        r#"commands = ["echo started >> $MARK", "while [ ! -e $MARK.go ]; do sleep 0.05; done", "echo made >> $MARK"]"#,
    );
    let mut home = Home::new();
    let folder = home.repository().join(".stagegate");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("p.toml"), pipeline("p", "main", GATE)).unwrap();
    std::fs::write(folder.join("q.toml"), pipeline("q", "other", &build)).unwrap();
    home.git(&["branch", "other"]);
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    let started = || std::fs::read_to_string(&mark).unwrap_or_default();
    let watch = home.watch();
    eventually("both are watched", || {
        (watch.output().matches("watching from").count() == 2).then_some(())
    });

    home.commit("change");
    home.git(&["branch", "--force", "other", "main"]);
    eventually("the action runs", || (started() == "started\n").then_some(()));
    let token = home.open_gate("p");
    home.ok(&["approve", "p/Release/gate", "--token", &token, "--at", "2s"]);
    let running = home.executions("q").remove(0);
    watch.freeze();
    let approved = std::time::Instant::now();
    // The action ends, the approval takes effect and a commit comes while the runtime stands still.
    std::fs::write(home.root().join("mark.go"), "").unwrap();
    eventually("the action has ended", || (started() == "started\nmade\n").then_some(()));
    home.commit("another change");
    eventually("the approval was due", || (approved.elapsed().as_secs() > 2).then_some(()));
    let read = home.run(&["status", "p"]);
    assert!(
        read.stdout.contains("AwaitingApproval") || read.stdout.contains("gate"),
        "{}",
        read.stdout
    );
    let silence = format!("the runtime (process {}) does not answer", watch.id());
    assert!(read.stderr.contains(&silence), "{}", read.stderr);
    watch.thaw();

    let made = home.newest_becomes("q", "Succeeded");
    assert_eq!(made["pipelineExecutionId"], running["pipelineExecutionId"]);
    assert_eq!(started(), "started\nmade\n", "it ran once");
    let executions = home.executions_become("p", 2);
    eventually("what was approved is through", || {
        (home.executions("p")[1]["status"] == "Succeeded").then_some(())
    });
    assert_eq!(home.log(&executions[1], "ship").matches("\nshipped").count(), 1);
    assert_ne!(home.open_gate("p"), token, "the next one waits for its own decision");
    drop(watch);
}

#[test]
fn an_action_whose_supervisor_is_gone_has_failed_and_can_be_retried() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = ["echo $PPID > $MARK", "test -e $MARK.go || sleep 300"]"#,
    );
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    let watch = home.watch();
    home.commit("change");
    let supervisor: i32 =
        eventually("the action runs", || std::fs::read_to_string(&mark).ok()?.trim().parse().ok());
    let pid = rustix::process::Pid::from_raw(supervisor).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let failed = home.newest_becomes("p", "Failed");
    let action = home.action(&failed, "make").unwrap();
    let message =
        action["output"]["executionResult"]["errorDetails"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("its supervisor is gone"), "{message}");
    std::fs::write(home.root().join("mark.go"), "").unwrap();
    home.ok(&["retry", "p/Build"]);
    home.newest_becomes("p", "Succeeded");
    drop(watch);
}

#[test]
fn an_abandon_without_a_runtime_ends_the_action_when_one_starts() {
    let stages = stage("Build", "make", r#"commands = ["echo $$ > $MARK", "sleep 300"]"#);
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    let watch = home.watch();
    home.commit("change");
    let pid: u32 =
        eventually("the action runs", || std::fs::read_to_string(&mark).ok()?.trim().parse().ok());
    watch.kill_hard();
    home.ok(&["stop", "p", "--abandon"]);
    let process = std::path::PathBuf::from(format!("/proc/{pid}"));
    assert!(process.exists(), "it goes on until a runtime starts");
    let watch = home.watch_unready();
    home.newest_becomes("p", "Stopped");
    eventually("the process is gone", || {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    drop(watch);
}

#[test]
fn a_storm_of_kills_loses_no_execution_and_runs_nothing_twice() {
    let stages = stage("One", "one", r#"commands = ["echo $STAGEGATE_EXECUTION_ID one >> $MARK"]"#)
        + &stage("Two", "two", r#"commands = ["echo $STAGEGATE_EXECUTION_ID two >> $MARK"]"#);
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    home.watch().terminate();
    for number in 0..12 {
        let watch = home.watch_unready();
        watch.wait_for("serving");
        home.commit(&format!("commit {number}"));
        // Each round is cut off a little later, so that every phase is hit by some.
        let lines = number / 2;
        eventually("it got far enough", || (watch.output().lines().count() > lines).then_some(()));
        watch.kill_hard();
    }
    let _watch = home.watch_unready();
    let last = home.commit("the last");
    eventually("the last commit went through", || {
        let executions = home.executions("p");
        let newest = executions.first()?;
        (newest["sourceRevisions"][0]["revisionId"] == last.as_str()
            && newest["status"] == "Succeeded")
            .then_some(())
    });
    let executions = home.executions("p");
    for execution in &executions {
        let status = execution["status"].as_str().unwrap();
        assert!(["Succeeded", "Superseded"].contains(&status), "{execution}");
    }
    let runs = std::fs::read_to_string(&mark).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for run in runs.lines() {
        assert!(seen.insert(run.to_owned()), "{run} ran twice");
    }
    let succeeded = executions.iter().filter(|it| it["status"] == "Succeeded").count();
    let finished = seen.iter().filter(|run| run.ends_with("two")).count();
    assert_eq!(finished, succeeded, "what succeeded has run");
}
