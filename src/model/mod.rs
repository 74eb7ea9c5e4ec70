//! The nouns of CodePipeline as plain data.
//!
//! Everything here can be compared, cloned and stored. This module never reads
//! a file, a clock or the environment, and it decides nothing.

pub mod artifact;
pub mod condition;
pub mod containers;
pub mod execution;
pub mod gate;
pub mod glob;
pub mod ids;
pub mod instructions;
pub mod job;
pub mod keep;
pub mod operator;
pub mod pipeline;
pub mod revision;
pub mod rules;
pub mod schedule;
pub mod time;
pub mod trigger;
pub mod variable;
pub mod window;

pub use artifact::{ArtifactContent, Artifacts};
pub use condition::{
    Condition, ConditionResult, ConditionType, OnFailure, RetryConfiguration, Rule,
};
pub use containers::Containers;
pub use execution::{
    ActionStatus, ApprovalDecision, ApprovalStatus, ConditionStatus, ErrorDetails, ExecutionStatus,
    FailureType, RetryMode, RuleStatus, StageStatus, StopMode, StopRequest, Trigger, TriggerType,
};
pub use gate::GateRef;
pub use ids::{
    ActionExecutionId, ActionName, ApprovalToken, ArtifactName, ById, ExecutionId, Lane, LockName,
    NamespaceName, PipelineName, RevisionId, RuleName, StageName,
};
pub use instructions::Instructions;
pub use job::{Job, JobInput, JobReport, JobSuccess};
pub use keep::Keep;
pub use operator::Operator;
pub use pipeline::{
    Action, ActionType, Category, EnvironmentVariable, EnvironmentVariableType, ExecutionMode,
    LaneMode, OutputArtifact, Pipeline, PipelineVariable, Stage,
};
pub use revision::{Revisions, SourceRevision};
pub use schedule::Schedule;
pub use time::{Span, Timestamp};
pub use trigger::{Patterns, PipelineTrigger, PushFilter, WatchedRefs};
