//! Folders are reset to a tree, not rebuilt: files that are right stay with their times, wrong ones
//! are replaced, everything else goes except what is cached.

use std::{io, path::Path};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};

use super::{Git, GitError, git_index::GitIndex};

/// Makes `directory` hold exactly the tree, apart from `keep`, which is left alone. Where that is
/// so already, no git is started.
pub async fn reset(
    directory: &Path,
    git_dir: &Path,
    tree: &str,
    index: &Path,
    keep: &[String],
) -> Result<(), GitError> {
    remove_left_lock(index);
    if directory.is_symlink() {
        std::fs::remove_file(directory).map_err(GitError::files(directory))?;
    }
    if is_proven(directory, tree, index, keep).await {
        return Ok(());
    }
    std::fs::create_dir_all(directory).map_err(GitError::files(directory))?;
    // Whatever an action has made of it, this is no repository; git would leave one alone.
    let repository = directory.join(".git");
    let _ = std::fs::remove_dir_all(&repository).or_else(|_| std::fs::remove_file(&repository));
    if index.exists() {
        if change(directory, git_dir, tree, index).await {
            return clean(directory, git_dir, index, keep).await;
        }
        std::fs::remove_file(index).map_err(GitError::files(index))?;
    }
    // Without an index nothing is known about what lies there.
    let (emptied, kept) = (directory.to_owned(), keep.to_vec());
    let emptying = tokio::task::spawn_blocking(move || empty(&emptied, &emptied, &kept));
    let emptied = emptying.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    emptied.map_err(GitError::files(directory))?;
    read_tree(directory, git_dir, tree, index).await
}

/// Turns one tree into another; `false` if that may have left files as they must not be.
async fn change(directory: &Path, git_dir: &Path, tree: &str, index: &Path) -> bool {
    let before = attributes(git_dir, index).await;
    // The index may be damaged. Attributes may say of any file that it is to look otherwise, also
    // of one that is the same.
    read_tree(directory, git_dir, tree, index).await.is_ok()
        && attributes(git_dir, index).await == before
}

async fn read_tree(
    directory: &Path,
    git_dir: &Path,
    tree: &str,
    index: &Path,
) -> Result<(), GitError> {
    let read = Git::at(git_dir, "read-tree").args(["--reset", "-u", tree]);
    read.work_tree(directory, index).output().await?;
    // Nobody works here yet, so files that are older now prove themselves next time.
    date_now(index);
    Ok(())
}

/// Removes what is no part of the tree.
async fn clean(
    directory: &Path,
    git_dir: &Path,
    index: &Path,
    keep: &[String],
) -> Result<(), GitError> {
    if is_clean(directory, index, keep) {
        return Ok(());
    }
    remove_specials(directory, keep);
    let mut clean = Git::at(git_dir, "clean").args(["-ffdxq"]).work_tree(directory, index);
    for path in keep {
        clean = clean.args(["-e", &format!("/{}", as_pattern(path.trim_matches('/')))]);
    }
    clean.output().await.map(drop)
}

/// Removes everything below a folder of `root` but what is kept.
fn empty(root: &Path, folder: &Path, keep: &[String]) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|it| Ok((it.path(), it.file_type()?)))?;
        let holds_kept = |it: &String| root.join(it.trim_matches('/')).starts_with(&path);
        if is_kept(root, &path, keep) {
            continue;
        }
        if !kind.is_dir() {
            std::fs::remove_file(&path)?;
        } else if keep.iter().any(holds_kept) {
            empty(root, &path, keep)?;
        } else {
            std::fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Dates a file or folder now, whoever has touched it.
pub(super) fn date_now(path: &Path) {
    let [keep, now] = [UTIME_OMIT, UTIME_NOW].map(|tv_nsec| Timespec { tv_sec: 0, tv_nsec });
    let times = Timestamps { last_access: keep, last_modification: now };
    // Nothing depends on it but how soon it is looked at again.
    let _ = utimensat(CWD, path, &times, AtFlags::empty());
}

/// Returns the files of a tree that say how others are laid out, with what they hold.
async fn attributes(git_dir: &Path, index: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    if let Some(index) = GitIndex::read(index) {
        return index.attributes;
    }
    let list = ["-s", "-z", "--", ".gitattributes", "**/.gitattributes"];
    let listed = Git::at(git_dir, "ls-files").args(list).environment("GIT_INDEX_FILE", index);
    vec![(Vec::new(), listed.output().await.unwrap_or_default())]
}

/// Writes a path so that git takes it for itself and for nothing else.
fn as_pattern(path: &str) -> String {
    let special = |c: char| "\\*?[".contains(c);
    path.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Removes pipes and sockets, which git does not see.
fn remove_specials(directory: &Path, keep: &[String]) {
    let kept = |path: &Path| is_kept(directory, path, keep);
    let walk = walkdir::WalkDir::new(directory).min_depth(1).into_iter();
    for entry in walk.filter_entry(|entry| !kept(entry.path())).flatten() {
        let kind = entry.file_type();
        if !kind.is_file() && !kind.is_dir() && !kind.is_symlink() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_kept(directory: &Path, path: &Path, keep: &[String]) -> bool {
    let path = path.strip_prefix(directory).unwrap_or(path);
    keep.iter().any(|it| Path::new(it.trim_matches('/')) == path)
}

/// Removes the lock that a killed git has left. Whoever calls this has the index for itself.
pub(super) fn remove_left_lock(index: &Path) {
    let mut lock = index.as_os_str().to_owned();
    lock.push(".lock");
    let _ = std::fs::remove_file(lock);
}

/// Tells for sure that the tree lies there, untouched since git laid it out, and nothing else.
async fn is_proven(directory: &Path, tree: &str, index: &Path, keep: &[String]) -> bool {
    let (directory, index, keep) = (directory.to_owned(), index.to_owned(), keep.to_vec());
    let tree = tree.to_owned();
    let look = move || {
        let Some(index) = GitIndex::read(&index).filter(|it| it.tree == tree) else { return false };
        // What an action has put in its place is another folder.
        let is_itself = !directory.is_symlink();
        is_itself
            && holds_only(&directory, index.len(), &keep, |file| {
                let name = file.path().strip_prefix(&directory).ok();
                let metadata = file.metadata().ok();
                let proves = |(name, metadata): (&Path, _)| {
                    index.proves(name.as_os_str().as_encoded_bytes(), &metadata)
                };
                name.zip(metadata).is_some_and(proves)
            })
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

/// Up to this many files, looking is cheaper than asking git.
const FEW: usize = 2_000;

/// Tells for sure that nothing but the tree lies there. All of its files do, so as many files as
/// the index has entries means no others.
fn is_clean(directory: &Path, index: &Path, keep: &[String]) -> bool {
    let entries = index_entries(index).filter(|entries| *entries <= FEW);
    entries.is_some_and(|entries| holds_only(directory, entries, keep, |_| true))
}

/// Tells whether there are so many files and all of them are right; a folder without files is
/// somebody else's.
fn holds_only(
    directory: &Path,
    entries: usize,
    keep: &[String],
    is_right: impl Fn(&walkdir::DirEntry) -> bool,
) -> bool {
    let kept = |path: &Path| is_kept(directory, path, keep);
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
        if folder_is_empty {
            continue;
        }
        files += 1;
        if files > entries || !is_right(&entry) {
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

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt, symlink},
        path::{Path, PathBuf},
    };

    use rustix::fs::CWD;

    use super::{Git, is_proven, reset};

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

    /// A repository with a few files, one of them executable and one a link, as a workspace of it.
    struct Laid {
        home: tempfile::TempDir,
        tree: String,
    }

    impl Laid {
        async fn out() -> Self {
            let home = tempfile::tempdir().unwrap();
            let repository = home.path().join("repo");
            std::fs::create_dir_all(repository.join("deep/er")).unwrap();
            for name in ["a", "deep/b", "deep/er/c with spaces", "run.sh"] {
                std::fs::write(repository.join(name), name).unwrap();
            }
            symlink("a", repository.join("link")).unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(repository.join("run.sh"), mode).unwrap();
            Git::anywhere("init").args(["-q"]).args([&repository]).output().await.unwrap();
            let git_dir = repository.join(".git");
            let index = home.path().join("add");
            let add = Git::at(&git_dir, "add").args(["-A"]).work_tree(&repository, &index);
            add.output().await.unwrap();
            let write = Git::at(&git_dir, "write-tree").work_tree(&repository, &index);
            let tree = write.text().await.unwrap().trim().to_owned();
            let laid = Self { home, tree };
            // Files as young as their index prove nothing; the next look of git is a later one.
            while !laid.is_proven().await {
                laid.reset().await;
            }
            laid
        }

        fn directory(&self) -> PathBuf {
            self.home.path().join("src")
        }

        fn index(&self) -> PathBuf {
            self.home.path().join("index")
        }

        async fn reset(&self) {
            let git_dir = self.home.path().join("repo/.git");
            reset(&self.directory(), &git_dir, &self.tree, &self.index(), &[]).await.unwrap();
        }

        async fn is_proven(&self) -> bool {
            is_proven(&self.directory(), &self.tree, &self.index(), &[]).await
        }
    }

    #[tokio::test]
    async fn an_untouched_workspace_needs_no_git() {
        let laid = Laid::out().await;
        assert!(laid.is_proven().await);
        std::fs::remove_dir_all(laid.home.path().join("repo")).unwrap();
        laid.reset().await;
        let keep = ["target".to_owned()];
        std::fs::create_dir(laid.directory().join("target")).unwrap();
        assert!(is_proven(&laid.directory(), &laid.tree, &laid.index(), &keep).await);
    }

    #[tokio::test]
    async fn whatever_was_touched_is_laid_out_again() {
        type Touch = fn(&Path);
        let touches: [(&str, Touch); 12] = [
            ("rewritten, same length and time", |it| {
                let file = it.join("a");
                let before = std::fs::metadata(&file).unwrap().modified().unwrap();
                std::fs::write(&file, "b").unwrap();
                std::fs::File::options()
                    .write(true)
                    .open(&file)
                    .unwrap()
                    .set_modified(before)
                    .unwrap();
            }),
            ("longer", |it| std::fs::write(it.join("deep/b"), "longer").unwrap()),
            ("gone", |it| std::fs::remove_file(it.join("deep/er/c with spaces")).unwrap()),
            ("one too many", |it| std::fs::write(it.join("more"), "").unwrap()),
            ("an empty folder", |it| std::fs::create_dir(it.join("deep/empty")).unwrap()),
            ("not executable", |it| {
                let mode = std::fs::Permissions::from_mode(0o644);
                std::fs::set_permissions(it.join("run.sh"), mode).unwrap();
            }),
            ("another link", |it| {
                std::fs::remove_file(it.join("link")).unwrap();
                symlink("b", it.join("link")).unwrap();
            }),
            ("a repository", |it| {
                std::fs::create_dir(it.join(".git")).unwrap();
                std::fs::write(it.join(".git/HEAD"), "ref: refs/heads/x").unwrap();
            }),
            ("a pipe", |it| {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(CWD, it.join("pipe"), rustix::fs::FileType::Fifo, mode, 0)
                    .unwrap();
            }),
            ("elsewhere", |it| {
                let elsewhere = it.parent().unwrap().join("elsewhere");
                std::fs::rename(it, &elsewhere).unwrap();
                symlink(elsewhere, it).unwrap();
            }),
            ("a damaged index", |it| {
                std::fs::write(it.parent().unwrap().join("index"), "").unwrap();
            }),
            ("one for another", |it| {
                std::fs::rename(it.join("a"), it.join("z")).unwrap();
            }),
        ];
        for (what, touch) in touches {
            let laid = Laid::out().await;
            touch(&laid.directory());
            assert!(!laid.is_proven().await, "{what}");
            laid.reset().await;
            assert_eq!(std::fs::read(laid.directory().join("a")).unwrap(), b"a", "{what}");
            let listed = walkdir::WalkDir::new(laid.directory()).min_depth(1).into_iter().count();
            assert_eq!(listed, 7, "{what}");
        }
    }

    #[tokio::test]
    async fn files_that_are_to_look_otherwise_are_laid_out_again() {
        let laid = Laid::out().await;
        let git_dir = laid.home.path().join("repo/.git");
        let (other, index) = (laid.home.path().join("other"), laid.home.path().join("add2"));
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("a"), "one\ntwo\n").unwrap();
        let write = || Git::at(&git_dir, "write-tree").work_tree(&other, &index);
        let add = || Git::at(&git_dir, "add").args(["-A"]).work_tree(&other, &index);
        let mut trees = Vec::new();
        for attributes in ["", "* eol=crlf\n"] {
            std::fs::write(other.join(".gitattributes"), attributes).unwrap();
            add().output().await.unwrap();
            trees.push(write().text().await.unwrap());
        }
        let (directory, index) = (laid.directory(), laid.index());
        let mut seen = Vec::new();
        for tree in trees.iter().chain(&trees) {
            reset(&directory, &git_dir, tree, &index, &[]).await.unwrap();
            seen.push(std::fs::read_to_string(directory.join("a")).unwrap());
        }
        let (unix, windows) = ("one\ntwo\n", "one\r\ntwo\r\n");
        assert_eq!(seen, [unix, windows, unix, windows]);
    }

    #[tokio::test]
    async fn what_is_kept_stays_whatever_becomes_of_the_index() {
        let laid = Laid::out().await;
        let cached = laid.directory().join("deep/cache/x");
        std::fs::create_dir(laid.directory().join("deep/cache")).unwrap();
        std::fs::write(&cached, "").unwrap();
        let git_dir = laid.home.path().join("repo/.git");
        let keep = ["deep/cache/".to_owned()];
        for damage in [None, Some("")] {
            match damage {
                Some(bytes) => std::fs::write(laid.index(), bytes).unwrap(),
                None => std::fs::remove_file(laid.index()).unwrap(),
            }
            std::fs::write(laid.directory().join("deep/left"), "").unwrap();
            reset(&laid.directory(), &git_dir, &laid.tree, &laid.index(), &keep).await.unwrap();
            assert!(cached.exists() && !laid.directory().join("deep/left").exists());
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_a_path_and_no_pattern() {
        let laid = Laid::out().await;
        for name in ["lib*", "libs"] {
            std::fs::create_dir(laid.directory().join(name)).unwrap();
            std::fs::write(laid.directory().join(name).join("x"), "").unwrap();
        }
        let git_dir = laid.home.path().join("repo/.git");
        let keep = ["lib*".to_owned()];
        reset(&laid.directory(), &git_dir, &laid.tree, &laid.index(), &keep).await.unwrap();
        assert!(laid.directory().join("lib*/x").exists());
        assert!(!laid.directory().join("libs").exists());
    }

    #[tokio::test]
    async fn an_index_whose_entries_lie_elsewhere_proves_nothing() {
        let laid = Laid::out().await;
        let whole = std::fs::read(laid.index()).unwrap();
        let tree = whole.windows(4).position(|it| it == b"TREE").unwrap();
        let length = u32::from_be_bytes(whole[tree + 4..tree + 8].try_into().unwrap());
        let tree = &whole[tree..tree + 8 + usize::try_from(length).unwrap()];
        std::fs::remove_dir_all(laid.directory()).unwrap();
        std::fs::create_dir(laid.directory()).unwrap();
        // As git writes it with `core.splitIndex`: no entries here, and `link` says where they are.
        for (link, proven) in [(&b"link\0\0\0\x01x"[..], false), (b"LINK\0\0\0\x01x", true)] {
            let parts: [&[u8]; 4] = [b"DIRC\0\0\0\x02\0\0\0\0", tree, link, &[0; 20]];
            std::fs::write(laid.index(), parts.concat()).unwrap();
            assert_eq!(laid.is_proven().await, proven);
        }
    }

    #[tokio::test]
    async fn another_tree_or_a_foreign_index_proves_nothing() {
        let laid = Laid::out().await;
        let other = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        assert!(!is_proven(&laid.directory(), other, &laid.index(), &[]).await);
        let whole = std::fs::read(laid.index()).unwrap();
        for length in 0..whole.len() {
            std::fs::write(laid.index(), &whole[..length]).unwrap();
            let _ = laid.is_proven().await;
        }
        let mut fourth = whole.clone();
        fourth[7] = 4;
        std::fs::write(laid.index(), fourth).unwrap();
        assert!(!laid.is_proven().await);
    }
}
