//! Git source: the heads of the branches an action watches, as they are now.

use std::path::{Path, PathBuf};

use globset::GlobMatcher;

use super::{failed, with_causes};
use crate::{
    host::{Git, GitError, artifacts::glob, git},
    model::{Action, ActionName, ErrorDetails, FailureType, Job, JobSuccess, SourceRevision},
};

/// What a source action looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub action: ActionName,
    pub repository: PathBuf,
    pub branch: BranchName,
}

/// One branch, or a glob over branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BranchName {
    Exact(String),
    Glob(String),
}

impl Source {
    pub fn of(action: &Action, base_directory: &Path) -> Self {
        let value = |key: &str| action.configuration.get(key).cloned().unwrap_or_default();
        let branch = value("BranchName");
        let is_glob = branch.contains(['*', '?', '[', '{']);
        Self {
            action: action.name.clone(),
            repository: base_directory.join(value("RepositoryPath")),
            branch: if is_glob { BranchName::Glob(branch) } else { BranchName::Exact(branch) },
        }
    }

    /// Reads the matching branches and their commits in one call of git.
    pub async fn heads(&self, git_dir: &Path) -> Result<Vec<SourceRevision>, GitError> {
        let (pattern, matcher) = match &self.branch {
            BranchName::Exact(name) => (format!("refs/heads/{name}"), None),
            BranchName::Glob(pattern) => ("refs/heads/".to_owned(), matcher(pattern)),
        };
        let output =
            Git::at(git_dir, "for-each-ref").args(["--format", FORMAT, &pattern]).output().await?;
        let heads = parse_heads(&output, &self.action, git_dir).filter(|head| match &self.branch {
            // `refs/heads/main` as a pattern also matches `refs/heads/main/x`.
            BranchName::Exact(name) => head.branch == *name,
            BranchName::Glob(_) => {
                matcher.as_ref().is_some_and(|matcher| matcher.is_match(&head.branch))
            }
        });
        Ok(heads.collect())
    }

    /// Looks one revision up by what a person calls it; it runs in the lane of `branch`.
    pub async fn revision(
        &self,
        git_dir: &Path,
        name: &str,
        branch: &str,
    ) -> Result<SourceRevision, GitError> {
        let name = format!("{name}^{{commit}}");
        let output = Git::at(git_dir, "log")
            .args([
                "-1",
                "--no-show-signature",
                &format!("--format={LOG_FORMAT}"),
                "--end-of-options",
            ])
            .args([&name, "--"])
            .output()
            .await?;
        let found = parse_heads(&output, &self.action, git_dir).next();
        found.map(|it| SourceRevision { branch: branch.to_owned(), ..it }).ok_or_else(|| {
            GitError::Failed { command: "log".to_owned(), message: format!("no commit {name}") }
        })
    }
}

fn matcher(pattern: &str) -> Option<GlobMatcher> {
    glob(pattern).map(|glob| glob.compile_matcher())
}

/// Fields end with NUL, which no commit holds; the message is the last of seven.
const FORMAT: &str = "%(refname:lstrip=2)%00%(objectname)%00%(tree)%00%(authorname)%00\
     %(authoremail:trim)%00%(authordate:iso-strict)%00%(contents)%00";
const LOG_FORMAT: &str = "%x00%H%x00%T%x00%an%x00%ae%x00%aI%x00%B%x00";

fn parse_heads(
    output: &[u8],
    action: &ActionName,
    git_dir: &Path,
) -> impl Iterator<Item = SourceRevision> {
    let fields: Vec<String> = output
        .split(|byte| *byte == 0)
        .map(|field| String::from_utf8_lossy(field).into_owned())
        .collect();
    let records = fields.len() / 7;
    (0..records)
        .map(move |record| {
            let field = |at: usize| fields[record * 7 + at].clone();
            SourceRevision {
                action: action.clone(),
                branch: field(0).trim_start_matches('\n').to_owned(),
                id: field(1).into(),
                git_dir: git_dir.to_owned(),
                tree: field(2),
                author_name: field(3),
                author_email: field(4),
                author_date: field(5),
                message: field(6),
            }
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// Fetches the newest revision for an execution that was started by another source.
pub(super) async fn run(job: &Job) -> Result<JobSuccess, ErrorDetails> {
    let source = Source::of(&job.action, &job.base_directory);
    let unavailable = |words: String| failed(FailureType::RevisionUnavailable, words);
    let git_dir = git::common_dir(&source.repository)
        .await
        .map_err(|error| unavailable(with_causes(&error)))?;
    let heads = source.heads(&git_dir).await.map_err(|error| unavailable(with_causes(&error)))?;
    // With a glob, the branch of the lane is meant.
    let wanted = heads.iter().find(|head| Some(head.branch.as_str()) == job.lane.branch());
    let head = wanted.or(heads.first()).ok_or_else(|| {
        unavailable(format!("no branch of {} matches", source.repository.display()))
    })?;
    Ok(JobSuccess {
        summary: format!("{} {}", head.id.short(), head.subject()),
        variables: head.variables().collect(),
        artifacts: job
            .action
            .output_artifacts
            .iter()
            .map(|output| (output.name.clone(), head.content()))
            .collect(),
        revision: Some(head.clone()),
    })
}
