//! Makes a folder that holds the tree of a commit a repository at that commit, for actions that ask
//! git about the history.

use std::path::{Path, PathBuf};

use super::{Git, GitError};
use crate::model::SourceRevision;

/// Gives `directory`, laid out with `index`, a `.git` of its own. It reads the objects of the
/// repository it comes from and writes none there. Its `origin` is `origin`, or that repository.
pub async fn make_repository(
    directory: &Path,
    index: &Path,
    revision: &SourceRevision,
    origin: Option<&str>,
) -> Result<(), GitError> {
    let mut staging = directory.as_os_str().to_owned();
    staging.push(".clone");
    let staging = PathBuf::from(staging);
    let _ = std::fs::remove_dir_all(&staging);
    let clone = Git::anywhere("clone").args([
        "--quiet",
        "--shared",
        "--no-checkout",
        "--template=",
        "--origin=origin",
        "--",
    ]);
    clone.args([&*revision.git_dir, &staging]).output().await?;
    let repository = staging.join(".git");
    let git = |name| Git::at(&repository, name);
    let id = revision.id.as_str();
    // The branch that the clone stands on is another's.
    git("update-ref").args(["--no-deref", "HEAD", id]).output().await?;
    let branches = git("for-each-ref").args(["--format=delete %(refname)", "refs/heads"]);
    let deletions = branches.output().await?;
    git("update-ref").args(["--stdin"]).output_of_input(deletions).await?;
    if revision.tag.is_none() {
        let branch = format!("refs/heads/{}", revision.branch);
        git("update-ref").args([&branch, id]).output().await?;
        git("symbolic-ref").args(["HEAD", &branch]).output().await?;
    }
    if let Some(origin) = origin {
        git("config").args(["remote.origin.url", origin]).output().await?;
    }
    std::fs::copy(index, repository.join("index"))
        .and_then(|_| std::fs::rename(&repository, directory.join(".git")))
        .and_then(|()| std::fs::remove_dir_all(&staging))
        .map_err(GitError::files(directory))
}
