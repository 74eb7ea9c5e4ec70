//! Whether a commit would start an execution, and why: the engine's own judgement, over what the
//! repository says now. Nothing is started and nothing is recorded.

use std::{path::Path, sync::Arc};

use crate::{
    engine::push_filters::{Decision, Outcome, Pushed, Verdict},
    host::{Git, GitError, changes},
    model::{
        Action, ActionName, Pipeline, RevisionId, Schedule, SourceRevision, revision::TAG_PREFIX,
    },
    providers::git_source::Source,
};

/// A push that came or might come.
pub struct Push {
    /// Anything git understands as a commit.
    pub commit: String,
    /// The branches whose tip is the commit if absent, else the source's `BranchName`.
    pub branch: Option<String>,
    pub tag: Option<String>,
    /// What the commit is compared with; its first parent if absent.
    pub since: Option<String>,
}

/// What one source action makes of the push to one branch or tag.
pub struct Explanation {
    pub action: ActionName,
    pub revision: SourceRevision,
    pub ruling: Ruling,
    /// A variable without a default value: then only operators start executions.
    pub required_variable: Option<String>,
}

impl Explanation {
    pub fn starts(&self) -> bool {
        self.ruling.starts() && self.required_variable.is_none()
    }
}

pub enum Ruling {
    /// No trigger names the source action.
    BranchName {
        branch_name: String,
        matches: bool,
    },
    /// The trigger has no push filters.
    ScheduleOnly(Schedule),
    PushFilters {
        verdict: Verdict,
        since: Option<Since>,
    },
}

/// What the changed files were found with, where they decide.
pub enum Since {
    Given(RevisionId),
    FirstParent(RevisionId),
    /// A commit without a parent: all of its files are new.
    Nothing,
}

impl Ruling {
    fn starts(&self) -> bool {
        match self {
            Self::BranchName { matches, .. } => *matches,
            Self::ScheduleOnly(_) => false,
            Self::PushFilters { verdict, .. } => {
                matches!(verdict.decision(), Decision::Starts(_))
            }
        }
    }
}

/// Explains a push to each source action whose repository has the commit.
pub async fn explain(
    definition: &Pipeline,
    push: &Push,
    mirrors: &Path,
) -> Result<Vec<Explanation>, String> {
    let mut explanations = Vec::new();
    let mut problem = None;
    for action in definition.source_actions() {
        match explain_source(definition, action, push, mirrors).await {
            Ok(found) => explanations.extend(found),
            Err(words) => problem = problem.or(Some(words)),
        }
    }
    match problem {
        Some(words) if explanations.is_empty() => Err(words),
        Some(_) | None => Ok(explanations),
    }
}

async fn explain_source(
    definition: &Pipeline,
    action: &Action,
    push: &Push,
    mirrors: &Path,
) -> Result<Vec<Explanation>, String> {
    let failed = |error: GitError| format!("{}: {error}", action.name);
    let source = Source::of(action, &definition.base_directory(), mirrors);
    let git_dir = match (source.newest().await, &source.remote) {
        // What has been fetched can be explained without the network.
        (Err(_), Some(remote)) if remote.mirror.has_fetched() => Ok(source.repository.clone()),
        (newest, _) => newest,
    };
    let git_dir = git_dir.map_err(failed)?;
    let commit = source.revision(&git_dir, &push.commit, "").await.map_err(failed)?;
    let refs = match (&push.tag, &push.branch) {
        (Some(tag), _) => vec![format!("{TAG_PREFIX}{tag}")],
        (None, Some(branch)) => vec![branch.clone()],
        (None, None) => branches_of(&git_dir, action, &commit).await?,
    };
    let mut variables = definition.variables.iter();
    let required = variables.find(|it| it.default_value.is_none());
    let required_variable = required.map(|it| it.name.clone());
    let mut explanations = Vec::new();
    for branch in refs {
        let (branch, tag) = (branch.into(), push.tag.as_deref().map(Arc::from));
        let revision = SourceRevision { branch, tag, ..commit.clone() };
        let ruling = rule(definition, &source, &revision, push).await.map_err(failed)?;
        let action = action.name.clone();
        let required_variable = required_variable.clone();
        explanations.push(Explanation { action, revision, ruling, required_variable });
    }
    Ok(explanations)
}

async fn branches_of(
    git_dir: &Path,
    action: &Action,
    commit: &SourceRevision,
) -> Result<Vec<String>, String> {
    let tips = Git::at(git_dir, "for-each-ref")
        .args(["--format=%(refname:lstrip=2)", "--points-at", commit.id.as_str(), "refs/heads/"])
        .text()
        .await
        .map_err(|error| error.to_string())?;
    let tips: Vec<_> = tips.lines().map(str::to_owned).collect();
    match action.exact_branch() {
        Some(branch) if tips.is_empty() => Ok(vec![branch.to_owned()]),
        None if tips.is_empty() => {
            Err(format!("no branch stands at {}: say which with --branch", commit.id.short()))
        }
        Some(_) | None => Ok(tips),
    }
}

async fn rule(
    definition: &Pipeline,
    source: &Source,
    revision: &SourceRevision,
    push: &Push,
) -> Result<Ruling, GitError> {
    let Some(trigger) = definition.trigger_of(&source.action) else {
        let matches = revision.tag.is_none() && source.names_branch(&revision.branch);
        let branch_name = source.branch.as_str().to_owned();
        return Ok(Ruling::BranchName { branch_name, matches });
    };
    if let (true, Some(schedule)) = (trigger.push.is_empty(), &trigger.schedule) {
        return Ok(Ruling::ScheduleOnly(schedule.clone()));
    }
    let pushed = Pushed::of(revision);
    let verdict = Verdict::of(&trigger.push, pushed, None);
    // Where the files decide nothing, filter by filter, nobody needs them.
    if verdict.filters.iter().all(|it| it.outcome != Outcome::NeedsFiles) {
        return Ok(Ruling::PushFilters { verdict, since: None });
    }
    let (since, files) = changed_files(revision, push.since.as_deref()).await?;
    let verdict = Verdict::of(&trigger.push, pushed, Some(&files));
    Ok(Ruling::PushFilters { verdict, since: Some(since) })
}

async fn changed_files(
    revision: &SourceRevision,
    given: Option<&str>,
) -> Result<(Since, Vec<String>), GitError> {
    let (git_dir, id) = (&revision.git_dir, revision.id.as_str());
    let resolve = |name: String| {
        Git::at(git_dir, "rev-parse")
            .args(["--verify", "--quiet", "--end-of-options", &name])
            .text()
    };
    let since = match given {
        Some(given) => {
            let commit = resolve(format!("{given}^{{commit}}")).await;
            // It fails without a word.
            let unknown = |_| GitError::Failed {
                command: "rev-parse".to_owned(),
                message: vec![format!("no commit {given}")],
            };
            Since::Given(commit.map_err(unknown)?.into())
        }
        None => match resolve(format!("{id}^1")).await {
            Ok(parent) => Since::FirstParent(parent.into()),
            Err(_) => Since::Nothing,
        },
    };
    let files = match &since {
        Since::Given(since) | Since::FirstParent(since) => {
            changes::between(git_dir, since.as_str(), id).await?
        }
        Since::Nothing => changes::all_files(git_dir, id).await?,
    };
    Ok((since, files))
}
