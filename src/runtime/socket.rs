//! The door for other processes: lines of JSON over a Unix socket that only its owner may open.

use std::{io, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{DefinitionFiles, Ending, Operation, Receipt, Removed, RuntimeHandle, SubmitError};
use crate::{
    engine::{Board, BoardChange, Refusal},
    host::StateDir,
    model::Operator,
};

/// Raised whenever client and runtime could misunderstand each other.
const PROTOCOL: u32 = 4;
/// How long a runtime may take from its lock to its socket, and how often to look.
const START_UP: std::time::Duration = std::time::Duration::from_secs(5);
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(10);
/// After a caller could not be let in.
const ACCEPT_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);
/// A board is at hand; an operation may have to ask git and wait for the disk.
const BOARD: std::time::Duration = std::time::Duration::from_secs(5);
const OPERATION: std::time::Duration = std::time::Duration::from_secs(30);
/// How long a runtime that ends waits for its answers to leave.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);
/// A longer request is none of ours.
const LONGEST_REQUEST: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    protocol: u32,
    body: T,
}

#[derive(Serialize, Deserialize)]
enum Call {
    Submit {
        operation: Operation,
        by: Operator,
    },
    /// Answers with a board, and with every change to it.
    Follow,
    Serve {
        files: Vec<PathBuf>,
    },
    End {
        ending: Ending,
        by: Operator,
    },
    Collect {
        dry_run: bool,
    },
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Receipt(Receipt),
    Refused(Box<Refusal>),
    Failed(String),
    Board(Arc<Board>),
    /// To the board that was sent before.
    Change(BoardChange),
    Removed(Removed),
    Done,
}

pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Binds the socket. The caller holds the runtime lock, so a file that is there is a leftover.
    pub(super) fn bind(state_dir: &StateDir) -> io::Result<Self> {
        let path = state_dir.socket();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    pub(super) async fn serve(
        self,
        handle: RuntimeHandle,
        files: DefinitionFiles,
        cancel: CancellationToken,
    ) {
        let clients = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Without a descriptor for it the caller stays at the door; looking at once again
                // would be all that is done.
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            if !is_ours(&stream) {
                continue;
            }
            // A client that goes away in the middle harms nobody.
            clients.spawn(answer(stream, handle.clone(), files.clone(), cancel.clone()));
        }
        let _ = std::fs::remove_file(&self.path);
        // Whoever asked for something is told what became of it, above all that it is on disk.
        clients.close();
        let _ = tokio::time::timeout(LAST_WORDS, clients.wait()).await;
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    let us = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == us)
}

async fn answer(
    stream: UnixStream,
    handle: RuntimeHandle,
    files: DefinitionFiles,
    cancel: CancellationToken,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut request = BufReader::new(reader.take(LONGEST_REQUEST));
    tokio::select! {
        read = request.read_line(&mut line) => read?,
        () = cancel.cancelled() => return Ok(()),
    };
    match understand(&line) {
        Err(words) => send(&mut writer, Answer::Failed(words)).await,
        Ok(Call::Submit { operation, by }) => {
            let outcome = handle.submit(operation, by).await;
            crate::fault::passed("before-answer");
            let reply = match outcome {
                Ok(receipt) => Answer::Receipt(receipt),
                Err(SubmitError::Refused(refusal)) => Answer::Refused(Box::new(refusal)),
                Err(other) => Answer::Failed(other.to_string()),
            };
            send(&mut writer, reply).await
        }
        Ok(Call::Serve { files: more }) => {
            files.add(more);
            send(&mut writer, Answer::Done).await
        }
        Ok(Call::End { ending, by }) => {
            let reply = match handle.end(ending, by).await {
                Ok(()) => Answer::Done,
                Err(error) => Answer::Failed(error.to_string()),
            };
            send(&mut writer, reply).await
        }
        Ok(Call::Collect { dry_run }) => {
            let reply = match handle.collect(dry_run).await {
                Ok(removed) => Answer::Removed(removed),
                Err(error) => Answer::Failed(error.to_string()),
            };
            send(&mut writer, reply).await
        }
        Ok(Call::Follow) => {
            let mut board = handle.board();
            let mut sent = Arc::clone(&board.borrow_and_update());
            send(&mut writer, Answer::Board(Arc::clone(&sent))).await?;
            loop {
                tokio::select! {
                    () = cancel.cancelled() => return Ok(()),
                    changed = board.changed() => if changed.is_err() { return Ok(()) },
                    // Nothing more is asked on this connection: whoever asked has gone.
                    _ = request.fill_buf() => return Ok(()),
                }
                let newest = Arc::clone(&board.borrow_and_update());
                send(&mut writer, Answer::Change(newest.change_since(&sent))).await?;
                sent = newest;
            }
        }
    }
}

fn understand(line: &str) -> Result<Call, String> {
    match serde_json::from_str::<Envelope<serde_json::Value>>(line) {
        Ok(envelope) if envelope.protocol == PROTOCOL => {
            serde_json::from_value(envelope.body).map_err(|error| error.to_string())
        }
        Ok(envelope) => Err(different_protocol(envelope.protocol)),
        Err(error) => Err(error.to_string()),
    }
}

/// Tells whether a line is one that a runtime would act on.
pub fn is_request(line: &str) -> bool {
    understand(line).is_ok()
}

fn different_protocol(theirs: u32) -> String {
    format!(
        "the other side speaks protocol {theirs}, this build speaks {PROTOCOL}: \
         use the same version of stagegate on both sides"
    )
}

async fn send<T: Serialize>(writer: &mut (impl AsyncWriteExt + Unpin), body: T) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Envelope { protocol: PROTOCOL, body })?;
    line.push(b'\n');
    writer.write_all(&line).await
}

fn receive(line: &str) -> Result<Answer, SubmitError> {
    let unreadable = |error: serde_json::Error| SubmitError::Connection(error.to_string());
    let envelope: Envelope<serde_json::Value> = serde_json::from_str(line).map_err(unreadable)?;
    if envelope.protocol != PROTOCOL {
        return Err(SubmitError::Connection(different_protocol(envelope.protocol)));
    }
    match serde_json::from_value(envelope.body).map_err(unreadable)? {
        Answer::Failed(words) => Err(SubmitError::Failed(words)),
        answer => Ok(answer),
    }
}

/// Connects; nothing listens if no runtime serves the directory.
async fn connect(state_dir: &StateDir) -> Result<Option<UnixStream>, SubmitError> {
    match UnixStream::connect(state_dir.socket()).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(SubmitError::Connection(error.to_string())),
    }
}

/// Waits until the runtime that has taken the directory listens.
pub(super) async fn wait_for_runtime(state_dir: &StateDir) -> Result<(), SubmitError> {
    let listening = async {
        while !matches!(connect(state_dir).await, Ok(Some(_))) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(START_UP, listening).await.map_err(|_| SubmitError::RuntimeGone)
}

fn broken(error: io::Error) -> SubmitError {
    match error.kind() {
        // It died in the middle of a word.
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => SubmitError::RuntimeGone,
        _ => SubmitError::Connection(error.to_string()),
    }
}

/// Gives up on a runtime that was stopped, or hangs.
async fn within<T>(
    patience: std::time::Duration,
    state_dir: &StateDir,
    answer: impl Future<Output = Result<T, SubmitError>>,
) -> Result<T, SubmitError> {
    let answer = tokio::time::timeout(patience, answer).await;
    answer.unwrap_or_else(|_| Err(SubmitError::Silent { pid: state_dir.holder() }))
}

async fn call(state_dir: &StateDir, body: Call) -> Result<Answer, SubmitError> {
    let stream = connect(state_dir).await?.ok_or(SubmitError::RuntimeGone)?;
    let (reader, mut writer) = stream.into_split();
    send(&mut writer, body).await.map_err(broken)?;
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).await.map_err(broken)?;
    if line.is_empty() {
        return Err(SubmitError::RuntimeGone);
    }
    receive(&line)
}

pub(super) async fn submit(
    state_dir: &StateDir,
    operation: Operation,
    by: Operator,
) -> Result<Receipt, SubmitError> {
    match within(OPERATION, state_dir, call(state_dir, Call::Submit { operation, by })).await? {
        Answer::Receipt(receipt) => Ok(receipt),
        Answer::Refused(refusal) => Err(SubmitError::Refused(*refusal)),
        _ => Err(unexpected()),
    }
}

pub(super) async fn collect(state_dir: &StateDir, dry_run: bool) -> Result<Removed, SubmitError> {
    match call(state_dir, Call::Collect { dry_run }).await? {
        Answer::Removed(removed) => Ok(removed),
        _ => Err(unexpected()),
    }
}

pub(super) async fn serve_files(
    state_dir: &StateDir,
    files: Vec<PathBuf>,
) -> Result<(), SubmitError> {
    tell(state_dir, Call::Serve { files }).await
}

pub(super) async fn end(
    state_dir: &StateDir,
    ending: Ending,
    by: Operator,
) -> Result<(), SubmitError> {
    tell(state_dir, Call::End { ending, by }).await
}

/// Calls for something that has no answer but that it was heard.
async fn tell(state_dir: &StateDir, body: Call) -> Result<(), SubmitError> {
    match within(OPERATION, state_dir, call(state_dir, body)).await? {
        Answer::Done => Ok(()),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> SubmitError {
    SubmitError::Connection("an answer to another question".to_owned())
}

/// Follows the board of a runtime; the channel closes when the runtime goes away.
pub(super) async fn follow(
    state_dir: &StateDir,
) -> Result<Option<watch::Receiver<Arc<Board>>>, SubmitError> {
    let Some(stream) = connect(state_dir).await? else { return Ok(None) };
    let (reader, mut writer) = stream.into_split();
    send(&mut writer, Call::Follow).await.map_err(broken)?;
    let mut lines = BufReader::new(reader).lines();
    let first = async { lines.next_line().await.map_err(broken)?.ok_or(SubmitError::RuntimeGone) };
    let first = within(BOARD, state_dir, first).await?;
    let Answer::Board(board) = receive(&first)? else { return Err(unexpected()) };
    let (sender, receiver) = watch::channel(board);
    tokio::spawn(async move {
        // The writer stays open for as long as somebody follows.
        let _writer = writer;
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(Answer::Change(change)) = receive(&line) else { return };
            let board = sender.borrow().after(change);
            if sender.send(Arc::new(board)).is_err() {
                return;
            }
        }
    });
    Ok(Some(receiver))
}
