//! The read model that everything displays: what is where, and why it waits.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

pub use super::state::{DeferredDecision, Note, Override, WatchingPaused};
use crate::model::{
    ActionExecutionId, ActionName, ActionStatus, ApprovalDecision, ApprovalToken, Category,
    ConditionResult, ConditionStatus, ConditionType, EnvironmentVariableType, ErrorDetails,
    ExecutionId, ExecutionMode, ExecutionStatus, GateRef, Lane, LockName, Operator, PipelineName,
    RevisionId, RuleName, RuleStatus, SourceRevision, StageName, StageStatus, Timestamp, Trigger,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Board {
    pub pipelines: Vec<Arc<PipelineCard>>,
    /// What belongs to no pipeline, such as a file that was never valid.
    pub notices: Vec<Notice>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineCard {
    pub name: PipelineName,
    pub version: u32,
    pub mode: ExecutionMode,
    pub file: PathBuf,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The columns, in order.
    pub stages: Vec<StageName>,
    pub lanes: Vec<LaneCard>,
    /// How many branches the sources have been seen on; none were looked at yet if absent.
    pub branches_seen: Option<usize>,
    /// A runtime has looked at its repositories and sees new commits.
    pub is_watched: bool,
    /// Who has paused watching, and when.
    pub watching_paused: Option<Box<WatchingPaused>>,
    /// What the shell knows and the engine does not: a broken file, a missing branch.
    pub notices: Vec<Notice>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub severity: Severity,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    Problem,
    Remark,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneCard {
    pub lane: Lane,
    pub branch_deleted: bool,
    pub stages: Vec<StageCard>,
    /// Under way, newest first.
    pub alive: Vec<ExecutionCard>,
    /// Ended, newest first.
    pub recent: Vec<RecentCard>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionCard {
    pub id: ExecutionId,
    pub status: ExecutionStatus,
    pub version: u32,
    pub trigger: Trigger,
    pub revision: Arc<SourceRevision>,
    /// What an execution of type ROLLBACK goes back to.
    pub rollback_of: Option<ExecutionId>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentCard {
    pub id: ExecutionId,
    pub status: ExecutionStatus,
    pub revision: RevisionId,
    pub subject: String,
    pub superseded_by: Option<ExecutionId>,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageCard {
    pub name: StageName,
    /// The inbound transition; the first stage has none.
    pub transition: Option<TransitionCard>,
    pub inbound: Vec<InboundCard>,
    /// The execution in the stage, or the last that was.
    pub execution: Option<ExecutionCard>,
    pub status: Option<StageStatus>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub actions: Vec<ActionCard>,
    pub conditions: Vec<ConditionCard>,
    /// The lock it shares, and the execution that holds it, if one does.
    pub lock: Option<LockCard>,
    /// Why nothing in it moves although an execution is there.
    pub waits: Option<WaitReason>,
    /// How often the stage was tried again, by itself and by hand.
    pub automatic_retries: u32,
    pub manual_retries: u32,
    /// What the stage last succeeded with.
    pub last_success: Option<SuccessCard>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionCard {
    pub kind: ConditionType,
    pub result: ConditionResult,
    pub status: Option<ConditionStatus>,
    pub overridden: Option<Box<Override>>,
    pub rules: Vec<RuleCard>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleCard {
    pub name: RuleName,
    pub provider: String,
    pub id: Option<ActionExecutionId>,
    pub status: Option<RuleStatus>,
    /// What came of it, or what it waits for.
    pub summary: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockCard {
    pub name: LockName,
    pub holder: Option<ExecutionId>,
}

impl LaneCard {
    /// Returns the revision and the subject of what started last.
    pub fn newest(&self) -> Option<(&RevisionId, &str)> {
        let alive =
            self.alive.iter().map(|it| (it.started_at, &it.revision.id, it.revision.subject()));
        let ended = self.recent.iter().map(|it| (it.started_at, &it.revision, it.subject.as_str()));
        // Of two that began at once the one under way counts.
        let newest = ended.chain(alive).max_by_key(|it| it.0)?;
        Some((newest.1, newest.2))
    }
}

impl StageCard {
    /// Tells whether an execution holds the stage now.
    pub fn is_occupied(&self) -> bool {
        matches!(self.status, Some(StageStatus::InProgress | StageStatus::Stopping))
    }

    pub fn open_gate(&self) -> Option<(&ActionCard, &Attempt, &OpenGate)> {
        self.actions.iter().find_map(|action| {
            let attempt = action.latest.as_ref()?;
            Some((action, attempt, attempt.gate.as_ref()?))
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuccessCard {
    pub execution: ExecutionId,
    /// The STANDARD execution that made it; another one after a rollback.
    pub release_of: ExecutionId,
    pub revision: Arc<SourceRevision>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransitionCard {
    pub enabled: bool,
    pub reason: Option<String>,
    pub by: Option<Operator>,
    pub at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboundCard {
    pub execution: ExecutionCard,
    pub since: Timestamp,
    pub reason: WaitReason,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionCard {
    pub name: ActionName,
    pub category: Category,
    pub provider: String,
    pub run_order: u32,
    /// The newest attempt of the execution that the stage shows.
    pub latest: Option<Attempt>,
    /// Why it has not started, if the stage is occupied and it has not.
    pub waits: Option<WaitReason>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub id: ActionExecutionId,
    pub number: u32,
    pub status: ActionStatus,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub summary: String,
    pub error: Option<ErrorDetails>,
    pub decision: Option<Arc<ApprovalDecision>>,
    pub gate: Option<OpenGate>,
    /// The commands after resolution, for whoever must know what runs.
    pub commands: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenGate {
    pub token: ApprovalToken,
    pub expires_at: Timestamp,
    pub custom_data: Option<String>,
    pub external_entity_link: Option<String>,
    /// A decision that takes effect later, and can be taken back until then.
    pub deferred: Option<Box<DeferredDecision>>,
    pub note: Option<Box<Note>>,
    /// What starts once the gate is passed.
    pub next: Vec<NextAction>,
}

/// An action that has not started, as it would run now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextAction {
    pub stage: StageName,
    pub name: ActionName,
    /// The provider, and the image it works in, if there is one.
    pub runs: String,
    /// Its commands, or else its configuration, with the variables that have a value.
    pub lines: Vec<String>,
    /// The names of its environment variables, and which of them are secrets.
    pub environment: Vec<(String, EnvironmentVariableType)>,
}

/// Why something does not move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WaitReason {
    StageOccupied {
        by: RevisionId,
        /// Its own commit, which another execution brings.
        #[serde(default)]
        is_its_own: bool,
        gate: Option<ActionName>,
    },
    TransitionDisabled {
        reason: String,
        by: Option<Operator>,
    },
    /// QUEUED mode: others came first.
    Queue {
        behind: RevisionId,
        ahead: usize,
    },
    Lock {
        lock: LockName,
        holder: Option<LockHolder>,
    },
    /// A deployment window is closed.
    Window {
        opens: String,
    },
    Rules {
        names: Vec<RuleName>,
    },
    Retry {
        at: Timestamp,
        number: u32,
    },
    ConcurrencyLimit {
        scope: String,
        limit: usize,
    },
    /// Nothing runs: no runtime serves the state directory.
    NoRuntime,
    EarlierActions {
        names: Vec<ActionName>,
    },
    Stopping {
        names: Vec<ActionName>,
    },
    SiblingFailed {
        names: Vec<ActionName>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    pub pipeline: PipelineName,
    pub lane: Lane,
    pub revision: RevisionId,
}

impl WaitReason {
    /// Returns the reason as one sentence without its subject.
    pub fn sentence(&self, now: Timestamp) -> String {
        match self {
            Self::StageOccupied { by, is_its_own, gate } => {
                let who = if *is_its_own { "another execution of its commit" } else { by.short() };
                let held = gate.as_ref().map(|gate| format!(", held at the gate {gate}"));
                format!("waits: {who} is in the stage{}", held.unwrap_or_default())
            }
            Self::TransitionDisabled { reason, by } => {
                let by = by.as_ref().map_or_else(String::new, |by| format!(" by {}", by.user));
                format!("waits: transition disabled{by}: {reason}")
            }
            Self::Queue { behind, ahead: 1 } => format!("waits: {} is before it", behind.short()),
            Self::Queue { behind, ahead } => {
                format!("waits: {ahead} are before it, {} goes next", behind.short())
            }
            Self::Lock { lock, holder: Some(holder) } => format!(
                "waits for the lock {lock}: {} of {} ({}) holds it",
                holder.revision.short(),
                holder.pipeline,
                holder.lane.label()
            ),
            Self::Lock { lock, holder: None } => {
                format!("waits for the lock {lock}: another one is first")
            }
            Self::Window { opens } => format!("waits for the window: opens {opens}"),
            Self::Rules { names } => format!("waits for the rule {}", list(names)),
            Self::Retry { at, number } => format!("retry {number} in {}", at.since(now)),
            Self::ConcurrencyLimit { limit: 0, .. } => {
                "waits: the runtime is about to end and starts nothing more".to_owned()
            }
            Self::ConcurrencyLimit { scope, limit } => {
                format!("waits: {limit} actions run, the limit {scope}")
            }
            Self::NoRuntime => "waits: no runtime is running".to_owned(),
            Self::EarlierActions { names } => format!("waits for {}", list(names)),
            Self::Stopping { names } if names.is_empty() => {
                "will not start: it was stopped".to_owned()
            }
            Self::Stopping { names } => format!("will not start: stopping after {}", list(names)),
            Self::SiblingFailed { names } => format!("will not start: {} failed", list(names)),
        }
    }
}

fn list<T: ToString>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Board {
    /// Counts the actions for which something runs now; gates run nothing.
    pub fn running_actions(&self) -> usize {
        let lanes = self.pipelines.iter().flat_map(|it| &it.lanes);
        let stages = lanes.flat_map(|it| &it.stages).filter(|it| it.is_occupied());
        let attempts = stages.flat_map(|it| &it.actions).filter_map(|it| it.latest.as_ref());
        attempts.filter(|it| it.ended_at.is_none() && it.gate.is_none()).count()
    }

    pub fn pipeline(&self, name: &PipelineName) -> Option<&PipelineCard> {
        self.pipelines.iter().find(|card| card.name == *name).map(Arc::as_ref)
    }

    /// Returns every open gate with the place it stands in.
    pub fn open_gates(&self) -> impl Iterator<Item = GateAt<'_>> {
        self.pipelines.iter().flat_map(|pipeline| {
            pipeline.lanes.iter().flat_map(move |lane| {
                lane.stages.iter().flat_map(move |stage| {
                    stage.actions.iter().filter_map(move |action| {
                        let attempt = action.latest.as_ref()?;
                        let gate = attempt.gate.as_ref()?;
                        let execution = stage.execution.as_ref()?;
                        Some(GateAt { pipeline, lane, stage, action, attempt, gate, execution })
                    })
                })
            })
        })
    }
}

/// An open gate and everything around it.
#[derive(Clone, Copy)]
pub struct GateAt<'a> {
    pub pipeline: &'a PipelineCard,
    pub lane: &'a LaneCard,
    pub stage: &'a StageCard,
    pub action: &'a ActionCard,
    pub attempt: &'a Attempt,
    pub gate: &'a OpenGate,
    pub execution: &'a ExecutionCard,
}

impl GateAt<'_> {
    pub fn reference(&self) -> GateRef {
        GateRef {
            pipeline: self.pipeline.name.clone(),
            stage: self.stage.name.clone(),
            action: self.action.name.clone(),
            token: self.gate.token,
        }
    }
}
