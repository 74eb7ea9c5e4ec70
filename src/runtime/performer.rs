//! Turns effects into work: each job gets a task of its own, which reports when it is done.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{Message, input};
use crate::{
    engine::{Effect, Input},
    fault,
    host::{JobFiles, Tools, changes},
    model::{ActionExecutionId, Job, PipelineName, RevisionId, SourceRevision},
    providers::{self, Start},
    supervisor::protocol,
};

pub(super) struct Performer {
    tools: Arc<Tools>,
    inbox: mpsc::Sender<Message>,
    tasks: TaskTracker,
    /// Stops on their way to the supervisors.
    stops: TaskTracker,
}

impl Performer {
    pub(super) fn new(tools: Arc<Tools>, inbox: mpsc::Sender<Message>, tasks: TaskTracker) -> Self {
        let warm = Arc::clone(&tools);
        tasks.spawn(async move {
            // If this fails, the first action will say why.
            let _ = warm.supervisor.warm_up().await;
        });
        Self { tools, inbox, tasks, stops: TaskTracker::new() }
    }

    /// Starts the work and returns at once.
    pub(super) fn perform(&self, effect: Effect) {
        match effect {
            Effect::StartJob(job) => self.run(*job, Start::Fresh),
            Effect::RecoverJob(job) => self.run(*job, Start::Recovered),
            Effect::ListChanges { pipeline, revision, since } => {
                self.list_changes(pipeline, revision, since);
            }
            Effect::StopJob(id) => {
                let directory = self.tools.state_dir.job(id);
                self.stops.spawn_blocking(move || {
                    // The job's own task sees the end of it; its report is not wanted any more.
                    let _ = providers::stop(&directory);
                });
            }
        }
    }

    /// Waits until every supervisor has been told what is to stop.
    pub(super) async fn deliver_stops(&self) {
        self.stops.close();
        self.stops.wait().await;
    }

    fn run(&self, job: Job, start: Start) {
        let (tools, inbox) = (Arc::clone(&self.tools), self.inbox.clone());
        self.tasks.spawn(async move {
            let report = providers::run(&job, start, &tools).await;
            fault::passed("before-report");
            // No receiver: the runtime is ending, and the next one will recover the job.
            let _ = inbox.send(input(Input::JobReported { id: job.id, report })).await;
        });
    }

    fn list_changes(
        &self,
        pipeline: PipelineName,
        revision: Arc<SourceRevision>,
        since: Option<RevisionId>,
    ) {
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let (git_dir, id) = (&revision.git_dir, revision.id.as_str());
            let files = match since {
                Some(since) => changes::between(git_dir, since.as_str(), id).await,
                None => changes::of_new_branch(git_dir, &revision.branch, id).await,
            };
            let files = files.map_err(|error| error.to_string());
            let (action, branch) = (revision.action.clone(), revision.branch.clone());
            let revision = revision.id.clone();
            let listed = Input::ChangesListed { pipeline, action, branch, revision, files };
            // No receiver: the runtime is ending, and the next one will ask again.
            let _ = inbox.send(input(listed)).await;
        });
    }

    /// Ends jobs that still run although nobody waits for them: an abandon that was recorded
    /// just before a crash, or without a runtime. Called before any new job has a directory.
    pub(super) fn end_orphans(&self, wanted: &BTreeSet<ActionExecutionId>) {
        let Ok(entries) = std::fs::read_dir(self.tools.state_dir.logs()) else { return };
        for entry in entries.flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse::<ActionExecutionId>() else {
                continue;
            };
            let (directory, files) = (entry.path(), JobFiles::at(entry.path()));
            let control = directory.join(protocol::CONTROL);
            if wanted.contains(&id) || !control.exists() {
                continue;
            }
            let is_supervised = protocol::is_supervised(&directory);
            // A container outlives its supervisor.
            let has_container = files.has_container();
            if !is_supervised && !has_container {
                continue;
            }
            let tools = Arc::clone(&self.tools);
            let workspace = files.workspace().and_then(|it| tools.workspaces.take_directory(it));
            self.tasks.spawn(async move {
                if is_supervised {
                    let _ = providers::stop(&directory);
                    let _ = tools.supervisor.adopt(&directory).await;
                }
                if has_container {
                    providers::remove_container(id, &tools).await;
                    let _ = std::fs::remove_file(control);
                }
                drop(workspace);
            });
        }
    }
}
