//! Watches the refs of one repository. Events are hints, refs are the truth: an event only
//! wakes a comparison, and a slow look at file times covers events that were lost.

use std::{
    collections::BTreeMap,
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};

use super::{Message, input, published::Origin, remote};
use crate::{
    engine::{
        Input,
        board::{Notice, Severity},
    },
    host::{GitError, Objects, git},
    model::{ActionName, PipelineName, SourceRevision, WatchedRefs},
    providers::git_source::{BranchName, Source},
    words::with_causes,
};

/// How often file times are looked at in case an event was lost.
const SAFETY_POLL: Duration = Duration::from_secs(30);
/// How often a repository is looked at that cannot be watched.
const POLL: Duration = Duration::from_secs(2);
/// How often a repository that cannot be read is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// The least time between two readings of the refs; the first is never delayed.
const BREATH: Duration = Duration::from_millis(25);

/// Who looks at the repository, and with which eyes.
pub(super) type Watched = (PipelineName, Source);

/// Watches for as long as it is polled and reports every change of the watched branches.
pub(super) async fn watch(
    repository: PathBuf,
    watched: Vec<Watched>,
    inbox: mpsc::Sender<Message>,
) {
    let remotes: Vec<_> = watched.iter().filter_map(|(_, it)| it.remote.as_ref()).collect();
    tell_all(&inbox, &watched, Origin::Remote, None).await;
    match remotes.first().map(|it| &it.mirror) {
        Some(mirror) => {
            let pause = remotes.iter().map(|it| it.poll_interval).min().unwrap_or(RETRY);
            remote::watch(mirror, pause, &watched, &inbox).await;
        }
        None => watch_here(&repository, &watched, &inbox).await,
    }
}

async fn watch_here(repository: &Path, watched: &[Watched], inbox: &mpsc::Sender<Message>) {
    loop {
        let problem = match git::common_dir(repository).await {
            Ok(git_dir) => {
                watch_repository(&git_dir, watched, inbox).await;
                None
            }
            Err(error) => Some((Severity::Problem, unusable(repository, &error))),
        };
        if problem.is_some() {
            tell_all(inbox, watched, Origin::Source, problem).await;
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn unusable(repository: &Path, error: &GitError) -> String {
    let path = repository.display();
    if !repository.exists() {
        return format!("{path} does not exist: correct RepositoryPath or create it");
    }
    match error {
        GitError::Failed { message, .. }
            if message.iter().any(|line| line.contains("not a git repository")) =>
        {
            format!(
                "{path} is not a git repository: run `git init` there or correct RepositoryPath"
            )
        }
        error => unreadable(path, error),
    }
}

fn unreadable(repository: impl fmt::Display, error: &GitError) -> String {
    format!("{repository} cannot be read: {}; it is tried again", with_causes(error))
}

/// Takes a head that has not moved from what was seen before, so that everybody keeps one copy.
fn with_known(
    heads: Vec<SourceRevision>,
    before: &[Arc<SourceRevision>],
) -> Vec<Arc<SourceRevision>> {
    let mut before = before.iter().peekable();
    let known = heads.into_iter().map(|head| {
        // Git tells them in order; those in between are gone.
        while before.next_if(|it| it.branch < head.branch).is_some() {}
        let known = before.next_if(|it| it.branch == head.branch).filter(|it| ***it == head);
        known.map_or_else(|| Arc::new(head), Arc::clone)
    });
    known.collect()
}

/// Returns when the repository is gone or has become another one.
async fn watch_repository(git_dir: &Path, watched: &[Watched], inbox: &mpsc::Sender<Message>) {
    let wake = Arc::new(Notify::new());
    // Without inotify (its limits, network file systems) looking does all the work.
    let watcher = start_watcher(git_dir, Arc::clone(&wake)).ok();
    let pause = if watcher.is_some() { SAFETY_POLL } else { POLL };
    let identity = inode(git_dir);
    let mut objects = Objects::open(git_dir).ok();
    let mut look = Look::new(watched, inbox);
    loop {
        let may_move_on = look.again(git_dir, &mut objects).await;
        if identity.is_none() || inode(git_dir) != identity {
            return;
        }
        if may_move_on {
            tokio::time::sleep(BREATH).await;
        } else {
            let _ = tokio::time::timeout(pause, wake.notified()).await;
        }
    }
}

/// What was seen of a repository by those who watch it.
pub(super) struct Look<'a> {
    watched: &'a [Watched],
    inbox: &'a mpsc::Sender<Message>,
    seen: BTreeMap<usize, Vec<Arc<SourceRevision>>>,
    fingerprint: Option<u64>,
    /// What was told of those that cannot be read.
    problems: BTreeMap<usize, String>,
}

impl<'a> Look<'a> {
    pub(super) fn new(watched: &'a [Watched], inbox: &'a mpsc::Sender<Message>) -> Self {
        Self { watched, inbox, seen: BTreeMap::new(), fingerprint: None, problems: BTreeMap::new() }
    }

    /// Reads the refs if one may have moved, which it tells, and reports what has. What cannot be
    /// read now is read again with the next look.
    pub(super) async fn again(&mut self, git_dir: &Path, objects: &mut Option<Objects>) -> bool {
        let fingerprint = fingerprint(git_dir);
        if self.fingerprint.replace(fingerprint) == Some(fingerprint) {
            return false;
        }
        for (position, watched) in self.watched.iter().enumerate() {
            let (pipeline, source) = watched;
            let heads = match source.heads_from(git_dir, objects).await {
                Ok(heads) => heads,
                Err(error) => {
                    (self.fingerprint, _) = (None, self.seen.remove(&position));
                    let words = unreadable(source.shown(), &error);
                    if self.problems.insert(position, words.clone()).as_ref() != Some(&words) {
                        let problem = Some((Severity::Problem, words));
                        tell(self.inbox, watched, Origin::Source, problem).await;
                    }
                    continue;
                }
            };
            self.problems.remove(&position);
            let before = self.seen.get(&position);
            let heads = with_known(heads, before.map_or(&[], Vec::as_slice));
            if before == Some(&heads) {
                continue;
            }
            let remark = heads.is_empty().then(|| (Severity::Remark, describe_empty(source)));
            tell(self.inbox, watched, Origin::Source, remark).await;
            self.seen.insert(position, heads.clone());
            let (pipeline, action) = (pipeline.clone(), source.action.clone());
            let observed = Input::SourceObserved { pipeline, action, heads };
            let _ = self.inbox.send(input(observed)).await;
        }
        self.fingerprint.is_some()
    }
}

fn describe_empty(source: &Source) -> String {
    let repository = source.shown();
    if source.refs != WatchedRefs::BranchName {
        return format!("waiting for the first commit in {repository}");
    }
    match &source.branch {
        BranchName::Exact(name) => {
            format!(
                "waiting for the first commit on branch {name} of {repository}, which does not exist yet"
            )
        }
        BranchName::Glob(glob) => format!("no branch of {repository} matches {glob} yet"),
    }
}

/// Puts a notice about a source on its pipeline's card, or takes it off.
async fn tell(
    inbox: &mpsc::Sender<Message>,
    (pipeline, source): &Watched,
    origin: fn(ActionName) -> Origin,
    words: Option<(Severity, String)>,
) {
    let notice = words.map(|(severity, text)| Notice { severity, text });
    let (pipeline, origin) = (Some(pipeline.clone()), origin(source.action.clone()));
    let _ = inbox.send(Message::Notice { pipeline, origin, notice }).await;
}

pub(super) async fn tell_all(
    inbox: &mpsc::Sender<Message>,
    watched: &[Watched],
    origin: fn(ActionName) -> Origin,
    words: Option<(Severity, String)>,
) {
    for it in watched {
        tell(inbox, it, origin, words.clone()).await;
    }
}

fn start_watcher(git_dir: &Path, wake: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| concerns_refs(&event)) {
            wake.notify_one();
        }
    })?;
    watcher.watch(git_dir, RecursiveMode::NonRecursive)?;
    watcher.watch(&git_dir.join("refs"), RecursiveMode::Recursive)?;
    let reftable = git_dir.join("reftable");
    if reftable.is_dir() {
        watcher.watch(&reftable, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Reading refs raises events too; only what can move a branch may wake us.
fn concerns_refs(event: &notify::Event) -> bool {
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    event.paths.iter().any(|path| {
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        let below_refs = path
            .components()
            .any(|part| part.as_os_str() == "refs" || part.as_os_str() == "reftable");
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !is_lock && (below_refs || name == "packed-refs" || name == "HEAD")
    })
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Sums up everything a branch can be stored in; it changes whenever a ref may have moved.
fn fingerprint(git_dir: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    let heads = ["refs/heads", "refs/tags"].into_iter().flat_map(|folder| {
        let heads = walkdir::WalkDir::new(git_dir.join(folder)).sort_by_file_name();
        heads.into_iter().flatten().map(walkdir::DirEntry::into_path)
    });
    let others = ["packed-refs", "reftable/tables.list"].map(|name| git_dir.join(name));
    for path in others.into_iter().chain(heads) {
        if let Ok(metadata) = std::fs::metadata(&path) {
            path.hash(&mut hasher);
            (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
                .hash(&mut hasher);
        }
    }
    hasher.finish()
}
