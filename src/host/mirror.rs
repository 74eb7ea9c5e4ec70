//! Copies of repositories that lie elsewhere: bare ones of our own in the state directory, whose
//! refs are what the last fetch has seen. Everything else works on them as on any local repository.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::{Git, GitError, workspace::folder_name};

/// How long a fetch may take before it is given up, and the first one, which brings everything.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(60 * 60);
/// How often somebody who waits for another fetch looks whether it is over.
const LOOK: Duration = Duration::from_millis(50);
const REFS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
/// Is there once a fetch has succeeded.
const FETCHED: &str = "fetched";
const ENDING: &str = "mirror";
/// Nothing is ever thrown away that a release may need; a server that falls silent is given up.
const CONFIGURATION: [(&str, &str); 5] = [
    ("fetch.writeCommitGraph", "false"),
    ("gc.pruneExpire", "never"),
    ("gc.autoDetach", "false"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
];
const SSH: &str =
    "ssh -oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=15 -oServerAliveCountMax=4";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    url: String,
    directory: PathBuf,
}

impl Mirror {
    /// Returns the mirror of a URL in `root`: a folder whose name tells people whose it is.
    pub fn of(url: &str, root: &Path) -> Self {
        let name = folder_name(url);
        Self { url: url.to_owned(), directory: root.join(format!("{name}.{ENDING}")) }
    }

    /// Tells whether a folder is a mirror.
    pub fn is_at(folder: &Path) -> bool {
        folder.extension().is_some_and(|it| it == ENDING) && folder.is_dir()
    }

    pub fn git_dir(&self) -> &Path {
        &self.directory
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Tells whether its refs are those of the repository; before that they mean nothing.
    pub fn has_fetched(&self) -> bool {
        // Without the others git would not take it for a repository.
        ["HEAD", "objects", "refs", FETCHED].iter().all(|it| self.directory.join(it).exists())
    }

    /// Brings it up to date. Nobody is asked for a password: what git needs it must know.
    ///
    /// # Errors
    ///
    /// Says what git said first; the refs are then as they were.
    pub async fn fetch(&self) -> Result<(), GitError> {
        let patience = if self.has_fetched() { PATIENCE } else { PATIENCE_FOR_ALL };
        let failed = |message: Vec<String>| {
            Err(GitError::Failed { command: format!("fetch {}", self.url), message })
        };
        match tokio::time::timeout(patience, self.fetch_alone()).await {
            Ok(Err(GitError::Failed { message, .. })) => failed(cause_in(message)),
            Ok(fetched) => fetched,
            Err(_) => failed(vec![format!("it took longer than {} min", patience.as_secs() / 60)]),
        }
    }

    async fn fetch_alone(&self) -> Result<(), GitError> {
        let lock = self.lock().await?;
        if self.has_fetched() {
            // Whoever left them is no more: it would hold the lock.
            remove_left_locks(&self.directory);
        } else {
            self.begin(&lock).await?;
        }
        let fetch = Git::at(&self.directory, "fetch")
            .args(["--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--", &self.url])
            .args(REFS);
        let fetched = over_the_network(fetch, &lock).await?.output().await;
        if fetched.is_err() && !self.has_fetched() {
            // What is there may be what is wrong.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
        fetched?;
        let any = Git::at(&self.directory, "for-each-ref").args(["--count=1"]).text().await?;
        if any.is_empty() {
            // An empty repository has yet to decide on its hash and its default branch.
            return Ok(());
        }
        let head = Git::at(&self.directory, "rev-parse").args(["--verify", "-q", "HEAD"]);
        if !head.succeeds().await? {
            let (branch, _) = self.ask(&lock).await?;
            self.set_head(branch.as_deref()).await?;
        }
        std::fs::write(self.directory.join(FETCHED), "").map_err(GitError::files(&self.directory))
    }

    /// Returns the default branch of the repository, and whether its hash is the longer one.
    async fn ask(&self, lock: &File) -> Result<(Option<String>, bool), GitError> {
        let ask = Git::anywhere("ls-remote").args(["--symref", "--", &self.url, "HEAD"]);
        let answer = over_the_network(ask, lock).await?.text().await?;
        // The pattern also matches what a clone calls the HEAD of its origin.
        let lines = answer.lines().filter_map(|line| line.strip_suffix("\tHEAD"));
        let branch = lines.clone().find_map(|it| it.strip_prefix("ref: "));
        let branch = branch.filter(|it| it.starts_with("refs/heads/")).map(str::to_owned);
        Ok((branch, lines.clone().any(|it| it.len() == 64)))
    }

    async fn set_head(&self, branch: Option<&str>) -> Result<(), GitError> {
        if let Some(branch) = branch {
            Git::at(&self.directory, "symbolic-ref").args(["HEAD", branch]).output().await?;
        }
        Ok(())
    }

    /// Makes a mirror with the hash and the default branch of the repository.
    async fn begin(&self, lock: &File) -> Result<(), GitError> {
        let (branch, is_long) = self.ask(lock).await?;
        let format = if is_long { "sha256" } else { "sha1" };
        let found = Git::at(&self.directory, "rev-parse").args(["--show-object-format"]);
        if found.text().await.is_ok_and(|it| it == format) {
            // What an interrupted fetch has brought need not come again.
            remove_left_locks(&self.directory);
        } else {
            let _ = std::fs::remove_dir_all(&self.directory);
            let init = Git::anywhere("init").args(["--bare", "-q", "--object-format", format]);
            let init = init.args([&self.directory]).environment("GIT_DEFAULT_REF_FORMAT", "files");
            init.output().await?;
        }
        for (key, value) in CONFIGURATION {
            Git::at(&self.directory, "config").args([key, value]).output().await?;
        }
        self.set_head(branch.as_deref()).await
    }

    /// Waits until nobody else fetches into it.
    async fn lock(&self) -> Result<File, GitError> {
        loop {
            if let Some(lock) =
                try_lock(&self.directory).map_err(GitError::files(&self.directory))?
            {
                return Ok(lock);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Returns what went wrong: the first line that is no warning, without the advice that follows.
fn cause_in(message: Vec<String>) -> Vec<String> {
    let tells = |line: &&String| {
        let line = line.to_lowercase();
        !line.is_empty() && !["warning:", "hint:"].iter().any(|it| line.starts_with(it))
    };
    let mut lines = message.iter().filter(tells);
    let Some(mut cause) = lines.next().cloned() else { return message };
    if cause.ends_with(':') {
        cause.extend([" ", lines.next().map_or("", String::as_str)]);
    }
    vec![cause]
}

/// Removes a mirror, unless somebody fetches into it.
pub fn remove(directory: &Path) -> io::Result<bool> {
    let Some(_lock) = try_lock(directory)? else { return Ok(false) };
    // The lock stays: somebody may be waiting for it.
    std::fs::remove_dir_all(directory)?;
    Ok(true)
}

fn lock_of(directory: &Path) -> PathBuf {
    directory.with_extension("lock")
}

fn try_lock(directory: &Path) -> io::Result<Option<File>> {
    let path = lock_of(directory);
    std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Prepares a command that talks to a server: it asks nobody, and holds the lock as long as it
/// lives, also without us.
async fn over_the_network(git: Git, lock: &File) -> Result<Git, GitError> {
    let mut git = git
        .holding(lock.try_clone().map_err(GitError::NotRun)?)
        .environment("GIT_ASKPASS", "true")
        .environment("SSH_ASKPASS_REQUIRE", "never");
    let chosen = ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|it| std::env::var_os(it).is_some());
    // Outside of every repository: what the user has set for all of them.
    let asked = Git::inside(Path::new("/"), "config").args(["--get", "core.sshCommand"]);
    if !chosen && !asked.succeeds().await? {
        git = git.environment("GIT_SSH_COMMAND", SSH);
    }
    Ok(git)
}

/// Removes what a fetch leaves that was killed.
fn remove_left_locks(directory: &Path) {
    // No ref may end so; what begins with `tmp_` may well be a branch.
    let is_lock = |path: &Path| path.extension().is_some_and(|it| it == "lock");
    let is_half = |path: &Path| {
        let name = path.file_name().and_then(|it| it.to_str());
        path.starts_with(directory.join("objects")) && name.is_some_and(|it| it.starts_with("tmp_"))
    };
    let files = walkdir::WalkDir::new(directory).into_iter().flatten();
    let files = files.filter(|it| it.file_type().is_file()).map(walkdir::DirEntry::into_path);
    for path in files.filter(|path| is_lock(path) || is_half(path)) {
        let _ = std::fs::remove_file(path);
    }
    let _ = std::fs::remove_file(directory.join("gc.pid"));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn by_somebody(git: Git) -> Git {
        ["AUTHOR", "COMMITTER"].into_iter().fold(git, |git, who| {
            git.environment(&format!("GIT_{who}_NAME"), "M")
                .environment(&format!("GIT_{who}_EMAIL"), "m@example.org")
        })
    }

    #[test]
    fn every_url_has_a_mirror_of_its_own_in_one_folder() {
        let long = format!("https://example.org/{}", "a".repeat(300));
        let longer = format!("{long}b");
        let urls = [
            "https://example.org/a.git",
            "https://example.org/a",
            "ssh://example.org/a",
            "alice@example.org:a",
            "bob@example.org:a",
            "file:///a.mirror",
            "file:///a.mirror/b",
            "file:///../a",
            &long,
            &longer,
        ];
        let mirrors = urls.map(|url| Mirror::of(url, Path::new("/s")));
        for mirror in &mirrors {
            assert_eq!(mirror.git_dir().parent(), Some(Path::new("/s")), "{mirror:?}");
            assert!(mirror.git_dir().file_name().unwrap().len() < 255, "{mirror:?}");
        }
        let distinct: BTreeSet<_> = mirrors.iter().map(Mirror::git_dir).collect();
        assert_eq!(distinct.len(), urls.len(), "{distinct:?}");
    }

    #[tokio::test]
    async fn a_fetch_brings_and_takes_away_what_the_repository_has() {
        let home = tempfile::tempdir().unwrap();
        let there = home.path().join("there");
        Git::anywhere("init").args(["-q", "-b", "develop"]).args([&there]).output().await.unwrap();
        let git = |name: &'static str| Git::inside(&there, name).environment("GIT_DIR", ".git");
        let commit = by_somebody(git("commit")).args(["-q", "--allow-empty", "-m", "c"]);
        commit.output().await.unwrap();
        git("branch").args(["tmp_topic"]).output().await.unwrap();
        let url = format!("file://{}", there.display());
        let mirror = Mirror::of(&url, &home.path().join("mirrors"));
        let refs = || async {
            let list = Git::at(mirror.git_dir(), "for-each-ref").args(["--format=%(refname)"]);
            list.text().await.unwrap()
        };
        assert!(!mirror.has_fetched());
        mirror.fetch().await.unwrap();
        assert!(mirror.has_fetched());
        assert_eq!(refs().await, "refs/heads/develop\nrefs/heads/tmp_topic");
        let head = Git::at(mirror.git_dir(), "symbolic-ref").args(["HEAD"]).text().await.unwrap();
        assert_eq!(head, "refs/heads/develop", "the branch that others begin from");
        // What a fetch leaves that was killed is in nobody's way.
        std::fs::write(mirror.git_dir().join("refs/heads/develop.lock"), "").unwrap();
        std::fs::write(mirror.git_dir().join("objects/pack/tmp_pack_x"), "").unwrap();
        git("branch").args(["-D", "tmp_topic"]).output().await.unwrap();
        git("branch").args(["-m", "develop", "trunk"]).output().await.unwrap();
        git("tag").args(["v1"]).output().await.unwrap();
        mirror.fetch().await.unwrap();
        assert_eq!(refs().await, "refs/heads/trunk\nrefs/tags/v1");
        let head = Git::at(mirror.git_dir(), "symbolic-ref").args(["HEAD"]).text().await.unwrap();
        assert_eq!(head, "refs/heads/trunk", "it was renamed");
        std::fs::remove_dir_all(&there).unwrap();
        let error = mirror.fetch().await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("git fetch {url} failed: ")), "{error}");
        assert_eq!(refs().await, "refs/heads/trunk\nrefs/tags/v1", "as it was");
    }

    #[test]
    fn the_cause_is_told_without_warnings_and_advice() {
        for (message, cause) in [
            (
                "Warning: Permanently added 'h'; me@h: Permission denied (publickey).; fatal: Could not",
                "me@h: Permission denied (publickey).",
            ),
            (
                "unable to connect to 127.0.0.1:; 127.0.0.1: errno=refused",
                "unable to connect to 127.0.0.1: 127.0.0.1: errno=refused",
            ),
            ("could not read; ; Please make sure", "could not read"),
            ("", ""),
        ] {
            let lines = message.split("; ").map(str::to_owned).collect();
            assert_eq!(cause_in(lines).join("; "), cause);
        }
    }

    #[tokio::test]
    async fn a_repository_of_either_hash_is_fetched() {
        let home = tempfile::tempdir().unwrap();
        let there = home.path().join("there");
        let init = ["--bare", "-q", "--object-format=sha256"];
        Git::anywhere("init").args(init).args([&there]).output().await.unwrap();
        let tree = Git::at(&there, "mktree").output_of_input(Vec::new()).await.unwrap();
        let tree = String::from_utf8(tree).unwrap();
        let commit = by_somebody(Git::at(&there, "commit-tree")).args(["-m", "c", tree.trim()]);
        let commit = commit.text().await.unwrap();
        let main = Git::at(&there, "update-ref").args(["HEAD", commit.trim()]);
        main.output().await.unwrap();
        let url = format!("file://{}", there.display());
        let mirror = Mirror::of(&url, &home.path().join("mirrors"));
        mirror.fetch().await.unwrap();
        let found = Git::at(mirror.git_dir(), "rev-parse").args(["HEAD"]).text().await.unwrap();
        assert_eq!(found, commit);
    }

    #[tokio::test]
    async fn a_mirror_is_removed_only_when_nobody_fetches() {
        let home = tempfile::tempdir().unwrap();
        let mirror = Mirror::of("file:///nowhere", home.path());
        std::fs::create_dir(mirror.git_dir()).unwrap();
        let fetching = mirror.lock().await.unwrap();
        assert!(!remove(mirror.git_dir()).unwrap());
        drop(fetching);
        assert!(remove(mirror.git_dir()).unwrap());
        assert!(!mirror.git_dir().exists());
    }
}
