//! Execution modes, locks and limits with real commits and real processes.

use crate::support::{Home, Watch, eventually, pipeline, stage};

fn with_mark(text: &str) -> (Home, std::path::PathBuf) {
    let mut home = Home::with_pipeline(text);
    let mark = home.root().join("mark");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    (home, mark)
}

fn wait_until_seen(watch: &Watch, commit: &str) {
    watch.wait_for(&commit[..7]);
}

#[test]
fn ten_commits_in_a_queued_pipeline_go_through_each_stage_in_order() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = ["until [ -e $MARK ]; do sleep 0.02; done", "echo build $STAGEGATE_COMMIT_ID >> $MARK"]"#,
    ) + &stage(
        "Deploy",
        "ship",
        r#"commands = ["echo deploy $STAGEGATE_COMMIT_ID >> $MARK"]"#,
    );
    let text = pipeline("p\"\nexecution_mode = \"QUEUED", "main", &stages);
    let (home, mark) = with_mark(&text);
    let watch = home.watch();
    let mut commits = Vec::new();
    for number in 0..10 {
        commits.push(home.commit(&format!("change {number}")));
        home.executions_become("p", commits.len());
    }
    let waiting = home.ok(&["status", "p"]);
    wait_until_seen(&watch, &commits[9]);
    assert_eq!(waiting.matches("waits: ").count(), 9, "{waiting}");
    std::fs::write(&mark, "").unwrap();
    eventually("all are through", || {
        home.executions("p").iter().all(|it| it["status"] == "Succeeded").then_some(())
    });
    let trace = std::fs::read_to_string(&mark).unwrap();
    let passed = |stage: &str| {
        trace.lines().filter_map(|it| it.strip_prefix(stage)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(passed("build "), commits);
    assert_eq!(passed("deploy "), commits);
}

#[test]
fn parallel_executions_are_in_the_same_stage_at_the_same_time() {
    let meet = r#"commands = ["mkdir -p $MARK; touch $MARK/$STAGEGATE_COMMIT_ID; until [ $(ls $MARK | wc -l) = 3 ]; do sleep 0.02; done"]"#;
    let text = pipeline("p\"\nexecution_mode = \"PARALLEL", "main", &stage("Build", "meet", meet));
    let (home, _mark) = with_mark(&text);
    let _watch = home.watch();
    for number in 1..=3 {
        home.commit(&format!("change {number}"));
        home.executions_become("p", number);
    }
    // Each of them waits for the other two.
    eventually("all are through", || {
        home.executions("p").iter().all(|it| it["status"] == "Succeeded").then_some(())
    });
}

#[test]
fn a_lock_lets_one_branch_in_at_a_time_and_the_other_says_so() {
    let ship = r#"lock = "production"
[[stage.action]]
name = "ship"
category = "Deploy"
commands = ["mkdir $MARK.held", "until [ -e $MARK ]; do sleep 0.02; done", "rmdir $MARK.held"]
"#;
    let text = pipeline("p", "{main,hotfix}", &format!("[[stage]]\nname = \"Deploy\"\n{ship}"));
    let (home, mark) = with_mark(&text);
    let watch = home.watch();
    let main = home.commit("on main");
    watch.wait_for("p/Deploy/ship: InProgress");
    home.git(&["checkout", "--quiet", "--detach"]);
    let hotfix = home.commit("on hotfix");
    home.git(&["branch", "hotfix"]);
    let sentence = format!("waits for the lock production: {} of p (main) holds it", &main[..7]);
    let shown = eventually("the hotfix waits for the lock", || {
        let shown = home.ok(&["status", "p"]);
        shown.contains("waits for the lock").then_some(shown)
    });
    assert!(shown.contains(&sentence), "{shown}");
    std::fs::write(mark, "").unwrap();
    eventually("both are through", || {
        home.executions("p").iter().all(|it| it["status"] == "Succeeded").then_some(())
    });
    let newest = home.executions("p").remove(0);
    assert_eq!(newest["sourceRevisions"][0]["revisionId"], hotfix.as_str());
}

#[test]
fn the_runtime_runs_no_more_actions_than_it_was_told() {
    let one = |name: &str| {
        format!(
            "[[stage.action]]\nname = \"{name}\"\ncategory = \"Build\"\n\
             commands = [\"mkdir $MARK.held\", \"sleep 0.05\", \"rmdir $MARK.held\"]\n"
        )
    };
    let stages = format!("[[stage]]\nname = \"Build\"\n{}{}{}", one("a"), one("b"), one("c"));
    let (mut home, _mark) = with_mark(&pipeline("p", "main", &stages));
    home.environment.push(("STAGEGATE_MAX_ACTIONS".to_owned(), "1".to_owned()));
    let _watch = home.watch();
    home.commit("change");
    // Two at a time would fail to make the folder.
    home.newest_becomes("p", "Succeeded");
}
