//! Commands: a shell in a fresh workspace, under the supervisor (CodePipeline user guide,
//! "Commands action reference").

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{Start, container, failed, script, secrets::Secrets, with_causes};
use crate::{
    fault,
    host::{
        JobFiles, Tools, clone, containers::ENGINE_FAILED, environment, reports, work_tree,
        workspace::Workspace,
    },
    model::{Artifacts, ErrorDetails, FailureType, Job, JobSuccess, Timestamp, variable::Values},
    supervisor::protocol::{self, JobResult, Outcome, StartRequest},
};

/// How long an action has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(10);

pub(super) async fn run(
    job: &Job,
    start: Start,
    tools: &Tools,
    files: &JobFiles,
) -> Result<JobSuccess, ErrorDetails> {
    if start == Start::Recovered
        && let Some(success) = recover(job, tools, files).await
    {
        return success;
    }
    let workspace = tools.workspaces.take(job).map_err(|error| {
        failed(FailureType::SystemUnavailable, format!("cannot make a workspace: {error}"))
    })?;
    prepare_inputs(job, tools, &workspace).await?;
    let secrets = secrets(job).await?;
    let request = start_request(job, tools, files, &workspace, &secrets)?;
    fault::passed("before-supervisor");
    let result = tools.supervisor.run(&request).await.map_err(|error| {
        failed(FailureType::SystemUnavailable, format!("cannot be supervised: {error}"))
    })?;
    finish(job, tools, files, &workspace, &secrets.to_mask(), result).await
}

/// Finds out about a job of an earlier runtime. `None`: it never started, and now never will.
async fn recover(
    job: &Job,
    tools: &Tools,
    files: &JobFiles,
) -> Option<Result<JobSuccess, ErrorDetails>> {
    let is_over = protocol::read_result(files.directory()).is_some();
    if !is_over && protocol::claim_unstarted(files.directory()).is_ok_and(|ours| ours) {
        return None;
    }
    // Taken before anything is waited for: nobody else may work where this job still does.
    let workspace =
        files.workspace().and_then(|directory| tools.workspaces.take_directory(directory));
    let result = tools.supervisor.adopt(files.directory()).await.ok().flatten();
    let Some(workspace) = workspace else {
        container::remove(job, tools).await;
        return Some(Err(lost()));
    };
    // The values may have changed since; masking what they are now is the best there is.
    let secrets = secrets(job).await.unwrap_or_default().to_mask();
    let ended_at = result.as_ref().and_then(|it| i64::try_from(it.ended_at_ms).ok());
    let finished = finish(job, tools, files, &workspace, &secrets, result).await;
    // How long it has worked does not depend on when somebody asks.
    Some(finished.map(|success| JobSuccess { ended_at: ended_at.map(Timestamp), ..success }))
}

fn lost() -> ErrorDetails {
    failed(
        FailureType::SystemUnavailable,
        "its supervisor is gone, so nobody knows how it ended; retry it when that is safe",
    )
}

async fn prepare_inputs(
    job: &Job,
    tools: &Tools,
    workspace: &Workspace,
) -> Result<(), ErrorDetails> {
    for (position, input) in job.inputs.iter().enumerate() {
        let name = input.name.as_str();
        let (directory, keep) = match position {
            0 => (workspace.source(), job.action.cache.as_slice()),
            _ => (workspace.input(name), &[][..]),
        };
        let index = workspace.index(if position == 0 { "src" } else { name });
        let (git_dir, tree) = tools.artifacts.locate(&input.content);
        work_tree::reset(&directory, git_dir, tree, &index, keep).await.map_err(|error| {
            let words =
                format!("input artifact {name} cannot be laid out: {}", with_causes(&error));
            failed(FailureType::RevisionUnavailable, words)
        })?;
        let Some(source) = job.definition.full_clone(&input.name) else { continue };
        let Some(revision) = job.revisions.iter().find(|it| it.action == source.name) else {
            continue;
        };
        let origin = source.instructions.remote_repository();
        clone::make_repository(&directory, &index, revision, origin).await.map_err(|error| {
            let words = format!("input artifact {name} cannot be cloned: {}", with_causes(&error));
            failed(FailureType::RevisionUnavailable, words)
        })?;
    }
    Ok(())
}

async fn secrets(job: &Job) -> Result<Secrets, ErrorDetails> {
    Secrets::look_up(&job.instructions.environment_variables, &job.base_directory())
        .await
        .map_err(|words| failed(FailureType::ConfigurationError, words))
}

fn start_request(
    job: &Job,
    tools: &Tools,
    files: &JobFiles,
    workspace: &Workspace,
    secrets: &Secrets,
) -> Result<StartRequest, ErrorDetails> {
    let text = script::script(
        &job.instructions.commands,
        &job.action.output_variables,
        &files.variables(),
    );
    let unwritable = |error: std::io::Error| {
        failed(FailureType::SystemUnavailable, format!("cannot write the job's files: {error}"))
    };
    let script = files.write("script", text.as_bytes()).map_err(unwritable)?;
    files.remember_workspace(workspace.directory()).map_err(unwritable)?;
    protocol::reserve_result(files.directory()).map_err(unwritable)?;
    let shell = job.instructions.configuration.get("Shell").map_or("sh", String::as_str);
    let command = vec![shell.to_owned(), script.to_string_lossy().into_owned()];
    let own = variables(job, workspace, secrets);
    let (program, arguments, own) = match &job.instructions.image {
        None => (command[0].clone(), command[1..].to_vec(), own),
        Some(image) => {
            let (program, arguments) =
                container::command(job, image, tools, files, workspace, &own, &command)?;
            (program, arguments, container::handed_on(job, own))
        }
    };
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Ok(StartRequest {
        directory: files.directory().to_owned(),
        claim: protocol::next_claim(files.directory()),
        program,
        arguments,
        working_directory: workspace.source(),
        environment: environment(job, own).into_iter().collect(),
        secrets: secrets.to_mask(),
        log_limit: tools.keep.log.as_u64(),
        timeout_ms: milliseconds(job.action.effective_timeout().to_std()),
        grace_ms: milliseconds(GRACE),
    })
}

fn environment(job: &Job, own: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let inherited = environment::for_actions();
    let withheld = job.definition.secret_environment();
    // What one action gets as a secret, no other sees by accident.
    inherited.filter(|(name, _)| !withheld.contains(name)).chain(own).collect()
}

/// Returns the variables that the action has of its own.
fn variables(job: &Job, workspace: &Workspace, secrets: &Secrets) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        variables.insert(name.to_owned(), value);
    };
    set("CI", "true".to_owned());
    set("STAGEGATE_PIPELINE", job.pipeline.to_string());
    set("STAGEGATE_STAGE", job.stage.to_string());
    set("STAGEGATE_ACTION", job.action_name().to_string());
    set("STAGEGATE_EXECUTION_ID", job.execution.to_string());
    set("STAGEGATE_LANE", job.lane.to_string());
    set("STAGEGATE_SRC_DIR", workspace.source().to_string_lossy().into_owned());
    if let Some(revision) = job.revisions.first() {
        set("STAGEGATE_COMMIT_ID", revision.id.to_string());
        set("STAGEGATE_BRANCH", revision.branch.to_string());
    }
    for input in job.inputs.iter().skip(1) {
        let name: String = input
            .name
            .as_str()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let path = workspace.input(input.name.as_str());
        set(&format!("STAGEGATE_SRC_DIR_{name}"), path.to_string_lossy().into_owned());
    }
    for variable in &job.instructions.environment_variables {
        set(&variable.name, secrets.value_of(variable));
    }
    variables
}

async fn finish(
    job: &Job,
    tools: &Tools,
    files: &JobFiles,
    workspace: &Workspace,
    secrets: &[String],
    result: Option<JobResult>,
) -> Result<JobSuccess, ErrorDetails> {
    let ended_by_itself = result
        .as_ref()
        .is_some_and(|it| matches!(it.outcome, Outcome::Exited { code } if code != ENGINE_FAILED));
    if !ended_by_itself {
        container::remove(job, tools).await;
    }
    collect_reports(job, files, workspace, secrets).await;
    let report = report(job, tools, files, workspace, secrets, result).await;
    if report.is_err() {
        // Nobody wants the variables of a failed action, and they may hold a secret.
        let _ = std::fs::remove_file(files.variables());
    }
    report
}

/// Test reports are worth most where the action has failed; what cannot be kept is told in the log
/// and changes nothing.
async fn collect_reports(job: &Job, files: &JobFiles, workspace: &Workspace, secrets: &[String]) {
    let patterns = job.action.reports.clone();
    if patterns.is_empty() {
        return;
    }
    let (source, kept) = (workspace.source(), files.directory().to_owned());
    let secrets = secrets.to_vec();
    let collect = move || reports::collect(&source, &patterns, &kept, &secrets);
    let words = match tokio::task::spawn_blocking(collect).await {
        Ok(Ok(left_out)) if left_out.is_empty() => return,
        Ok(Ok(left_out)) => format!("test reports that are not kept: {}", left_out.join(", ")),
        Ok(Err(error)) => format!("the test reports cannot be kept: {error}"),
        Err(error) => format!("the test reports cannot be kept: {error}"),
    };
    // A log that cannot be written has been reported already.
    let _ = files.note(&words);
}

async fn report(
    job: &Job,
    tools: &Tools,
    files: &JobFiles,
    workspace: &Workspace,
    secrets: &[String],
    result: Option<JobResult>,
) -> Result<JobSuccess, ErrorDetails> {
    let Some(result) = result else { return Err(lost()) };
    let timeout = job.action.effective_timeout();
    let failure = match result.outcome {
        Outcome::Exited { code: 0 } => None,
        Outcome::Exited { code: ENGINE_FAILED } if job.instructions.image.is_some() => Some(
            format!("exit code {ENGINE_FAILED}: the container engine has failed, or the command"),
        ),
        Outcome::Exited { code } => Some(format!("exit code {code}")),
        Outcome::Signaled { signal } => Some(format!("ended by signal {signal}")),
        Outcome::TimedOut => {
            return Err(ErrorDetails::timed_out(format!("timed out after {timeout}")));
        }
        Outcome::LogLost { reason } => Some(format!("the log cannot be written: {reason}")),
        Outcome::Stopped => Some("stopped by an operator".to_owned()),
        Outcome::NotStarted { reason } => {
            return Err(failed(FailureType::ConfigurationError, reason));
        }
    };
    if let Some(words) = failure {
        return Err(failed(FailureType::JobFailed, words));
    }
    let variables = read_variables(job, &files.variables(), secrets)?;
    let mut artifacts = Artifacts::new();
    for output in &job.action.output_artifacts {
        let index = workspace.index(&format!("out-{}", output.name));
        let content = tools
            .artifacts
            .pack(&workspace.source(), output, secrets, &index)
            .await
            .map_err(|error| failed(FailureType::JobFailed, with_causes(&error)))?;
        fault::passed("artifact-packed");
        artifacts.insert(output.name.clone(), content.into());
    }
    let summary = "exit code 0".to_owned();
    Ok(JobSuccess { summary, variables: variables.into(), artifacts, ..JobSuccess::default() })
}

fn read_variables(job: &Job, path: &Path, secrets: &[String]) -> Result<Values, ErrorDetails> {
    if job.action.output_variables.is_empty() {
        return Ok(Values::new());
    }
    let bytes = std::fs::read(path).map_err(|error| {
        let words = format!(
            "the shell left no output variables ({error}); a command that replaces it, like exec, \
             keeps it from doing so"
        );
        failed(FailureType::JobFailed, words)
    })?;
    let read = script::parse_variables(&bytes);
    let variables: Values = read.map(|(name, value)| (name.into(), value.into())).collect();
    for (name, value) in &variables {
        if secrets.iter().any(|secret| value.contains(secret.as_str())) {
            let words = format!("output variable {name} contains the value of a secret");
            return Err(failed(FailureType::JobFailed, words));
        }
    }
    Ok(variables)
}
