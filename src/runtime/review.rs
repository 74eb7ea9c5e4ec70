//! What is about to ship: the commits between what a stage last succeeded with and what waits
//! at its gate, who wrote them and what they touch.

use std::collections::BTreeSet;

use super::operation::compare;
use crate::{
    engine::{Comparison, Relation, board::GateAt},
    host::{Git, GitError, git::empty_tree},
    model::{SourceRevision, Timestamp},
};

/// More commits than this are counted, not listed.
const LISTED: usize = 200;
/// Without a deployed revision there is no range; the newest few are shown.
const LISTED_WITHOUT_RANGE: usize = 20;

#[derive(Clone, Debug)]
pub struct Review {
    pub comparison: Comparison,
    /// What comes, newest first, then what would be lost.
    pub commits: Vec<Commit>,
    pub coming: usize,
    pub lost: usize,
    /// Of the commits that are listed.
    pub authors: usize,
    pub files: Vec<FileChange>,
    /// Why the change could not be read, if it could not.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub subject: String,
    pub author: String,
    pub at: Timestamp,
    pub badges: BTreeSet<Badge>,
    /// It is deployed, and what waits does not have it.
    pub is_lost: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    pub path: String,
    /// Absent for binary files.
    pub lines: Option<(u64, u64)>,
}

/// Kinds of paths an operator wants to know about before approving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Badge {
    Migration,
    Infrastructure,
    Lockfile,
    Pipeline,
}

impl Badge {
    pub fn label(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Infrastructure => "infra",
            Self::Lockfile => "lockfile",
            Self::Pipeline => "pipeline",
        }
    }

    /// Returns what a path stands for, if it stands for something worth a warning.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let has_part = |part: &str| path.split('/').any(|it| it == part);
        let lockfiles = [
            "Cargo.lock",
            "package-lock.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "poetry.lock",
            "uv.lock",
            "go.sum",
            "Gemfile.lock",
            "composer.lock",
        ];
        if has_part("migrations") || has_part("migrate") {
            Some(Self::Migration)
        } else if lockfiles.contains(&name) {
            Some(Self::Lockfile)
        } else if name == "stagegate.toml" || has_part(".stagegate") {
            Some(Self::Pipeline)
        } else if std::path::Path::new(name).extension().is_some_and(|it| it == "tf")
            || name.starts_with("Dockerfile")
            || name.starts_with("docker-compose")
            || ["terraform", "k8s", "helm", "infra", "cloudformation"].iter().any(|it| has_part(it))
        {
            Some(Self::Infrastructure)
        } else {
            None
        }
    }
}

impl Review {
    pub fn added(&self) -> u64 {
        self.files.iter().filter_map(|it| it.lines).map(|(added, _)| added).sum()
    }

    pub fn deleted(&self) -> u64 {
        self.files.iter().filter_map(|it| it.lines).map(|(_, deleted)| deleted).sum()
    }

    pub fn badges(&self) -> BTreeSet<Badge> {
        self.files.iter().filter_map(|it| Badge::of(&it.path)).collect()
    }

    /// Tells whether approving needs the revision typed.
    pub fn is_downgrade(&self) -> bool {
        self.comparison.relation.needs_revision()
    }
}

pub(super) async fn review(at: GateAt<'_>) -> Review {
    let deployed = at.stage.last_success.as_ref().map(|it| &*it.revision);
    let candidate = &at.execution.revision;
    let comparison = compare(deployed, candidate).await;
    let relation = comparison.relation;
    let deployed = deployed
        .filter(|_| matches!(relation, Relation::Newer | Relation::Same | Relation::Downgrade));
    let (commits, files) = tokio::join!(commits(deployed, candidate), files(deployed, candidate));
    let problem = commits.as_ref().err().or(files.as_ref().err()).map(ToString::to_string);
    let (commits, coming, lost) = commits.unwrap_or_default();
    let authors: BTreeSet<_> = commits.iter().map(|it| it.author.as_str()).collect();
    let authors = authors.len();
    let files = files.unwrap_or_default();
    Review { comparison, commits, coming, lost, authors, files, problem }
}

/// Returns the commits that come and those that would be lost, with how many there are of either.
async fn commits(
    deployed: Option<&SourceRevision>,
    candidate: &SourceRevision,
) -> Result<(Vec<Commit>, usize, usize), GitError> {
    let Some(deployed) = deployed else {
        let commits = log(candidate, candidate.id.as_str(), LISTED_WITHOUT_RANGE).await?;
        let count = commits.len();
        return Ok((commits, count, 0));
    };
    let coming = format!("{}..{}", deployed.id, candidate.id);
    let lost = format!("{}..{}", candidate.id, deployed.id);
    let ((mut commits, coming), (gone, lost)) =
        tokio::try_join!(counted(candidate, &coming), counted(candidate, &lost))?;
    commits.extend(gone.into_iter().map(|it| Commit { is_lost: true, ..it }));
    Ok((commits, coming, lost))
}

/// Returns the newest commits of a range, and how many it has.
async fn counted(
    candidate: &SourceRevision,
    range: &str,
) -> Result<(Vec<Commit>, usize), GitError> {
    let commits = log(candidate, range, LISTED).await?;
    // Whoever has them all need not ask.
    if commits.len() < LISTED {
        let count = commits.len();
        return Ok((commits, count));
    }
    let ask = Git::at(&candidate.git_dir, "rev-list").args(["--count", range, "--"]);
    let count = ask.text().await?.parse().unwrap_or(commits.len());
    Ok((commits, count))
}

async fn log(
    candidate: &SourceRevision,
    range: &str,
    most: usize,
) -> Result<Vec<Commit>, GitError> {
    let git = Git::at(&candidate.git_dir, "log").args([
        "-z",
        "--no-show-signature",
        "--name-only",
        "--format=%x01%H%x02%an%x02%at%x02%s%x02",
        &format!("--max-count={most}"),
        range,
        "--",
    ]);
    let output = git.output().await?;
    let text = String::from_utf8_lossy(&output);
    Ok(text.split('\u{1}').filter_map(parse_commit).collect())
}

fn parse_commit(record: &str) -> Option<Commit> {
    let mut fields = record.splitn(5, '\u{2}');
    let (id, author) = (fields.next()?, fields.next()?);
    let seconds: i64 = fields.next()?.parse().ok()?;
    let subject = fields.next()?;
    let paths = fields.next().unwrap_or_default().split('\0').map(str::trim);
    Some(Commit {
        id: id.to_owned(),
        subject: subject.to_owned(),
        author: author.to_owned(),
        at: Timestamp(seconds * 1000),
        badges: paths.filter_map(Badge::of).collect(),
        is_lost: false,
    })
}

async fn files(
    deployed: Option<&SourceRevision>,
    candidate: &SourceRevision,
) -> Result<Vec<FileChange>, GitError> {
    let git = |name| Git::at(&candidate.git_dir, name);
    let from = match deployed {
        Some(deployed) => deployed.id.to_string(),
        // Against nothing: everything is new.
        None => empty_tree(&candidate.git_dir).await?,
    };
    let output = git("diff")
        .args([
            "--numstat",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            &from,
            candidate.id.as_str(),
            "--",
        ])
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output);
    let rows = text.split('\0').filter_map(|row| {
        let mut fields = row.splitn(3, '\t');
        let (added, deleted) = (fields.next()?, fields.next()?);
        let path = fields.next()?.to_owned();
        Some(FileChange { path, lines: added.parse().ok().zip(deleted.parse().ok()) })
    });
    Ok(rows.collect())
}
