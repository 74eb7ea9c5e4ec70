//! Push filters over real commits, and the verb that explains them.

use crate::support::{Home, eventually, pipeline, stage};

fn text(trigger: &str) -> String {
    let build = stage("Build", "make", r#"commands = ["cat file.txt"]"#);
    let text = pipeline("p", "main", &build);
    format!("{text}\n[[trigger]]\nsource_action = \"app\"\n{trigger}\n")
}

const SERVICES: &str = r#"[[trigger.push]]
branches = { includes = ["main", "feature/**"] }
file_paths = { includes = ["services/**"], excludes = ["**/README.md"] }"#;

/// Commits files and returns the commit.
fn commit(home: &Home, files: &[&str]) -> String {
    for file in files {
        let path = home.repository().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, format!("{before}x\n")).unwrap();
        home.git(&["add", file]);
    }
    home.git(&["commit", "--quiet", "-m", "a change"]);
    home.git(&["rev-parse", "HEAD"])
}

/// Returns what was released as `lane commit`, oldest first.
fn released(home: &Home) -> Vec<String> {
    let executions = home.executions("p").into_iter().rev();
    let lane_and_commit = executions.map(|it| {
        let commit = it["sourceRevisions"][0]["revisionId"].as_str().unwrap();
        format!("{} {commit}", it["lane"].as_str().unwrap())
    });
    lane_and_commit.collect()
}

#[track_caller]
fn released_become(home: &Home, wanted: &[String]) {
    eventually(&format!("{wanted:?} are released, not {:?}", released(home)), || {
        (released(home) == wanted).then_some(())
    });
}

#[test]
fn the_changed_files_of_a_commit_decide() {
    let home = Home::with_pipeline(&text(SERVICES));
    let watch = home.watch();
    let docs = commit(&home, &["docs/a.md", "services/README.md"]);
    watch.wait_for(&format!("app starts nothing for {} on main", &docs[..7]));
    let service = commit(&home, &["docs/a.md", "services/a/main.rs"]);
    released_become(&home, &[format!("main {service}")]);
    let newest = home.newest_becomes("p", "Succeeded");
    assert_eq!(newest["trigger"]["triggerType"], "WebhookV2");
    let detail = newest["trigger"]["triggerDetail"].as_str().unwrap();
    assert!(detail.contains("services/a/main.rs is included by services/**"), "{detail}");
    let explained = home.ok(&["triggers", "p", &docs]);
    assert!(explained.contains("recorded"), "{explained}");
}

#[test]
fn a_new_branch_is_judged_by_what_it_adds_to_the_default_branch() {
    let home = Home::with_pipeline(&text(SERVICES));
    commit(&home, &["services/a/main.rs"]);
    let watch = home.watch();
    home.git(&["checkout", "--quiet", "-b", "feature/docs"]);
    watch.wait_for("on feature/docs: push filter 1");
    home.git(&["checkout", "--quiet", "--detach"]);
    let service = commit(&home, &["services/b.rs"]);
    home.git(&["branch", "feature/service"]);
    released_become(&home, &[format!("feature/service {service}")]);
    home.newest_becomes("p", "Succeeded");
    let docs = home.git(&["rev-parse", "feature/docs"]);
    home.ok(&["start", "p", "--branch", "feature/docs"]);
    let by_hand = format!("feature/docs {docs}");
    released_become(&home, &[format!("feature/service {service}"), by_hand]);
}

#[test]
fn a_tag_starts_an_execution_whether_it_is_annotated_or_not() {
    let tags = "[[trigger.push]]\ntags = { includes = [\"v*\"] }";
    let text = text(tags).replace("cat file.txt", "echo \\\"released #{app.TagName}\\\"");
    let home = Home::with_pipeline(&text);
    home.git(&["tag", "v0"]);
    let _watch = home.watch();
    let commit = home.commit("second");
    home.git(&["tag", "nightly"]);
    home.git(&["tag", "v1"]);
    let expected = format!("refs/tags {commit}");
    released_become(&home, std::slice::from_ref(&expected));
    let first = home.newest_becomes("p", "Succeeded");
    assert!(home.log(&first, "make").contains("released v1"));
    home.git(&["tag", "--annotate", "-m", "the second", "v2"]);
    released_become(&home, &[expected.clone(), expected]);
    let second = home.newest_becomes("p", "Succeeded");
    assert!(home.log(&second, "make").contains("released v2"));
}

#[test]
fn commits_made_without_a_runtime_are_judged_when_one_starts() {
    let home = Home::with_pipeline(&text(SERVICES));
    let watch = home.watch();
    watch.terminate();
    commit(&home, &["services/a.rs"]);
    let newest = commit(&home, &["docs/a.md"]);
    let _watch = home.watch_unready();
    released_become(&home, &[format!("main {newest}")]);
}

#[test]
fn the_verb_explains_filter_by_filter_and_file_by_file_without_a_runtime() {
    let home = Home::with_pipeline(&text(SERVICES));
    let no = commit(&home, &["docs/a.md", "services/README.md"]);
    let yes = commit(&home, &["docs/a.md", "services/a.rs"]);
    let explained = home.ok(&["triggers", "p", &yes]);
    for line in [
        "pushed to branch main of app",
        "compared with its first parent",
        "push filter 1 matches",
        "+ branch main is included by main",
        "+ services/a.rs is included by services/**",
        "- docs/a.md is not included by services/**",
        "→ an execution starts",
    ] {
        assert!(explained.contains(line), "{line} not in {explained}");
    }
    let explained = home.ok(&["triggers", "p", &no, "--branch", "main"]);
    for line in ["- services/README.md is excluded by **/README.md", "→ nothing starts"] {
        assert!(explained.contains(line), "{line} not in {explained}");
    }
    let explained = home.json(&["triggers", "p", &yes, "--branch", "topic", "--json"]);
    assert_eq!(explained["starts"], false);
    let filter = &explained["explanations"][0]["push"][0];
    assert_eq!(filter["pushed"]["reason"], "is not included by main, feature/**");
    let since = home.json(&["triggers", "p", &no, "--since", &yes, "--json"]);
    assert_eq!(since["starts"], true, "back from there to here a service changes");
    let unknown = home.run(&["triggers", "p", "nowhere"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
}

#[test]
fn the_verb_explains_what_happens_without_a_trigger() {
    let build = stage("Build", "make", r#"commands = ["true"]"#);
    let home = Home::with_pipeline(&pipeline("p", "main", &build));
    let explained = home.ok(&["triggers", "p", "HEAD"]);
    assert!(explained.contains("every new commit on main starts"), "{explained}");
    assert!(explained.contains("→ an execution starts"), "{explained}");
    let explained = home.json(&["triggers", "p", "HEAD", "--tag", "v1", "--json"]);
    assert_eq!(explained["starts"], false);
}
