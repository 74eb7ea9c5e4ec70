//! Refs in every form git keeps them: a commit is seen, exactly once.

use crate::support::{Home, eventually, pipeline, stage};

fn text(branch: &str) -> String {
    pipeline("p", branch, &stage("Build", "make", r#"commands = ["cat file.txt"]"#))
}

/// Returns the commits that were released, oldest first.
fn released(home: &Home) -> Vec<String> {
    let executions = home.executions("p").into_iter().rev();
    executions
        .map(|it| it["sourceRevisions"][0]["revisionId"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn released_become(home: &Home, wanted: &[&str]) {
    eventually(&format!("{wanted:?} are released, not {:?}", released(home)), || {
        (released(home) == wanted).then_some(())
    });
}

#[test]
fn loose_and_packed_refs_start_one_execution_a_commit() {
    let home = Home::with_pipeline(&text("main"));
    let _watch = home.watch();
    let a = home.commit("a");
    released_become(&home, &[&a]);
    home.git(&["pack-refs", "--all"]);
    home.newest_becomes("p", "Succeeded");
    let b = home.commit("b");
    released_become(&home, &[&a, &b]);
    home.newest_becomes("p", "Succeeded");
    home.git(&["commit", "--quiet", "--amend", "-m", "rewritten"]);
    let c = home.git(&["rev-parse", "HEAD"]);
    released_become(&home, &[&a, &b, &c]);
}

#[test]
fn a_commit_in_a_linked_worktree_counts() {
    let home = Home::with_pipeline(&text("topic"));
    home.git(&["branch", "topic"]);
    let worktree = home.root().join("worktree");
    home.git(&["worktree", "add", "--quiet", worktree.to_str().unwrap(), "topic"]);
    let _watch = home.watch();
    home.git_in(&worktree, &["commit", "--quiet", "--allow-empty", "-m", "there"]);
    let id = home.git(&["rev-parse", "topic"]);
    released_become(&home, &[&id]);
}

#[test]
fn a_push_into_a_bare_repository_counts() {
    let home = Home::with_pipeline(&text("main").replace("\".\"", "\"../bare.git\""));
    home.git(&["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let _watch = home.watch();
    let id = home.commit("pushed");
    home.git(&["push", "--quiet", "../bare.git", "main"]);
    released_become(&home, &[&id]);
}

#[test]
fn a_reftable_repository_counts() {
    let home = Home::without_commit();
    let supported = std::process::Command::new("git")
        .args(["init", "--quiet", "--ref-format=reftable", "reftable"])
        .current_dir(home.root())
        .status();
    if !supported.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI has a git that knows reftable");
        eprintln!("skipped: this git does not know reftable");
        return;
    }
    std::fs::remove_dir_all(home.repository()).unwrap();
    std::fs::rename(home.root().join("reftable"), home.repository()).unwrap();
    home.git(&["checkout", "--quiet", "-B", "main"]);
    home.commit("first");
    home.write_pipeline(&text("main"));
    let _watch = home.watch();
    let id = home.commit("second");
    released_become(&home, &[&id]);
}

#[test]
fn an_empty_repository_waits_for_its_first_commit() {
    let home = Home::without_commit();
    home.write_pipeline(&text("main"));
    let watch = home.watch();
    watch.wait_for("waiting for the first commit on branch main");
    let id = home.commit("first");
    released_become(&home, &[&id]);
}

#[test]
fn every_branch_that_matches_a_glob_is_a_lane() {
    let home = Home::with_pipeline(&text("{main,feature/*}"));
    let _watch = home.watch();
    home.git(&["checkout", "--quiet", "-b", "feature/x"]);
    let feature = home.commit("on the feature");
    eventually("the lane runs", || {
        let newest = home.executions("p").into_iter().next()?;
        (newest["sourceRevisions"][0]["revisionId"] == feature.as_str()
            && newest["status"] == "Succeeded")
            .then_some(())
    });
    home.git(&["checkout", "--quiet", "-b", "other/x"]);
    home.commit("nobody watches this");
    home.git(&["checkout", "--quiet", "main"]);
    let main = home.commit("on main");
    eventually("main runs", || {
        let newest = home.executions("p").into_iter().next()?;
        (newest["sourceRevisions"][0]["revisionId"] == main.as_str()).then_some(())
    });
    let lanes: std::collections::BTreeSet<_> =
        home.executions("p").iter().map(|it| it["lane"].as_str().unwrap().to_owned()).collect();
    assert_eq!(lanes.into_iter().collect::<Vec<_>>(), ["feature/x", "main"]);
    home.newest_becomes("p", "Succeeded");
    home.git(&["branch", "--quiet", "-D", "feature/x"]);
    eventually("the lane goes with its branch", || {
        (!home.ok(&["status", "p"]).contains("feature/x")).then_some(())
    });
}

#[test]
fn commits_made_without_a_runtime_start_one_execution_for_the_newest() {
    let home = Home::with_pipeline(&text("main"));
    let watch = home.watch();
    watch.terminate();
    home.commit("missed");
    let newest = home.commit("newest");
    let _watch = home.watch_unready();
    released_become(&home, &[&newest]);
}

#[test]
fn a_repository_that_is_replaced_is_watched_again() {
    let home = Home::with_pipeline(&text("main").replace("\".\"", "\"../other\""));
    home.git(&["clone", "--quiet", ".", "../other"]);
    let watch = home.watch();
    let other = home.root().join("other");
    std::fs::remove_dir_all(&other).unwrap();
    home.git(&["clone", "--quiet", ".", "../other"]);
    home.git_in(&other, &["commit", "--quiet", "--allow-empty", "-m", "in the new one"]);
    let id = home.git_in(&other, &["rev-parse", "HEAD"]);
    eventually("the commit in the new repository runs", || {
        released(&home).contains(&id).then_some(())
    });
    drop(watch);
}

#[test]
fn what_is_no_repository_is_said_and_looked_at_again() {
    let home = Home::with_pipeline(&text("main").replace("\".\"", "\"../later\""));
    let watch = home.watch_unready();
    watch.wait_for("later does not exist: correct RepositoryPath or create it");
    home.git(&["clone", "--quiet", ".", "../later"]);
    watch.wait_for("watching from main");
}

/// Returns a home whose pipeline releases a repository that only a URL leads to.
fn remote(poll_interval: &str) -> (Home, String) {
    let home = Home::new();
    let url = format!("file://{}/remote.git", home.root().display());
    let source = format!("{url:?}, PollInterval = {poll_interval:?}");
    home.write_pipeline(&text("main").replace("\".\"", &source));
    (home, url)
}

/// Such a home whose URL leads to a repository.
fn remote_with_repository(poll_interval: &str) -> (Home, String) {
    let (home, url) = remote(poll_interval);
    home.git(&["clone", "--quiet", "--bare", ".", "../remote.git"]);
    (home, url)
}

/// Commits and pushes to where the URL leads.
fn push(home: &Home, subject: &str) -> String {
    let id = home.commit(subject);
    home.git(&["push", "--quiet", "../remote.git", "main"]);
    id
}

#[test]
fn a_remote_repository_is_asked_and_what_was_pushed_is_released() {
    let (home, url) = remote_with_repository("1s");
    let watch = home.watch();
    let id = push(&home, "pushed");
    released_become(&home, &[&id]);
    let execution = home.newest_becomes("p", "Succeeded");
    assert!(home.log(&execution, "make").contains("pushed"), "the files came too");
    let trigger = &execution["trigger"]["triggerDetail"];
    assert_eq!(*trigger, format!("main in {url}"), "not where its mirror lies");
    let why = home.ok(&["triggers", "p", &id]);
    assert!(why.contains("starts"), "{why}");

    // Commits made while no runtime ran start one execution; those of before none.
    watch.terminate();
    let late = push(&home, "late");
    let _watch = home.watch_unready();
    released_become(&home, &[&id, &late]);
}

#[test]
fn a_start_by_hand_fetches_first() {
    let (home, _) = remote_with_repository("1h");
    let _watch = home.watch();
    let id = push(&home, "pushed");
    home.ok(&["start", "p"]);
    assert_eq!(released(&home).last(), Some(&id));
}

#[test]
fn a_remote_repository_that_does_not_answer_is_told_until_it_does() {
    let (home, url) = remote("1s");
    let watch = home.watch_unready();
    watch.wait_for(&format!("git fetch {url} failed"));
    let status = home.ok(&["status", "p"]);
    assert!(status.contains("git fetch"), "{status}");
    let start = home.run(&["start", "p"]);
    assert!(start.code != 0 && start.stderr.contains(&url), "{}", start.stderr);
    home.git(&["clone", "--quiet", "--bare", ".", "../remote.git"]);
    watch.wait_for("watching from");
    eventually("the notice goes", || {
        (!home.ok(&["status", "p"]).contains("git fetch")).then_some(())
    });
    assert!(released(&home).is_empty(), "what was there is where it begins");
}

#[test]
fn the_first_sight_of_a_remote_repository_is_what_it_has_now() {
    let (home, _) = remote_with_repository("1s");
    let watch = home.watch();
    watch.terminate();
    push(&home, "pushed while nobody looked");
    // Another pipeline finds the mirror that the first one has left.
    let file = home.repository().join("stagegate.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("name = \"p\"", "name = \"q\"");
    std::fs::write(&file, text).unwrap();
    let _watch = home.watch();
    let id = push(&home, "pushed");
    let started = home.executions_become("q", 1);
    assert_eq!(started[0]["sourceRevisions"][0]["revisionId"], id.as_str());
}

#[test]
fn a_mirror_that_was_removed_is_fetched_again_and_nothing_twice() {
    let (home, _) = remote_with_repository("1s");
    let watch = home.watch();
    let first = push(&home, "first");
    released_become(&home, &[&first]);
    home.newest_becomes("p", "Succeeded");
    let mirrors = home.state_dir().join("repositories");
    std::fs::remove_dir_all(&mirrors).unwrap();
    eventually("it is fetched again", || {
        let mut found = std::fs::read_dir(&mirrors).ok()?.flatten();
        found.find(|it| it.path().join("fetched").exists()).map(drop)
    });
    let second = push(&home, "second");
    released_become(&home, &[&first, &second]);
    assert!(!watch.output().contains("is gone"), "{}", watch.output());
}

#[test]
fn what_could_not_be_fetched_is_forgotten_with_its_url() {
    let (home, _) = remote("1s");
    let watch = home.watch_unready();
    watch.wait_for("it is tried again");
    home.write_pipeline(&text("main"));
    watch.wait_for("watching from");
    eventually("the notice goes", || (!home.ok(&["status", "p"]).contains("fetch")).then_some(()));
}

#[test]
fn a_full_clone_knows_its_history_and_leaves_the_repository_alone() {
    let commands = r#"commands = [
  "git describe --tags --long",
  "git status --porcelain --branch",
  "git log --oneline origin/topic -1",
  "git -c user.name=x -c user.email=x@y commit --quiet --allow-empty -m inside",
  "git rev-list --count HEAD",
]"#;
    let text = pipeline("p", "main", &stage("Build", "make", commands));
    let text = text.replace("BranchName =", "OutputArtifactFormat = \"FULL_CLONE\", BranchName =");
    let home = Home::with_pipeline(&text);
    home.git(&["tag", "v1"]);
    home.git(&["branch", "topic"]);
    home.commit("second");
    let count = home.git(&["rev-list", "--count", "HEAD"]).parse::<u32>().unwrap();
    for _ in 0..2 {
        assert_eq!(
            home.run(&["run", "p"]).code,
            0,
            "{}",
            home.log(&home.executions("p")[0], "make")
        );
        let log = home.log(&home.executions("p")[0], "make");
        assert!(log.contains("\nv1-1-g"), "{log}");
        assert!(log.contains("\n## main...origin/main\n$ git log"), "nothing differs: {log}");
        assert!(log.ends_with(&format!("\n{}\n", count + 1)), "{log}");
    }
    assert_eq!(home.git(&["rev-list", "--count", "--all"]), count.to_string());
}

#[test]
fn a_branch_that_cannot_be_read_keeps_nobody_else_from_their_commits() {
    let home = Home::new();
    let folder = home.repository().join(".stagegate");
    std::fs::create_dir(&folder).unwrap();
    for branch in ["a", "b", "c"] {
        home.git(&["branch", branch]);
        let make = stage("Build", "make", r#"commands = ["true"]"#);
        let text = pipeline(&format!("p{branch}"), branch, &make);
        std::fs::write(folder.join(format!("{branch}.toml")), text).unwrap();
    }
    let watch = home.watch();
    watch.wait_for("pc: watching from");
    let nothing = "1".repeat(40);
    std::fs::write(home.repository().join(".git/refs/heads/b"), nothing + "\n").unwrap();
    watch.wait_for("cannot be read");
    home.git(&["checkout", "--quiet", "c"]);
    home.commit("for c");
    home.executions_become("pc", 1);
    let output = watch.output();
    let told: Vec<_> = output.lines().filter(|it| it.contains("cannot be read")).collect();
    assert!(matches!(told.as_slice(), [only] if only.contains(" pb: ")), "{told:?}");
    assert!(home.executions("pb").is_empty(), "the branch is not gone, either");
}
