//! Work for the shell. Each effect is safe to repeat, keyed by the job's id.

use crate::model::{ActionExecutionId, Job};

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Runs a job that no process has seen yet.
    StartJob(Box<Job>),
    /// Finds out what became of a job that was running when the last runtime ended.
    RecoverJob(Box<Job>),
    /// Ends a job; its report, if one still comes, is not wanted any more.
    StopJob(ActionExecutionId),
}
