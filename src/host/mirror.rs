//! Copies of repositories that lie elsewhere: bare ones of our own in the state directory, whose
//! refs are what the last fetch has seen. Everything else works on them as on any local repository.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use super::{Git, GitError, workspace::folder_name};

/// How long a fetch may take before it is given up; the first one brings everything.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
const REFS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
/// Is there once a fetch has succeeded.
const FETCHED: &str = "fetched";

/// Nothing else ends so: no repository lies inside another one.
const ENDING: &str = "mirror";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    url: String,
    directory: PathBuf,
}

impl Mirror {
    /// Returns the mirror of a URL below `root`, in a folder that tells people whose it is.
    pub fn of(url: &str, root: &Path) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("ssh", url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.rsplit('@').next().unwrap_or_default();
        let parts = [scheme, host].into_iter().chain(path.split('/')).filter(|it| !it.is_empty());
        let mut directory: PathBuf = root.to_owned();
        directory.extend(parts.map(folder_name));
        directory.as_mut_os_string().push(format!(".{ENDING}"));
        Self { url: url.to_owned(), directory }
    }

    /// Tells whether a folder is a mirror.
    pub fn is_at(folder: &Path) -> bool {
        folder.extension().is_some_and(|it| it == ENDING) && folder.is_dir()
    }

    pub fn git_dir(&self) -> &Path {
        &self.directory
    }

    /// Returns the URL without a password that somebody has written into it.
    pub fn shown(&self) -> String {
        let (before, rest) = match self.url.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), self.url.as_str()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{before}{user}@{host}{path}")
            }
            None => self.url.clone(),
        }
    }

    /// Tells whether it has ever seen the repository; before that its refs mean nothing.
    pub fn has_fetched(&self) -> bool {
        self.directory.join(FETCHED).exists()
    }

    /// Brings it up to date. Nobody is asked for a password: what git needs it must know.
    ///
    /// # Errors
    ///
    /// Says what git said; the refs are then as they were.
    pub async fn fetch(&self) -> Result<(), GitError> {
        std::fs::create_dir_all(&self.directory).map_err(GitError::NotRun)?;
        let _alone = self.lock().await?;
        if !self.directory.join("HEAD").exists() {
            Git::anywhere("init").args(["--bare", "-q"]).args([&self.directory]).output().await?;
        }
        let mut fetch = Git::at(&self.directory, "fetch")
            .args(["--quiet", "--prune", "--no-tags", "--no-auto-maintenance"])
            .args(["--no-write-fetch-head", "--", &self.url])
            .args(REFS);
        if ["GIT_SSH_COMMAND", "GIT_SSH"].iter().all(|name| std::env::var_os(name).is_none()) {
            fetch = fetch.environment("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20");
        }
        match tokio::time::timeout(PATIENCE, fetch.output()).await {
            Ok(fetched) => fetched.map_err(|error| self.without_password(error))?,
            Err(_) => {
                let message = format!("it took longer than {} min", PATIENCE.as_secs() / 60);
                return Err(GitError::Failed { command: "fetch".to_owned(), message });
            }
        };
        std::fs::write(self.directory.join(FETCHED), "").map_err(GitError::NotRun)
    }

    fn without_password(&self, error: GitError) -> GitError {
        match error {
            GitError::Failed { command, message } => {
                GitError::Failed { command, message: message.replace(&self.url, &self.shown()) }
            }
            GitError::NotRun(_) => error,
        }
    }

    /// Waits until nobody else fetches into it.
    async fn lock(&self) -> Result<File, GitError> {
        let path = self.directory.join("fetch.lock");
        let lock = move || {
            let file = File::options().write(true).create(true).truncate(false).open(path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        let locked = tokio::task::spawn_blocking(lock).await;
        locked.map_err(std::io::Error::other).flatten().map_err(GitError::NotRun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_lies_where_its_url_says_and_shows_no_password() {
        let of = |url| Mirror::of(url, Path::new("/s"));
        let path = |url| of(url).directory.display().to_string();
        assert_eq!(
            path("https://me:pw@example.org/a/b.git"),
            "/s/https/example.org/a/b.git.mirror"
        );
        assert_eq!(path("git@example.org:a/b"), "/s/ssh/example.org%3aa/b.mirror");
        assert_eq!(path("file:///srv/../etc"), "/s/file/srv/%2e%2e%/etc.mirror");
        assert_eq!(of("https://me:pw@example.org/a").shown(), "https://me@example.org/a");
        assert_eq!(of("git@example.org:a/b").shown(), "git@example.org:a/b");
        assert_eq!(of("https://example.org/a@b:c").shown(), "https://example.org/a@b:c");
    }

    #[tokio::test]
    async fn a_fetch_brings_and_takes_away_what_the_repository_has() {
        let home = tempfile::tempdir().unwrap();
        let there = home.path().join("there");
        Git::anywhere("init").args(["-q", "-b", "main"]).args([&there]).output().await.unwrap();
        let git = |name: &'static str| Git::inside(&there, name).environment("GIT_DIR", ".git");
        let commit = || async {
            let identity = git("commit")
                .environment("GIT_AUTHOR_NAME", "M")
                .environment("GIT_AUTHOR_EMAIL", "m@example.org")
                .environment("GIT_COMMITTER_NAME", "M")
                .environment("GIT_COMMITTER_EMAIL", "m@example.org");
            identity.args(["-q", "--allow-empty", "-m", "c"]).output().await.unwrap();
        };
        commit().await;
        git("branch").args(["topic"]).output().await.unwrap();
        let url = format!("file://{}", there.display());
        let mirror = Mirror::of(&url, &home.path().join("mirrors"));
        let refs = || async {
            let list = Git::at(mirror.git_dir(), "for-each-ref").args(["--format=%(refname)"]);
            list.text().await.unwrap()
        };
        assert!(!mirror.has_fetched());
        mirror.fetch().await.unwrap();
        assert!(mirror.has_fetched());
        assert_eq!(refs().await, "refs/heads/main\nrefs/heads/topic");
        git("branch").args(["-D", "topic"]).output().await.unwrap();
        git("tag").args(["v1"]).output().await.unwrap();
        mirror.fetch().await.unwrap();
        assert_eq!(refs().await, "refs/heads/main\nrefs/tags/v1");
        std::fs::remove_dir_all(&there).unwrap();
        let error = mirror.fetch().await.unwrap_err().to_string();
        assert!(error.contains("git fetch failed"), "{error}");
        assert_eq!(refs().await, "refs/heads/main\nrefs/tags/v1", "as it was");
    }
}
