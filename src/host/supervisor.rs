//! Our end of the supervisor: starts it when the first action needs it and hears from it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::{Mutex as AsyncMutex, oneshot},
};

use crate::supervisor::protocol::{self, Ended, JobResult, StartRequest};

/// The hidden verb that turns the program into a supervisor.
pub const VERB: &str = "__supervise";

pub struct SupervisorClient {
    program: PathBuf,
    requests: AsyncMutex<Option<ChildStdin>>,
    waiting: Waiting,
}

type Waiting = Arc<Mutex<BTreeMap<PathBuf, oneshot::Sender<()>>>>;

impl SupervisorClient {
    pub fn new(program: PathBuf) -> Self {
        Self { program, requests: AsyncMutex::new(None), waiting: Arc::default() }
    }

    /// Starts the supervisor ahead of time, so that the first action need not wait for it.
    pub async fn warm_up(&self) -> io::Result<()> {
        let mut requests = self.requests.lock().await;
        if requests.is_none() {
            *requests = Some(self.spawn()?);
        }
        Ok(())
    }

    /// Runs an action to its end. `None`: it was claimed elsewhere or its supervisor is gone.
    pub async fn run(&self, request: &StartRequest) -> io::Result<Option<JobResult>> {
        let directory = request.directory.clone();
        let (sender, ended) = oneshot::channel();
        self.waiting().insert(directory.clone(), sender);
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        if let Err(error) = self.send(&line).await {
            self.waiting().remove(&directory);
            return Err(error);
        }
        // An error means that the supervisor went away; its jobs' files tell how far they came.
        let _ = ended.await;
        Ok(protocol::read_result(&directory))
    }

    /// Waits for a job that a supervisor of an earlier runtime works on.
    pub async fn adopt(&self, directory: &Path) -> io::Result<Option<JobResult>> {
        let directory = directory.to_owned();
        let wait = tokio::task::spawn_blocking(move || {
            protocol::wait_for_supervisor(&directory)?;
            Ok(protocol::read_result(&directory))
        });
        wait.await.map_err(io::Error::other)?
    }

    async fn send(&self, line: &[u8]) -> io::Result<()> {
        let mut requests = self.requests.lock().await;
        if let Some(pipe) = requests.as_mut()
            && pipe.write_all(line).await.is_ok()
        {
            return Ok(());
        }
        // None yet, or it was killed: what it ran is reported as lost, what comes now is not.
        let mut pipe = self.spawn()?;
        pipe.write_all(line).await?;
        *requests = Some(pipe);
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts supervisors")]
    fn spawn(&self) -> io::Result<ChildStdin> {
        let mut child = Command::new(&self.program)
            .arg(VERB)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the supervisor has no pipes"));
        };
        tokio::spawn(listen(stdout, Arc::clone(&self.waiting), child));
        Ok(stdin)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes whoever waits for a job, and everybody when the supervisor goes away.
async fn listen(stdout: ChildStdout, waiting: Waiting, mut child: tokio::process::Child) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(ended) = serde_json::from_str::<Ended>(&line) else { continue };
        let waiter =
            waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ended.directory);
        if let Some(waiter) = waiter {
            let _ = waiter.send(());
        }
    }
    let _ = child.wait().await;
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
