//! What starts executions of a pipeline besides operators: CodePipeline's `triggers`, and schedules.

use serde::{Deserialize, Serialize};

use super::{ActionName, Schedule};

/// Decides over one source action instead of its `BranchName`, which then serves manual starts
/// only. (What has started an execution is [`super::Trigger`].)
///
/// Once a trigger names a source action, its default detection is off, as in CodePipeline: with push
/// filters they alone decide, with only a schedule nothing but the schedule starts executions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineTrigger {
    pub source_action: ActionName,
    /// One of them that matches is enough.
    pub push: Vec<PushFilter>,
    /// Our own: CodePipeline leaves schedules to `EventBridge`.
    pub schedule: Option<Schedule>,
}

/// Matches if all of its parts match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushFilter {
    pub branches: Option<Patterns>,
    pub tags: Option<Patterns>,
    /// One changed file that counts is enough.
    pub file_paths: Option<Patterns>,
}

/// Globs. What one of the excludes matches is out, whatever the includes say; without includes
/// everything else is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patterns {
    pub includes: Vec<String>,
    pub excludes: Vec<String>,
}

/// The refs of a repository in which a source action's commits are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchedRefs {
    /// The branches that the action's `BranchName` names.
    #[default]
    BranchName,
    AllBranches,
    AllBranchesAndTags,
}

impl PipelineTrigger {
    pub fn watched_refs(&self) -> WatchedRefs {
        if self.push.iter().any(|filter| filter.tags.is_some()) {
            WatchedRefs::AllBranchesAndTags
        } else if self.push.is_empty() {
            WatchedRefs::BranchName
        } else {
            WatchedRefs::AllBranches
        }
    }
}
