//! Statuses, triggers and decisions, spelled as in CodePipeline's API.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Operator, Timestamp};

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// Returns the API's own spelling.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )+};
}

statuses! {
    /// CodePipeline's `PipelineExecutionStatus`; waiting anywhere is `InProgress`.
    ExecutionStatus { InProgress, Stopping, Stopped, Succeeded, Failed, Superseded, Cancelled }
    /// CodePipeline's `StageExecutionStatus`.
    StageStatus { InProgress, Succeeded, Failed, Stopping, Stopped, Cancelled, Skipped }
    /// CodePipeline's `ActionExecutionStatus`; an action that did not start has none.
    ActionStatus { InProgress, Succeeded, Failed, Abandoned }
    /// CodePipeline's `ConditionExecutionStatus`.
    ConditionStatus { InProgress, Succeeded, Failed, Errored, Cancelled, Abandoned, Overridden }
    /// CodePipeline's `RuleExecutionStatus`.
    RuleStatus { InProgress, Succeeded, Failed, Abandoned }
    /// The answer at a gate.
    ApprovalStatus { Approved, Rejected }
    /// CodePipeline's `FailureType`.
    FailureType {
        JobFailed, ConfigurationError, PermissionError, RevisionOutOfSync, RevisionUnavailable,
        SystemUnavailable,
    }
    /// CodePipeline's `TriggerType`; a commit seen by watching refs is a `Webhook`.
    TriggerType {
        CreatePipeline, StartPipelineExecution, PollForSourceChanges, Webhook, CloudWatchEvent,
        PutActionRevision, WebhookV2, ManualRollback, AutomatedRollback,
    }
}

impl ExecutionStatus {
    pub fn has_ended(self) -> bool {
        match self {
            Self::InProgress | Self::Stopping => false,
            Self::Stopped | Self::Succeeded | Self::Failed | Self::Superseded | Self::Cancelled => {
                true
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    #[serde(rename = "triggerType")]
    pub kind: TriggerType,
    #[serde(rename = "triggerDetail")]
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetails {
    pub code: FailureType,
    pub message: String,
    /// What it waited for did not come in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
}

impl ErrorDetails {
    pub fn new(code: FailureType, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), timed_out: false }
    }

    pub fn timed_out(message: impl Into<String>) -> Self {
        Self { timed_out: true, ..Self::new(FailureType::JobFailed, message) }
    }
}

/// What an operator answered, kept for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalDecision {
    pub status: ApprovalStatus,
    pub summary: String,
    pub by: Operator,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopMode {
    /// Running actions finish, nothing further starts.
    Wait,
    /// Running actions are ended at once and count as `Abandoned`.
    Abandon,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    pub mode: StopMode,
    pub reason: String,
    pub by: Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RetryMode {
    FailedActions,
    AllActions,
}
