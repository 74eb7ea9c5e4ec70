//! The shell around the engine: one task owns it, stores its events, publishes its board and
//! performs its effects. It never waits for work.

mod definitions;
mod ending;
pub mod explain;
pub mod gc;
pub mod handle;
pub mod lookup;
pub mod narrate;
mod operation;
mod performer;
mod published;
mod refs;
mod remote;
pub mod review;
mod socket;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
};

pub use crate::store::{DeclinedRecord, History, StoreError, check as check_history};
pub use definitions::{DefinitionFiles, FilesError};
pub use ending::Ending;
pub use gc::{Amount, Removed};
pub use handle::RuntimeHandle;
pub use operation::{Operation, Receipt, SubmitError};
use published::{News, Origin, Publisher};
pub use socket::is_request;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    engine::{
        Effect, Engine, Input, Refusal,
        board::{Notice, Severity},
    },
    fault,
    host::{
        GitError, StateDir, Tools, clock,
        state_dir::{RuntimeLock, StateDirError},
    },
    model::{Containers, Keep, Operator, PipelineName},
    store::Store,
};

pub struct Options {
    pub state_dir: StateDir,
    pub files: DefinitionFiles,
    /// The program whose hidden verb is the supervisor: this one.
    pub program: PathBuf,
    /// How many actions run at a time; no limit, if absent.
    pub max_actions: Option<NonZeroUsize>,
    pub keep: Keep,
    pub containers: Containers,
}

#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("git is needed and cannot be used")]
    Git(#[from] GitError),
    #[error("cannot listen on {}", path.display())]
    Socket { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Definition(#[from] FilesError),
    #[error("cannot get random numbers from the system")]
    Entropy(#[source] std::io::Error),
}

/// What other tasks tell the owner of the engine.
enum Message {
    Input { input: Box<Input>, reply: Option<Reply> },
    Notice { pipeline: Option<PipelineName>, origin: Origin, notice: Option<Notice> },
    End { ending: Ending, by: Operator },
}

type Reply = oneshot::Sender<Result<Receipt, Refusal>>;

/// A runtime at work. Dropping it without `shut_down` leaves its tasks to the tokio runtime.
pub struct Runtime {
    pub handle: RuntimeHandle,
    cancel: CancellationToken,
    /// Cancelled when the owner of the engine has ended, whatever the reason.
    over: CancellationToken,
    tasks: TaskTracker,
    owner: JoinHandle<Result<(), StoreError>>,
    door: JoinHandle<()>,
    _lock: RuntimeLock,
}

impl Runtime {
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { state_dir, files, program, max_actions, keep, containers } = options;
        state_dir.create()?;
        let lock = state_dir.lock()?;
        let mut store = Store::open(&state_dir.database())?;
        let loaded = store.load()?;
        let mut engine = Engine::new(loaded.state, seed()?, loaded.latest);
        engine.limit_actions(max_actions.map(NonZeroUsize::get));
        let known = engine.state().pipelines.values().map(|it| Arc::clone(&it.definition));
        let first_reading = files.read(known.collect())?;
        let tools = Tools::open(state_dir.clone(), program, keep, containers).await?;

        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (inbox, messages) = mpsc::channel(1024);
        let mirrors = state_dir.repositories();
        let (publisher, published) = Publisher::new(&engine);
        let handle = RuntimeHandle::here(Arc::clone(&tools), inbox.clone(), published.clone());
        let listener = socket::Listener::bind(&state_dir)
            .map_err(|source| StartError::Socket { path: state_dir.socket(), source })?;
        let performer = performer::Performer::new(Arc::clone(&tools), inbox.clone(), tasks.clone());
        performer.end_orphans(&engine.state().running.keys().copied().collect());
        let owner = Owner { engine, store, publisher, performer, messages, ending: None };
        let over = CancellationToken::new();
        let owner = tokio::spawn({
            let (cancel, over) = (cancel.clone(), over.clone().drop_guard());
            async move {
                let _over = over;
                owner.run(cancel).await
            }
        });
        tasks.spawn(gc::collect_daily(Arc::clone(&tools), inbox.clone(), cancel.clone()));
        // Nobody is answered before the pipelines are there.
        let keeper = definitions::Keeper::begin(first_reading, inbox, published, mirrors).await;
        let door = tokio::spawn(listener.serve(handle.clone(), files.clone(), cancel.clone()));
        tasks.spawn(definitions::watch(keeper, files, cancel.clone()));
        Ok(Self { handle, cancel, over, tasks, owner, door, _lock: lock })
    }

    /// Waits until the runtime has nothing more to do: somebody has asked it to end, or it could
    /// not write. `shut_down` tells which.
    pub async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Ends the runtime. Running actions go on under their supervisor.
    pub async fn shut_down(self) -> Result<(), StoreError> {
        self.cancel.cancel();
        self.tasks.close();
        let result = self.owner.await;
        let _ = self.door.await;
        // Tasks that work for jobs have nobody left to report to.
        drop(self.handle);
        match result {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

fn seed() -> Result<u128, StartError> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .map_err(StartError::Entropy)?;
    Ok(u128::from_le_bytes(bytes))
}

/// The one task that holds the engine.
struct Owner {
    engine: Engine,
    store: Store,
    publisher: Publisher,
    performer: performer::Performer,
    messages: mpsc::Receiver<Message>,
    ending: Option<Ending>,
}

/// How many messages may share one transaction.
const BATCH: usize = 256;

impl Owner {
    async fn run(mut self, cancel: CancellationToken) -> Result<(), StoreError> {
        self.take(vec![input(Input::RuntimeStarted)])?;
        while !self.has_ended() {
            let mut batch = Vec::new();
            let deadline = self.engine.next_deadline();
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                count = self.messages.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        break;
                    }
                }
                () = clock::sleep_until(deadline) => batch.push(input(Input::DeadlinePassed)),
            }
            // Writing history is the one thing everybody has to wait for.
            tokio::task::block_in_place(|| self.take(batch))?;
        }
        self.performer.deliver_stops().await;
        Ok(())
    }

    fn has_ended(&self) -> bool {
        match self.ending {
            None => false,
            Some(Ending::Now) => true,
            Some(Ending::WhenIdle | Ending::Abandon) => self.engine.executions_at_work().is_empty(),
        }
    }

    /// Nothing starts from now on; returns what must be decided on the way out.
    fn begin_to_end(&mut self, ending: Ending, by: &Operator) -> Vec<Input> {
        self.ending = Some(ending);
        self.engine.limit_actions(Some(0));
        let text = match ending {
            Ending::Now => return Vec::new(),
            Ending::WhenIdle => {
                format!("{by} ends this runtime when the running actions have ended")
            }
            Ending::Abandon => format!("{by} ends this runtime and its actions"),
        };
        let notice = Some(Notice { severity: Severity::Remark, text });
        self.publisher.notice(None, Origin::Ending, notice);
        if ending == Ending::Abandon { ending::stops(&self.engine, by) } else { Vec::new() }
    }

    /// Decides, stores, publishes, answers, performs: in this order.
    fn take(&mut self, batch: Vec<Message>) -> Result<(), StoreError> {
        let mut events = Vec::new();
        let mut effects: Vec<Effect> = Vec::new();
        let mut replies = Vec::new();
        let mut changed: BTreeSet<PipelineName> = BTreeSet::new();
        let mut batch = VecDeque::from(batch);
        while let Some(message) = batch.pop_front() {
            match message {
                Message::End { ending, by } => {
                    batch.extend(self.begin_to_end(ending, &by).into_iter().map(input));
                }
                Message::Notice { pipeline, origin, notice } => {
                    self.publisher.notice(pipeline.clone(), origin, notice);
                    changed.extend(pipeline);
                }
                Message::Input { input, reply } => {
                    if let Input::SourceObserved { pipeline, .. } = input.as_ref()
                        && self.publisher.watched(pipeline)
                    {
                        changed.insert(pipeline.clone());
                    }
                    let outcome = self.engine.apply(*input, clock::now());
                    let answer = outcome.map(|step| {
                        let receipt = Receipt::of(&step);
                        events.extend(step.events);
                        effects.extend(step.effects);
                        receipt
                    });
                    replies.extend(reply.map(|reply| (reply, answer)));
                }
            }
        }
        fault::passed("before-append");
        self.store.append(&events)?;
        fault::passed("after-append");
        changed.extend(events.iter().map(|event| event.pipeline.clone()));
        if !events.is_empty() {
            changed.extend(self.engine.waiting_for_others());
        }
        self.publisher.publish(&self.engine, &changed, News::of(&events));
        for (reply, answer) in replies {
            // Whoever asked may have gone; the decision stands.
            let _ = reply.send(answer);
        }
        for effect in effects {
            fault::passed("before-effect");
            self.performer.perform(effect);
        }
        self.store.snapshot_if_due(self.engine.state())
    }
}

fn input(input: Input) -> Message {
    Message::Input { input: Box::new(input), reply: None }
}

/// Definitions by name, as the newest versions are.
type Definitions = BTreeMap<PipelineName, Arc<crate::model::Pipeline>>;
