//! Every sample pipeline validates and runs to its end.

use std::path::Path;

use crate::support::{Home, eventually};

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).min_depth(1).into_iter().flatten() {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn runs_to_its_end(sample: &str, pipeline: &str) -> Home {
    let home = Home::without_commit();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-pipelines");
    copy(&samples.join(sample), &home.repository());
    home.git(&["add", "--all"]);
    home.git(&["commit", "--quiet", "-m", "the sample"]);
    home.ok(&["validate", "stagegate.toml"]);
    let watch = home.watch();
    home.commit("a change");
    eventually(&format!("{sample} has ended"), || {
        // Whoever would decide at the gates says yes.
        let _ = home.run(&["approve", pipeline]);
        let newest = home.executions(pipeline).into_iter().next()?;
        let status = newest["status"].as_str()?.to_owned();
        (status != "InProgress").then(|| assert_eq!(status, "Succeeded", "{}", watch.output()))
    });
    home
}

#[test]
fn rust_service() {
    let home = runs_to_its_end("rust-service", "rust-service");
    assert!(home.repository().join("deployed/current/service").exists());
}

#[test]
fn static_site() {
    let home = runs_to_its_end("static-site", "static-site");
    assert!(home.repository().join("deployed/current/index.html").exists());
    assert!(!home.repository().join("deployed/current/next.draft.html").exists());
}

#[test]
fn cloudformation() {
    let home = runs_to_its_end("cloudformation", "stack");
    let execution = home.executions("stack").remove(0);
    let log = home.log(&execution, "Apply/execute");
    assert!(log.contains("UPDATE_COMPLETE + AWS::SQS::Queue RefundsQueue"), "{log}");
}

#[test]
fn gitflow() {
    let home = runs_to_its_end("gitflow", "gitflow");
    let deployed = |path: &str| {
        let path = home.repository().join("deployed").join(path).join("current/version.txt");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    assert_eq!(deployed("production"), "1.0.0\n");
    let _watch = home.watch_unready();
    for (branch, version) in [
        ("develop", "1.1.0"),
        ("feature/x", "1.1.1"),
        ("release/2", "2.0.0"),
        ("hotfix/a", "1.0.1"),
    ] {
        // A branch that is there before its commit would start with main's.
        home.git(&["checkout", "--quiet", "--detach", "main"]);
        std::fs::write(home.repository().join("version.txt"), format!("{version}\n")).unwrap();
        home.git(&["commit", "--quiet", "-am", &format!("version {version}")]);
        home.git(&["branch", branch]);
    }
    // Four lanes go their ways: two end without production, two wait at gates of their own.
    let newest =
        |branch: &str| home.executions("gitflow").into_iter().find(|it| it["lane"] == branch);
    for branch in ["develop", "feature/x"] {
        eventually(&format!("{branch} has ended"), || {
            (newest(branch)?["status"] == "Succeeded").then_some(())
        });
    }
    for (branch, version) in [("hotfix/a", "1.0.1\n"), ("release/2", "2.0.0\n")] {
        eventually(&format!("the gate of {branch} is approved"), || {
            let gate = "gitflow/Approve/go-no-go";
            (home.run(&["approve", gate, "--lane", branch]).code == 0).then_some(())
        });
        eventually(&format!("{branch} is in production"), || {
            (newest(branch)?["status"] == "Succeeded").then_some(())
        });
        assert_eq!(deployed("production"), version);
        assert_eq!(deployed(&format!("preview/{branch}")), version);
    }
    assert_eq!(deployed("preview/feature/x"), "1.1.1\n");
}

#[test]
fn six_categories() {
    let home = runs_to_its_end("six-categories", "six-categories");
    let execution = home.executions("six-categories").remove(0);
    assert!(home.log(&execution, "announce").contains("released /"));
}
