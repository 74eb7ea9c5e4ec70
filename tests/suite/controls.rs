//! Rollback, conditions, deferred approvals, skipping, deletion: real files and real processes.

use chrono::Datelike;

use crate::support::{GATE, Home, eventually, pipeline, stage};

fn current(home: &Home) -> String {
    std::fs::read_to_string(home.root().join("target/current/file.txt")).unwrap_or_default()
}

/// A stage that deploys first and finds out then whether that was wise.
fn deploy(settings: &str) -> String {
    format!(
        r#"[[stage]]
name = "Deploy"
{settings}
[[stage.action]]
name = "ship"
category = "Deploy"
provider = "Directory"
configuration = {{ TargetPath = "../target" }}
[[stage.action]]
name = "smoke"
category = "Test"
run_order = 2
commands = ["! grep -q broken file.txt"]
"#
    )
}

#[test]
fn a_rollback_after_three_good_and_one_failed_deploy_puts_the_third_back() {
    let home = Home::with_pipeline(&pipeline("p", "main", &deploy("")));
    let _watch = home.watch();
    let mut commits = Vec::new();
    for subject in ["one", "two", "three"] {
        commits.push(home.commit(subject));
        home.executions_become("p", commits.len());
        home.newest_becomes("p", "Succeeded");
    }
    home.commit("broken");
    home.executions_become("p", 4);
    home.newest_becomes("p", "Failed");
    assert!(current(&home).ends_with("broken\n"), "the failed deploy had switched already");

    let id = home.ok(&["rollback", "p/Deploy"]);
    let decided = home.ok(&["history", "p", "--decisions"]);
    assert!(decided.contains("StageRolledBack     p/Deploy  main "), "{decided}");
    let rollback = home.newest_becomes("p", "Succeeded");
    assert_eq!(rollback["pipelineExecutionId"], id.trim());
    assert!(current(&home).ends_with("three\n"), "{}", current(&home));
    assert_eq!(rollback["executionType"], "ROLLBACK");
    assert_eq!(rollback["sourceRevisions"][0]["revisionId"], commits[2].as_str());
    let third = &home.executions("p")[2]["pipelineExecutionId"];
    assert_eq!(rollback["rollbackMetadata"]["rollbackTargetPipelineExecutionId"], *third);
    assert!(home.ok(&["status", "p"]).contains("ROLLBACK"), "{}", home.ok(&["status", "p"]));
    assert!(home.ok(&["history", "p"]).contains("ROLLBACK"));

    let first = home.executions("p").pop().unwrap();
    let to = first["pipelineExecutionId"].as_str().unwrap();
    home.ok(&["rollback", "p/Deploy", "--to", &to[..8]]);
    home.executions_become("p", 6);
    home.newest_becomes("p", "Succeeded");
    assert!(current(&home).ends_with("one\n"), "{}", current(&home));
}

#[test]
fn a_failed_deploy_rolls_back_by_itself_where_the_stage_says_so() {
    let stages = deploy("on_failure = { result = \"ROLLBACK\" }");
    let home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let _watch = home.watch();
    home.commit("good");
    home.newest_becomes("p", "Succeeded");
    home.commit("broken");
    let executions = home.executions_become("p", 3);
    assert_eq!(executions[0]["executionType"], "ROLLBACK");
    assert_eq!(executions[1]["status"], "Failed");
    home.newest_becomes("p", "Succeeded");
    assert!(current(&home).ends_with("good\n"));
}

#[test]
fn a_rule_of_commands_decides_with_its_exit_code_and_can_be_overridden() {
    let build = r#"before_entry = { conditions = [{ result = "FAIL", rules = [
  { name = "quiet", provider = "Commands", commands = ["echo looking", "test -e $MARK"] },
] }] }
[[stage.action]]
name = "make"
category = "Build"
commands = ["echo made"]
"#;
    let stages = format!("[[stage]]\nname = \"Build\"\n{build}");
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let mark = home.root().join("mark").to_string_lossy().into_owned();
    home.environment.push(("MARK".to_owned(), mark.clone()));
    let _watch = home.watch();
    home.commit("refused");
    let refused = home.newest_becomes("p", "Failed");
    assert!(home.action(&refused, "make").is_none(), "nothing has run behind the condition");
    let shown = home.ok(&["status", "p"]);
    assert!(shown.contains("BEFORE_ENTRY quiet"), "{shown}");

    home.ok(&["override-condition", "p/Build", "-m", "known trouble"]);
    let let_in = home.newest_becomes("p", "Succeeded");
    assert!(home.log(&let_in, "make").ends_with("made\n"));
    let shown = home.ok(&["status", "p"]);
    assert!(shown.contains("overridden by sam") && shown.contains("known trouble"), "{shown}");

    std::fs::write(&mark, "").unwrap();
    home.commit("let in");
    home.executions_become("p", 2);
    home.newest_becomes("p", "Succeeded");
}

#[test]
fn a_closed_window_says_when_it_opens() {
    let far = (chrono::Utc::now().month0() + 6) % 12 + 1;
    let window = format!(
        r#"before_entry = {{ conditions = [{{ result = "FAIL", rules = [
  {{ name = "hours", provider = "DeploymentWindow", configuration = {{ Cron = "0 0 9 1 {far} ?", TimeZone = "Europe/Berlin" }} }},
] }}] }}
[[stage.action]]
name = "ship"
category = "Deploy"
commands = ["true"]
"#
    );
    let stages = format!("[[stage]]\nname = \"Deploy\"\n{window}");
    let home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let _watch = home.watch();
    home.commit("too late");
    let sentence = eventually("the window is waited for", || {
        let shown = home.ok(&["status", "p"]);
        shown.lines().find(|it| it.contains("waits for the window: opens")).map(str::to_owned)
    });
    assert!(sentence.contains("09:00 (Europe/Berlin)"), "{sentence}");
    home.ok(&["override-condition", "p/Deploy", "-m", "agreed with operations"]);
    home.newest_becomes("p", "Succeeded");
}

#[test]
fn an_approval_for_later_can_be_withdrawn_and_takes_effect_by_itself() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let _watch = home.watch();
    home.commit("change");
    home.open_gate("p");
    home.ok(&["approve", "p", "--at", "90m", "-m", "after the meeting"]);
    let shown = home.ok(&["status", "p"]);
    assert!(shown.contains("after the meeting"), "{shown}");
    home.ok(&["note", "p", "-m", "ask Kim first"]);
    assert!(home.ok(&["status", "p"]).contains("ask Kim first"));
    home.ok(&["withdraw", "p"]);
    assert_eq!(home.run(&["withdraw", "p"]).code, 4, "there is nothing to take back");
    assert_eq!(home.executions("p")[0]["status"], "InProgress");
    home.ok(&["approve", "p", "--at", "1s"]);
    home.newest_becomes("p", "Succeeded");
    assert_ne!(home.run(&["approve", "p", "--at", "99d"]).code, 0);
}

#[test]
fn paused_watching_outlives_the_runtime_and_starts_the_newest_commit_when_resumed() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let watch = home.watch();
    home.ok(&["pause", "p"]);
    watch.wait_for("p: watching paused by sam");
    home.commit("one");
    watch.kill_hard();
    let watch = home.watch_unready();
    let newest = home.commit("two");
    eventually("the runtime says that it is paused", || {
        home.ok(&["status", "p"]).contains("watching paused by sam").then_some(())
    });
    let explained = home.ok(&["triggers", "p", &newest]);
    assert!(explained.contains("`stagegate resume p`"), "{explained}");
    home.ok(&["resume", "p"]);
    let started = home.executions_become("p", 1);
    assert_eq!(started[0]["sourceRevisions"][0]["revisionId"], newest.as_str());
    let decisions = home.json(&["history", "p", "--decisions", "--json"]).to_string();
    assert!(decisions.contains("WatchingPaused") && decisions.contains("WatchingResumed"));
    assert_ne!(home.run(&["pause", "nowhere"]).code, 0);
    drop(watch);
}

#[test]
fn a_gate_gives_way_to_the_newest_behind_it() {
    let home = Home::with_pipeline(&pipeline("p", "main", GATE));
    let _watch = home.watch();
    home.commit("old");
    home.open_gate("p");
    let newer = home.commit("newer");
    eventually("it stands behind the gate", || {
        home.ok(&["status", "p"]).contains("is in the stage, held at the gate").then_some(())
    });
    home.ok(&["give-way", "p"]);
    eventually("the gate holds the newer one", || {
        (home.run(&["approve", "p", "--if-revision", &newer]).code == 0).then_some(())
    });
    home.newest_becomes("p", "Succeeded");
    assert_eq!(home.executions("p")[1]["status"], "Superseded");
}

#[test]
fn stages_can_be_left_out_of_one_execution() {
    let stages =
        ["Build", "Check", "Deploy"].map(|it| stage(it, "work", "commands = [\"true\"]")).concat();
    let home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let _watch = home.watch();
    home.ok(&["start", "p", "--skip", "Check"]);
    let first = home.newest_becomes("p", "Succeeded");
    let ran = |execution: &serde_json::Value| {
        let id = execution["pipelineExecutionId"].as_str().unwrap();
        let shown = home.json(&["show", id, "--json"]);
        let actions = shown["actionExecutionDetails"].as_array().unwrap().clone();
        let mut stages: Vec<_> =
            actions.iter().map(|it| it["stageName"].as_str().unwrap().to_owned()).collect();
        stages.sort();
        stages.join(" ")
    };
    assert_eq!(ran(&first), "Build Deploy Source");
    let token = ["start", "p", "--from", "Deploy", "--client-request-token", "abc"];
    let started = home.ok(&token);
    assert_eq!(home.ok(&token), started, "the same token starts nothing more");
    home.executions_become("p", 2);
    assert_eq!(ran(&home.newest_becomes("p", "Succeeded")), "Deploy Source");
    assert_eq!(home.run(&["start", "p", "--skip", "Nowhere"]).code, 2);
}

#[test]
fn a_pipeline_without_its_file_can_be_deleted_and_keeps_its_history() {
    let stages = stage("Build", "make", "commands = [\"true\"]");
    let home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let _watch = home.watch();
    home.commit("change");
    home.newest_becomes("p", "Succeeded");
    let refused = home.run(&["delete", "p"]);
    assert_eq!(refused.code, 2, "its file would bring it back");
    assert!(refused.stderr.contains("remove or rename the file first"), "{}", refused.stderr);
    std::fs::remove_file(home.repository().join("stagegate.toml")).unwrap();
    home.ok(&["delete", "p"]);
    assert!(!home.ok(&["status"]).contains("p  version"));
    assert_eq!(home.executions("p").len(), 1, "the history stays");
}

#[test]
fn a_pipeline_its_file_does_not_declare_starts_nothing_and_can_be_deleted() {
    let stages = stage("Build", "make", "commands = [\"true\"]");
    let home = Home::with_pipeline(&pipeline("old", "main", &stages));
    let watch = home.watch();
    home.write_pipeline(&pipeline("new", "main", &stages));
    let says = |name: &str, words: &str| {
        eventually(words, || home.ok(&["status", name]).contains(words).then_some(()));
    };
    says("old", "no longer declares it");
    watch.wait_for("new: watching from main");
    home.commit("change");
    home.newest_becomes("new", "Succeeded");
    assert!(home.executions("old").is_empty(), "nobody asked for it");
    home.ok(&["delete", "old"]);

    let file = home.repository().join("stagegate.toml");
    std::fs::remove_file(&file).unwrap();
    says("new", "is gone");
    let unseen = home.commit("while the file was gone");
    home.write_pipeline(&pipeline("new", "main", &stages));
    let executions = home.executions_become("new", 2);
    assert_eq!(executions[0]["sourceRevisions"][0]["revisionId"], unseen.as_str());
    assert!(!home.ok(&["status", "new"]).contains("is gone"));
}
