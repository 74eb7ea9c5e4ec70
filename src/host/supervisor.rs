//! Our end of the supervisor: starts it when the first action needs it and hears from it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::{Mutex as AsyncMutex, oneshot},
};

use crate::supervisor::protocol::{self, Ended, JobResult, StartRequest};

/// The hidden verb that turns the program into a supervisor.
pub const VERB: &str = "__supervise";

/// How many supervisors in a row may go away before a job is given up.
const START_TRIES: u32 = 3;

pub struct SupervisorClient {
    program: PathBuf,
    connection: AsyncMutex<Option<Connection>>,
}

/// One supervisor process. Whoever waits for one of its jobs is woken when it goes away.
struct Connection {
    requests: ChildStdin,
    waiting: Waiting,
}

type Waiting = Arc<Mutex<BTreeMap<PathBuf, oneshot::Sender<Option<String>>>>>;

impl SupervisorClient {
    pub fn new(program: PathBuf) -> Self {
        Self { program, connection: AsyncMutex::new(None) }
    }

    /// Starts the supervisor ahead of time, so that the first action need not wait for it.
    pub async fn warm_up(&self) -> io::Result<()> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            *connection = Some(self.spawn()?);
        }
        Ok(())
    }

    /// Runs an action to its end. `None`: it was claimed elsewhere or its supervisor is gone.
    pub async fn run(&self, request: &StartRequest) -> io::Result<Option<JobResult>> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        for _ in 0..START_TRIES {
            let ended = self.send(&request.directory, &line).await?;
            // An error means that the supervisor went away; the job's files tell how far it came.
            let woken = ended.await;
            let result = protocol::read_result(&request.directory);
            if let (Ok(Some(error)), None) = (&woken, &result) {
                return Err(io::Error::other(error.clone()));
            }
            let never_started =
                woken.is_err() && !protocol::was_claimed(&request.directory, request.claim);
            if result.is_some() || !never_started {
                return Ok(result);
            }
        }
        Err(io::Error::other("it ends as soon as it is started"))
    }

    /// Waits for a job that a supervisor of an earlier runtime works on.
    pub async fn adopt(&self, directory: &Path) -> io::Result<Option<JobResult>> {
        let directory = directory.to_owned();
        let (sender, ended) = oneshot::channel();
        // A thread of its own: many of these must not use up those for short blocking work.
        std::thread::Builder::new().name("adopted job".to_owned()).spawn(move || {
            let waited = protocol::wait_for_supervisor(&directory);
            let _ = sender.send(waited.map(|()| protocol::read_result(&directory)));
        })?;
        ended.await.map_err(io::Error::other)?
    }

    /// Sends a request to the supervisor, a new one if there is none or it was killed.
    async fn send(
        &self,
        directory: &Path,
        line: &[u8],
    ) -> io::Result<oneshot::Receiver<Option<String>>> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = connection.as_mut()
            && let Ok(ended) = open.send(directory, line).await
        {
            return Ok(ended);
        }
        let mut new = self.spawn()?;
        let ended = new.send(directory, line).await;
        *connection = Some(new);
        ended
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts supervisors")]
    fn spawn(&self) -> io::Result<Connection> {
        let mut child = Command::new(&self.program)
            .arg(VERB)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(requests), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the supervisor has no pipes"));
        };
        let waiting = Waiting::default();
        tokio::spawn(listen(stdout, Arc::clone(&waiting), child));
        Ok(Connection { requests, waiting })
    }
}

impl Connection {
    async fn send(
        &mut self,
        directory: &Path,
        line: &[u8],
    ) -> io::Result<oneshot::Receiver<Option<String>>> {
        let (sender, ended) = oneshot::channel();
        locked(&self.waiting).insert(directory.to_owned(), sender);
        let written = self.requests.write_all(line).await;
        written.inspect_err(|_| drop(locked(&self.waiting).remove(directory)))?;
        Ok(ended)
    }
}

/// Wakes whoever waits for a job, and everybody when the supervisor goes away.
async fn listen(stdout: ChildStdout, waiting: Waiting, mut child: tokio::process::Child) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(ended) = serde_json::from_str::<Ended>(&line) else { continue };
        let waiter = locked(&waiting).remove(&ended.directory);
        if let Some(waiter) = waiter {
            let _ = waiter.send(ended.error);
        }
    }
    let _ = child.wait().await;
    // From now on writing to it fails, so nobody is added any more.
    locked(&waiting).clear();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
