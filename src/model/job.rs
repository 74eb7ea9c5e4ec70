//! The work below an action: what a provider gets, and what it answers.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Action, ActionExecutionId, ActionName, ArtifactContent, ArtifactName, Artifacts, ErrorDetails,
    ExecutionId, FailureType, Instructions, Lane, Pipeline, PipelineName, Revisions,
    SourceRevision, StageName, Timestamp, artifact, variable::Namespace,
};

/// One attempt of one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: ActionExecutionId,
    pub pipeline: PipelineName,
    pub lane: Lane,
    pub stage: StageName,
    pub execution: ExecutionId,
    pub action: Arc<Action>,
    /// The action's, with every variable resolved.
    pub instructions: Arc<Instructions>,
    pub definition: Arc<Pipeline>,
    pub revisions: Revisions,
    pub inputs: Vec<JobInput>,
}

impl Job {
    pub fn action_name(&self) -> &ActionName {
        &self.action.name
    }

    /// Returns where relative paths of the pipeline file start.
    pub fn base_directory(&self) -> PathBuf {
        self.definition.base_directory()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct JobInput {
    pub name: ArtifactName,
    pub content: Arc<ArtifactContent>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JobReport {
    Succeeded(JobSuccess),
    Failed(ErrorDetails),
}

impl JobReport {
    pub fn failed(code: FailureType, message: impl Into<String>) -> Self {
        Self::Failed(ErrorDetails::new(code, message))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobSuccess {
    pub summary: String,
    pub variables: Namespace,
    #[serde(serialize_with = "artifact::as_map")]
    pub artifacts: Artifacts,
    /// What a source action found.
    pub revision: Option<Arc<SourceRevision>>,
    /// When it was over, if nobody was there to see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl JobSuccess {
    /// Returns when the work ended, of which somebody has heard at `heard_at`.
    pub fn ended_by(&self, heard_at: Timestamp) -> Timestamp {
        self.ended_at.map_or(heard_at, |ended_at| ended_at.min(heard_at))
    }
}
