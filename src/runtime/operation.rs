//! The door's vocabulary: CodePipeline's operations, as front ends ask for them. What needs a
//! look at a repository is looked up here, before the engine decides.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Definitions;
use crate::{
    engine::{Board, Comparison, Fact, Refusal, Relation, Request, Step, state::Release},
    host::{Git, StateDir, state_dir::StateDirError},
    model::{
        ApprovalStatus, ExecutionId, GateRef, Lane, PipelineName, SourceRevision, StageName,
        StageStatus, Timestamp, WatchedRefs,
    },
    providers::git_source::{BranchName, Source},
    store::{History, StoreError},
};

#[derive(Debug, Error)]
pub enum SubmitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Failed(String),
    #[error("the runtime has ended")]
    RuntimeGone,
    #[error("the runtime{} does not answer", crate::host::state_dir::process(*.pid))]
    Silent { pid: Option<u32> },
    #[error("cannot talk to the runtime: {0}")]
    Connection(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    StateDir(#[from] StateDirError),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    StartPipelineExecution {
        pipeline: PipelineName,
        branch: Option<String>,
        /// Anything git understands as a commit; the branch's head if absent.
        revision: Option<String>,
        variables: Vec<(String, String)>,
        skip: Vec<StageName>,
        from: Option<StageName>,
        client_request_token: Option<String>,
    },
    PutApprovalResult {
        gate: GateRef,
        status: ApprovalStatus,
        summary: String,
        if_revision: Option<String>,
        effective_at: Option<Timestamp>,
    },
    RollbackStage {
        pipeline: PipelineName,
        lane: Lane,
        stage: StageName,
        /// What to go back to; the last success before what is there now, if absent.
        target: Option<ExecutionId>,
    },
    /// What needs no look anywhere.
    Plain(Box<Request>),
}

impl From<Request> for Operation {
    fn from(request: Request) -> Self {
        Self::Plain(Box::new(request))
    }
}

/// What an operation has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The execution that was started, if one was.
    pub execution: Option<ExecutionId>,
    /// Nothing happens until a runtime starts: the decision was only written down.
    pub recorded_only: bool,
    /// When a decision takes effect, if not at once.
    pub effective_at: Option<Timestamp>,
}

impl Receipt {
    pub(super) fn of(step: &Step) -> Self {
        let started = step.events.iter().find_map(|event| match &event.fact {
            Fact::ExecutionStarted { execution, .. } => Some(*execution),
            _ => None,
        });
        let effective_at = step.events.iter().find_map(|event| match &event.fact {
            Fact::ApprovalDeferred { effective_at, .. } => Some(*effective_at),
            _ => None,
        });
        let execution = step.started_before.or(started);
        Self { execution, recorded_only: false, effective_at }
    }
}

/// Looks up what the engine must know about repositories to decide.
pub(super) async fn prepare(
    operation: Operation,
    board: &Board,
    definitions: &Definitions,
    state_dir: &StateDir,
) -> Result<Request, SubmitError> {
    Ok(match operation {
        Operation::Plain(request) => *request,
        Operation::StartPipelineExecution {
            pipeline,
            branch,
            revision,
            variables,
            skip,
            from,
            client_request_token,
        } => {
            let revision = Box::new(
                look_up_revision(&pipeline, branch, revision, definitions, state_dir).await?,
            );
            Request::StartPipelineExecution {
                pipeline,
                revision,
                variables,
                skip,
                from,
                client_request_token,
            }
        }
        Operation::RollbackStage { pipeline, lane, stage, target } => {
            let release = look_up_release(&pipeline, &lane, &stage, target, board, state_dir)?;
            let release = Box::new(release);
            Request::RollbackStage { pipeline, lane, stage, release }
        }
        Operation::PutApprovalResult { gate, status, summary, if_revision, effective_at } => {
            let open = board.open_gates().find(|at| at.gate.token == gate.token);
            let comparison = match open {
                Some(at) => {
                    let deployed = at.stage.last_success.as_ref().map(|it| &*it.revision);
                    compare(deployed, &at.execution.revision).await
                }
                // The engine will refuse it and say why.
                None => Comparison { deployed: None, relation: Relation::First },
            };
            Request::PutApprovalResult {
                gate,
                status,
                summary,
                if_revision,
                comparison,
                effective_at,
            }
        }
    })
}

/// Finds what a stage has succeeded with before.
fn look_up_release(
    pipeline: &PipelineName,
    lane: &Lane,
    stage: &StageName,
    target: Option<ExecutionId>,
    board: &Board,
    state_dir: &StateDir,
) -> Result<Release, SubmitError> {
    let unable = |reason: String| {
        SubmitError::Refused(Refusal::UnableToRollbackStage { stage: stage.clone(), reason })
    };
    let history = History::open(&state_dir.database())?;
    let card = board.pipeline(pipeline).and_then(|it| it.lanes.iter().find(|it| it.lane == *lane));
    let card = card.and_then(|lane| lane.stages.iter().find(|it| it.name == *stage));
    let there_now = card.and_then(|stage| stage.last_success.as_ref()).map(|it| it.release_of);
    let failed = card.is_some_and(|stage| stage.status != Some(StageStatus::Succeeded));
    let target = match target {
        Some(target) => target,
        None => history
            .succeeded_in(pipeline, stage, lane, 20)?
            .into_iter()
            .find(|it| failed || Some(*it) != there_now)
            .ok_or_else(|| unable("no earlier execution has succeeded in it".to_owned()))?,
    };
    let records = history.find(&target.to_string())?;
    let record = records.first().filter(|it| it.pipeline == *pipeline);
    let record =
        record.ok_or_else(|| unable(format!("{pipeline} has no execution {}", target.short())))?;
    if record.rollback_target.is_some() {
        let words = format!("{} is a rollback itself, name what it went back to", target.short());
        return Err(unable(words));
    }
    let release = history.release(target, stage)?;
    release.ok_or_else(|| unable(format!("{} did not succeed in it", target.short())))
}

/// Asks git how a revision relates to what is deployed.
pub(super) async fn compare(
    deployed: Option<&SourceRevision>,
    candidate: &SourceRevision,
) -> Comparison {
    let relation = match deployed {
        None => Relation::First,
        Some(deployed) if deployed.id == candidate.id => Relation::Same,
        Some(deployed) => {
            let range = ["--is-ancestor", deployed.id.as_str(), candidate.id.as_str()];
            let ask = Git::at(&candidate.git_dir, "merge-base").args(range);
            match ask.exit_code().await {
                Ok(Some(0)) => Relation::Newer,
                Ok(Some(1)) => Relation::Downgrade,
                // Git does not have both of them any more.
                Ok(_) | Err(_) => Relation::Unknown,
            }
        }
    };
    Comparison { deployed: deployed.map(|it| it.id.clone()), relation }
}

/// How long somebody who starts an execution waits for a remote repository; less than a front end
/// waits for the runtime.
const ANSWER: Duration = Duration::from_secs(20);

async fn look_up_revision(
    pipeline: &PipelineName,
    branch: Option<String>,
    revision: Option<String>,
    definitions: &Definitions,
    state_dir: &StateDir,
) -> Result<SourceRevision, SubmitError> {
    let definition = definitions.get(pipeline).ok_or_else(|| {
        SubmitError::Refused(crate::engine::Refusal::UnknownPipeline {
            pipeline: pipeline.clone(),
            known: definitions.keys().map(ToString::to_string).collect(),
        })
    })?;
    let primary = definition.primary_source();
    // Push filters make lanes of other branches than `BranchName` says; they can be named.
    let refs =
        branch.as_ref().map_or(WatchedRefs::BranchName, |_| definition.watched_refs(&primary.name));
    let (base, mirrors) = (definition.base_directory(), state_dir.repositories());
    let source = Source::of(primary, &base, &mirrors).watching(refs);
    let failed = |error: crate::host::GitError| SubmitError::Failed(error.to_string());
    let newest = tokio::time::timeout(ANSWER, source.newest()).await;
    let git_dir = newest.map_err(|_| {
        let (url, seconds) = (source.shown(), ANSWER.as_secs());
        SubmitError::Failed(format!(
            "{url} has not answered within {seconds} s, so nothing was started; the board says \
             when it has"
        ))
    })?;
    let git_dir = git_dir.map_err(failed)?;
    let heads = source.heads(&git_dir).await.map_err(failed)?;
    let names = || heads.iter().map(|it| &*it.branch).collect::<Vec<_>>().join(", ");
    let branch = match (&source.branch, branch) {
        (BranchName::Exact(own), None) => own.clone(),
        (BranchName::Exact(own), Some(asked))
            if asked == *own || refs != WatchedRefs::BranchName =>
        {
            asked
        }
        (BranchName::Exact(own), Some(asked)) => {
            let words = format!("{pipeline} releases the branch {own}, not {asked}");
            return Err(SubmitError::Failed(words));
        }
        (BranchName::Glob(_), Some(asked)) => asked,
        (BranchName::Glob(_), None) if heads.len() == 1 => heads[0].branch.to_string(),
        (BranchName::Glob(_), None) => {
            let words =
                format!("{pipeline} has several branches ({}): say which with --branch", names());
            return Err(SubmitError::Failed(words));
        }
    };
    let head = heads.iter().find(|head| *head.branch == *branch);
    match (revision, head) {
        (Some(revision), _) => source.revision(&git_dir, &revision, &branch).await.map_err(failed),
        (None, Some(head)) => Ok(head.clone()),
        (None, None) => {
            let there = names();
            let there = if there.is_empty() { "none".to_owned() } else { there };
            let words = format!(
                "there is no branch {branch} in {} for {pipeline}; matching: {there}",
                source.shown()
            );
            Err(SubmitError::Failed(words))
        }
    }
}
