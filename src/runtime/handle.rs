//! All that front ends ever see: submit an operation, watch the board, read history.
//!
//! The runtime may be in this process, behind the socket, or nowhere; they need not care.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Definitions, Ending, Message, Removed, gc,
    operation::{Operation, Receipt, SubmitError, prepare},
    published::Published,
    socket,
};
use crate::{
    engine::{Board, Engine, Input, Refusal, board::GateAt},
    host::{StateDir, Tools, clock, state_dir::StateDirError},
    model::{ActionExecutionId, Operator},
    store::{History, Store, StoreError, read_state},
};

#[derive(Clone)]
pub struct RuntimeHandle {
    state_dir: StateDir,
    link: Link,
    board: watch::Receiver<Arc<Board>>,
}

#[derive(Clone)]
enum Link {
    Here {
        tools: Arc<Tools>,
        inbox: mpsc::Sender<Message>,
        published: watch::Receiver<Published>,
    },
    Socket,
    /// A runtime serves the state directory and does not answer.
    Silent,
    /// No runtime serves the state directory.
    Nowhere,
}

impl RuntimeHandle {
    pub(super) fn here(
        tools: Arc<Tools>,
        inbox: mpsc::Sender<Message>,
        published: watch::Receiver<Published>,
    ) -> Self {
        let (sender, board) = watch::channel(Arc::clone(&published.borrow().board));
        tokio::spawn(forward(published.clone(), sender));
        let state_dir = tools.state_dir.clone();
        Self { state_dir, link: Link::Here { tools, inbox, published }, board }
    }

    /// Attaches to the runtime that serves the directory, if one does.
    pub async fn attach(state_dir: StateDir) -> Result<Option<Self>, SubmitError> {
        match socket::follow(&state_dir).await {
            Ok(Some(board)) => Ok(Some(Self { state_dir, link: Link::Socket, board })),
            // One that dies while it is asked is none.
            Ok(None) | Err(SubmitError::RuntimeGone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Attaches to a runtime that has taken the directory and will listen in a moment.
    pub async fn attach_when_ready(state_dir: StateDir) -> Result<Option<Self>, SubmitError> {
        match socket::wait_for_runtime(&state_dir).await {
            Ok(()) => Self::attach(state_dir).await,
            Err(SubmitError::RuntimeGone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Attaches, or reads what the last runtime has left; also what one has written that does not
    /// answer.
    pub async fn attach_or_read(state_dir: StateDir) -> Result<Self, SubmitError> {
        let link = match Self::attach(state_dir.clone()).await {
            Ok(Some(handle)) => return Ok(handle),
            Ok(None) => Link::Nowhere,
            Err(SubmitError::Silent { .. }) => Link::Silent,
            Err(error) => return Err(error),
        };
        let board = if state_dir.exists() {
            let loaded = read_state(&state_dir.database())?;
            Engine::new(loaded.state, 0, loaded.latest).board()
        } else {
            Board::default()
        };
        let (_, board) = watch::channel(Arc::new(board));
        Ok(Self { state_dir, link, board })
    }

    pub fn state_dir(&self) -> &StateDir {
        &self.state_dir
    }

    pub fn has_runtime(&self) -> bool {
        !matches!(self.link, Link::Nowhere)
    }

    /// Returns what is wrong with a runtime that does not answer.
    pub fn silence(&self) -> Option<SubmitError> {
        let pid = self.state_dir.holder();
        matches!(self.link, Link::Silent).then_some(SubmitError::Silent { pid })
    }

    /// Returns the board as it is now and as it changes; slow readers skip to the newest.
    pub fn board(&self) -> watch::Receiver<Arc<Board>> {
        self.board.clone()
    }

    /// Asks for an operation. When this returns `Ok`, it is on disk.
    pub async fn submit(&self, operation: Operation, by: Operator) -> Result<Receipt, SubmitError> {
        match &self.link {
            Link::Here { inbox, published, .. } => {
                let now = published.borrow().clone();
                let request =
                    prepare(operation, &now.board, &now.definitions, &self.state_dir).await?;
                let (reply, answer) = oneshot::channel();
                let input = Box::new(Input::Operator { request, by });
                let message = Message::Input { input, reply: Some(reply) };
                inbox.send(message).await.map_err(|_| SubmitError::RuntimeGone)?;
                let answer = answer.await.map_err(|_| SubmitError::RuntimeGone)?;
                answer.map_err(|refusal| self.with_history(refusal))
            }
            Link::Socket | Link::Silent => socket::submit(&self.state_dir, operation, by).await,
            Link::Nowhere => match self.record(operation.clone(), by.clone()).await {
                // A runtime has just started and will answer in a moment.
                Err(SubmitError::StateDir(StateDirError::Served { .. })) => {
                    socket::wait_for_runtime(&self.state_dir).await?;
                    socket::submit(&self.state_dir, operation, by).await
                }
                Err(SubmitError::Refused(refusal)) => Err(self.with_history(refusal)),
                recorded => recorded,
            },
        }
    }

    /// Asks the runtime to end; returns when it knows.
    pub async fn end(&self, ending: Ending, by: Operator) -> Result<(), SubmitError> {
        match &self.link {
            Link::Here { inbox, .. } => {
                let message = Message::End { ending, by };
                inbox.send(message).await.map_err(|_| SubmitError::RuntimeGone)
            }
            Link::Socket | Link::Silent => socket::end(&self.state_dir, ending, by).await,
            Link::Nowhere => Err(SubmitError::RuntimeGone),
        }
    }

    /// Removes what is no longer kept, or says what that would be.
    pub async fn collect(&self, dry_run: bool) -> Result<Removed, SubmitError> {
        match &self.link {
            Link::Here { tools, .. } => gc::collect(Arc::clone(tools), dry_run)
                .await
                .map_err(|error| SubmitError::Connection(error.to_string())),
            Link::Socket | Link::Silent => socket::collect(&self.state_dir, dry_run).await,
            Link::Nowhere => Err(SubmitError::RuntimeGone),
        }
    }

    /// Writes a decision down without acting on it.
    async fn record(&self, operation: Operation, by: Operator) -> Result<Receipt, SubmitError> {
        self.state_dir.create()?;
        let _lock = self.state_dir.lock()?;
        let mut store = Store::open(&self.state_dir.database())?;
        let loaded = store.load()?;
        let definitions: Definitions = loaded
            .state
            .pipelines
            .iter()
            .map(|(name, it)| (name.clone(), Arc::clone(&it.definition)))
            .collect();
        let now = clock::now();
        let seed = u128::from(now.0.unsigned_abs()) << 64 | u128::from(std::process::id());
        let mut engine = Engine::new(loaded.state, seed, loaded.latest);
        let request = prepare(operation, &engine.board(), &definitions, &self.state_dir).await?;
        let step = engine.apply_decision_only(Input::Operator { request, by }, now)?;
        store.append(&step.events)?;
        Ok(Receipt { recorded_only: true, ..Receipt::of(&step) })
    }

    /// The engine forgets ended executions; history knows who decided and when.
    fn with_history(&self, refusal: Refusal) -> SubmitError {
        let refusal = match refusal {
            Refusal::UnknownExecution { pipeline, execution } => {
                match self.history().and_then(|history| history.find(&execution)) {
                    Ok(found) if found.iter().any(|it| it.superseded_by.is_some()) => found
                        .into_iter()
                        .find_map(|it| {
                            let (execution, by) = (it.id, it.superseded_by?);
                            Some(Refusal::Superseded { execution, by, at: it.updated_at })
                        })
                        .unwrap_or(Refusal::UnknownExecution { pipeline, execution }),
                    Ok(_) | Err(_) => Refusal::UnknownExecution { pipeline, execution },
                }
            }
            other => other,
        };
        SubmitError::Refused(refusal)
    }

    pub fn history(&self) -> Result<History, StoreError> {
        History::open(&self.state_dir.database())
    }

    /// Returns where everything about an action execution lies.
    pub fn job_directory(&self, id: ActionExecutionId) -> PathBuf {
        self.state_dir.job(id)
    }

    /// Returns where the log of an action execution lies.
    pub fn log_path(&self, id: ActionExecutionId) -> PathBuf {
        self.state_dir.job(id).join(crate::supervisor::protocol::LOG)
    }

    /// Collects what an operator should know before deciding at a gate.
    pub async fn review(&self, at: GateAt<'_>) -> super::review::Review {
        super::review::review(at).await
    }

    /// Makes the runtime serve more pipeline files.
    pub async fn serve_files(&self, files: Vec<PathBuf>) -> Result<(), SubmitError> {
        match self.link {
            Link::Socket | Link::Silent => socket::serve_files(&self.state_dir, files).await,
            Link::Here { .. } | Link::Nowhere => Ok(()),
        }
    }
}

async fn forward(mut published: watch::Receiver<Published>, board: watch::Sender<Arc<Board>>) {
    while published.changed().await.is_ok() {
        let newest = Arc::clone(&published.borrow_and_update().board);
        if board.send(newest).is_err() {
            return;
        }
    }
}
