//! What is alive: pipelines, executions under way and the last one in each stage and lane.
//!
//! Ended executions leave once nothing on the board needs them, so memory does not grow with
//! history. Nothing here changes except through `State::evolve`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{deadlines::Deadline, event::ActionRef};
use crate::model::{
    Action, ActionExecutionId, ActionName, ActionStatus, ApprovalDecision, ApprovalToken,
    ArtifactContent, ArtifactName, EnvironmentVariable, ErrorDetails, ExecutionId, ExecutionStatus,
    Lane, Operator, Pipeline, PipelineName, RevisionId, SourceRevision, StageName, StageStatus,
    StopRequest, Timestamp, Trigger, variable::Variables,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub pipelines: BTreeMap<PipelineName, PipelineState>,
    /// Where each execution in memory lives.
    pub homes: BTreeMap<ExecutionId, Home>,
    /// Actions in progress.
    pub running: BTreeMap<ActionExecutionId, ActionRef>,
    /// What time alone brings about, and when.
    pub deadlines: BTreeSet<(Timestamp, Deadline)>,
    pub executions_started: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    pub pipeline: PipelineName,
    pub lane: Lane,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineState {
    pub version: u32,
    pub definition: Arc<Pipeline>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub transitions: BTreeMap<StageName, Transition>,
    /// The heads last seen, by source action and branch (a tag's key is `refs/tags/NAME`); an action
    /// without an entry was never seen.
    pub sources: BTreeMap<ActionName, BTreeMap<String, SourceRevision>>,
    /// Heads whose changed files decide and are not listed yet, by source action and branch.
    pub awaited_changes: BTreeMap<ActionName, BTreeMap<String, AwaitedChanges>>,
    pub lanes: BTreeMap<Lane, LaneState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitedChanges {
    pub revision: SourceRevision,
    pub since: Option<RevisionId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneState {
    pub slots: BTreeMap<StageName, Slot>,
    pub executions: BTreeMap<ExecutionId, Execution>,
    /// The last few that ended, newest first.
    pub recent: VecDeque<Ended>,
    /// The branch is gone; the lane goes when nothing is under way in it.
    pub branch_deleted: bool,
}

/// One stage of one lane: the unit that locks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    pub occupant: Option<ExecutionId>,
    pub waiting: VecDeque<ExecutionId>,
    /// The execution that entered last, which is the only one that may be retried.
    pub latest: Option<ExecutionId>,
    pub last_success: Option<Success>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Success {
    pub execution: ExecutionId,
    pub revision: SourceRevision,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub execution: ExecutionId,
    pub status: ExecutionStatus,
    pub revision: SourceRevision,
    pub superseded_by: Option<ExecutionId>,
    pub started_at: Timestamp,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    pub id: ExecutionId,
    /// Counts executions of all pipelines; the higher one is the newer one.
    pub number: u64,
    pub version: u32,
    /// The definition it started with; edits never touch it.
    pub definition: Arc<Pipeline>,
    pub status: ExecutionStatus,
    pub trigger: Trigger,
    /// The first is the primary source's.
    pub revisions: Vec<SourceRevision>,
    pub variables: Variables,
    pub artifacts: BTreeMap<ArtifactName, ArtifactContent>,
    pub place: Place,
    pub stages: BTreeMap<StageName, StageExecution>,
    pub stop: Option<StopRequest>,
    pub superseded_by: Option<ExecutionId>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Execution {
    /// Returns the revision the execution is known by.
    pub fn revision(&self) -> &SourceRevision {
        self.revisions.first().expect("executions start with their primary revision")
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageExecution {
    pub status: StageStatus,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// The newest attempt of each action that has started.
    pub actions: BTreeMap<ActionName, ActionExecution>,
    /// How many attempts each action has had, also those that a retry has put aside.
    pub attempts: BTreeMap<ActionName, u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionExecution {
    pub id: ActionExecutionId,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub resolved: ResolvedAction,
    pub progress: Progress,
}

/// The parts of an action that may hold variables, after resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedAction {
    pub configuration: BTreeMap<String, String>,
    pub commands: Vec<String>,
    pub environment_variables: Vec<EnvironmentVariable>,
}

impl ResolvedAction {
    pub fn apply_to(&self, action: &Action) -> Action {
        Action {
            configuration: self.configuration.clone(),
            commands: self.commands.clone(),
            environment_variables: self.environment_variables.clone(),
            ..action.clone()
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Progress {
    Running,
    AwaitingApproval(Approval),
    /// Answered; the action ends with the next step of the stage.
    Decided(ApprovalDecision),
    Succeeded {
        at: Timestamp,
        summary: String,
        decision: Option<ApprovalDecision>,
    },
    Failed {
        at: Timestamp,
        error: ErrorDetails,
        decision: Option<ApprovalDecision>,
    },
    Abandoned {
        at: Timestamp,
    },
}

impl ActionExecution {
    pub fn status(&self) -> ActionStatus {
        match &self.progress {
            Progress::Running | Progress::AwaitingApproval(_) | Progress::Decided(_) => {
                ActionStatus::InProgress
            }
            Progress::Succeeded { .. } => ActionStatus::Succeeded,
            Progress::Failed { .. } => ActionStatus::Failed,
            Progress::Abandoned { .. } => ActionStatus::Abandoned,
        }
    }

    pub fn ended_at(&self) -> Option<Timestamp> {
        match &self.progress {
            Progress::Running | Progress::AwaitingApproval(_) | Progress::Decided(_) => None,
            Progress::Succeeded { at, .. }
            | Progress::Failed { at, .. }
            | Progress::Abandoned { at } => Some(*at),
        }
    }

    pub fn decision(&self) -> Option<&ApprovalDecision> {
        match &self.progress {
            Progress::Decided(decision) => Some(decision),
            Progress::Succeeded { decision, .. } | Progress::Failed { decision, .. } => {
                decision.as_ref()
            }
            Progress::Running | Progress::AwaitingApproval(_) | Progress::Abandoned { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub token: ApprovalToken,
    pub expires_at: Timestamp,
}

impl State {
    pub fn lane(&self, home: &Home) -> Option<&LaneState> {
        self.pipelines.get(&home.pipeline)?.lanes.get(&home.lane)
    }

    pub fn execution(&self, id: ExecutionId) -> Option<&Execution> {
        self.lane(self.homes.get(&id)?)?.executions.get(&id)
    }

    pub fn action(&self, action: &ActionRef) -> Option<&ActionExecution> {
        self.execution(action.execution)?.stages.get(&action.stage)?.actions.get(&action.action)
    }
}

impl PipelineState {
    pub fn is_enabled(&self, stage: &StageName) -> bool {
        self.transitions
            .get(stage)
            .is_none_or(|transition| transition.position == TransitionPosition::Enabled)
    }
}
