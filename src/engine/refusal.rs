//! A "no" with a reason a person can act on.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::{
    ActionName, ApprovalStatus, ConditionType, ExecutionId, ExecutionStatus, Lane, LockName,
    Operator, PipelineName, RevisionId, StageName, Timestamp,
};

#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Refusal {
    #[error("there is no pipeline {pipeline}{}", there_is(.known))]
    UnknownPipeline { pipeline: PipelineName, known: Vec<String> },
    #[error("pipeline {pipeline} has no stage {stage}{}", there_is(.known))]
    UnknownStage { pipeline: PipelineName, stage: StageName, known: Vec<String> },
    #[error("stage {stage} has no action {action}{}", there_is(.known))]
    UnknownAction { stage: StageName, action: ActionName, known: Vec<String> },
    #[error("pipeline {pipeline} has no execution {execution} under way")]
    UnknownExecution { pipeline: PipelineName, execution: String },
    #[error("pipeline {pipeline} is already defined by {file}")]
    NameTaken { pipeline: PipelineName, file: String },
    #[error("variable {name} has no default value, give one with --var {name}=VALUE")]
    MissingVariable { name: String },
    #[error("pipeline {pipeline} has no variable {name}{}", there_is(.known))]
    UnknownVariable { pipeline: PipelineName, name: String, known: Vec<String> },

    #[error("no approval is open at {stage}/{action} of {pipeline}")]
    NoOpenApproval { pipeline: PipelineName, stage: StageName, action: ActionName },
    #[error("the token does not belong to an open approval at {stage}/{action}")]
    InvalidApprovalToken { stage: StageName, action: ActionName },
    #[error("{stage}/{action} was already {} by {by} at {at}", .status.as_str().to_lowercase(), at = .at.utc())]
    ApprovalAlreadyCompleted {
        stage: StageName,
        action: ActionName,
        status: ApprovalStatus,
        by: Box<Operator>,
        at: Timestamp,
    },
    #[error("execution {} was superseded by {} at {at}", .execution.short(), .by.short(), at = .at.utc())]
    Superseded { execution: ExecutionId, by: ExecutionId, at: Timestamp },
    #[error("the gate holds revision {}, not {expected}", .actual.short())]
    RevisionMismatch { expected: String, actual: RevisionId },
    #[error(
        "DOWNGRADE: {} is older than, or no descendant of, {} which this stage last succeeded with",
        .candidate.short(), .deployed.short()
    )]
    Downgrade { candidate: RevisionId, deployed: RevisionId },
    #[error("another revision was deployed while you were looking, open the gate again")]
    ComparisonOutdated,
    #[error("that would take effect at {}, after the approval times out at {}", .effective_at.utc(), .expires_at.utc())]
    DeferredPastTimeout { effective_at: Timestamp, expires_at: Timestamp },
    #[error("no decision at {stage}/{action} can be taken back")]
    NothingToWithdraw { stage: StageName, action: ActionName },
    #[error("nothing waits behind the gate {stage}/{action}")]
    NothingBehind { stage: StageName, action: ActionName },
    #[error("{action} is still running in stage {stage}")]
    StageBusy { stage: StageName, action: ActionName },
    #[error("a rejection needs a reason")]
    ReasonMissing,

    #[error("execution {} is {status}, only a failed or stopped one can be retried", .execution.short())]
    NotRetryable { execution: ExecutionId, status: ExecutionStatus },
    #[error("execution {} did not fail or stop in stage {stage}", .execution.short())]
    StageNotRetryable { execution: ExecutionId, stage: StageName },
    #[error("execution {} is no longer the latest in stage {stage} ({} is)", .execution.short(), .latest.short())]
    NotLatestPipelineExecution { execution: ExecutionId, stage: StageName, latest: ExecutionId },
    #[error("execution {} is {status}, nothing is left to stop", .execution.short())]
    NotStoppable { execution: ExecutionId, status: ExecutionStatus },
    #[error("execution {} is already stopping", .execution.short())]
    DuplicatedStopRequest { execution: ExecutionId },
    #[error("stage {stage} cannot be rolled back: {reason}")]
    UnableToRollbackStage { stage: StageName, reason: String },
    #[error("the {} of stage {stage} cannot be overridden: {reason}", .condition.words())]
    ConditionNotOverridable { stage: StageName, condition: ConditionType, reason: String },
    #[error("execution {} holds the lock {lock}", .holder.short())]
    LockHeld { lock: LockName, holder: ExecutionId },
    #[error(
        "pipeline {pipeline} has {limit} executions under way, which is as many as there may be"
    )]
    ConcurrentPipelineExecutionsLimitExceeded { pipeline: PipelineName, limit: usize },
    #[error("execution {} of {pipeline} is under way", .execution.short())]
    StillUnderWay { pipeline: PipelineName, execution: ExecutionId },
    #[error("stage {stage} cannot be skipped: {reason}")]
    UnableToSkip { stage: StageName, reason: String },
    #[error("the first stage has no inbound transition")]
    NoTransition,

    #[error("several executions match: {}; say which with --execution or --lane", .candidates.join(", "))]
    Ambiguous { candidates: Vec<String> },
    #[error("no execution of {pipeline}{} {wanted}", lane_words(.lane.as_ref()))]
    NothingMatches { pipeline: PipelineName, lane: Option<Lane>, wanted: String },

    /// The job already has a result, or nobody waits for one any more.
    #[error("no such job is running")]
    JobNotRunning,
}

/// What kind of "no" it is; it picks the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request names something that is not there.
    Wrong,
    /// The world moved on: superseded, already decided, another revision.
    Stale,
    /// It is there, and it may not be done.
    Refused,
}

impl Refusal {
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::UnknownPipeline { .. }
            | Self::UnknownStage { .. }
            | Self::UnknownAction { .. }
            | Self::UnknownExecution { .. }
            | Self::NameTaken { .. }
            | Self::MissingVariable { .. }
            | Self::UnknownVariable { .. }
            | Self::Ambiguous { .. }
            | Self::ReasonMissing
            | Self::DeferredPastTimeout { .. }
            | Self::UnableToSkip { .. }
            | Self::NoTransition => RefusalKind::Wrong,
            Self::NoOpenApproval { .. }
            | Self::InvalidApprovalToken { .. }
            | Self::ApprovalAlreadyCompleted { .. }
            | Self::Superseded { .. }
            | Self::RevisionMismatch { .. }
            | Self::Downgrade { .. }
            | Self::ComparisonOutdated
            | Self::NotLatestPipelineExecution { .. }
            | Self::JobNotRunning => RefusalKind::Stale,
            Self::NotRetryable { .. }
            | Self::StageNotRetryable { .. }
            | Self::NotStoppable { .. }
            | Self::NothingToWithdraw { .. }
            | Self::NothingBehind { .. }
            | Self::StageBusy { .. }
            | Self::UnableToRollbackStage { .. }
            | Self::ConditionNotOverridable { .. }
            | Self::LockHeld { .. }
            | Self::ConcurrentPipelineExecutionsLimitExceeded { .. }
            | Self::StillUnderWay { .. }
            | Self::DuplicatedStopRequest { .. }
            | Self::NothingMatches { .. } => RefusalKind::Refused,
        }
    }

    /// Returns what to do next, where that is not plain from the refusal.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Downgrade { candidate, .. } => {
                Some(format!("if you mean it, approve with --if-revision {}", candidate.short()))
            }
            Self::NotLatestPipelineExecution { .. } => {
                Some("start a new execution of that revision instead".to_owned())
            }
            Self::ApprovalAlreadyCompleted { status: ApprovalStatus::Approved, .. } => Some(
                "if it has not taken effect yet, `stagegate withdraw` takes it back".to_owned(),
            ),
            Self::LockHeld { .. } => Some("try again when that one has left its stage".to_owned()),
            Self::StillUnderWay { .. } => {
                Some("stop it first: `stagegate stop PIPELINE --abandon`".to_owned())
            }
            Self::DuplicatedStopRequest { .. } => {
                Some("--abandon ends the running actions too".to_owned())
            }
            Self::UnknownExecution { .. } => {
                Some("`stagegate history PIPELINE` lists the executions".to_owned())
            }
            _ => None,
        }
    }
}

fn there_is(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
}

fn lane_words(lane: Option<&Lane>) -> String {
    lane.map_or_else(String::new, |lane| format!(" in lane {}", lane.label()))
}
