//! Workspaces are reset to their inputs, not rebuilt: files that are right stay with their
//! times, wrong ones are replaced, everything else goes except what is cached.

use std::{
    collections::BTreeSet,
    fmt::Write,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Git, GitError};
use crate::model::{Job, Lane};

pub struct Workspaces {
    root: PathBuf,
    in_use: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// A workspace that nobody else gets while this is alive.
pub struct Workspace {
    directory: PathBuf,
    in_use: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Workspaces {
    pub fn new(root: PathBuf) -> Self {
        Self { root, in_use: Arc::default() }
    }

    /// Takes the workspace of an action in its lane. While an abandoned attempt still dies in
    /// there, the next one gets a workspace beside it.
    pub fn take(&self, job: &Job) -> io::Result<Workspace> {
        let lane = if job.lane.as_str() == Lane::WHOLE_PIPELINE { "_" } else { job.lane.as_str() };
        let parts = [job.pipeline.as_str(), lane, job.stage.as_str(), job.action_name().as_str()];
        let home: PathBuf = parts.iter().map(|part| folder_name(part)).collect();
        for number in 1.. {
            let name = if number == 1 { home.clone() } else { home.join(format!("+{number}")) };
            if let Some(workspace) = self.take_directory(self.root.join(name)) {
                std::fs::create_dir_all(workspace.source())?;
                return Ok(workspace);
            }
        }
        Err(io::Error::other("no workspace is free"))
    }

    /// Takes a workspace by its directory, if it is free.
    pub fn take_directory(&self, directory: PathBuf) -> Option<Workspace> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use
            .insert(directory.clone())
            .then(|| Workspace { directory, in_use: Arc::clone(&self.in_use) })
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.directory);
    }
}

impl Workspace {
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns where the primary input lies and the commands start.
    pub fn source(&self) -> PathBuf {
        self.directory.join("src")
    }

    /// Returns where another input artifact lies.
    pub fn input(&self, artifact: &str) -> PathBuf {
        self.directory.join("in").join(folder_name(artifact))
    }

    pub fn index(&self, name: &str) -> PathBuf {
        self.directory.join(format!("index-{}", folder_name(name)))
    }
}

/// Makes `directory` hold exactly the tree, apart from `keep`, which is left alone.
pub async fn reset(
    directory: &Path,
    git_dir: &Path,
    tree: &str,
    index: &Path,
    keep: &[String],
) -> Result<(), GitError> {
    remove_left_lock(index);
    let is_new = !index.exists();
    if is_new {
        // Without its index nothing is known about what lies there.
        let _ = std::fs::remove_dir_all(directory);
    }
    std::fs::create_dir_all(directory).map_err(GitError::NotRun)?;
    let reset = Git::at(git_dir, "read-tree").args(["--reset", "-u", tree]);
    reset.work_tree(directory, index).output().await?;
    if !is_new && !is_clean(directory, index, keep) {
        let mut clean = Git::at(git_dir, "clean").args(["-ffdxq"]).work_tree(directory, index);
        for path in keep {
            clean = clean.args(["-e", &format!("/{}", path.trim_matches('/'))]);
        }
        clean.output().await?;
    }
    Ok(())
}

/// Removes the lock that a killed git has left. Whoever calls this has the index for itself.
pub(super) fn remove_left_lock(index: &Path) {
    let mut lock = index.as_os_str().to_owned();
    lock.push(".lock");
    let _ = std::fs::remove_file(lock);
}

/// Up to this many files, looking is cheaper than asking git.
const FEW: usize = 2_000;

/// Tells for sure that nothing but the tree lies there. All of its files do, so as many files as
/// the index has entries means no others; a folder without files is somebody else's.
fn is_clean(directory: &Path, index: &Path, keep: &[String]) -> bool {
    let Some(entries) = index_entries(index).filter(|entries| *entries <= FEW) else {
        return false;
    };
    let kept = |path: &Path| {
        let path = path.strip_prefix(directory).unwrap_or(path);
        keep.iter().any(|it| Path::new(it.trim_matches('/')) == path)
    };
    let mut files = 0;
    let mut folder_is_empty = false;
    let walk = walkdir::WalkDir::new(directory).min_depth(1);
    let mut depth = 0;
    for entry in walk.into_iter().filter_entry(|entry| !kept(entry.path())) {
        let Ok(entry) = entry else { return false };
        // A folder is followed by what is in it, or by nothing deeper.
        if folder_is_empty && entry.depth() <= depth {
            return false;
        }
        folder_is_empty = entry.file_type().is_dir();
        depth = entry.depth();
        files += usize::from(!folder_is_empty);
        if files > entries {
            return false;
        }
    }
    !folder_is_empty && files == entries
}

/// Reads the number of entries from the header of a git index: "DIRC", version, count.
fn index_entries(index: &Path) -> Option<usize> {
    let mut header = [0; 12];
    io::Read::read_exact(&mut std::fs::File::open(index).ok()?, &mut header).ok()?;
    let count = u32::from_be_bytes(header[8..12].try_into().ok()?);
    header.starts_with(b"DIRC").then_some(usize::try_from(count).ok()?)
}

/// Turns a name into one path component: branch names have slashes, and `..` must not climb.
fn folder_name(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut folder = String::new();
    for c in name.chars() {
        if safe(c) {
            folder.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(folder, "%{byte:02x}");
            }
        }
    }
    match folder.as_str() {
        "" | "." | ".." => folder.replace('.', "%2e") + "%",
        _ => folder,
    }
}

#[cfg(test)]
mod tests {
    use super::{Git, folder_name, reset};

    #[tokio::test]
    async fn a_lock_that_a_killed_git_has_left_does_not_break_the_workspace() {
        let home = tempfile::tempdir().unwrap();
        let git_dir = home.path().join("store.git");
        Git::anywhere("init").args(["--bare", "-q"]).args([&git_dir]).output().await.unwrap();
        let tree = Git::at(&git_dir, "mktree").output_of_input(Vec::new()).await.unwrap();
        let tree = String::from_utf8(tree).unwrap();
        let (directory, index) = (home.path().join("src"), home.path().join("index"));
        for _ in 0..2 {
            std::fs::write(home.path().join("index.lock"), "").unwrap();
            reset(&directory, &git_dir, tree.trim(), &index, &[]).await.unwrap();
        }
    }

    #[test]
    fn every_name_becomes_one_component_of_its_own() {
        let names = ["main", "feature/x", "feature%2fx", "..", ".", "", "a b", "ü"];
        let folders: Vec<_> = names.iter().map(|name| folder_name(name)).collect();
        assert_eq!(folders[1], "feature%2fx");
        assert_eq!(folders[2], "feature%252fx");
        let distinct: std::collections::BTreeSet<_> = folders.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(folders.iter().all(|it| !it.is_empty() && !it.contains('/') && it != ".."));
    }
}
