//! Finds, reads and watches pipeline files. A file that breaks while watching keeps the
//! pipeline's last good version.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use notify::{EventKind, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Message,
    published::{Origin, Published},
    refs,
};
use crate::{
    definition::{self, FileProblems},
    engine::{
        Input,
        board::{Notice, Severity},
    },
    model::{Pipeline, PipelineName},
    providers::git_source::Source,
};

/// How long a burst of writes to a file may settle.
const SETTLE: Duration = Duration::from_millis(30);
/// How long a file may be gone, as while an editor saves it, before that means anything.
const REPLACED: Duration = Duration::from_secs(1);
/// How often the files are looked at in case an event was lost.
const SAFETY_POLL: Duration = Duration::from_secs(60);

#[derive(Debug, Error)]
pub enum FilesError {
    #[error("{} pipeline file(s) with problems", .0.len())]
    Invalid(Vec<FileProblems>),
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
}

/// The files and folders a runtime serves; more can be added while it runs.
#[derive(Clone, Default)]
pub struct DefinitionFiles {
    roots: Arc<Mutex<Vec<PathBuf>>>,
    grown: Arc<Notify>,
}

/// What reading one file gave.
type Reading = Result<Pipeline, FileProblems>;

pub(super) struct Readings(BTreeMap<PathBuf, Reading>);

impl DefinitionFiles {
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots: Arc::new(Mutex::new(roots)), grown: Arc::default() }
    }

    /// Serves more files from now on.
    pub fn add(&self, roots: Vec<PathBuf>) {
        let mut known = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = roots.into_iter().filter(|root| !known.contains(root)).collect();
        if !new.is_empty() {
            known.extend(new);
            self.grown.notify_one();
        }
    }

    fn roots(&self) -> Vec<PathBuf> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the pipeline files, those in folders in the order of their names.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for root in self.roots() {
            if !root.is_dir() {
                files.push(root);
                continue;
            }
            let entries = std::fs::read_dir(&root).into_iter().flatten().flatten();
            let mut inside: Vec<_> = entries
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|it| it == "toml" || it == "json"))
                .collect();
            inside.sort();
            files.extend(inside);
        }
        files.dedup();
        files
    }

    /// Reads everything for the first time. A file with problems is an error, unless the
    /// pipeline has a good version from before.
    pub(super) fn read(&self, known: Vec<Arc<Pipeline>>) -> Result<Readings, FilesError> {
        let mut readings = BTreeMap::new();
        for path in self.files() {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| FilesError::Unreadable { path: path.clone(), source })?;
            readings.insert(path.clone(), definition::parse(&path, &text));
        }
        let hopeless: Vec<_> = readings
            .iter()
            .filter(|(path, _)| !known.iter().any(|pipeline| pipeline.file == **path))
            .filter_map(|(_, reading)| reading.as_ref().err().cloned())
            .collect();
        if hopeless.is_empty() {
            Ok(Readings(readings))
        } else {
            Err(FilesError::Invalid(hopeless))
        }
    }

    fn read_again(&self) -> Readings {
        let readings = self.files().into_iter().filter_map(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            let reading = definition::parse(&path, &text);
            Some((path, reading))
        });
        Readings(readings.collect())
    }
}

/// Keeps definitions and watched repositories up to date until cancelled.
pub(super) async fn watch(mut keeper: Keeper, files: DefinitionFiles, cancel: CancellationToken) {
    let wake = Arc::new(Notify::new());
    let mut watcher = None;
    loop {
        // The folder a file lies in may have been replaced.
        if watcher.is_none() {
            watcher = start_watcher(&files, &wake);
        }
        // After that, so that nothing comes between the look and the watch.
        keeper.take(files.read_again()).await;
        tokio::select! {
            () = cancel.cancelled() => return,
            () = wake.notified() => tokio::time::sleep(SETTLE).await,
            () = files.grown.notified() => watcher = None,
            () = tokio::time::sleep(keeper.pause()) => {}
        }
    }
}

fn start_watcher(
    files: &DefinitionFiles,
    wake: &Arc<Notify>,
) -> Option<notify::RecommendedWatcher> {
    let wake = Arc::clone(wake);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let is_ours = |path: &Path| path.extension().is_some_and(|it| it == "toml" || it == "json");
        let changed = event.is_ok_and(|event| {
            !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|it| is_ours(it))
        });
        if changed {
            wake.notify_one();
        }
    })
    .ok()?;
    // Editors replace files, so the folder is watched, not the file.
    let mut folders: Vec<PathBuf> = files
        .roots()
        .into_iter()
        .filter_map(
            |root| if root.is_dir() { Some(root) } else { root.parent().map(Path::to_owned) },
        )
        .collect();
    folders.sort();
    folders.dedup();
    for folder in folders {
        watcher.watch(&folder, RecursiveMode::NonRecursive).ok()?;
    }
    Some(watcher)
}

/// Knows what the files say and which repositories are watched for that.
pub(super) struct Keeper {
    inbox: mpsc::Sender<Message>,
    published: watch::Receiver<Published>,
    /// Where mirrors of remote repositories lie.
    mirrors: PathBuf,
    known: BTreeMap<PathBuf, Reading>,
    /// The pipeline that each file declared last.
    declared: BTreeMap<PathBuf, PipelineName>,
    /// Files whose pipeline has the name of another file's.
    refused: BTreeSet<PathBuf>,
    /// Files that were not there at the last look.
    missing: BTreeMap<PathBuf, Instant>,
    repositories: BTreeMap<PathBuf, (Vec<refs::Watched>, AbortOnDropHandle<()>)>,
}

impl Keeper {
    /// Returns when the engine knows what the files say.
    pub(super) async fn begin(
        first: Readings,
        inbox: mpsc::Sender<Message>,
        published: watch::Receiver<Published>,
        mirrors: PathBuf,
    ) -> Self {
        let (known, declared, refused, missing, repositories) = Default::default();
        let mut keeper =
            Self { inbox, published, mirrors, known, declared, refused, missing, repositories };
        keeper.take(first).await;
        keeper
    }

    /// Returns when to look again although nothing was heard.
    fn pause(&self) -> Duration {
        if self.missing.is_empty() { SAFETY_POLL } else { REPLACED }
    }

    async fn take(&mut self, readings: Readings) {
        self.forget_missing(&readings).await;
        for (path, reading) in readings.0 {
            if self.known.get(&path) == Some(&reading) && !self.may_be_tried_again(&path, &reading)
            {
                continue;
            }
            match &reading {
                Ok(pipeline) => self.load(pipeline.clone()).await,
                Err(problems) => self.note(&path, Some(problems.summary())).await,
            }
            self.known.insert(path, reading);
        }
        self.note_unserved().await;
        self.watch_repositories();
    }

    /// Tells whether a file was refused for a name that no other file holds any more.
    fn may_be_tried_again(&self, path: &PathBuf, reading: &Reading) -> bool {
        let definitions = &self.published.borrow().definitions;
        let is_held = |it: &Pipeline| definitions.get(&it.name).is_some_and(|it| it.file != *path);
        self.refused.contains(path) && reading.as_ref().is_ok_and(|it| !is_held(it))
    }

    async fn forget_missing(&mut self, readings: &Readings) {
        let there = |path: &PathBuf| readings.0.contains_key(path);
        self.missing.retain(|path, _| !there(path));
        for path in self.known.keys().filter(|path| !there(path)) {
            self.missing.entry(path.clone()).or_insert_with(Instant::now);
        }
        let gone = self.missing.iter().filter(|(_, since)| since.elapsed() >= REPLACED);
        let gone: Vec<_> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.missing.remove(&path);
            self.known.remove(&path);
            self.note(&path, None).await;
            self.declared.remove(&path);
            self.refused.remove(&path);
        }
    }

    /// Tells whether the file of a definition is served and still declares it, as far as it can be
    /// read.
    fn is_served(&self, definition: &Pipeline) -> bool {
        self.known.get(&definition.file).is_some_and(|reading| {
            reading.as_ref().map_or(true, |declared| declared.name == definition.name)
        })
    }

    async fn load(&mut self, pipeline: Pipeline) {
        let (path, name) = (pipeline.file.clone(), pipeline.name.clone());
        // A last look through the old eyes would be taken for the first through the new ones.
        self.repositories.retain(|_, (watched, _)| watched.iter().all(|(it, _)| *it != name));
        let (reply, answer) = tokio::sync::oneshot::channel();
        let input = Box::new(Input::DefinitionLoaded(Box::new(pipeline)));
        let _ = self.inbox.send(Message::Input { input, reply: Some(reply) }).await;
        let refused = match answer.await {
            Ok(Err(refusal)) => Some(refusal.to_string()),
            Ok(Ok(_)) | Err(_) => None,
        };
        crate::fault::passed("definition-loaded");
        let Some(refusal) = refused else {
            self.refused.remove(&path);
            self.declared.insert(path.clone(), name);
            return self.note(&path, None).await;
        };
        self.declared.remove(&path);
        self.refused.insert(path.clone());
        self.note(&path, Some(format!("{}: {refusal}", path.display()))).await;
    }

    /// Puts a problem of a file on the pipeline that it declared last, else on the board itself,
    /// and takes what was said of the file before off everything else.
    async fn note(&self, path: &Path, problem: Option<String>) {
        let definitions = Arc::clone(&self.published.borrow().definitions);
        let of_file = definitions.values().filter(|it| it.file == path).map(|it| &it.name);
        let of_file: Vec<_> = of_file.cloned().collect();
        let declared = self.declared.get(path).filter(|it| of_file.contains(it));
        let owner = declared.or(of_file.first()).cloned();
        let mut about: BTreeSet<_> = of_file.into_iter().map(Some).collect();
        about.extend([None, owner.clone()]);
        for pipeline in about {
            let words = problem.clone().filter(|_| pipeline == owner);
            let notice = words.map(|text| Notice {
                severity: Severity::Problem,
                text: match &pipeline {
                    Some(_) => format!("{text}; the last good version stays"),
                    None => text,
                },
            });
            let origin = Origin::File(path.to_owned());
            let _ = self.inbox.send(Message::Notice { pipeline, origin, notice }).await;
        }
    }

    /// Says of pipelines that nobody watches their commits now, and why.
    async fn note_unserved(&self) {
        let definitions = Arc::clone(&self.published.borrow().definitions);
        for definition in definitions.values() {
            let (name, file) = (&definition.name, definition.file.display());
            let why = if self.known.contains_key(&definition.file) {
                format!("{file} no longer declares it; `stagegate delete {name}` forgets it")
            } else if definition.file.exists() {
                format!("this runtime does not serve {file}; start it with -f to do so")
            } else {
                format!("{file} is gone; `stagegate delete {name}` forgets the pipeline")
            };
            let is_served = self.is_served(definition);
            if !is_served {
                let input = Box::new(Input::SourcesLeft { pipeline: name.clone() });
                let _ = self.inbox.send(Message::Input { input, reply: None }).await;
            }
            let notice = (!is_served).then(|| Notice {
                severity: Severity::Remark,
                text: format!("commits are not watched: {why}"),
            });
            let pipeline = Some(definition.name.clone());
            let message = Message::Notice { pipeline, origin: Origin::Serving, notice };
            let _ = self.inbox.send(message).await;
        }
    }

    fn watch_repositories(&mut self) {
        let mut wanted: BTreeMap<PathBuf, Vec<refs::Watched>> = BTreeMap::new();
        // What was published last: a file that is broken now is watched as it was.
        let definitions = Arc::clone(&self.published.borrow().definitions);
        let served = definitions.values().filter(|it| self.is_served(it));
        for (name, source) in served.flat_map(|it| sources(it, &self.mirrors)) {
            wanted.entry(source.repository.clone()).or_default().push((name, source));
        }
        self.repositories.retain(|path, (watched, _)| wanted.get(path) == Some(watched));
        for (path, watched) in wanted {
            if self.repositories.contains_key(&path) {
                continue;
            }
            let inbox = self.inbox.clone();
            let watching = refs::watch(path.clone(), watched.clone(), inbox);
            let task = AbortOnDropHandle::new(tokio::spawn(watching));
            self.repositories.insert(path, (watched, task));
        }
    }
}

fn sources(pipeline: &Pipeline, mirrors: &Path) -> impl Iterator<Item = (PipelineName, Source)> {
    let base = pipeline.base_directory();
    pipeline.source_actions().map(move |action| {
        let refs = pipeline.watched_refs(&action.name);
        (pipeline.name.clone(), Source::of(action, &base, mirrors).watching(refs))
    })
}
