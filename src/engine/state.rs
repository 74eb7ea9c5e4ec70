//! What is alive: pipelines, executions under way and the last one in each stage and lane.
//!
//! Ended executions leave once nothing on the board needs them, so memory does not grow with
//! history. Nothing here changes except through `State::evolve`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use super::{
    deadlines::Deadline,
    event::{ActionRef, RuleRef},
};
use crate::model::{
    ActionExecutionId, ActionName, ActionStatus, ApprovalDecision, ApprovalToken, Artifacts, ById,
    ConditionStatus, ConditionType, ErrorDetails, ExecutionId, ExecutionStatus, Instructions,
    JobSuccess, Lane, LockName, NamespaceName, Operator, Pipeline, PipelineName, RevisionId,
    Revisions, RuleName, RuleStatus, SourceRevision, StageName, StageStatus, StopRequest,
    Timestamp, Trigger,
    variable::{EXECUTION_ID, RESERVED_NAMESPACE, Variables},
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub pipelines: BTreeMap<PipelineName, PipelineState>,
    pub executions: ById<ExecutionId, Box<Execution>>,
    /// Actions in progress.
    pub running: ById<ActionExecutionId, ActionRef>,
    /// Rules in progress.
    pub running_rules: ById<ActionExecutionId, RuleRef>,
    /// When something happens by itself: exactly what the executions under way wait for.
    pub deadlines: BTreeSet<(Timestamp, Deadline)>,
    /// Who holds the locks that stages share.
    pub locks: BTreeMap<LockName, ExecutionId>,
    /// The slots that want a lock, in the order in which they began to wait for their stage.
    pub lock_queues: BTreeMap<LockName, BTreeMap<u64, SlotKey>>,
    pub tickets: u64,
    pub executions_started: u64,
    /// The newest version of each pipeline that was deleted; one that comes back counts on, so that
    /// a version in the history always means one definition.
    #[serde(default)]
    pub deleted: BTreeMap<PipelineName, u32>,
}

/// A stage of a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotKey {
    pub home: Home,
    pub stage: StageName,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Home {
    pub pipeline: PipelineName,
    pub lane: Lane,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineState {
    pub version: u32,
    pub definition: Arc<Pipeline>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub transitions: BTreeMap<StageName, Transition>,
    /// The heads last seen, by source action and branch (a tag's key is `refs/tags/NAME`); an action
    /// without an entry was never seen.
    pub sources: BTreeMap<ActionName, BTreeMap<Arc<str>, Arc<SourceRevision>>>,
    /// Heads whose changed files decide and are not listed yet, by source action and branch.
    pub awaited_changes: BTreeMap<ActionName, BTreeMap<Arc<str>, AwaitedChanges>>,
    pub lanes: BTreeMap<Lane, LaneState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watching_paused: Option<Box<WatchingPaused>>,
    /// What callers named their starts, so that asking twice starts once; the last few.
    pub client_request_tokens: VecDeque<(Box<str>, ExecutionId)>,
}

/// Who has paused watching, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchingPaused {
    pub by: Operator,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitedChanges {
    pub revision: Arc<SourceRevision>,
    pub since: Option<RevisionId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub position: TransitionPosition,
    pub by: Option<Operator>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransitionPosition {
    Enabled,
    Disabled { reason: String },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    pub slots: LiteMap<StageName, Slot>,
    /// By number, the oldest first.
    pub executions: LiteMap<u64, ExecutionId>,
    /// The last few that ended, newest first.
    pub recent: VecDeque<Ended>,
    /// The branch is gone; the lane goes when nothing is under way in it.
    pub branch_deleted: bool,
}

/// One stage of one lane: the unit that locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub occupant: Option<ExecutionId>,
    pub waiting: VecDeque<ExecutionId>,
    /// The place in the queue of a lock, kept while anything waits here.
    pub ticket: Option<u64>,
    /// The execution that entered last, which is the only one that may be retried.
    pub latest: Option<ExecutionId>,
    pub last_success: Option<Success>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Success {
    pub execution: ExecutionId,
    pub revision: Arc<SourceRevision>,
    pub at: Timestamp,
    /// Everything that brings it back.
    pub release: Arc<Release>,
}

/// What the stages of an execution work with: enough to run one again as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The STANDARD execution it was made by.
    pub execution: ExecutionId,
    pub version: u32,
    /// The first is the primary source's.
    pub revisions: Revisions,
    pub variables: Variables,
    pub artifacts: Artifacts,
}

impl Release {
    /// Returns the value of a variable.
    pub fn variable(&self, namespace: &str, key: &str) -> Option<Arc<str>> {
        if (namespace, key) == (RESERVED_NAMESPACE, EXECUTION_ID) {
            return Some(self.execution.to_string().into());
        }
        self.variables.get(namespace)?.get(key).cloned()
    }

    /// Adds what an action has brought. Whoever shares the release keeps it as it is; nothing is
    /// copied for an action that brings nothing.
    pub fn take_in(self: &mut Arc<Self>, namespace: Option<&NamespaceName>, success: &JobSuccess) {
        if let Some(namespace) = namespace {
            if !success.variables.is_empty() {
                let variables = &mut Arc::make_mut(self).variables;
                variables.insert(namespace.clone(), Arc::clone(&success.variables));
            } else if self.variables.contains_key(namespace) {
                // An earlier attempt had some.
                Arc::make_mut(self).variables.remove(namespace);
            }
        }
        if !success.artifacts.is_empty() {
            let artifacts = &mut Arc::make_mut(self).artifacts;
            if artifacts.is_empty() {
                artifacts.clone_from(&success.artifacts);
            } else {
                artifacts.extend(success.artifacts.clone());
            }
        }
        if let Some(revision) = &success.revision
            && self.revisions.iter().all(|known| known.action != revision.action)
        {
            let revisions = self.revisions.iter().chain([revision]).cloned().collect();
            Arc::make_mut(self).revisions = revisions;
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub execution: ExecutionId,
    pub status: ExecutionStatus,
    pub revision: Arc<SourceRevision>,
    pub superseded_by: Option<ExecutionId>,
    pub started_at: Timestamp,
    pub at: Timestamp,
}

/// What is particular about an execution that did not just start with a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOptions {
    /// For executions of type ROLLBACK, which run one stage only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Box<Rollback>>,
    /// Stages that an operator wanted left out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub skip: BTreeSet<StageName>,
    /// The action that invoked the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Box<ActionRef>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<Box<str>>,
    /// Who started it by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Box<Operator>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    pub stage: StageName,
    pub release: Arc<Release>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    pub id: ExecutionId,
    /// Counts executions of all pipelines; the higher one is the newer one.
    pub number: u64,
    pub home: Home,
    pub version: u32,
    /// The definition it started with; edits never touch it.
    pub definition: Arc<Pipeline>,
    pub status: ExecutionStatus,
    pub trigger: Trigger,
    /// Grows with what its actions bring; a stage that succeeds keeps it as it is then.
    pub release: Arc<Release>,
    pub place: Place,
    pub stages: LiteMap<StageName, StageExecution>,
    pub stop: Option<Box<StopRequest>>,
    pub superseded_by: Option<ExecutionId>,
    pub options: StartOptions,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Execution {
    pub fn is_rollback(&self) -> bool {
        self.options.rollback.is_some()
    }

    /// Returns the stage that follows; after its one stage a rollback is over.
    pub fn stage_after(&self, stage: &StageName) -> Option<&StageName> {
        if self.is_rollback() {
            return None;
        }
        self.definition.stage_after(stage).map(|it| &it.name)
    }

    /// Returns the lock that the stage shares with others.
    pub fn lock_of(&self, stage: &StageName) -> Option<&LockName> {
        self.definition.stage(stage)?.lock.as_ref()
    }

    /// Returns the stage it is in and what became of it so far.
    pub fn current_stage(&self) -> Option<(&StageName, &StageExecution)> {
        match &self.place {
            Place::In { stage } => Some((stage, self.stages.get(stage)?)),
            Place::Before { .. } | Place::Ended => None,
        }
    }

    /// Returns the revision the execution is known by.
    pub fn revision(&self) -> &Arc<SourceRevision> {
        self.release.revisions.first().expect("executions start with their primary revision")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Stands before the stage, as its inbound execution.
    Before {
        stage: StageName,
        since: Timestamp,
    },
    In {
        stage: StageName,
    },
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageExecution {
    pub status: StageStatus,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// The newest attempt of each action that has started.
    pub actions: LiteMap<ActionName, ActionExecution>,
    /// How many attempts an action has had, if there were several or a retry has put it aside.
    pub attempts: LiteMap<ActionName, u32>,
    /// How often each action was tried again by itself, since the stage was entered or retried.
    pub action_retries: LiteMap<ActionName, u32>,
    pub conditions: LiteMap<ConditionType, ConditionExecution>,
    pub automatic_retries: u32,
    pub manual_retries: u32,
    /// When the stage is tried again by itself.
    pub retry_at: Option<Timestamp>,
}

impl StageExecution {
    pub fn entered(at: Timestamp) -> Self {
        Self {
            status: StageStatus::InProgress,
            started_at: at,
            ended_at: None,
            actions: LiteMap::new(),
            attempts: LiteMap::new(),
            action_retries: LiteMap::new(),
            conditions: LiteMap::new(),
            automatic_retries: 0,
            manual_retries: 0,
            retry_at: None,
        }
    }

    /// Returns how many attempts an action has had here.
    pub fn attempts_of(&self, action: &ActionName) -> u32 {
        let several = self.attempts.get(action).copied();
        several.or_else(|| Some(self.actions.get(action)?.attempt)).unwrap_or(0)
    }

    pub fn has_action(&self, status: ActionStatus) -> bool {
        self.actions.values().any(|action| action.status() == status)
    }

    pub fn is_rule_running(&self) -> bool {
        self.conditions.values().any(ConditionExecution::is_rule_running)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionExecution {
    pub status: ConditionStatus,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub rules: LiteMap<RuleName, RuleExecution>,
    pub overridden: Option<Box<Override>>,
}

impl ConditionExecution {
    pub fn is_rule_running(&self) -> bool {
        self.rules.values().any(|rule| rule.status() == RuleStatus::InProgress)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub by: Operator,
    pub reason: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleExecution {
    pub id: ActionExecutionId,
    pub started_at: Timestamp,
    pub expires_at: Timestamp,
    pub configuration: BTreeMap<String, String>,
    pub commands: Vec<String>,
    pub progress: RuleProgress,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleProgress {
    Running,
    /// A window is closed; `opens` says in words when it opens.
    Waiting {
        until: Timestamp,
        opens: String,
    },
    Succeeded {
        at: Timestamp,
        summary: String,
    },
    Failed {
        at: Timestamp,
        error: ErrorDetails,
    },
    Abandoned {
        at: Timestamp,
    },
}

impl RuleExecution {
    pub fn status(&self) -> RuleStatus {
        match &self.progress {
            RuleProgress::Running | RuleProgress::Waiting { .. } => RuleStatus::InProgress,
            RuleProgress::Succeeded { .. } => RuleStatus::Succeeded,
            RuleProgress::Failed { .. } => RuleStatus::Failed,
            RuleProgress::Abandoned { .. } => RuleStatus::Abandoned,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionExecution {
    pub id: ActionExecutionId,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub resolved: Arc<Instructions>,
    pub progress: Progress,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    Running,
    AwaitingApproval(Approval),
    /// Answered; the action ends with the next step of the stage.
    Decided(Arc<ApprovalDecision>),
    /// Failed, and tried again by itself.
    WaitingToRetry {
        at: Timestamp,
        error: ErrorDetails,
    },
    Succeeded {
        at: Timestamp,
        summary: String,
        decision: Option<Arc<ApprovalDecision>>,
    },
    Failed {
        at: Timestamp,
        error: ErrorDetails,
        decision: Option<Arc<ApprovalDecision>>,
    },
    Abandoned {
        at: Timestamp,
    },
}

impl ActionExecution {
    pub fn status(&self) -> ActionStatus {
        match &self.progress {
            Progress::Running
            | Progress::AwaitingApproval(_)
            | Progress::Decided(_)
            | Progress::WaitingToRetry { .. } => ActionStatus::InProgress,
            Progress::Succeeded { .. } => ActionStatus::Succeeded,
            Progress::Failed { .. } => ActionStatus::Failed,
            Progress::Abandoned { .. } => ActionStatus::Abandoned,
        }
    }

    pub fn ended_at(&self) -> Option<Timestamp> {
        match &self.progress {
            Progress::Running
            | Progress::AwaitingApproval(_)
            | Progress::Decided(_)
            | Progress::WaitingToRetry { .. } => None,
            Progress::Succeeded { at, .. }
            | Progress::Failed { at, .. }
            | Progress::Abandoned { at } => Some(*at),
        }
    }

    pub fn decision(&self) -> Option<&Arc<ApprovalDecision>> {
        match &self.progress {
            Progress::Decided(decision) => Some(decision),
            Progress::Succeeded { decision, .. } | Progress::Failed { decision, .. } => {
                decision.as_ref()
            }
            Progress::Running
            | Progress::AwaitingApproval(_)
            | Progress::WaitingToRetry { .. }
            | Progress::Abandoned { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub token: ApprovalToken,
    pub expires_at: Timestamp,
    /// Given, but without effect before its time; until then it can be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Box<DeferredDecision>>,
    /// What operators tell each other while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<Note>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredDecision {
    pub decision: Arc<ApprovalDecision>,
    pub effective_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub text: String,
    pub by: Operator,
    pub at: Timestamp,
}

impl State {
    pub fn lane(&self, home: &Home) -> Option<&LaneState> {
        self.pipelines.get(&home.pipeline)?.lanes.get(&home.lane)
    }

    pub fn execution(&self, id: ExecutionId) -> Option<&Execution> {
        self.executions.get(&id).map(Box::as_ref)
    }

    pub fn home(&self, id: ExecutionId) -> Option<&Home> {
        self.executions.get(&id).map(|it| &it.home)
    }

    /// Returns the executions of a lane, the oldest first.
    pub fn executions_in<'a>(
        &'a self,
        lane: &'a LaneState,
    ) -> impl DoubleEndedIterator<Item = &'a Execution> {
        lane.executions.values().filter_map(|id| self.execution(*id))
    }

    /// Returns the actions of an execution that are in progress.
    pub fn actions_in_progress(&self, id: ExecutionId) -> Vec<ActionRef> {
        let stages = self.execution(id).into_iter().flat_map(|it| it.stages.iter());
        let actions = stages.flat_map(|(stage, entered)| {
            let running = |it: &&ActionExecution| it.status() == ActionStatus::InProgress;
            entered.actions.iter().filter(move |(_, it)| running(it)).map(move |(action, it)| {
                let (stage, action) = (stage.clone(), action.clone());
                ActionRef { execution: id, stage, action, id: it.id }
            })
        });
        actions.collect()
    }

    /// Returns the rules of an execution that are in progress.
    pub fn rules_in_progress(&self, id: ExecutionId) -> Vec<RuleRef> {
        let stages = self.execution(id).into_iter().flat_map(|it| it.stages.iter());
        let conditions = stages.flat_map(|(stage, entered)| {
            entered.conditions.iter().map(move |(kind, condition)| (stage, *kind, condition))
        });
        let rules = conditions.flat_map(|(stage, kind, condition)| {
            let running = |it: &&RuleExecution| it.status() == RuleStatus::InProgress;
            condition.rules.iter().filter(move |(_, it)| running(it)).map(move |(rule, it)| {
                let (stage, rule) = (stage.clone(), rule.clone());
                RuleRef { execution: id, stage, condition: kind, rule, id: it.id }
            })
        });
        rules.collect()
    }

    pub fn rule(&self, rule: &RuleRef) -> Option<&RuleExecution> {
        let stage = self.execution(rule.execution)?.stages.get(&rule.stage)?;
        stage.conditions.get(&rule.condition)?.rules.get(&rule.rule)
    }

    /// Returns what the stage last succeeded with on that branch.
    pub fn last_success(&self, home: &Home, stage: &StageName) -> Option<&Success> {
        let pipeline = self.pipelines.get(&home.pipeline)?;
        if !home.lane.is_of_one() {
            return pipeline.lanes.get(&home.lane)?.slots.get(stage)?.last_success.as_ref();
        }
        let same_branch =
            pipeline.lanes.iter().filter(|(lane, _)| lane.branch() == home.lane.branch());
        same_branch
            .filter_map(|(_, lane)| lane.slots.get(stage)?.last_success.as_ref())
            .max_by_key(|success| success.at)
    }

    pub fn action(&self, action: &ActionRef) -> Option<&ActionExecution> {
        self.execution(action.execution)?.stages.get(&action.stage)?.actions.get(&action.action)
    }
}

impl PipelineState {
    pub fn lanes_of(&self, name: &PipelineName) -> impl Iterator<Item = Home> {
        self.lanes.keys().map(|lane| Home { pipeline: name.clone(), lane: lane.clone() })
    }

    pub fn is_enabled(&self, stage: &StageName) -> bool {
        self.transitions
            .get(stage)
            .is_none_or(|transition| transition.position == TransitionPosition::Enabled)
    }
}
