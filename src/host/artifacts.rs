//! Artifacts that actions leave, kept by content in a git object store of our own.

use std::{
    collections::BTreeSet,
    fmt::Write,
    io::{self, Read},
    path::{Path, PathBuf},
};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use thiserror::Error;

use super::{Git, GitError, work_tree};
use crate::model::{ArtifactContent, ArtifactName, OutputArtifact};

pub struct ArtifactStore {
    git_dir: PathBuf,
}

#[derive(Debug, Error)]
pub enum PackError {
    #[error("no file matches {} of output artifact {artifact}", patterns.join(", "))]
    NothingMatches { artifact: String, patterns: Vec<String> },
    #[error("output artifact {artifact}: {} contains the value of a secret", file.display())]
    Secret { artifact: String, file: PathBuf },
    #[error("output artifact {artifact}: cannot read {}", path.display())]
    Unreadable { artifact: String, path: PathBuf, source: io::Error },
    #[error(
        "output artifact {artifact}: {} is a git repository of its own, which cannot be kept inside \
         an artifact; exclude it or remove its .git",
        path.display()
    )]
    NestedRepository { artifact: String, path: PathBuf },
    #[error("output artifact {artifact}: {} is a pipe, socket or device; exclude it", path.display())]
    Special { artifact: String, path: PathBuf },
    #[error("output artifact {artifact} cannot be kept")]
    Git { artifact: String, source: GitError },
}

/// Files go in as they are: no line endings, filters or keywords of the user's repository apply.
const ATTRIBUTES: &str = "* -text -eol -filter -ident -working-tree-encoding\n";
/// Big or small, everything is streamed into one pack: a file per object would cost an inode each.
const CONFIG: &str = "[core]\n\trepositoryFormatVersion = 0\n\tbare = true\n\
     \tbigFileThreshold = 1\n\tcompression = 1\n\tautocrlf = false\n[gc]\n\tauto = 0\n";

impl ArtifactStore {
    pub async fn open(directory: &Path) -> Result<Self, GitError> {
        let git_dir = directory.join("store.git");
        if !git_dir.join("info/attributes").exists() {
            Git::anywhere("init")
                .args(["--bare", "--quiet", "--template="])
                .args([&git_dir])
                .output()
                .await?;
            let info = git_dir.join("info");
            std::fs::create_dir_all(&info)
                .and_then(|()| std::fs::write(git_dir.join("config"), CONFIG))
                .and_then(|()| std::fs::write(info.join("attributes"), ATTRIBUTES))
                .map_err(GitError::files(&git_dir))?;
        }
        Ok(Self { git_dir })
    }

    /// Returns the git directory that holds an artifact, and its tree.
    pub fn locate<'a>(&'a self, content: &'a ArtifactContent) -> (&'a Path, &'a str) {
        match content {
            ArtifactContent::Commit { git_dir, tree, .. } => (git_dir, tree),
            ArtifactContent::Tree { tree, .. } => (&self.git_dir, tree),
        }
    }

    /// Keeps the files of a workspace that an output artifact asks for.
    pub async fn pack(
        &self,
        source: &Path,
        output: &OutputArtifact,
        secrets: &[String],
        index: &Path,
    ) -> Result<ArtifactContent, PackError> {
        let artifact = output.name.to_string();
        let base = source.join(output.base_directory.as_deref().unwrap_or("."));
        let (look_at, wanted, secrets) = (base.clone(), output.clone(), secrets.to_vec());
        let look = move || {
            let found = find(&look_at, &wanted)?;
            check_for_secrets(&look_at, &found, &secrets, &wanted.name).map(|()| found)
        };
        // What is found may be many files, and large ones.
        let found = tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
            let (artifact, path) = (artifact.clone(), base.clone());
            Err(PackError::Unreadable { artifact, path, source: io::Error::other(error) })
        })?;
        if found.is_empty() {
            let patterns = match output.files.as_slice() {
                [] => vec!["*".to_owned()],
                files => files.to_vec(),
            };
            return Err(PackError::NothingMatches { artifact, patterns });
        }
        let mut names = Vec::new();
        for file in &found {
            names.extend_from_slice(file.name.as_os_str().as_encoded_bytes());
            names.push(0);
        }
        let keep = async {
            let _ = std::fs::remove_file(index);
            work_tree::remove_left_lock(index);
            Git::at(&self.git_dir, "add")
                .args(["--force", "--pathspec-from-file=-", "--pathspec-file-nul"])
                .work_tree(&base, index)
                .environment("GIT_LITERAL_PATHSPECS", "1")
                .output_of_input(names)
                .await?;
            let tree = Git::at(&self.git_dir, "write-tree").work_tree(&base, index).text().await?;
            let _ = std::fs::remove_file(index);
            Ok(tree)
        };
        let tree = keep.await.map_err(|source| PackError::Git { artifact, source })?;
        let bytes = found.iter().map(|file| file.bytes).sum();
        let tree = tree.into();
        Ok(ArtifactContent::Tree { tree, files: found.len() as u64, bytes })
    }
}

impl ArtifactStore {
    /// Removes everything but these trees, and what came in lately and is in nobody's list yet.
    pub async fn keep_only(&self, trees: &BTreeSet<String>) -> Result<(), GitError> {
        let listed = Git::at(&self.git_dir, "for-each-ref")
            .args(["--format=%(refname)", KEPT])
            .text()
            .await?;
        let known: BTreeSet<&str> = listed.lines().filter_map(|it| it.strip_prefix(KEPT)).collect();
        let mut changes = String::new();
        for tree in trees.iter().filter(|tree| !known.contains(tree.as_str())) {
            let _ = writeln!(changes, "create {KEPT}{tree} {tree}");
        }
        for tree in known.into_iter().filter(|tree| !trees.contains(*tree)) {
            let _ = writeln!(changes, "delete {KEPT}{tree}");
        }
        let update = Git::at(&self.git_dir, "update-ref").args(["--stdin"]);
        update.output_of_input(changes.into_bytes()).await?;
        Git::at(&self.git_dir, "gc").args(["--quiet", LATELY]).output().await.map(drop)
    }
}

/// Git keeps what its refs name.
const KEPT: &str = "refs/kept/";
const LATELY: &str = "--prune=1.day.ago";

struct Found {
    /// Relative to the base directory.
    name: PathBuf,
    bytes: u64,
}

fn find(base: &Path, output: &OutputArtifact) -> Result<Vec<Found>, PackError> {
    let (wanted, unwanted) = (glob_set(&output.files), glob_set(&output.exclude));
    let everything = output.files.is_empty();
    let mut found = Vec::new();
    let mut repositories = Vec::new();
    let walk = walkdir::WalkDir::new(base).min_depth(1).sort_by_file_name();
    let outside_git = walk.into_iter().filter_entry(|entry| {
        let is_git = entry.file_name() == ".git";
        if is_git && entry.depth() > 1 {
            repositories.extend(entry.path().parent().map(Path::to_owned));
        }
        !is_git
    });
    for entry in outside_git {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => return Ok(Vec::new()),
            Err(error) => {
                return Err(PackError::Unreadable {
                    artifact: output.name.to_string(),
                    path: error.path().unwrap_or(base).to_owned(),
                    source: error.into(),
                });
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        let Ok(name) = entry.path().strip_prefix(base) else { continue };
        // A pattern that names a directory means everything below it.
        let matches = |set: &GlobSet| name.ancestors().any(|path| set.is_match(path));
        if (everything || matches(&wanted)) && !matches(&unwanted) {
            let kind = entry.file_type();
            if !kind.is_file() && !kind.is_symlink() {
                let (artifact, path) = (output.name.to_string(), entry.path().to_owned());
                return Err(PackError::Special { artifact, path });
            }
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            found.push(Found { name: name.to_owned(), bytes });
        }
    }
    // Git would keep a mere link to them, without their files.
    match repositories
        .into_iter()
        .find(|it| found.iter().any(|f| base.join(&f.name).starts_with(it)))
    {
        Some(path) => Err(PackError::NestedRepository { artifact: output.name.to_string(), path }),
        None => Ok(found),
    }
}

/// Builds CodePipeline's globs: `*` stays within a path component, `**` does not.
pub fn glob(pattern: &str) -> Option<Glob> {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
    GlobBuilder::new(pattern).literal_separator(true).build().ok()
}

fn glob_set(patterns: &[String]) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for glob in patterns.iter().filter_map(|pattern| glob(pattern)) {
        builder.add(glob);
    }
    builder.build().unwrap_or_default()
}

fn check_for_secrets(
    base: &Path,
    found: &[Found],
    secrets: &[String],
    artifact: &ArtifactName,
) -> Result<(), PackError> {
    let Some(longest) = secrets.iter().map(String::len).max() else { return Ok(()) };
    for file in found {
        let path = base.join(&file.name);
        match holds_any(&path, secrets, longest) {
            Ok(false) => {}
            Ok(true) => {
                let (artifact, file) = (artifact.to_string(), file.name.clone());
                return Err(PackError::Secret { artifact, file });
            }
            Err(source) => {
                let artifact = artifact.to_string();
                return Err(PackError::Unreadable { artifact, path, source });
            }
        }
    }
    Ok(())
}

/// How much of a file is looked at in one go, in bytes.
const BLOCK: usize = 1 << 20;

/// Tells whether one of the texts, of so many bytes at most, stands in what git would keep: of a
/// link, where it leads.
fn holds_any(path: &Path, texts: &[String], longest: usize) -> io::Result<bool> {
    let finds = |bytes: &[u8]| {
        texts.iter().any(|text| memchr::memmem::find(bytes, text.as_bytes()).is_some())
    };
    if path.is_symlink() {
        return Ok(finds(std::fs::read_link(path)?.as_os_str().as_encoded_bytes()));
    }
    let mut file = std::fs::File::open(path)?;
    let mut bytes = Vec::with_capacity(BLOCK + longest);
    loop {
        let read = file.by_ref().take(BLOCK as u64).read_to_end(&mut bytes)?;
        if finds(&bytes) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // One may begin here and go on in the next block.
        bytes.drain(..bytes.len().saturating_sub(longest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_across_blocks_and_in_what_a_link_says() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = ["hunter2".to_owned(), "x".repeat(40)];
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        for before in [0, BLOCK - 3, BLOCK, 2 * BLOCK - 6] {
            std::fs::write(&file, "-".repeat(before) + "hunter2-").unwrap();
            assert!(holds_any(&file, &secrets, 40).unwrap(), "after {before} bytes");
        }
        std::fs::write(&file, "-".repeat(2 * BLOCK) + "hunter").unwrap();
        assert!(!holds_any(&file, &secrets, 40).unwrap());
        std::os::unix::fs::symlink("/srv/hunter2/x", &link).unwrap();
        assert!(holds_any(&link, &secrets, 40).unwrap());
    }
}
