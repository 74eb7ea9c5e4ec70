//! Exit codes, and errors as a person at a prompt needs them: what, why, what next.

use std::process::ExitCode;

use crate::{
    definition::FileProblems,
    engine::{Refusal, RefusalKind},
    host::state_dir::StateDirError,
    runtime::{FilesError, StartError, StoreError, SubmitError},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    PipelineFailed = 1,
    Usage = 2,
    Stale = 3,
    Refused = 4,
    TimedOut = 5,
    AtGate = 6,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    /// Pipeline files whose problems are to be printed.
    pub files: Vec<FileProblems>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None, files: Vec::new() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn of(exit: Exit, error: &dyn std::error::Error) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            failure.causes.push(error.to_string());
            cause = error.source();
        }
        failure
    }

    fn maybe_hint(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

impl From<StateDirError> for Failure {
    fn from(error: StateDirError) -> Self {
        Self::of(Exit::Usage, &error).maybe_hint(error.hint())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(Exit::Usage, &error).maybe_hint(error.hint())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.kind() {
            RefusalKind::Wrong => Exit::Usage,
            RefusalKind::Stale => Exit::Stale,
            RefusalKind::Refused => Exit::Refused,
        };
        Self::new(exit, format!("refused: {refusal}")).maybe_hint(refusal.hint())
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => refusal.into(),
            SubmitError::Store(error) => error.into(),
            SubmitError::StateDir(error) => error.into(),
            SubmitError::Silent { pid } => Self::of(Exit::Usage, &error).hint(match pid {
                Some(pid) => format!(
                    "it may be stopped (`kill -CONT {pid}` lets it go on) or very busy; whether it will \
                     still act on this, `stagegate status` tells once it answers"
                ),
                None => "it may be very busy; `stagegate status` tells once it answers".to_owned(),
            }),
            SubmitError::Failed(_) | SubmitError::RuntimeGone | SubmitError::Connection(_) => {
                Self::of(Exit::Usage, &error)
            }
        }
    }
}

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        let failure = Self::of(Exit::Usage, &error);
        match error {
            FilesError::Invalid(files) => Self { files, ..failure },
            FilesError::Unreadable { .. } => failure,
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::StateDir(error) => error.into(),
            StartError::Store(error) => error.into(),
            StartError::Definition(error) => error.into(),
            StartError::Git(_) => {
                Self::of(Exit::Usage, &error).hint("install git, version 2.25 or newer")
            }
            StartError::Socket { .. } => Self::of(Exit::Usage, &error)
                .hint("a socket's path may have about 100 characters: try a shorter --state-dir"),
            StartError::Entropy(_) => Self::of(Exit::Usage, &error),
        }
    }
}
