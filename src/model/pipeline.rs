//! The pipeline declaration: stages of actions, as in `get-pipeline`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    ActionName, ArtifactName, Condition, ConditionType, Instructions, Lane, LockName,
    NamespaceName, OnFailure, PipelineName, PipelineTrigger, RetryConfiguration, Span, StageName,
    Timestamp, WatchedRefs, revision::TAG_PREFIX,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    pub name: PipelineName,
    /// The file it was read from.
    pub file: PathBuf,
    pub execution_mode: ExecutionMode,
    pub lane: LaneMode,
    pub variables: Vec<PipelineVariable>,
    /// At most one a source action; a source action without one starts an execution for every
    /// new commit on its `BranchName`.
    #[serde(default)]
    pub triggers: Vec<PipelineTrigger>,
    pub stages: Vec<Stage>,
    /// At most so many actions of the pipeline run at a time.
    pub max_concurrent_actions: Option<u32>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl Pipeline {
    pub fn stage(&self, name: &StageName) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == *name)
    }

    pub fn stage_after(&self, name: &StageName) -> Option<&Stage> {
        let position = self.stages.iter().position(|stage| stage.name == *name)?;
        self.stages.get(position + 1)
    }

    pub fn first_stage(&self) -> &Stage {
        self.stages.first().expect("validated pipelines have at least two stages")
    }

    pub fn source_actions(&self) -> impl Iterator<Item = &Arc<Action>> {
        self.first_stage().actions.iter()
    }

    /// Returns the source action whose branch is the lane.
    pub fn primary_source(&self) -> &Arc<Action> {
        self.source_actions().next().expect("validated pipelines have a source action")
    }

    /// Returns the source action whose repository goes along with an artifact (`OutputArtifactFormat`).
    pub fn full_clone(&self, artifact: &ArtifactName) -> Option<&Arc<Action>> {
        self.source_actions().find(|action| {
            let format = action.instructions.configuration.get("OutputArtifactFormat");
            format.is_some_and(|it| it != "CODE_ZIP")
                && action.output_artifacts.iter().any(|it| it.name == *artifact)
        })
    }

    /// Returns what decides over the commits of a source action, if not its `BranchName` alone.
    pub fn trigger_of(&self, action: &ActionName) -> Option<&PipelineTrigger> {
        self.triggers.iter().find(|it| it.source_action == *action)
    }

    /// Returns the refs that are to be watched for a source action.
    pub fn watched_refs(&self, action: &ActionName) -> WatchedRefs {
        self.trigger_of(action).map_or(WatchedRefs::BranchName, PipelineTrigger::watched_refs)
    }

    /// Returns the names in the runtime's environment that hold a secret of some action.
    pub fn secret_environment(&self) -> BTreeSet<String> {
        let actions = self.stages.iter().flat_map(|stage| &stage.actions);
        let secrets = actions
            .flat_map(|action| &action.instructions.environment_variables)
            .filter(|it| it.kind == EnvironmentVariableType::Secret);
        secrets.filter_map(|it| it.value.strip_prefix("env:")).map(str::to_owned).collect()
    }

    /// Returns the lane of a branch, or of a tag written `refs/tags/NAME`.
    pub fn lane_of(&self, branch: &str) -> Lane {
        match self.lane {
            LaneMode::Branch if branch.starts_with(TAG_PREFIX) => Lane::TAGS.into(),
            LaneMode::Branch => branch.into(),
            LaneMode::Pipeline => Lane::WHOLE_PIPELINE.into(),
        }
    }

    /// Returns the directory that relative paths of the declaration start from.
    pub fn base_directory(&self) -> PathBuf {
        let directory = self.file.parent().map(PathBuf::from).unwrap_or_default();
        // A pipeline kept in `.stagegate/` speaks about the repository around it.
        match directory.file_name() {
            Some(name) if name == ".stagegate" => {
                directory.parent().map(PathBuf::from).unwrap_or_default()
            }
            _ => directory,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionMode {
    #[default]
    Superseded,
    Queued,
    Parallel,
}

impl ExecutionMode {
    pub const ALL: [(&'static str, Self); 3] =
        [("SUPERSEDED", Self::Superseded), ("QUEUED", Self::Queued), ("PARALLEL", Self::Parallel)];
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneMode {
    /// Branches never block or supersede each other.
    #[default]
    Branch,
    /// One line for all branches, as CodePipeline has it.
    Pipeline,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineVariable {
    pub name: String,
    pub default_value: Option<String>,
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub name: StageName,
    pub actions: Vec<Arc<Action>>,
    /// Why the inbound transition starts out disabled, if it does.
    pub transition_disabled: Option<String>,
    pub before_entry: Option<Condition>,
    pub on_success: Option<Condition>,
    pub on_failure: Option<OnFailure>,
    /// A name that one execution of all pipelines holds at a time.
    pub lock: Option<LockName>,
    /// At most so many actions of the stage run at a time, in all lanes together.
    pub max_concurrent_actions: Option<u32>,
}

impl Stage {
    pub fn action(&self, name: &ActionName) -> Option<&Arc<Action>> {
        self.actions.iter().find(|action| action.name == *name)
    }

    /// Returns the condition of a kind, with the result it has.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        match kind {
            ConditionType::BeforeEntry => self.before_entry.as_ref(),
            ConditionType::OnSuccess => self.on_success.as_ref(),
            ConditionType::OnFailure => match &self.on_failure {
                Some(OnFailure::Conditional(condition)) => Some(condition),
                Some(OnFailure::Fail | OnFailure::Rollback | OnFailure::Retry(_)) | None => None,
            },
        }
    }

    /// Returns the distinct run orders, lowest first.
    pub fn run_orders(&self) -> impl Iterator<Item = u32> {
        let above = |order: Option<u32>| {
            let orders = self.actions.iter().map(|action| action.run_order);
            orders.filter(|it| Some(*it) > order).min()
        };
        std::iter::successors(above(None), move |order| above(Some(*order)))
    }
}

/// What makes a `BranchName` a glob over branches.
pub const GLOB_CHARACTERS: [char; 4] = ['*', '?', '[', '{'];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub name: ActionName,
    pub action_type: ActionType,
    pub run_order: u32,
    #[serde(flatten)]
    pub instructions: Arc<Instructions>,
    pub input_artifacts: Vec<ArtifactName>,
    pub output_artifacts: Vec<OutputArtifact>,
    pub output_variables: Vec<String>,
    pub namespace: Option<NamespaceName>,
    pub timeout: Option<Span>,
    /// Paths in the workspace that stay from one execution to the next.
    pub cache: Vec<String>,
    /// Test reports in the workspace, as globs; kept with the action's log.
    #[serde(default)]
    pub reports: Vec<String>,
    /// Whether it is tried again by itself after a failure.
    pub retry: Option<RetryConfiguration>,
}

impl Action {
    /// Returns the timeout that holds, CodePipeline's default where none is given (quotas page).
    pub fn effective_timeout(&self) -> Span {
        self.timeout.unwrap_or(match self.action_type.category {
            Category::Approval => Span(7 * Span::DAY.0),
            Category::Source
            | Category::Build
            | Category::Test
            | Category::Deploy
            | Category::Invoke
            | Category::Compute => Span::HOUR,
        })
    }

    /// Tells whether it starts an execution of another pipeline.
    pub fn is_invoke_of_pipeline(&self) -> bool {
        self.action_type.category == Category::Invoke && self.action_type.provider == "CodePipeline"
    }

    /// Tells whether it runs something that limits on actions are about.
    pub fn counts_under_limits(&self) -> bool {
        !self.is_approval()
            && !self.is_invoke_of_pipeline()
            && self.action_type.category != Category::Source
    }

    /// Returns the branch a Git source names; nothing if it names several with a glob.
    pub fn exact_branch(&self) -> Option<&str> {
        let branch = self.instructions.configuration.get("BranchName")?;
        (!branch.contains(GLOB_CHARACTERS)).then_some(branch)
    }

    pub fn is_approval(&self) -> bool {
        self.action_type.category == Category::Approval
    }

    /// Returns when an approval that opens at `now` times out.
    pub fn expires_at(&self, now: Timestamp) -> Timestamp {
        now + self.effective_timeout()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionType {
    pub category: Category,
    pub owner: String,
    pub provider: String,
    pub version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Category {
    Source,
    Build,
    Test,
    Deploy,
    Approval,
    Invoke,
    Compute,
}

impl Category {
    pub const ALL: [Category; 7] = [
        Self::Source,
        Self::Build,
        Self::Test,
        Self::Deploy,
        Self::Approval,
        Self::Invoke,
        Self::Compute,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::Build => "Build",
            Self::Test => "Test",
            Self::Deploy => "Deploy",
            Self::Approval => "Approval",
            Self::Invoke => "Invoke",
            Self::Compute => "Compute",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentVariable {
    pub name: String,
    /// The value itself, or for a secret where to find it: `env:NAME` or `file:PATH`.
    pub value: String,
    pub kind: EnvironmentVariableType,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EnvironmentVariableType {
    #[default]
    Plaintext,
    Secret,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputArtifact {
    pub name: ArtifactName,
    /// Globs below `base_directory`; none means everything.
    pub files: Vec<String>,
    pub exclude: Vec<String>,
    pub base_directory: Option<String>,
}
