//! Runs git. The program itself reads every repository format there is, which no library does.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::environment;

#[derive(Debug, Error)]
pub enum GitError {
    #[error("cannot run git")]
    NotRun(#[source] std::io::Error),
    #[error("cannot use {}", path.display())]
    Files {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("git {command} failed: {}", message.join("; "))]
    Failed { command: String, message: Vec<String> },
}

impl GitError {
    /// Says of which file or folder an error is.
    pub fn files(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Files { path: path.to_owned(), error }
    }
}

/// Returns the id of the tree without files, whatever hash the repository uses.
pub async fn empty_tree(git_dir: &Path) -> Result<String, GitError> {
    let command = Git::at(git_dir, "hash-object").args(["-t", "tree", "--stdin"]);
    let id = command.output_of_input(Vec::new()).await?;
    Ok(String::from_utf8_lossy(&id).trim().to_owned())
}

/// One git command about to be run.
pub struct Git {
    command: Command,
    name: String,
}

impl Git {
    /// Prepares a command on a git directory.
    pub fn at(git_dir: &Path, name: &str) -> Self {
        let mut git = Self::anywhere(name);
        git.command.env("GIT_DIR", git_dir);
        git
    }

    /// Prepares a command that finds its repository from `directory`.
    pub fn inside(directory: &Path, name: &str) -> Self {
        let mut git = Self::anywhere(name);
        git.command.current_dir(directory);
        git
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts git")]
    pub fn anywhere(name: &str) -> Self {
        let mut command = Command::new("git");
        let about_git = std::env::vars_os().map(|(name, _)| name);
        for variable in
            about_git.filter(|it| it.to_str().is_some_and(environment::is_about_git_or_us))
        {
            command.env_remove(variable);
        }
        command
            // Reading must not take locks: that would wake our own watcher and disturb the user.
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .args(["-c", "core.fsmonitor=false", "-c", "core.sparseCheckout=false"])
            .args(["-c", "core.quotePath=false", "-c", "core.splitIndex=false"])
            // What the user lets git overlook, an action would run on.
            .args(["-c", "core.trustctime=true", "-c", "core.checkStat=default"])
            .args(["-c", "core.ignoreStat=false"])
            .arg(name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { command, name: name.to_owned() }
    }

    pub fn args<I, S>(mut self, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.command.args(arguments);
        self
    }

    pub fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets the command hold a lock for as long as it lives.
    pub fn holding(mut self, lock: std::fs::File) -> Self {
        self.command.stdin(lock);
        self
    }

    pub fn work_tree(mut self, directory: &Path, index: &Path) -> Self {
        self.command
            .current_dir(directory)
            .env("GIT_WORK_TREE", directory)
            .env("GIT_INDEX_FILE", index);
        self
    }

    /// Runs the command and returns what it printed.
    pub async fn output(self) -> Result<Vec<u8>, GitError> {
        self.feed(None).await
    }

    /// Runs the command and returns the first bytes of what it prints; it is ended when there are
    /// more.
    pub async fn output_up_to(mut self, most: u64) -> Result<Vec<u8>, GitError> {
        let mut child = self.command.spawn().map_err(GitError::NotRun)?;
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(most).read_to_end(&mut output).await.map_err(GitError::NotRun)?;
        }
        if output.len() as u64 == most {
            // Nobody waits for the rest; dropping the child ends it.
            return Ok(output);
        }
        let rest = child.wait_with_output().await.map_err(GitError::NotRun)?;
        if rest.status.success() {
            return Ok(output);
        }
        Err(self.failed(&rest.stderr))
    }

    fn failed(self, stderr: &[u8]) -> GitError {
        let message = String::from_utf8_lossy(stderr);
        let lines = message.trim().trim_start_matches("fatal: ").lines();
        GitError::Failed { command: self.name, message: lines.map(str::to_owned).collect() }
    }

    /// Runs the command with `input` on its standard input.
    pub async fn output_of_input(mut self, input: Vec<u8>) -> Result<Vec<u8>, GitError> {
        self.command.stdin(Stdio::piped());
        self.feed(Some(input)).await
    }

    pub async fn text(self) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(&self.output().await?).trim_end().to_owned())
    }

    /// Runs a command whose exit code is its answer.
    pub async fn succeeds(self) -> Result<bool, GitError> {
        Ok(self.exit_code().await? == Some(0))
    }

    /// Runs a command whose exit code is its answer, where there are more than two.
    pub async fn exit_code(mut self) -> Result<Option<i32>, GitError> {
        let status = self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        Ok(status.map_err(GitError::NotRun)?.code())
    }

    async fn feed(mut self, input: Option<Vec<u8>>) -> Result<Vec<u8>, GitError> {
        let mut child = self.command.spawn().map_err(GitError::NotRun)?;
        let writer = input.zip(child.stdin.take()).map(|(input, mut stdin)| async move {
            // A git that ends early closes the pipe; its exit code tells why.
            let _ = stdin.write_all(&input).await;
        });
        let written = async {
            if let Some(writer) = writer {
                writer.await;
            }
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), written);
        let output = output.map_err(GitError::NotRun)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(self.failed(&output.stderr))
    }
}

/// A git that stays and answers what an object holds, which spares a start of git each time.
pub struct Objects {
    _process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Objects {
    pub fn open(git_dir: &Path) -> Result<Self, GitError> {
        let mut git = Git::at(git_dir, "cat-file").args(["--batch"]);
        git.command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut process = git.command.spawn().map_err(GitError::NotRun)?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(GitError::NotRun(std::io::Error::other("git has no pipes")));
        };
        Ok(Self { _process: process, questions, answers: BufReader::new(answers) })
    }

    /// Returns the id and the content of what `name` stands for; nothing if it stands for nothing.
    pub async fn read(&mut self, name: &str) -> std::io::Result<Option<(String, Vec<u8>)>> {
        self.questions.write_all(format!("{name}\n").as_bytes()).await?;
        let mut header = String::new();
        self.answers.read_line(&mut header).await?;
        let mut words = header.split_whitespace();
        let (id, size) = (words.next(), words.nth(1).and_then(|it| it.parse::<usize>().ok()));
        match (id, size) {
            (Some(id), Some(size)) => {
                let mut content = vec![0; size + 1];
                self.answers.read_exact(&mut content).await?;
                content.pop();
                Ok(Some((id.to_owned(), content)))
            }
            _ if header.trim_end().ends_with("missing") => Ok(None),
            _ => Err(std::io::Error::other("git answered something else")),
        }
    }
}

/// Finds the common git directory of the repository around `path`.
pub async fn common_dir(path: &Path) -> Result<PathBuf, GitError> {
    let arguments = ["--path-format=absolute", "--git-common-dir"];
    Ok(Git::inside(path, "rev-parse").args(arguments).text().await?.into())
}
