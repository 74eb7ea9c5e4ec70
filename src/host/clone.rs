//! Makes a folder that holds the tree of a commit a repository at that commit, for actions that ask
//! git about the history.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Git, GitError};
use crate::model::SourceRevision;

/// Gives `directory`, laid out with `index`, a `.git` of its own. It reads the objects of the
/// repository it comes from and writes none there. Its `origin` is `origin`, or that repository.
///
/// It is no `git clone`: that would ask whose the repository is, which whoever watches it has
/// answered.
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
    let source = &*revision.git_dir;
    let format = Git::at(source, "rev-parse").args(["--show-object-format"]).text().await?;
    let init = Git::anywhere("init").args(["--quiet", "--template="]);
    init.args([format!("--object-format={format}")]).args([&staging]).output().await?;
    let repository = staging.join(".git");
    share_objects(source, &repository).map_err(GitError::files(&repository))?;

    let git = |name| Git::at(&repository, name);
    let mut refs = Vec::new();
    for (format, kind) in [
        ("create refs/remotes/origin/%(refname:lstrip=2) %(objectname)", "refs/heads"),
        ("create %(refname) %(objectname)", "refs/tags"),
    ] {
        let list = Git::at(source, "for-each-ref").args([&format!("--format={format}"), kind]);
        refs.extend(list.output().await?);
    }
    git("update-ref").args(["--stdin"]).output_of_input(refs).await?;
    let (id, branch) = (revision.id.as_str(), &revision.branch);
    let here = source.to_string_lossy();
    let mut settings = vec![
        ("remote.origin.url".to_owned(), origin.unwrap_or(&here).to_owned()),
        ("remote.origin.fetch".to_owned(), "+refs/heads/*:refs/remotes/origin/*".to_owned()),
    ];
    if revision.tag.is_some() {
        git("update-ref").args(["--no-deref", "HEAD", id]).output().await?;
    } else {
        let head = format!("refs/heads/{branch}");
        git("update-ref").args([&head, id]).output().await?;
        git("symbolic-ref").args(["HEAD", &head]).output().await?;
        settings.push((format!("branch.{branch}.remote"), "origin".to_owned()));
        settings.push((format!("branch.{branch}.merge"), head));
    }
    for (key, value) in settings {
        git("config").args([key, value]).output().await?;
    }
    let in_place = directory.join(".git");
    let _ = std::fs::remove_dir_all(&in_place);
    std::fs::copy(index, repository.join("index"))
        .and_then(|_| std::fs::rename(&repository, &in_place))
        .and_then(|()| std::fs::remove_dir_all(&staging))
        .map_err(GitError::files(directory))
}

const ALTERNATES: &str = "objects/info/alternates";

fn share_objects(source: &Path, repository: &Path) -> io::Result<()> {
    std::fs::create_dir_all(repository.join("objects/info"))?;
    let mut objects = source.join("objects").into_os_string().into_encoded_bytes();
    objects.push(b'\n');
    std::fs::write(repository.join(ALTERNATES), objects)?;
    // Where its history was cut off, ours is.
    match std::fs::copy(source.join("shallow"), repository.join("shallow")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Returns the folders that a repository made from `source` reads: that one, and those it borrows
/// objects from itself.
pub fn shared(source: &Path) -> Vec<PathBuf> {
    let mut folders = vec![source.to_owned()];
    let mut at = 0;
    while let Some(folder) = folders.get(at) {
        let alternates = std::fs::read_to_string(folder.join(ALTERNATES)).unwrap_or_default();
        // What they name are the folders of objects.
        let more = alternates.lines().filter_map(|line| Path::new(line).parent());
        let more: Vec<_> = more.filter(|it| it.is_absolute()).map(Path::to_owned).collect();
        folders.extend(more.into_iter().filter(|it| !folders.contains(it)).collect::<Vec<_>>());
        at += 1;
    }
    folders
}
