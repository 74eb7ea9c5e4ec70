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
    assert!(home.repository().join("deployed/main/current/version.txt").exists());
}

#[test]
fn six_categories() {
    let home = runs_to_its_end("six-categories", "six-categories");
    let execution = home.executions("six-categories").remove(0);
    assert!(home.log(&execution, "announce").contains("released /"));
}
