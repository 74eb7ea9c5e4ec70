//! The commands of an action with an `image`: the container engine's program takes the place of the
//! shell under the supervisor.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::failed;
use crate::{
    host::{
        ContainerEngine, JobFiles, Tools, clone,
        containers::{ContainerRun, Variable},
        workspace::Workspace,
    },
    model::{Action, ActionExecutionId, EnvironmentVariableType, ErrorDetails, FailureType, Job},
};

/// Returns the program that runs the command in a container, and its arguments.
pub(super) fn command(
    job: &Job,
    image: &str,
    tools: &Tools,
    files: &JobFiles,
    workspace: &Workspace,
    variables: &BTreeMap<String, String>,
    command: &[String],
) -> Result<(String, Vec<String>), ErrorDetails> {
    let engine = ContainerEngine::find(&tools.containers).ok_or_else(|| {
        let words = "it has an image, and there is no container engine: install podman or docker, \
                     or name one in [containers] of the settings";
        failed(FailureType::ConfigurationError, words)
    })?;
    let folders = [workspace.directory().to_owned(), files.directory().to_owned()];
    let read_only = shared_repositories(job);
    // The command line of the engines has no way to say such a path.
    let cannot_be_said = |it: &&PathBuf| it.to_string_lossy().contains([',', '"']);
    if let Some(folder) = folders.iter().chain(&read_only).find(cannot_be_said) {
        let words =
            format!("no container can be given {}, which has a comma or a quote", folder.display());
        return Err(failed(FailureType::ConfigurationError, words));
    }
    files.note_container().map_err(|error| {
        let words = format!("cannot write the job's files: {error}");
        failed(FailureType::SystemUnavailable, words)
    })?;
    let run = ContainerRun {
        name: &name(job.id),
        image,
        folders: &folders,
        read_only: &read_only,
        working_directory: &workspace.source(),
        variables: variables
            .iter()
            .map(|(name, value)| {
                let is_secret = is_secret(job, name);
                (name.as_str(), if is_secret { Variable::Inherited } else { Variable::Is(value) })
            })
            .collect(),
        command,
    };
    Ok((engine.program().to_owned(), engine.run(&run)))
}

/// Returns the variables that the engine's program is to hand on from its own environment. All
/// others are for the container only: a `HOME` or `PATH` in there is none of its business.
pub(super) fn handed_on(
    job: &Job,
    variables: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    variables.into_iter().filter(|(name, _)| is_secret(job, name)).collect()
}

fn is_secret(job: &Job, name: &str) -> bool {
    let mut given = job.instructions.environment_variables.iter();
    given.any(|it| it.name == name && it.kind == EnvironmentVariableType::Secret)
}

/// Removes what is left of the container of a job, if it was to have one.
pub(super) async fn remove(job: &Job, tools: &Tools) {
    if job.instructions.image.is_some() {
        remove_container(job.id, tools).await;
    }
}

/// Removes the container of a job, also of one that nobody knows any more.
pub async fn remove_container(job: ActionExecutionId, tools: &Tools) {
    if let Some(engine) = ContainerEngine::find(&tools.containers) {
        engine.remove(&name(job)).await;
    }
}

fn name(job: ActionExecutionId) -> String {
    format!("stagegate-{job}")
}

/// Returns the folders of the repositories whose objects full clones in the workspace share.
fn shared_repositories(job: &Job) -> Vec<PathBuf> {
    let sources = job.inputs.iter().filter_map(|it| job.definition.full_clone(&it.name));
    let revision = |source: &Arc<Action>| job.revisions.iter().find(|it| it.action == source.name);
    sources.filter_map(revision).flat_map(|it| clone::shared(&it.git_dir)).collect()
}
