//! What actions do, one file a provider. A provider sees a [`Job`] and answers a [`JobReport`];
//! it knows nothing of executions, stages or what happens next.

mod commands;
mod container;
mod directory;
pub mod git_source;
mod script;
mod secrets;

use std::{path::Path, pin::Pin};

pub use container::remove_container;

use crate::{
    fault,
    host::{JobFiles, Tools},
    model::{ErrorDetails, FailureType, Job, JobReport, JobSuccess},
    words::with_causes,
};

/// Whether a job is new or was running when an earlier runtime ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Fresh,
    Recovered,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<JobSuccess, ErrorDetails>> + Send + 'a>>;

/// Runs a job to its end. Doing it again with the same job is safe.
pub async fn run(job: &Job, start: Start, tools: &Tools) -> JobReport {
    let directory = tools.state_dir.job(job.id);
    let files = match JobFiles::create(directory) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("cannot make the job's directory: {error}");
            return JobReport::failed(FailureType::SystemUnavailable, message);
        }
    };
    fault::passed("job-directory-made");
    let running: Running<'_> = match job.action.action_type.provider.as_str() {
        "Git" => Box::pin(git_source::run(job, tools)),
        "Commands" => Box::pin(commands::run(job, start, tools, &files)),
        "Directory" => Box::pin(directory::run(job, tools, &files)),
        other => {
            let message = format!("this build has no provider {other}");
            return JobReport::failed(FailureType::ConfigurationError, message);
        }
    };
    match running.await {
        Ok(success) => JobReport::Succeeded(success),
        Err(error) => JobReport::Failed(error),
    }
}

/// Asks a running job to end.
pub fn stop(directory: &Path) -> std::io::Result<()> {
    crate::supervisor::protocol::request_stop(directory)
}

fn failed(code: FailureType, message: impl Into<String>) -> ErrorDetails {
    ErrorDetails::new(code, message)
}
