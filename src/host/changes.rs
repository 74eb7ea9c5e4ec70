//! The files in which a commit differs from another one. Renames count as both of their names.

use std::path::Path;

use super::{Git, GitError};

/// Branches that are taken for the default branch where the repository's `HEAD` does not say it.
const USUAL_DEFAULTS: [&str; 4] =
    ["refs/remotes/origin/HEAD", "refs/heads/main", "refs/heads/master", "refs/heads/trunk"];

/// Lists the files in which the trees of two commits differ, whatever lies between them.
pub async fn between(git_dir: &Path, since: &str, revision: &str) -> Result<Vec<String>, GitError> {
    let output = Git::at(git_dir, "diff-tree")
        .args(["-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none"])
        .args([since, revision])
        .output()
        .await?;
    Ok(paths(&output))
}

/// Lists what a new branch brings: the changes since it left the default branch, and all of its
/// files if it never did.
pub async fn of_new_branch(
    git_dir: &Path,
    branch: &str,
    revision: &str,
) -> Result<Vec<String>, GitError> {
    match fork_point(git_dir, branch, revision).await? {
        Some(base) => between(git_dir, &base, revision).await,
        None => all_files(git_dir, revision).await,
    }
}

/// Lists every file of a commit.
pub async fn all_files(git_dir: &Path, revision: &str) -> Result<Vec<String>, GitError> {
    let output =
        Git::at(git_dir, "ls-tree").args(["-r", "-z", "--name-only", revision]).output().await?;
    Ok(paths(&output))
}

/// Returns the commit at which a branch left the default branch.
async fn fork_point(
    git_dir: &Path,
    branch: &str,
    revision: &str,
) -> Result<Option<String>, GitError> {
    let head = Git::at(git_dir, "symbolic-ref").args(["--quiet", "HEAD"]).text().await.ok();
    let own = format!("refs/heads/{branch}");
    // Whoever makes a branch on their own machine has usually checked it out, and HEAD is no help.
    let candidates = head.iter().map(String::as_str).chain(USUAL_DEFAULTS);
    for candidate in candidates.filter(|it| *it != own) {
        let commit = format!("{candidate}^{{commit}}");
        if Git::at(git_dir, "rev-parse").args(["--verify", "--quiet", &commit]).succeeds().await? {
            // No output and a failure: the histories have nothing in common.
            let base = Git::at(git_dir, "merge-base").args([candidate, revision]).text().await;
            return Ok(base.ok().filter(|base| !base.is_empty()));
        }
    }
    Ok(None)
}

fn paths(output: &[u8]) -> Vec<String> {
    let paths = output.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}
