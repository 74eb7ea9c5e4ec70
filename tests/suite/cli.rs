//! The verbs, their output and their exit codes.

use crate::support::{GATE, Home, eventually, pipeline, stage};

const QUICK: &str = r#"commands = ["echo built"]"#;

#[test]
fn init_writes_a_pipeline_that_runs() {
    let home = Home::new();
    std::fs::write(home.repository().join("Makefile"), "test:\n\t@echo tested\n").unwrap();
    let out = home.ok(&["init"]);
    assert!(out.contains("Makefile"), "{out}");
    assert_eq!(home.run(&["init"]).code, 2, "an existing file is not replaced");
    home.git(&["add", "Makefile"]);
    home.commit("with a Makefile");
    let finished = home.run(&["run", "repository"]);
    assert_eq!(finished.code, 6, "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains("stagegate approve repository/Release/go-no-go"));
}

#[test]
fn init_outside_a_repository_says_what_to_do() {
    let home = Home::new();
    let mut command = home.command(&["init"]);
    let output = command.current_dir(home.root()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.contains("is not in a git repository") && stderr.contains("git init"),
        "{stderr}"
    );
}

#[test]
fn run_exits_with_the_result() {
    for (commands, code) in [("[\"true\"]", 0), ("[\"exit 7\"]", 1)] {
        let stages = stage("Build", "make", &format!("commands = {commands}"));
        let home = Home::with_pipeline(&pipeline("p", "main", &stages));
        let finished = home.run(&["run", "p"]);
        assert_eq!(finished.code, code, "{}{}", finished.stdout, finished.stderr);
    }
}

#[test]
fn run_stops_at_a_gate_and_a_rejection_is_an_exit_code_of_its_own() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    assert_eq!(home.run(&["run", "p"]).code, 6);

    let watch = home.watch_unready();
    home.ok(&["reject", "p/Release/gate", "-m", "first one out"]);
    let run = home.background(&["run", "p", "--wait-for-approval"]);
    home.open_gate("p");
    home.ok(&["reject", "p/Release/gate", "-m", "not today"]);
    assert_eq!(run.finished(), 4);

    let newest = home.executions("p").remove(0);
    let gate = home.action(&newest, "gate").unwrap();
    let result = &gate["output"]["executionResult"];
    assert_eq!(result["externalExecutionSummary"], "not today");
    assert_eq!(
        result["errorDetails"]["message"].as_str().unwrap().split(": ").last(),
        Some("not today")
    );
    assert!(gate["updatedBy"].as_str().unwrap().starts_with("sam@"));
    drop(watch);
}

#[test]
fn a_gate_is_decided_once_and_the_loser_is_told_who_won() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let watch = home.watch();
    home.commit("change");
    let token = home.open_gate("p");
    home.ok(&["approve", "p/Release/gate", "-m", "ok"]);
    home.newest_becomes("p", "Succeeded");
    for arguments in [
        vec!["approve", "p/Release/gate", "--token", &token],
        vec!["reject", "p/Release/gate", "-m", "too late"],
    ] {
        let late = home.run(&arguments);
        assert!([3, 4].contains(&late.code), "{}: {}", late.code, late.stderr);
        assert!(late.stderr.contains("already approved by sam@"), "{}", late.stderr);
    }
    let unknown = "00000000-0000-4000-8000-000000000000";
    let wrong = home.run(&["approve", "p/Release/gate", "--token", unknown]);
    assert_eq!(wrong.code, 3, "{}", wrong.stderr);
    drop(watch);
}

#[test]
fn decisions_are_kept_with_who_when_for_what_and_why() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let _watch = home.watch();
    let commit = home.commit("change");
    home.open_gate("p");
    home.ok(&["transition", "disable", "p/Release", "-m", "frozen"]);
    home.ok(&["approve", "p/Release/gate", "-m", "looks good"]);
    home.newest_becomes("p", "Succeeded");
    let all = home.json(&["history", "--decisions", "--json"])["decisions"].clone();
    assert_eq!(all[1]["decision"], "TransitionDisabled");
    assert_eq!(all[1]["summary"], "frozen");
    let approval = &all[0];
    assert_eq!(approval["decision"], "Approved");
    assert_eq!(approval["summary"], "looks good");
    assert_eq!(approval["sourceRevisions"][0]["revisionId"], commit);
    assert_eq!(approval["by"]["user"], "sam");
    assert_eq!(approval["by"]["client"], "cli");
    assert!(approval["by"]["uid"].is_u64() && approval["at"].is_number(), "{approval}");
    let printed = home.ok(&["history", "p", "--decisions"]);
    assert!(printed.contains("p/Release/gate") && printed.contains("looks good"), "{printed}");
}

#[test]
fn three_quick_commits_before_a_gate_supersede_the_middle_one() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let watch = home.watch();
    let first = home.commit("first in");
    home.open_gate("p");
    let middle = home.commit("middle");
    eventually("the middle one waits", || {
        let state = home.json(&["status", "p", "--json"]);
        let release = state["stageStates"].as_array()?.last()?.clone();
        let reason = release["inboundExecution"]["waitReason"].as_str()?.to_owned();
        let _: () = assert_eq!(
            reason,
            format!("waits: {} is in the stage, held at the gate gate", &first[..7])
        );
        Some(())
    });
    let middle_id = home.executions("p")[0]["pipelineExecutionId"].as_str().unwrap().to_owned();
    home.commit("last");
    let executions = eventually("the middle one is superseded", || {
        let executions = home.executions("p");
        (executions.len() == 3 && executions[1]["status"] == "Superseded").then_some(executions)
    });
    assert_eq!(executions[1]["sourceRevisions"][0]["revisionId"], middle.as_str());
    let refused = home.run(&["approve", "p/Release/gate", "--execution", &middle_id]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("was superseded by"), "{}", refused.stderr);
    drop(watch);
}

#[test]
fn a_downgrade_needs_its_revision_named() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let watch = home.watch();
    let old = home.git(&["rev-parse", "HEAD"]);
    home.commit("new");
    home.open_gate("p");
    home.ok(&["approve", "p"]);
    home.newest_becomes("p", "Succeeded");
    home.ok(&["start", "p", "--revision", &old]);
    home.open_gate("p");
    let refused = home.run(&["approve", "p"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("DOWNGRADE"), "{}", refused.stderr);
    assert_eq!(home.run(&["approve", "p", "--if-revision", "1234567"]).code, 3);
    home.ok(&["approve", "p", "--if-revision", &old[..7]]);
    home.newest_becomes("p", "Succeeded");
    drop(watch);
}

#[test]
fn without_a_runtime_a_decision_is_recorded_and_acted_on_later() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    assert_eq!(home.run(&["run", "p"]).code, 6);
    let approved = home.run(&["approve", "p/Release/gate", "-m", "later"]);
    assert_eq!(approved.code, 0, "{}", approved.stderr);
    assert!(approved.stderr.contains("nothing runs until one is started"), "{}", approved.stderr);
    assert_eq!(home.executions("p")[0]["status"], "InProgress");
    let watch = home.watch_unready();
    home.newest_becomes("p", "Succeeded");
    drop(watch);
}

#[test]
fn retry_runs_only_what_failed() {
    let stages = r#"[[stage]]
name = "Test"
[[stage.action]]
name = "good"
category = "Test"
commands = ["echo run >> $MARK"]
[[stage.action]]
name = "flaky"
category = "Test"
commands = ["test -e $MARK.fixed"]
"#;
    let mut home = Home::with_pipeline(&pipeline("p", "main", stages));
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    let watch = home.watch();
    home.commit("change");
    home.newest_becomes("p", "Failed");
    std::fs::write(home.root().join("mark.fixed"), "").unwrap();
    home.ok(&["retry", "p/Test"]);
    let execution = home.newest_becomes("p", "Succeeded");
    assert_eq!(
        std::fs::read_to_string(mark).unwrap(),
        "run\n",
        "what had succeeded did not run again"
    );
    assert_eq!(home.action(&execution, "flaky").unwrap()["attempt"], 2);
    assert_eq!(home.run(&["retry", "p/Test"]).code, 4, "nothing is left to retry");
    drop(watch);
}

#[test]
fn stop_lets_running_actions_finish_and_abandon_ends_them() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = ["trap '' TERM; echo up; while [ ! -e $MARK ]; do sleep 0.05; done"]"#,
    ) + &stage("After", "next", QUICK);
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    let watch = home.watch();
    home.commit("change");
    watch.wait_for("p/Build/make: InProgress");
    home.ok(&["stop", "p", "-m", "enough"]);
    assert_eq!(home.executions("p")[0]["status"], "Stopping");
    assert_eq!(home.run(&["stop", "p"]).code, 4, "twice is refused");
    std::fs::write(&mark, "").unwrap();
    let stopped = home.newest_becomes("p", "Stopped");
    assert_eq!(stopped["stopTrigger"]["reason"], "enough");
    assert!(home.action(&stopped, "next").is_none());

    std::fs::remove_file(&mark).unwrap();
    home.commit("another");
    home.executions_become("p", 2);
    watch.wait_for("another");
    home.ok(&["stop", "p", "--abandon"]);
    let stopped = home.newest_becomes("p", "Stopped");
    assert_eq!(home.action(&stopped, "make").unwrap()["status"], "Abandoned");
    std::fs::write(&mark, "").unwrap();
    drop(watch);
}

#[test]
fn a_transition_holds_executions_until_it_is_enabled() {
    let stages = stage("Build", "make", QUICK) + &stage("Deploy", "ship", QUICK);
    let home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let watch = home.watch();
    home.ok(&["transition", "disable", "p/Deploy", "-m", "freeze, until Monday"]);
    home.commit("change");
    watch.wait_for("p/Build: ");
    eventually("it waits before Deploy", || {
        let shown = home.ok(&["status", "p"]);
        shown.contains("transition disabled by sam: freeze, until Monday").then_some(())
    });
    home.ok(&["transition", "enable", "p/Deploy"]);
    home.newest_becomes("p", "Succeeded");
    assert_eq!(home.run(&["transition", "disable", "p/Source", "-m", "x"]).code, 2);
    assert_eq!(home.run(&["transition", "disable", "p/Nowhere", "-m", "x"]).code, 2);
    drop(watch);
}

#[test]
fn validate_reports_every_problem_with_its_place() {
    let home = Home::new();
    home.write_pipeline("name = \"p\"\nstagee = 1\n");
    let finished = home.run(&["validate", "stagegate.toml"]);
    assert_eq!(finished.code, 2);
    assert!(finished.stderr.contains("stagegate.toml:2:1"), "{}", finished.stderr);
    assert!(finished.stderr.contains("did you mean `stage`?"), "{}", finished.stderr);
    let json = home.run(&["validate", "--json", "stagegate.toml"]).stdout;
    let problems: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(problems.as_array().unwrap().len(), 2);
}

#[test]
fn a_broken_file_is_exit_2_at_the_start_and_a_notice_while_watching() {
    let good = pipeline("p", "main", &stage("Build", "make", QUICK));
    let home = Home::with_pipeline("name = ");
    let finished = home.run(&["watch"]);
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(finished.stderr.contains("stagegate.toml:1"), "{}", finished.stderr);

    home.write_pipeline(&good);
    let watch = home.watch();
    home.write_pipeline(&good.replace("commands", "comands"));
    watch.wait_for("the last good version stays");
    home.commit("still runs");
    home.newest_becomes("p", "Succeeded");
    home.write_pipeline(&good.replace("echo built", "echo better"));
    watch.wait_for("version 2 loaded");
    home.commit("runs the new version");
    home.executions_become("p", 2);
    let newest = home.newest_becomes("p", "Succeeded");
    assert!(home.log(&newest, "make").contains("better"));
    let shown = home.ok(&["status", "p"]);
    assert!(!shown.contains("last good version"), "the notice is gone: {shown}");
}

#[test]
fn bad_surroundings_get_a_sentence() {
    let home = Home::new();
    let nothing = home.run(&["watch"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("stagegate init"), "{}", nothing.stderr);
    assert!(!home.state_dir().exists(), "no half-made state");

    home.write_pipeline(&pipeline("p", "main", &stage("Build", "make", QUICK)));
    let screen = home.run(&[]);
    assert_eq!(screen.code, 2);
    assert!(screen.stderr.contains("needs a terminal"), "{}", screen.stderr);

    let watch = home.watch();
    let second = home.run(&["watch"]);
    assert_eq!(second.code, 2);
    assert!(second.stderr.contains("another runtime (process"), "{}", second.stderr);
    drop(watch);

    let unknown = home.run(&["start", "q"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("there is no pipeline q; there is p"), "{}", unknown.stderr);
    assert_eq!(home.run(&["show", "ffff"]).code, 2);
    assert_eq!(home.run(&["frobnicate"]).code, 2);
    assert_eq!(home.run(&["--help"]).code, 0);
}

#[test]
fn a_state_directory_of_a_newer_format_is_left_alone() {
    let home = Home::with_pipeline(&pipeline("p", "main", &stage("Build", "make", QUICK)));
    assert_eq!(home.run(&["run", "p"]).code, 0);
    let database = rusqlite::Connection::open(home.state_dir().join("stagegate.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    for arguments in [&["watch"][..], &["status"], &["history", "p"]] {
        let refused = home.run(arguments);
        assert_eq!(refused.code, 2);
        assert!(refused.stderr.contains("has format 99"), "{}", refused.stderr);
    }
}

#[test]
fn everything_written_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with_pipeline(&pipeline("p", "main", &stage("Build", "make", QUICK)));
    let watch = home.watch();
    home.commit("change");
    home.newest_becomes("p", "Succeeded");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.state_dir()), 0o700);
    for name in ["stagegate.db", "runtime.lock", "runtime.sock"] {
        assert_eq!(mode(&home.state_dir().join(name)) & 0o077, 0, "{name}");
    }
    for entry in
        walkdir::WalkDir::new(home.state_dir().join("logs")).min_depth(1).into_iter().flatten()
    {
        assert_eq!(mode(entry.path()) & 0o077, 0, "{}", entry.path().display());
    }
    assert_eq!(watch.terminate(), 0);
}

#[test]
fn the_demo_reaches_every_state_by_itself() {
    let home = Home::new();
    let finished = home.run(&["demo", "--plain"]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains("every state has been reached"));
    assert!(!home.state_dir().exists(), "the user's own state is not touched");
}

#[test]
fn who_decides_last_is_told_even_if_the_runtime_ends_with_it() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    for _ in 0..20 {
        // The runtime lives inside `run`, which ends as soon as the gate is decided.
        let run = home.background(&["run", "p", "--wait-for-approval"]);
        home.open_gate("p");
        home.ok(&["reject", "p/Release/gate", "-m", "no"]);
        assert_eq!(run.finished(), 4);
    }
}

#[test]
fn validate_goes_on_after_a_file_it_cannot_read_and_sees_a_name_twice() {
    let home = Home::without_commit();
    let folder = home.root().join("files");
    std::fs::create_dir(&folder).unwrap();
    let good = pipeline("p", "main", GATE);
    std::fs::write(folder.join("a.toml"), &good).unwrap();
    std::fs::write(folder.join("b.toml"), b"name = \"\xff\"").unwrap();
    std::fs::write(folder.join("c.toml"), &good).unwrap();
    std::fs::write(folder.join("d.toml"), "nonsense = 1").unwrap();
    let folder = folder.to_str().unwrap();
    let finished = home.run(&["validate", folder]);
    assert_eq!(finished.code, 2);
    for words in ["b.toml: cannot be read", "c.toml: pipeline p is already defined by", "d.toml"] {
        assert!(finished.stderr.contains(words), "{words}: {}", finished.stderr);
    }
    let problems: serde_json::Value =
        serde_json::from_str(&home.run(&["validate", folder, "--json"]).stdout).unwrap();
    let files: Vec<_> = problems.as_array().unwrap().iter().map(|it| it["file"].as_str()).collect();
    for name in ["b.toml", "c.toml", "d.toml"] {
        assert!(files.iter().flatten().any(|it| it.ends_with(name)), "{name}: {problems}");
    }
}

#[test]
fn names_that_are_not_there_are_refused_and_the_next_step_is_said() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    assert!(home.run(&["status"]).stderr.contains("stagegate.toml"), "a file nobody has read yet");
    assert!(home.run(&["events"]).stderr.contains("nothing has run yet"));
    let _watch = home.watch();
    home.commit("change");
    home.open_gate("p");
    for arguments in [
        &["status", "p", "--lane", "nope"][..],
        &["approve", "p", "--lane", "nope"],
        &["events", "q"],
    ] {
        let finished = home.run(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}: {}", finished.stderr);
    }
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let refused = home.run(&["approve", "p", "--token", nobodys]).stderr;
    assert!(
        refused.contains(&format!("no open approval of p has the token {nobodys}")),
        "{refused}"
    );
    let later = home.ok(&["approve", "p", "--at", "90m"]);
    assert!(later.contains("with effect from") && later.contains("withdraw"), "{later}");
    let ambiguous = home.run(&["start", "p", "--branch", "nope"]).stderr;
    assert!(!ambiguous.contains("cannot talk"), "{ambiguous}");
}

#[test]
fn an_empty_folder_is_served_and_what_comes_into_it_is_read() {
    let home = Home::new();
    let folder = home.repository().join("pipelines");
    std::fs::create_dir(&folder).unwrap();
    let watch = home.background(&["watch", "--file", folder.to_str().unwrap()]);
    watch.wait_for("there is no pipeline file in there yet");
    let text = pipeline("p", "main", GATE).replace("\".\"", "\"..\"");
    std::fs::write(folder.join("p.toml"), text).unwrap();
    watch.wait_for("p: watching from main");
}

#[test]
fn wait_says_by_its_exit_code_how_far_an_execution_came() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let watch = home.watch();
    // A commit that nobody has seen yet.
    let commit = home.git(&["commit-tree", "-p", "HEAD", "-m", "next", "HEAD^{tree}"]);
    let for_gate = ["wait", "p", "--revision", &commit[..10], "--for", "gate"];
    let waiting = home.background(&for_gate);
    home.git(&["update-ref", "refs/heads/main", &commit]);
    assert_eq!(waiting.finished(), 0, "it stands at the gate");
    let late = home.run(&["wait", "p", "--timeout", "1s"]);
    assert_eq!(late.code, 5, "{}", late.stderr);
    assert!(late.stderr.contains("waits at the gate p/Release/gate"), "{}", late.stderr);
    assert!(late.stdout.contains("InProgress"), "{}", late.stdout);
    home.ok(&["approve", "p"]);
    assert!(home.ok(&["wait", "p"]).contains("Succeeded"));
    assert_eq!(home.run(&["wait", "p", "--for", "Release"]).code, 0);
    assert_eq!(home.run(&["wait", "p", "--for", "gate"]).code, 1, "it is past every gate");
    assert_eq!(home.run(&["wait", "p", "--for", "Relaese"]).code, 2);
    assert_eq!(home.run(&["wait", "p", "--timeout", "soon"]).code, 2);

    home.commit("another");
    home.open_gate("p");
    home.ok(&["reject", "p", "-m", "not today"]);
    assert_eq!(home.run(&["wait", "p"]).code, 4);
    home.ok(&["retry", "p/Release"]);
    home.open_gate("p");
    let waiting = home.background(&["wait", "p", "--lane", "main"]);
    waiting.wait_for("waits at the gate");
    watch.terminate();
    waiting.wait_for("waiting for the next one");
    let watch = home.watch_unready();
    watch.wait_for("serving");
    home.ok(&["approve", "p"]);
    assert_eq!(waiting.finished(), 0, "the rejection of before the retry is over");
    assert_eq!(home.run(&["wait", "p", "--revision", "main"]).code, 2, "no commit id");
    home.commit("a third");
    home.open_gate("p");
    home.ok(&["reject", "p", "-m", "not today either"]);
    watch.terminate();
    assert_eq!(home.run(&["wait", "p"]).code, 4, "what is over needs no runtime");
    let never = home.run(&["wait", "p", "--revision", "0123456789"]);
    assert!(never.stderr.contains("no runtime is running"), "{}", never.stderr);
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let mut home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let healthy = home.run(&["doctor"]);
    assert_eq!(healthy.code, 0, "{}", healthy.stdout);
    assert!(healthy.stdout.contains("none is running"), "{}", healthy.stdout);
    let watch = home.watch();
    let words = home.ok(&["doctor"]);
    assert!(words.contains(&format!("process {} serves", watch.id())), "{words}");
    watch.terminate();

    let database = home.state_dir().join("stagegate.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xff);
    std::fs::write(&database, bytes).unwrap();
    home.write_pipeline("name = 1");
    home.environment.push(("PATH".into(), "/nowhere".into()));
    let found = home.run(&["doctor", "--json", "--file", "stagegate.toml"]);
    assert_eq!(found.code, 2);
    let found: Vec<serde_json::Value> = serde_json::from_str(&found.stdout).unwrap();
    for about in ["git", "history", "pipeline files"] {
        let finding = found.iter().find(|it| it["about"] == about).unwrap();
        assert_eq!(finding["health"], "bad", "{finding}");
        assert!(finding["remedy"].is_string(), "{finding}");
    }
}
