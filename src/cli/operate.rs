//! `start`, `stop`, `retry` and `transition`.

use std::{path::Path, sync::Arc};

use super::{
    Exit, Failure,
    args::{self, Transition},
    output,
    target::{self, Target},
};
use crate::{
    definition,
    engine::{Board, Request, TransitionChange, WatchingChange},
    host::{StateDir, environment},
    model::{PipelineName, RetryMode, StageName, StopMode},
    runtime::{Operation, Receipt, RuntimeHandle},
};

pub(super) async fn connect(state_dir: StateDir) -> Result<(RuntimeHandle, Arc<Board>), Failure> {
    let handle = super::open(state_dir).await?;
    let board = Arc::clone(&handle.board().borrow());
    Ok((handle, board))
}

/// Submits and says so if nothing will happen for now.
pub(super) async fn submit(
    handle: &RuntimeHandle,
    operation: Operation,
) -> Result<Receipt, Failure> {
    let receipt = handle.submit(operation, environment::operator("cli")).await?;
    if receipt.recorded_only {
        output::say(
            "recorded; no runtime serves this state directory, so nothing runs until one is \
             started (`stagegate watch` or `stagegate`)",
        );
    }
    Ok(receipt)
}

pub(super) fn start_operation(arguments: args::Start) -> Result<Operation, Failure> {
    let variables = arguments.variables.iter().map(|text| {
        text.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .ok_or_else(|| Failure::usage(format!("--var {text} is not of the form NAME=VALUE")))
    });
    Ok(Operation::StartPipelineExecution {
        variables: variables.collect::<Result<_, _>>()?,
        pipeline: arguments.pipeline.into(),
        branch: arguments.branch,
        revision: arguments.revision,
        skip: arguments.skip.into_iter().map(StageName::from).collect(),
        from: arguments.from.map(StageName::from),
        client_request_token: arguments.client_request_token,
    })
}

pub(super) async fn start(state_dir: StateDir, arguments: args::Start) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    target::pipeline(&board, &arguments.pipeline.as_str().into())?;
    let receipt = submit(&handle, start_operation(arguments)?).await?;
    if let Some(execution) = receipt.execution {
        output::line(execution.to_string());
    }
    Ok(Exit::Done)
}

pub(super) async fn stop(state_dir: StateDir, arguments: args::Stop) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let target = Target::parse(&arguments.target);
    let execution = target::alive(&board, &target, &arguments.selection)?.id;
    let mode = if arguments.abandon { StopMode::Abandon } else { StopMode::Wait };
    let (pipeline, reason) = (target.pipeline, arguments.reason);
    let operation =
        Operation::from(Request::StopPipelineExecution { pipeline, execution, mode, reason });
    submit(&handle, operation).await?;
    output::line(execution.to_string());
    Ok(Exit::Done)
}

pub(super) async fn retry(state_dir: StateDir, arguments: args::Retry) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let target = Target::parse(&arguments.target);
    let (stage, execution) = target::retryable(&board, &target, &arguments.selection)?;
    let mode = if arguments.all_actions { RetryMode::AllActions } else { RetryMode::FailedActions };
    let operation = Operation::from(Request::RetryStageExecution {
        pipeline: target.pipeline,
        stage: stage.name.clone(),
        execution: execution.id,
        mode,
    });
    submit(&handle, operation).await?;
    output::line(execution.id.to_string());
    Ok(Exit::Done)
}

pub(super) async fn transition(
    state_dir: StateDir,
    arguments: Transition,
) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let (text, change) = match arguments {
        Transition::Enable(it) => (it.target, TransitionChange::Enable),
        Transition::Disable(it) => (it.target, TransitionChange::Disable { reason: it.reason }),
    };
    let target = Target::parse(&text);
    let card = target::pipeline(&board, &target.pipeline)?;
    let name = target.stage.ok_or_else(|| Failure::usage("say which: PIPELINE/STAGE"))?;
    let stage = target::stage(card, &name)?.into();
    let operation =
        Operation::from(Request::SetStageTransition { pipeline: target.pipeline, stage, change });
    submit(&handle, operation).await?;
    Ok(Exit::Done)
}

/// Pauses or resumes watching.
pub(super) async fn watching(
    state_dir: StateDir,
    arguments: args::Watching,
    change: WatchingChange,
) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let pipeline = arguments.pipeline.as_str().into();
    target::pipeline(&board, &pipeline)?;
    submit(&handle, Request::SetWatching { pipeline, change }.into()).await?;
    Ok(Exit::Done)
}

/// Tells whether a file declares a pipeline, or could once it is mended.
fn declares(file: &Path, pipeline: &PipelineName) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| {
        definition::parse(file, &text).map_or(true, |declared| declared.name == *pipeline)
    })
}

/// Forgets a pipeline. While its file is there, the next look at it would bring it back.
pub(super) async fn delete(state_dir: StateDir, arguments: args::Delete) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let pipeline = arguments.pipeline.as_str().into();
    let card = target::pipeline(&board, &pipeline)?;
    if declares(&card.file, &pipeline) {
        let words = format!("{} still declares {pipeline}", card.file.display());
        return Err(Failure::usage(words).hint("remove or rename the file first"));
    }
    submit(&handle, Request::DeletePipeline { pipeline }.into()).await?;
    Ok(Exit::Done)
}
