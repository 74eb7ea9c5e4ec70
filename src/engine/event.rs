//! Recorded facts: the only thing that moves the engine's state.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::state::{Approval, ResolvedAction};
use crate::model::{
    ActionExecutionId, ActionName, ApprovalDecision, ErrorDetails, ExecutionId, JobSuccess, Lane,
    Operator, Pipeline, PipelineName, RetryMode, RevisionId, SourceRevision, StageName,
    StopRequest, Timestamp, Trigger,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub pipeline: PipelineName,
    pub fact: Fact,
}

/// Which attempt of which action a fact speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRef {
    pub execution: ExecutionId,
    pub stage: StageName,
    pub action: ActionName,
    pub id: ActionExecutionId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    PipelineDefined {
        version: u32,
        definition: Arc<Pipeline>,
    },
    /// The first sight of a source: these commits start nothing.
    BaselineTaken {
        action: ActionName,
        heads: BTreeMap<String, SourceRevision>,
    },
    HeadMoved {
        action: ActionName,
        branch: String,
        revision: SourceRevision,
    },
    BranchDeleted {
        action: ActionName,
        branch: String,
    },
    /// Only the changed files can tell whether the revision starts an execution.
    ChangesAwaited {
        revision: SourceRevision,
        /// Where the branch stood before; nothing for a new branch.
        since: Option<RevisionId>,
    },
    ChangesListed {
        action: ActionName,
        branch: String,
        revision: RevisionId,
    },
    /// Something came that could have started an execution and did not.
    StartDeclined {
        action: ActionName,
        branch: String,
        /// Absent if a schedule found no revision at all.
        revision: Option<RevisionId>,
        reason: String,
    },
    ScheduleSet {
        action: ActionName,
        /// Absent if the schedule never comes again.
        next: Option<Timestamp>,
    },
    TransitionEnabled {
        stage: StageName,
        by: Operator,
    },
    TransitionDisabled {
        stage: StageName,
        reason: String,
        by: Operator,
    },

    ExecutionStarted {
        execution: ExecutionId,
        version: u32,
        lane: Lane,
        trigger: Trigger,
        revisions: Vec<SourceRevision>,
        variables: BTreeMap<String, String>,
    },
    ExecutionSuperseded {
        execution: ExecutionId,
        by: ExecutionId,
        stage: StageName,
    },
    ExecutionSucceeded {
        execution: ExecutionId,
    },
    ExecutionFailed {
        execution: ExecutionId,
        stage: StageName,
    },
    ExecutionStopped {
        execution: ExecutionId,
    },
    StopRequested {
        execution: ExecutionId,
        request: StopRequest,
    },

    StageEntered {
        execution: ExecutionId,
        stage: StageName,
    },
    StageSucceeded {
        execution: ExecutionId,
        stage: StageName,
    },
    StageFailed {
        execution: ExecutionId,
        stage: StageName,
    },
    StageStopped {
        execution: ExecutionId,
        stage: StageName,
    },
    StageRetried {
        execution: ExecutionId,
        stage: StageName,
        mode: RetryMode,
        by: Operator,
    },

    ActionStarted {
        action: ActionRef,
        attempt: u32,
        resolved: ResolvedAction,
        approval: Option<Approval>,
    },
    ApprovalDecided {
        action: ActionRef,
        decision: ApprovalDecision,
    },
    ActionSucceeded {
        action: ActionRef,
        success: JobSuccess,
    },
    ActionFailed {
        action: ActionRef,
        error: ErrorDetails,
    },
    ActionAbandoned {
        action: ActionRef,
    },
}

impl Fact {
    /// Returns the fact's name as it is stored and printed.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PipelineDefined { .. } => "PipelineDefined",
            Self::BaselineTaken { .. } => "BaselineTaken",
            Self::HeadMoved { .. } => "HeadMoved",
            Self::BranchDeleted { .. } => "BranchDeleted",
            Self::ChangesAwaited { .. } => "ChangesAwaited",
            Self::ChangesListed { .. } => "ChangesListed",
            Self::StartDeclined { .. } => "StartDeclined",
            Self::ScheduleSet { .. } => "ScheduleSet",
            Self::TransitionEnabled { .. } => "TransitionEnabled",
            Self::TransitionDisabled { .. } => "TransitionDisabled",
            Self::ExecutionStarted { .. } => "ExecutionStarted",
            Self::ExecutionSuperseded { .. } => "ExecutionSuperseded",
            Self::ExecutionSucceeded { .. } => "ExecutionSucceeded",
            Self::ExecutionFailed { .. } => "ExecutionFailed",
            Self::ExecutionStopped { .. } => "ExecutionStopped",
            Self::StopRequested { .. } => "StopRequested",
            Self::StageEntered { .. } => "StageEntered",
            Self::StageSucceeded { .. } => "StageSucceeded",
            Self::StageFailed { .. } => "StageFailed",
            Self::StageStopped { .. } => "StageStopped",
            Self::StageRetried { .. } => "StageRetried",
            Self::ActionStarted { .. } => "ActionStarted",
            Self::ApprovalDecided { .. } => "ApprovalDecided",
            Self::ActionSucceeded { .. } => "ActionSucceeded",
            Self::ActionFailed { .. } => "ActionFailed",
            Self::ActionAbandoned { .. } => "ActionAbandoned",
        }
    }

    /// Returns the execution the fact belongs to; facts about a pipeline have none.
    pub fn execution(&self) -> Option<ExecutionId> {
        match self {
            Self::PipelineDefined { .. }
            | Self::BaselineTaken { .. }
            | Self::HeadMoved { .. }
            | Self::BranchDeleted { .. }
            | Self::ChangesAwaited { .. }
            | Self::ChangesListed { .. }
            | Self::StartDeclined { .. }
            | Self::ScheduleSet { .. }
            | Self::TransitionEnabled { .. }
            | Self::TransitionDisabled { .. } => None,
            Self::ExecutionStarted { execution, .. }
            | Self::ExecutionSuperseded { execution, .. }
            | Self::ExecutionSucceeded { execution }
            | Self::ExecutionFailed { execution, .. }
            | Self::ExecutionStopped { execution }
            | Self::StopRequested { execution, .. }
            | Self::StageEntered { execution, .. }
            | Self::StageSucceeded { execution, .. }
            | Self::StageFailed { execution, .. }
            | Self::StageStopped { execution, .. }
            | Self::StageRetried { execution, .. } => Some(*execution),
            Self::ActionStarted { action, .. }
            | Self::ApprovalDecided { action, .. }
            | Self::ActionSucceeded { action, .. }
            | Self::ActionFailed { action, .. }
            | Self::ActionAbandoned { action } => Some(action.execution),
        }
    }
}
