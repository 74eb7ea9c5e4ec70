//! Work for the shell. Each effect is safe to repeat, keyed by the job's id or by the
//! revision.

use std::sync::Arc;

use crate::model::{ActionExecutionId, Job, PipelineName, RevisionId, SourceRevision};

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Runs a job that no process has seen yet.
    StartJob(Box<Job>),
    /// Finds out what became of a job that was running when the last runtime ended.
    RecoverJob(Box<Job>),
    /// Ends a job; its report, if one still comes, is not wanted any more.
    StopJob(ActionExecutionId),
    /// Lists the files in which a revision differs from `since`; for a branch that is new, from
    /// where it left the default branch. Answered by [`super::Input::ChangesListed`].
    ListChanges { pipeline: PipelineName, revision: Arc<SourceRevision>, since: Option<RevisionId> },
}
