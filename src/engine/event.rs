//! Recorded facts: the only thing that moves the engine's state.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::state::{Approval, StartOptions};
use crate::model::{
    ActionExecutionId, ActionName, ApprovalDecision, ConditionType, ErrorDetails, ExecutionId,
    Instructions, JobSuccess, Lane, Operator, Pipeline, PipelineName, RetryMode, RevisionId,
    Revisions, RuleName, SourceRevision, StageName, StopRequest, Timestamp, Trigger,
    variable::Namespace,
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

/// Which execution of which rule a fact speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    pub execution: ExecutionId,
    pub stage: StageName,
    pub condition: ConditionType,
    pub rule: RuleName,
    pub id: ActionExecutionId,
}

/// Why a stage was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipReason {
    /// Its entry condition said so.
    Condition,
    /// An operator wanted it left out when the execution was started.
    Operator,
    /// Its gate timed out, and that is what was chosen for this case.
    ApprovalTimeout,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    PipelineDefined {
        version: u32,
        definition: Arc<Pipeline>,
    },
    /// Its history stays.
    PipelineDeleted {
        by: Operator,
    },
    /// The first sight of a source: these commits start nothing.
    BaselineTaken {
        action: ActionName,
        heads: BTreeMap<Arc<str>, Arc<SourceRevision>>,
    },
    HeadMoved {
        action: ActionName,
        branch: Arc<str>,
        revision: Arc<SourceRevision>,
    },
    BranchDeleted {
        action: ActionName,
        branch: Arc<str>,
    },
    /// Only the changed files can tell whether the revision starts an execution.
    ChangesAwaited {
        revision: Arc<SourceRevision>,
        /// Where the branch stood before; nothing for a new branch.
        since: Option<RevisionId>,
    },
    ChangesListed {
        action: ActionName,
        branch: Arc<str>,
        revision: RevisionId,
    },
    /// Something came that could have started an execution and did not.
    StartDeclined {
        action: ActionName,
        branch: Arc<str>,
        /// Absent if a schedule found no revision at all.
        revision: Option<RevisionId>,
        reason: String,
    },
    /// New commits start nothing until it is resumed.
    WatchingPaused {
        by: Operator,
    },
    WatchingResumed {
        by: Operator,
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
        revisions: Revisions,
        variables: Namespace,
        #[serde(default)]
        options: StartOptions,
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
    StageSkipped {
        execution: ExecutionId,
        stage: StageName,
        reason: SkipReason,
    },
    /// The stage failed and is tried again by itself.
    StageRetryScheduled {
        execution: ExecutionId,
        stage: StageName,
        at: Timestamp,
    },
    StageRetried {
        execution: ExecutionId,
        stage: StageName,
        mode: RetryMode,
        /// Absent when it was tried again by itself.
        by: Option<Operator>,
    },

    ConditionStarted {
        execution: ExecutionId,
        stage: StageName,
        condition: ConditionType,
    },
    ConditionSucceeded {
        execution: ExecutionId,
        stage: StageName,
        condition: ConditionType,
    },
    ConditionFailed {
        execution: ExecutionId,
        stage: StageName,
        condition: ConditionType,
    },
    ConditionOverridden {
        execution: ExecutionId,
        stage: StageName,
        condition: ConditionType,
        reason: String,
        by: Operator,
    },
    RuleStarted {
        rule: RuleRef,
        configuration: BTreeMap<String, String>,
        commands: Vec<String>,
        expires_at: Timestamp,
    },
    RuleWaits {
        rule: RuleRef,
        until: Timestamp,
        opens: String,
    },
    RuleSucceeded {
        rule: RuleRef,
        summary: String,
    },
    RuleFailed {
        rule: RuleRef,
        error: ErrorDetails,
    },
    RuleAbandoned {
        rule: RuleRef,
    },

    ActionStarted {
        action: ActionRef,
        attempt: u32,
        resolved: Arc<Instructions>,
        approval: Option<Approval>,
    },
    ApprovalDecided {
        action: ActionRef,
        decision: Arc<ApprovalDecision>,
    },
    /// Decided, with effect from a later moment.
    ApprovalDeferred {
        action: ActionRef,
        decision: Arc<ApprovalDecision>,
        effective_at: Timestamp,
    },
    /// A deferred decision was taken back; the gate waits again.
    ApprovalWithdrawn {
        action: ActionRef,
        by: Operator,
    },
    ApprovalNoted {
        action: ActionRef,
        text: String,
        by: Operator,
    },
    /// The gate was closed in favour of the newest execution behind it.
    ApprovalGaveWay {
        action: ActionRef,
        to: ExecutionId,
        by: Operator,
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
    /// The action failed and is tried again by itself.
    ActionRetryScheduled {
        action: ActionRef,
        at: Timestamp,
        error: ErrorDetails,
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
            Self::WatchingPaused { .. } => "WatchingPaused",
            Self::WatchingResumed { .. } => "WatchingResumed",
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
            Self::PipelineDeleted { .. } => "PipelineDeleted",
            Self::StageSkipped { .. } => "StageSkipped",
            Self::StageRetryScheduled { .. } => "StageRetryScheduled",
            Self::ConditionStarted { .. } => "ConditionStarted",
            Self::ConditionSucceeded { .. } => "ConditionSucceeded",
            Self::ConditionFailed { .. } => "ConditionFailed",
            Self::ConditionOverridden { .. } => "ConditionOverridden",
            Self::RuleStarted { .. } => "RuleStarted",
            Self::RuleWaits { .. } => "RuleWaits",
            Self::RuleSucceeded { .. } => "RuleSucceeded",
            Self::RuleFailed { .. } => "RuleFailed",
            Self::RuleAbandoned { .. } => "RuleAbandoned",
            Self::ApprovalDeferred { .. } => "ApprovalDeferred",
            Self::ApprovalWithdrawn { .. } => "ApprovalWithdrawn",
            Self::ApprovalNoted { .. } => "ApprovalNoted",
            Self::ApprovalGaveWay { .. } => "ApprovalGaveWay",
            Self::ActionRetryScheduled { .. } => "ActionRetryScheduled",
        }
    }

    /// Tells whether an action that a limit held back may start now: another has stopped running, or
    /// the limit is another one.
    pub fn makes_room(&self) -> bool {
        matches!(
            self,
            Self::ActionSucceeded { .. }
                | Self::ActionFailed { .. }
                | Self::ActionAbandoned { .. }
                | Self::PipelineDefined { .. }
        )
    }

    /// Returns the execution the fact belongs to; facts about a pipeline have none.
    pub fn execution(&self) -> Option<ExecutionId> {
        match self {
            Self::PipelineDefined { .. }
            | Self::PipelineDeleted { .. }
            | Self::BaselineTaken { .. }
            | Self::HeadMoved { .. }
            | Self::BranchDeleted { .. }
            | Self::ChangesAwaited { .. }
            | Self::ChangesListed { .. }
            | Self::StartDeclined { .. }
            | Self::WatchingPaused { .. }
            | Self::WatchingResumed { .. }
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
            | Self::StageSkipped { execution, .. }
            | Self::StageRetryScheduled { execution, .. }
            | Self::StageRetried { execution, .. }
            | Self::ConditionStarted { execution, .. }
            | Self::ConditionSucceeded { execution, .. }
            | Self::ConditionFailed { execution, .. }
            | Self::ConditionOverridden { execution, .. } => Some(*execution),
            Self::RuleStarted { rule, .. }
            | Self::RuleWaits { rule, .. }
            | Self::RuleSucceeded { rule, .. }
            | Self::RuleFailed { rule, .. }
            | Self::RuleAbandoned { rule } => Some(rule.execution),
            Self::ActionStarted { action, .. }
            | Self::ApprovalDecided { action, .. }
            | Self::ApprovalDeferred { action, .. }
            | Self::ApprovalWithdrawn { action, .. }
            | Self::ApprovalNoted { action, .. }
            | Self::ApprovalGaveWay { action, .. }
            | Self::ActionRetryScheduled { action, .. }
            | Self::ActionSucceeded { action, .. }
            | Self::ActionFailed { action, .. }
            | Self::ActionAbandoned { action } => Some(action.execution),
        }
    }
}
