//! Git source: the heads of the branches an action watches, as they are now.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use globset::GlobMatcher;

use super::{failed, with_causes};
use crate::{
    host::{Git, GitError, Mirror, Objects, Tools, artifacts::glob, git},
    model::{
        Action, ActionName, ErrorDetails, FailureType, Instructions, Job, JobSuccess,
        SourceRevision, Span, WatchedRefs, pipeline::GLOB_CHARACTERS, revision::TAG_PREFIX,
    },
};

/// How often a remote repository is asked, unless its action says otherwise.
const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// What a source action looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub action: ActionName,
    /// Where it lies here: a remote repository's mirror.
    pub repository: PathBuf,
    pub remote: Option<Remote>,
    pub branch: BranchName,
    pub refs: WatchedRefs,
}

/// A repository that nobody can watch from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub mirror: Mirror,
    pub poll_interval: Duration,
}

/// One branch, or a glob over branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BranchName {
    Exact(String),
    Glob(String),
}

impl BranchName {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Glob(text) => text,
        }
    }
}

impl Source {
    /// Returns the source of an action as it is written; mirrors of remote repositories lie below
    /// `mirrors`.
    pub fn of(action: &Action, base_directory: &Path, mirrors: &Path) -> Self {
        Self::new(&action.name, &action.instructions, base_directory, mirrors)
    }

    fn new(
        action: &ActionName,
        instructions: &Instructions,
        base_directory: &Path,
        mirrors: &Path,
    ) -> Self {
        let value = |key: &str| instructions.configuration.get(key).cloned().unwrap_or_default();
        let branch = value("BranchName");
        let is_glob = branch.contains(GLOB_CHARACTERS);
        let path = value("RepositoryPath");
        let remote = instructions.remote_repository().map(|url| Remote {
            mirror: Mirror::of(url, mirrors),
            poll_interval: Span::parse(&value("PollInterval")).map_or(POLL_INTERVAL, Span::to_std),
        });
        let mirrored = remote.as_ref().map(|it| it.mirror.git_dir().to_owned());
        Self {
            action: action.clone(),
            repository: mirrored.unwrap_or_else(|| base_directory.join(path)),
            remote,
            branch: if is_glob { BranchName::Glob(branch) } else { BranchName::Exact(branch) },
            refs: WatchedRefs::BranchName,
        }
    }

    /// Looks at the refs that decide over executions, not only at those manual starts are for.
    pub fn watching(self, refs: WatchedRefs) -> Self {
        Self { refs, ..self }
    }

    /// Returns the git directory to read from; a remote repository is fetched first.
    pub async fn newest(&self) -> Result<PathBuf, GitError> {
        let Some(remote) = &self.remote else { return git::common_dir(&self.repository).await };
        remote.mirror.fetch().await?;
        Ok(remote.mirror.git_dir().to_owned())
    }

    /// Returns the repository in words.
    pub fn shown(&self) -> String {
        let path = || self.repository.display().to_string();
        self.remote.as_ref().map_or_else(path, |it| it.mirror.url().to_owned())
    }

    /// Tells whether the `BranchName` names a branch.
    pub fn names_branch(&self, branch: &str) -> bool {
        self.clone().watching(WatchedRefs::BranchName).watched_branches()(branch)
    }

    /// Reads the watched refs and their commits in one call of git.
    pub async fn heads(&self, git_dir: &Path) -> Result<Vec<SourceRevision>, GitError> {
        let branches = "refs/heads/".to_owned();
        let patterns = match (&self.branch, self.refs) {
            (BranchName::Exact(name), WatchedRefs::BranchName) => {
                vec![format!("refs/heads/{name}")]
            }
            (BranchName::Glob(_), WatchedRefs::BranchName) | (_, WatchedRefs::AllBranches) => {
                vec![branches]
            }
            (_, WatchedRefs::AllBranchesAndTags) => vec![branches, TAG_PREFIX.to_owned()],
        };
        let format = ["--format", FORMAT];
        let output = Git::at(git_dir, "for-each-ref").args(format).args(patterns).output().await?;
        let is_watched = self.watched_branches();
        let heads = parse_heads(&output, &self.action, git_dir).filter_map(with_ref_name);
        Ok(heads.filter(|head| head.tag.is_some() || is_watched(&head.branch)).collect())
    }

    fn watched_branches(&self) -> impl Fn(&str) -> bool {
        let (exact, glob) = match (&self.branch, self.refs) {
            (_, WatchedRefs::AllBranches | WatchedRefs::AllBranchesAndTags) => (None, None),
            (BranchName::Exact(name), WatchedRefs::BranchName) => (Some(name.clone()), None),
            (BranchName::Glob(pattern), WatchedRefs::BranchName) => (None, Some(matcher(pattern))),
        };
        move |branch| match (&exact, &glob) {
            // `refs/heads/main` as a pattern also matches `refs/heads/main/x`.
            (Some(name), _) => branch == name,
            (None, Some(matcher)) => matcher.as_ref().is_some_and(|it| it.is_match(branch)),
            (None, None) => true,
        }
    }

    /// Reads the heads like [`Source::heads`], for one branch without starting a git.
    pub async fn heads_from(
        &self,
        git_dir: &Path,
        objects: &mut Option<Objects>,
    ) -> Result<Vec<SourceRevision>, GitError> {
        if let (BranchName::Exact(branch), WatchedRefs::BranchName, Some(open)) =
            (&self.branch, self.refs, objects.as_mut())
        {
            match open.read(&format!("refs/heads/{branch}")).await {
                // There is no such branch, or no object where it leads, which is another thing.
                Ok(None) => {}
                Ok(Some((id, content))) => {
                    if let Some(head) = parse_commit(&content, id, branch, &self.action, git_dir) {
                        return Ok(vec![head]);
                    }
                }
                // It has ended, or the repository went away below it; ask in the usual way.
                Err(_) => *objects = None,
            }
        }
        self.heads(git_dir).await
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
        found.map(|it| SourceRevision { branch: branch.into(), ..it }).ok_or_else(|| {
            GitError::Failed {
                command: "log".to_owned(),
                message: vec![format!("no commit {name}")],
            }
        })
    }
}

fn matcher(pattern: &str) -> Option<GlobMatcher> {
    glob(pattern).map(|glob| glob.compile_matcher())
}

/// Fields end with NUL, which no commit holds; the message is the last of seven. Of an annotated
/// tag its commit is told, marked by `*`.
const FORMAT: &str = "%(refname)%00\
     %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)%00\
     %(if)%(*objectname)%(then)%(*tree)%(else)%(tree)%(end)%00\
     %(if)%(*objectname)%(then)%(*authorname)%(else)%(authorname)%(end)%00\
     %(if)%(*objectname)%(then)%(*authoremail:trim)%(else)%(authoremail:trim)%(end)%00\
     %(if)%(*objectname)%(then)%(*authordate:iso-strict)%(else)%(authordate:iso-strict)%(end)%00\
     %(if)%(*objectname)%(then)%(*contents)%(else)%(contents)%(end)%00";
const LOG_FORMAT: &str = "%x00%H%x00%T%x00%an%x00%ae%x00%aI%x00%B%x00";

/// Names a head by its full ref; what is no commit, such as a tag of a file, is none.
fn with_ref_name(head: SourceRevision) -> Option<SourceRevision> {
    if head.tree.is_empty() {
        return None;
    }
    match head.branch.strip_prefix(TAG_PREFIX).map(Arc::from) {
        Some(tag) => Some(SourceRevision { tag: Some(tag), ..head }),
        None => {
            let branch = head.branch.strip_prefix("refs/heads/")?;
            // It would be taken for a tag; a push with one word too many makes such branches.
            let branch = (!branch.starts_with(TAG_PREFIX)).then(|| branch.into())?;
            Some(SourceRevision { branch, ..head })
        }
    }
}

fn parse_heads(
    output: &[u8],
    action: &ActionName,
    git_dir: &Path,
) -> impl Iterator<Item = SourceRevision> {
    let fields: Vec<Cow<'_, str>> =
        output.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let git_dir: Arc<Path> = git_dir.into();
    let records = fields.len() / 7;
    (0..records)
        .map(move |record| {
            let field = |at: usize| &*fields[record * 7 + at];
            SourceRevision {
                action: action.clone(),
                branch: field(0).trim_start_matches('\n').into(),
                tag: None,
                id: field(1).into(),
                git_dir: Arc::clone(&git_dir),
                tree: field(2).into(),
                author_name: field(3).into(),
                author_email: field(4).into(),
                author_date: field(5).into(),
                message: field(6).into(),
            }
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// Reads a commit object. Nothing if it says something that only git should interpret.
fn parse_commit(
    content: &[u8],
    id: String,
    branch: &str,
    action: &ActionName,
    git_dir: &Path,
) -> Option<SourceRevision> {
    let text = std::str::from_utf8(content).ok()?;
    let (headers, message) = text.split_once("\n\n")?;
    let header =
        |name: &str| headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    if header("encoding").is_some() {
        return None;
    }
    let (name, rest) = header("author")?.split_once('<')?;
    let (email, when) = rest.split_once("> ")?;
    let (seconds, zone) = when.split_once(' ')?;
    let minutes =
        zone.get(1..3)?.parse::<i32>().ok()? * 60 + zone.get(3..5)?.parse::<i32>().ok()?;
    let east = if zone.starts_with('-') { -minutes } else { minutes } * 60;
    let at = chrono::DateTime::from_timestamp(seconds.parse().ok()?, 0)?;
    Some(SourceRevision {
        action: action.clone(),
        branch: branch.into(),
        tag: None,
        id: id.into(),
        git_dir: git_dir.into(),
        tree: header("tree")?.into(),
        author_name: name.trim_end().into(),
        author_email: email.into(),
        author_date: at.with_timezone(&chrono::FixedOffset::east_opt(east)?).to_rfc3339().into(),
        message: message.into(),
    })
}

/// Fetches the newest revision for an execution that was started by another source.
pub(super) async fn run(job: &Job, tools: &Tools) -> Result<JobSuccess, ErrorDetails> {
    let mirrors = tools.state_dir.repositories();
    let base = job.base_directory();
    let source = Source::new(job.action_name(), &job.instructions, &base, &mirrors);
    let unavailable = |words: String| failed(FailureType::RevisionUnavailable, words);
    let git_dir = source.newest().await.map_err(|error| unavailable(with_causes(&error)))?;
    let heads = source.heads(&git_dir).await.map_err(|error| unavailable(with_causes(&error)))?;
    // With a glob, the branch of the lane is meant.
    let wanted = heads.iter().find(|head| Some(&*head.branch) == job.lane.branch());
    let head = wanted
        .or(heads.first())
        .ok_or_else(|| unavailable(format!("no branch of {} matches", source.shown())))?;
    Ok(JobSuccess {
        summary: format!("{} {}", head.id.short(), head.subject()),
        variables: Arc::new(head.variables()),
        artifacts: job
            .action
            .output_artifacts
            .iter()
            .map(|output| (output.name.clone(), head.content()))
            .collect(),
        revision: Some(head.clone().into()),
        ended_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_object_says_what_git_log_says() {
        let content = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent abc\n\
            author Mira M\xc3\xbcller <mira@example.org> 1795423658 -0330\n\
            committer X <x@y> 1795423659 +0000\n\nfix: it\n\nbecause\n";
        let found = parse_commit(content, "id".into(), "main", &"app".into(), Path::new("/g"));
        let found = found.unwrap();
        assert_eq!(*found.author_name, *"Mira M\u{fc}ller");
        assert_eq!(*found.author_email, *"mira@example.org");
        assert_eq!(*found.author_date, *"2026-11-23T05:17:38-03:30");
        assert_eq!((found.subject(), &*found.message), ("fix: it", "fix: it\n\nbecause\n"));
        assert!(found.tree.starts_with("4b825"));
    }

    #[test]
    fn what_only_git_should_interpret_is_left_to_git() {
        let content = b"tree t\nauthor A <a@b> 1 +0000\nencoding ISO-8859-1\n\nmessage\n";
        assert!(
            parse_commit(content, "id".into(), "main", &"app".into(), Path::new("/g")).is_none()
        );
    }
}
