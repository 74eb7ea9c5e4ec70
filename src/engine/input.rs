//! What happens outside and is told to the engine.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::state::Release;
use crate::model::{
    ActionExecutionId, ActionName, ApprovalStatus, ApprovalToken, ConditionType, ExecutionId,
    GateRef, JobReport, Lane, Operator, Pipeline, PipelineName, RetryMode, RevisionId,
    SourceRevision, StageName, StopMode, Timestamp,
};

#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A pipeline file was read and found valid.
    DefinitionLoaded(Box<Pipeline>),
    /// The refs a source action watches, all of them, as they are now; the quickest look is at
    /// those that are the same objects as last time.
    SourceObserved {
        pipeline: PipelineName,
        action: ActionName,
        heads: Vec<Arc<SourceRevision>>,
    },
    /// Nobody looks at the sources of a pipeline any more: no file declares it.
    SourcesLeft {
        pipeline: PipelineName,
    },
    /// What [`super::Effect::ListChanges`] has found.
    ChangesListed {
        pipeline: PipelineName,
        action: ActionName,
        branch: Arc<str>,
        revision: RevisionId,
        /// The paths from the root of the repository, or why they cannot be listed.
        files: Result<Vec<String>, String>,
    },
    JobReported {
        id: ActionExecutionId,
        report: JobReport,
    },
    Operator {
        request: Request,
        by: Operator,
    },
    /// A runtime has taken over this state and can perform effects from now on.
    RuntimeStarted,
    /// The moment of [`super::Engine::next_deadline`] has come; calling early is harmless.
    DeadlinePassed,
}

/// What an operator asks for, with the meaning of CodePipeline's operation of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    StartPipelineExecution {
        pipeline: PipelineName,
        /// Looked up by the shell; the engine never reads a repository.
        revision: Box<SourceRevision>,
        variables: Vec<(String, String)>,
        /// Stages to leave out of this execution.
        skip: Vec<StageName>,
        /// The stage to start from, after the source stage.
        from: Option<StageName>,
        /// The same token twice starts one execution.
        client_request_token: Option<String>,
    },
    StopPipelineExecution {
        pipeline: PipelineName,
        execution: ExecutionId,
        mode: StopMode,
        reason: String,
    },
    RetryStageExecution {
        pipeline: PipelineName,
        stage: StageName,
        execution: ExecutionId,
        mode: RetryMode,
    },
    PutApprovalResult {
        gate: GateRef,
        status: ApprovalStatus,
        summary: String,
        /// The revision the operator has looked at; a different one is refused.
        if_revision: Option<String>,
        comparison: Comparison,
        /// When the decision takes effect; now, if absent.
        effective_at: Option<Timestamp>,
    },
    /// Takes back an approval that has not taken effect yet.
    WithdrawApproval {
        gate: GateRef,
    },
    NoteApproval {
        gate: GateRef,
        text: String,
    },
    /// Closes the gate for the newest execution behind it.
    GiveWay {
        gate: GateRef,
    },
    RollbackStage {
        pipeline: PipelineName,
        lane: Lane,
        stage: StageName,
        /// Looked up in the history by the shell.
        release: Box<Release>,
    },
    OverrideStageCondition {
        pipeline: PipelineName,
        stage: StageName,
        execution: ExecutionId,
        condition: ConditionType,
        reason: String,
    },
    DeletePipeline {
        pipeline: PipelineName,
    },
    SetWatching {
        pipeline: PipelineName,
        change: WatchingChange,
    },
    SetStageTransition {
        pipeline: PipelineName,
        stage: StageName,
        change: TransitionChange,
    },
}

impl Request {
    /// Puts in the comment or reason that somebody gives for it, where it takes one.
    pub fn set_words(&mut self, words: String) {
        match self {
            Self::StopPipelineExecution { reason, .. }
            | Self::OverrideStageCondition { reason, .. }
            | Self::SetStageTransition { change: TransitionChange::Disable { reason }, .. } => {
                *reason = words;
            }
            Self::PutApprovalResult { summary, .. } => *summary = words,
            Self::NoteApproval { text, .. } => *text = words,
            Self::StartPipelineExecution { .. }
            | Self::RetryStageExecution { .. }
            | Self::WithdrawApproval { .. }
            | Self::GiveWay { .. }
            | Self::RollbackStage { .. }
            | Self::DeletePipeline { .. }
            | Self::SetWatching { .. }
            | Self::SetStageTransition { change: TransitionChange::Enable, .. } => {}
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransitionChange {
    Enable,
    Disable { reason: String },
}

/// Whether new commits start executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchingChange {
    Pause,
    Resume,
}

/// How a revision at a gate relates to what that stage last succeeded with in that lane.
///
/// The shell asks git; the engine checks that it asked about the right revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    pub deployed: Option<RevisionId>,
    pub relation: Relation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// Nothing was deployed yet.
    First,
    /// The same revision again.
    Same,
    /// A descendant of what is deployed.
    Newer,
    /// Older than what is deployed, or no descendant of it.
    Downgrade,
    /// Git could not tell, for instance because the deployed commit is gone.
    Unknown,
}

impl Relation {
    /// Tells whether an approval must name the revision on purpose.
    pub fn needs_revision(self) -> bool {
        match self {
            Self::First | Self::Same | Self::Newer => false,
            Self::Downgrade | Self::Unknown => true,
        }
    }
}

/// Finds an execution or a gate among several lanes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selector {
    pub execution: Option<String>,
    pub lane: Option<Lane>,
    pub token: Option<ApprovalToken>,
}
