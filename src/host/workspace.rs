//! Workspaces: each action has one in each lane, and nobody else works in it meanwhile.

use std::{
    collections::BTreeSet,
    fmt::Write,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::work_tree::date_now;
use crate::model::{Job, Lane};

/// How deep the folder of a workspace lies.
const DEPTH: usize = 4;

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
        let parts: [&str; DEPTH] =
            [job.pipeline.as_str(), lane, job.stage.as_str(), job.action_name().as_str()];
        self.take_below(parts.iter().map(|part| folder_name(part)).collect())
    }

    fn take_below(&self, home: PathBuf) -> io::Result<Workspace> {
        for number in 1.. {
            let mut name = home.clone();
            if number > 1 {
                // Beside it: what removes a workspace removes everything below.
                name.as_mut_os_string().push(format!("+{number}"));
            }
            if let Some(workspace) = self.take_directory(self.root.join(name)) {
                std::fs::create_dir_all(workspace.source())?;
                // Work may leave no trace; what was used last is what stays longest.
                date_now(workspace.directory());
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

/// Returns the folders of all workspaces: one for each pipeline, lane, stage and action.
pub fn all(root: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = walkdir::WalkDir::new(root).min_depth(DEPTH).max_depth(DEPTH).into_iter();
    folders.flatten().filter(|it| it.file_type().is_dir()).map(walkdir::DirEntry::into_path)
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

/// Longer names are cut off; the file system allows 255 bytes, of which some say what it is.
const LONGEST_NAME: usize = 200;

/// Turns a name into one path component: branch names have slashes, and `..` must not climb.
pub(super) fn folder_name(name: &str) -> String {
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
    if folder.len() > LONGEST_NAME {
        folder = format!("{}-{:016x}", &folder[..LONGEST_NAME], fingerprint(name));
    }
    match folder.as_str() {
        "" | "." | ".." => folder.replace('.', "%2e") + "%",
        _ => folder,
    }
}

/// Tells long names apart (FNV-1a, so that it stays the same for ever).
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{Workspaces, folder_name};

    #[test]
    fn a_workspace_that_is_taken_counts_as_used() {
        let root = tempfile::tempdir().unwrap();
        let workspaces = Workspaces::new(root.path().to_owned());
        let directory = workspaces.take_below("p".into()).unwrap().directory().to_owned();
        let opened = std::fs::File::open(&directory).unwrap();
        opened.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let first = workspaces.take_below("p".into()).unwrap();
        let second = workspaces.take_below("p".into()).unwrap();
        assert!(!second.directory().starts_with(first.directory()), "one may be removed alone");
        let modified = std::fs::metadata(&directory).unwrap().modified().unwrap();
        assert_ne!(modified, std::time::SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn every_name_becomes_one_component_of_its_own() {
        let (long, longer) = ("長".repeat(29), "長".repeat(30));
        let names = ["main", "feature/x", "feature%2fx", "..", ".", "", "a b", "ü", &long, &longer];
        let folders: Vec<_> = names.iter().map(|name| folder_name(name)).collect();
        assert!(folders.iter().all(|it| it.len() < 230));
        assert_eq!(folders[1], "feature%2fx");
        assert_eq!(folders[2], "feature%252fx");
        let distinct: std::collections::BTreeSet<_> = folders.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(folders.iter().all(|it| !it.is_empty() && !it.contains('/') && it != ".."));
    }
}
