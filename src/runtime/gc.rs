//! Removes what the user's settings no longer keep: logs, artifacts, workspaces, old executions.
//!
//! What an execution under way, the board, or the last success of a stage still needs stays,
//! whatever its age. Decisions stay for ever.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Message, Origin};
use crate::{
    engine::{
        board::{Notice, Severity},
        state::State,
    },
    host::{GitError, Mirror, Tools, clock, mirror, workspace},
    model::{ArtifactContent, Artifacts, ExecutionId, Keep, SourceRevision, Span, Timestamp},
    store::{self, EndedExecution, History, StoreError, read_state},
};

/// A start is when people wait for something else.
const AFTER_START: Duration = Duration::from_secs(10 * 60);
const BETWEEN: Duration = Duration::from_secs(24 * 60 * 60);
/// A job directory of no action we know may be that of an action about to be recorded.
const STRANGE_FOR: Span = Span::DAY;

#[derive(Debug, Error)]
pub enum GcError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("artifacts cannot be removed")]
    Artifacts(#[from] GitError),
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    pub executions: usize,
    pub logs: Amount,
    pub artifacts: Amount,
    pub workspaces: Amount,
    pub repositories: Amount,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub count: usize,
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// Collects from time to time until cancelled.
pub(super) async fn collect_daily(
    tools: Arc<Tools>,
    inbox: mpsc::Sender<Message>,
    cancel: CancellationToken,
) {
    let mut pause = AFTER_START;
    while cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let problem = collect(Arc::clone(&tools), false).await.err();
        let notice = problem.map(|error| Notice {
            severity: Severity::Problem,
            text: format!("what is no longer kept cannot be removed: {error}"),
        });
        let message = Message::Notice { pipeline: None, origin: Origin::Keeping, notice };
        let _ = inbox.send(message).await;
        pause = BETWEEN;
    }
}

struct Plan {
    executions: Vec<ExecutionId>,
    logs: Vec<(PathBuf, u64)>,
    kept_trees: BTreeSet<String>,
    artifacts: Amount,
    workspaces: Vec<(PathBuf, u64)>,
    repositories: Vec<(PathBuf, u64)>,
}

/// Removes what is no longer kept; with `dry_run` it only says what that would be.
pub async fn collect(tools: Arc<Tools>, dry_run: bool) -> Result<Removed, GcError> {
    let collecting = {
        let tools = Arc::clone(&tools);
        // Many folders, large ones among them.
        tokio::task::spawn_blocking(move || {
            let plan = plan(&tools, clock::now())?;
            remove(&tools, &plan, dry_run).map(|removed| (removed, plan))
        })
    };
    let (removed, plan) = match collecting.await {
        Ok(collected) => collected?,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    if !dry_run && plan.artifacts.count > 0 {
        tools.artifacts.keep_only(&plan.kept_trees).await?;
    }
    Ok(removed)
}

fn remove(tools: &Tools, plan: &Plan, dry_run: bool) -> Result<Removed, GcError> {
    let mut removed = Removed {
        executions: plan.executions.len(),
        artifacts: plan.artifacts,
        ..Removed::default()
    };
    for (path, bytes) in &plan.logs {
        if dry_run || std::fs::remove_dir_all(path).is_ok() {
            removed.logs.add(*bytes);
        }
    }
    for (path, bytes) in &plan.workspaces {
        // Whoever works there now keeps it.
        let Some(_workspace) = tools.workspaces.take_directory(path.clone()) else { continue };
        if dry_run || std::fs::remove_dir_all(path).is_ok() {
            removed.workspaces.add(*bytes);
        }
    }
    for (path, bytes) in &plan.repositories {
        if dry_run || mirror::remove(path).is_ok_and(|gone| gone) {
            removed.repositories.add(*bytes);
        }
    }
    if !dry_run {
        removed.executions = store::forget(&tools.state_dir.database(), &plan.executions)?;
    }
    Ok(removed)
}

fn plan(tools: &Tools, now: Timestamp) -> Result<Plan, GcError> {
    let database = tools.state_dir.database();
    let state = read_state(&database)?.state;
    let history = History::open(&database)?;
    let needed = Needed::by(&state);
    let ended = history.ended()?;
    let is_old = |it: &EndedExecution, age: Span| {
        now.since(it.at) > age && !needed.executions.contains(&it.id)
    };
    let keep = &tools.keep;
    let logs = ended.iter().filter(|it| is_old(it, keep.logs.min(keep.history)));
    let mut logs: Vec<PathBuf> = logs
        .flat_map(|it| it.actions.iter().map(|id| tools.state_dir.logs().join(id)))
        .filter(|path| path.exists())
        .collect();
    logs.extend(strangers(&history, &tools.state_dir.logs(), now)?);
    let (kept_trees, artifacts) = artifacts(&ended, needed.trees, keep, now);
    Ok(Plan {
        executions: ended.iter().filter(|it| is_old(it, keep.history)).map(|it| it.id).collect(),
        logs: logs.into_iter().map(with_size).collect(),
        kept_trees,
        artifacts,
        workspaces: workspaces(&tools.state_dir.workspaces(), keep, now),
        repositories: mirrors(&tools.state_dir.repositories(), &needed.repositories, keep, now),
    })
}

/// What must stay whatever its age.
struct Needed {
    executions: BTreeSet<ExecutionId>,
    trees: BTreeSet<String>,
    repositories: BTreeSet<PathBuf>,
}

impl Needed {
    fn by(state: &State) -> Self {
        let mut executions: BTreeSet<ExecutionId> = state.executions.keys().copied().collect();
        let mut trees = BTreeSet::new();
        let mut need = |artifacts: &Artifacts| {
            trees.extend(artifacts.values().filter_map(|content| match &**content {
                ArtifactContent::Tree { tree, .. } => Some(tree.to_string()),
                ArtifactContent::Commit { .. } => None,
            }));
        };
        for execution in state.executions.values() {
            need(&execution.release.artifacts);
            if let Some(rollback) = &execution.options.rollback {
                need(&rollback.release.artifacts);
            }
        }
        let mut repositories = BTreeSet::new();
        let mut come_from = |revision: &SourceRevision| {
            repositories.insert(revision.git_dir.to_path_buf());
        };
        let heads = state.pipelines.values().flat_map(|it| it.sources.values());
        heads.flat_map(|it| it.values()).for_each(|it| come_from(it));
        for execution in state.executions.values() {
            execution.release.revisions.iter().for_each(|it| come_from(it));
        }
        let lanes = state.pipelines.values().flat_map(|it| it.lanes.values());
        for lane in lanes {
            executions.extend(lane.recent.iter().map(|it| it.execution));
            for success in lane.slots.values().filter_map(|slot| slot.last_success.as_ref()) {
                executions.extend([success.execution, success.release.execution]);
                need(&success.release.artifacts);
                success.release.revisions.iter().for_each(|it| come_from(it));
            }
        }
        Self { executions, trees, repositories }
    }
}

/// Returns the trees that stay, and how much goes.
fn artifacts(
    ended: &[EndedExecution],
    needed: BTreeSet<String>,
    keep: &Keep,
    now: Timestamp,
) -> (BTreeSet<String>, Amount) {
    let (mut kept, mut gone) = (needed, BTreeSet::new());
    let (mut bytes, mut amount) = (0, Amount::default());
    for execution in ended {
        for (tree, size) in &execution.trees {
            if kept.contains(tree) || gone.contains(tree) {
                continue;
            }
            bytes += size;
            let age = now.since(execution.at);
            if age > keep.artifacts.min(keep.history) || bytes > keep.artifacts_size.as_u64() {
                gone.insert(tree.clone());
                amount.add(*size);
            } else {
                kept.insert(tree.clone());
            }
        }
    }
    (kept, amount)
}

/// Returns old directories of jobs that no history knows.
fn strangers(history: &History, logs: &Path, now: Timestamp) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let old = used_at(&entry.path()).is_some_and(|at| now.since(at) > STRANGE_FOR);
        if old && !history.is_known_action(&name)? {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Returns the workspaces that go: those not used for long, then those used longest ago.
fn workspaces(root: &Path, keep: &Keep, now: Timestamp) -> Vec<(PathBuf, u64)> {
    let mut all: Vec<_> = workspace::all(root)
        .map(|path| {
            let (path, bytes) = with_size(path);
            (used_at(&path).unwrap_or_default(), bytes, path)
        })
        .collect();
    all.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let mut kept = 0;
    let goes = all.into_iter().filter_map(|(at, bytes, path)| {
        kept += bytes;
        let old = now.since(at) > keep.workspaces || kept > keep.workspaces_size.as_u64();
        old.then_some((path, bytes))
    });
    goes.collect()
}

/// Returns mirrors that no pipeline watches and no release needs, and that were not fetched for long.
fn mirrors(
    root: &Path,
    needed: &BTreeSet<PathBuf>,
    keep: &Keep,
    now: Timestamp,
) -> Vec<(PathBuf, u64)> {
    // The same folder may be written in several ways.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let needed: BTreeSet<PathBuf> = needed.iter().map(|it| real(it)).collect();
    let all = std::fs::read_dir(root).into_iter().flatten().flatten().map(|it| it.path());
    let unused = all.filter(|path| {
        let old = || used_at(path).is_some_and(|at| now.since(at) > keep.workspaces);
        Mirror::is_at(path) && old() && !needed.contains(&real(path))
    });
    unused.map(with_size).collect()
}

/// Returns when anything directly in a directory was written last.
fn used_at(directory: &Path) -> Option<Timestamp> {
    let entries = std::fs::read_dir(directory).ok()?.flatten();
    let times = entries.filter_map(|it| it.metadata().ok()?.modified().ok());
    let newest = times.chain(std::fs::metadata(directory).ok()?.modified().ok()).max()?;
    let since_epoch = newest.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_millis()).ok().map(Timestamp)
}

/// Returns a directory and what it takes on the disk.
fn with_size(directory: PathBuf) -> (PathBuf, u64) {
    let files = walkdir::WalkDir::new(&directory).into_iter().flatten();
    let bytes = files.filter_map(|it| it.metadata().ok()).map(|it| it.blocks() * 512).sum();
    (directory, bytes)
}
