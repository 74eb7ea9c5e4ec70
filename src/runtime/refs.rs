//! Watches the refs of one repository. Events are hints, refs are the truth: an event only
//! wakes a comparison, and a slow look at file times covers events that were lost.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};

use super::{Message, input, published::Origin};
use crate::{
    engine::{
        Input,
        board::{Notice, Severity},
    },
    host::{GitError, Mirror, Objects, git},
    model::{PipelineName, SourceRevision, WatchedRefs},
    providers::git_source::{BranchName, Source},
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
    let Some(mirror) = remotes.first().map(|it| &it.mirror) else {
        return watch_here(&repository, &watched, &inbox).await;
    };
    let pause = remotes.iter().map(|it| it.poll_interval).min().unwrap_or(RETRY);
    // Until they have come from the repository, the refs of a mirror mean nothing.
    let mut is_fresh = false;
    while !mirror.has_fetched() {
        fetch(mirror, &watched, &inbox).await;
        is_fresh = mirror.has_fetched();
        if !is_fresh {
            tokio::time::sleep(pause).await;
        }
    }
    let poll = async {
        loop {
            if !std::mem::take(&mut is_fresh) {
                fetch(mirror, &watched, &inbox).await;
            }
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = poll => {}
        () = watch_here(&repository, &watched, &inbox) => {}
    }
}

/// Asks a remote repository what is new. As long as it does not answer, the board says so.
async fn fetch(mirror: &Mirror, watched: &[Watched], inbox: &mpsc::Sender<Message>) {
    let fetched = mirror.fetch().await;
    let words = fetched.err().map(|error| {
        let why = match &error {
            // What follows the first line is general advice.
            GitError::Failed { message, .. } => message.split("; ").next().unwrap_or_default(),
            GitError::NotRun(_) => "git cannot be run",
        };
        format!("cannot fetch {}: {why}; it is tried again", mirror.shown())
    });
    for (pipeline, source) in watched {
        let notice = words.clone().map(|text| Notice { severity: Severity::Problem, text });
        let (pipeline, origin) = (Some(pipeline.clone()), Origin::Remote(source.action.clone()));
        let _ = inbox.send(Message::Notice { pipeline, origin, notice }).await;
    }
}

async fn watch_here(repository: &Path, watched: &[Watched], inbox: &mpsc::Sender<Message>) {
    loop {
        if let Ok(git_dir) = git::common_dir(repository).await {
            watch_repository(&git_dir, watched, inbox).await;
        } else {
            let words = describe_missing(repository);
            for (pipeline, source) in watched {
                notify(inbox, pipeline, source, Severity::Problem, Some(words.clone())).await;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn describe_missing(repository: &Path) -> String {
    let path = repository.display();
    if repository.exists() {
        format!("{path} is not a git repository: run `git init` there or correct RepositoryPath")
    } else {
        format!("{path} does not exist: correct RepositoryPath or create it")
    }
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
    let look = if watcher.is_some() { SAFETY_POLL } else { POLL };
    let identity = inode(git_dir);
    let mut seen: BTreeMap<usize, Vec<Arc<SourceRevision>>> = BTreeMap::new();
    let mut objects = Objects::open(git_dir).ok();
    let mut read_at_fingerprint = None;
    loop {
        let fingerprint = fingerprint(git_dir);
        if read_at_fingerprint != Some(fingerprint) {
            read_at_fingerprint = Some(fingerprint);
            for (position, (pipeline, source)) in watched.iter().enumerate() {
                let Ok(heads) = source.heads_from(git_dir, &mut objects).await else { return };
                let before = seen.get(&position);
                let heads = with_known(heads, before.map_or(&[], Vec::as_slice));
                if before == Some(&heads) {
                    continue;
                }
                let words = heads.is_empty().then(|| describe_empty(source));
                notify(inbox, pipeline, source, Severity::Remark, words).await;
                seen.insert(position, heads.clone());
                let (pipeline, action) = (pipeline.clone(), source.action.clone());
                let observed = Input::SourceObserved { pipeline, action, heads };
                if inbox.send(input(observed)).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(BREATH).await;
            continue;
        }
        let _ = tokio::time::timeout(look, wake.notified()).await;
        if identity.is_none() || inode(git_dir) != identity {
            return;
        }
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

async fn notify(
    inbox: &mpsc::Sender<Message>,
    pipeline: &PipelineName,
    source: &Source,
    severity: Severity,
    words: Option<String>,
) {
    let message = Message::Notice {
        pipeline: Some(pipeline.clone()),
        origin: Origin::Source(source.action.clone()),
        notice: words.map(|text| Notice { severity, text }),
    };
    let _ = inbox.send(message).await;
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
