//! `wait`: until an execution has got somewhere; the exit code says how it ended.

use std::time::Duration;

use tokio::signal::unix::SignalKind;

use super::{
    Exit, Failure, args, output, read::find_execution, run::Ending, serve::signals, target,
};
use crate::{
    engine::Fact,
    host::StateDir,
    model::{PipelineName, Span, StageName},
    runtime::{History, RuntimeHandle, lookup::ExecutionRecord},
};

/// How often it is looked whether there is a runtime again.
const NEXT_RUNTIME: Duration = Duration::from_millis(500);

/// Among how many of a pipeline's executions one is looked for at first, and at every later look.
const ALL: usize = 65_535;
const NEWEST: usize = 1_000;

/// How far it is to get.
enum Goal {
    End,
    Gate,
    Stage(StageName),
}

impl Goal {
    fn parse(text: &str) -> Self {
        match text {
            "end" => Self::End,
            "gate" => Self::Gate,
            stage => Self::Stage(stage.into()),
        }
    }
}

pub(super) async fn wait(state_dir: StateDir, arguments: args::Wait) -> Result<Exit, Failure> {
    let patience = match &arguments.timeout {
        Some(text) => Span::parse(text).map(Span::to_std).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no length of time")).hint("like 90s, 20m or 1h30m")
        })?,
        None => Duration::MAX,
    };
    let is_commit = |text: &String| {
        (4..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    if let Some(wrong) = arguments.revision.as_ref().filter(|it| !is_commit(it)) {
        return Err(Failure::usage(format!("`{wrong}` is no commit id"))
            .hint("`--revision $(git rev-parse HEAD)` names the one you stand on"));
    }
    let mut interrupt = signals(SignalKind::interrupt())?;
    if !state_dir.exists() {
        return Err(Failure::usage("nothing has run yet"));
    }
    let mut last = None;
    let exit = tokio::select! {
        exit = across_runtimes(&state_dir, &arguments, &mut last) => exit?,
        () = tokio::time::sleep(patience) => Exit::TimedOut,
        _ = interrupt.recv() => Exit::Interrupted,
    };
    match last {
        Some(it) => output::line(format!("{}  {}  {}", it.id, it.pipeline, it.status)),
        None => output::say("no such execution has started"),
    }
    Ok(exit)
}

/// Waits with the runtime that is there, and should it end, with the next one.
async fn across_runtimes(
    state_dir: &StateDir,
    arguments: &args::Wait,
    last: &mut Option<ExecutionRecord>,
) -> Result<Exit, Failure> {
    let mut had_runtime = false;
    loop {
        let handle = super::open(state_dir.clone()).await?;
        let has_runtime = handle.has_runtime();
        if let Some(exit) = reached(&handle, arguments, last).await? {
            return Ok(exit);
        }
        if !has_runtime && !had_runtime {
            return Err(Failure::usage("no runtime is running, so nothing more happens")
                .hint("`stagegate watch` or the dashboard runs one"));
        }
        if has_runtime {
            output::say("the runtime has ended; waiting for the next one");
        }
        had_runtime = true;
        tokio::time::sleep(NEXT_RUNTIME).await;
    }
}

/// Returns once the goal is reached or cannot be reached any more, or with nothing once the runtime
/// has ended; `last` is what it saw last.
async fn reached(
    handle: &RuntimeHandle,
    arguments: &args::Wait,
    last: &mut Option<ExecutionRecord>,
) -> Result<Option<Exit>, Failure> {
    let history = handle.history()?;
    let goal = Goal::parse(&arguments.goal);
    let mut board = handle.board();
    let (mut told, mut among) = (false, ALL);
    loop {
        board.borrow_and_update();
        *last = wanted(handle, &history, arguments, last.as_ref(), among)?;
        // What was not there can only be new.
        among = NEWEST;
        if let Some(execution) = &last {
            if let Goal::Stage(stage) = &goal {
                let name = &execution.pipeline;
                target::stage(target::pipeline(&handle.board().borrow(), name)?, stage.as_str())?;
            }
            if let Some(exit) = outcome(handle, &history, execution, &goal, &mut told)? {
                return Ok(Some(exit));
            }
        }
        if board.changed().await.is_err() {
            return Ok(None);
        }
    }
}

/// Finds the execution: the one that is known already, or the one that was asked for.
fn wanted(
    handle: &RuntimeHandle,
    history: &History,
    arguments: &args::Wait,
    known: Option<&ExecutionRecord>,
    among: usize,
) -> Result<Option<ExecutionRecord>, Failure> {
    if let Some(known) = known {
        return Ok(history.execution(known.id)?);
    }
    if arguments.revision.is_none() && arguments.lane.is_none() {
        return find_execution(history, &arguments.execution, None).map(Some);
    }
    let name: PipelineName = arguments.execution.as_str().into();
    target::pipeline(&handle.board().borrow(), &name)?;
    let commit = arguments.revision.as_deref().map(str::to_lowercase);
    let releases = |it: &ExecutionRecord| {
        // A rollback brings an earlier one back and has a commit for that.
        let standard = commit.is_none() || it.rollback_target.is_none();
        let mut ids = it.revisions.iter().map(|revision| revision.id.as_str());
        let brings = commit.as_deref().is_none_or(|commit| ids.any(|id| id.starts_with(commit)));
        standard && brings && arguments.lane.as_ref().is_none_or(|lane| it.lane.as_str() == lane)
    };
    Ok(history.executions(&name, among)?.into_iter().find(releases))
}

fn outcome(
    handle: &RuntimeHandle,
    history: &History,
    execution: &ExecutionRecord,
    goal: &Goal,
    told: &mut bool,
) -> Result<Option<Exit>, Failure> {
    let board = std::sync::Arc::clone(&handle.board().borrow());
    // One that is approved and can still be undone waits for nobody.
    let mut gates = board.open_gates().filter(|at| at.gate.deferred.is_none());
    let gate = gates.find(|at| at.execution.id == execution.id);
    match goal {
        Goal::Gate if gate.is_some() => return Ok(Some(Exit::Done)),
        Goal::Stage(stage) => {
            let succeeded = history.events_of(execution.id)?.iter().any(|event| {
                matches!(&event.fact, Fact::StageSucceeded { stage: it, .. } if it == stage)
            });
            if succeeded {
                return Ok(Some(Exit::Done));
            }
        }
        Goal::End | Goal::Gate => {}
    }
    if let Some(at) = gate.filter(|_| !std::mem::replace(told, true)) {
        let place = format!("{}/{}/{}", at.pipeline.name, at.stage.name, at.action.name);
        output::say(format!("{} waits at the gate {place}", at.execution.id.short()));
    }
    // Whoever was retried is under way again, whatever came before.
    if !execution.status.has_ended() {
        return Ok(None);
    }
    let mut ending = Ending::default();
    let events = history.events_of(execution.id)?;
    let end = events.iter().filter_map(|event| ending.after(event)).last();
    Ok(match (end, goal) {
        (Some(Exit::Done), Goal::Gate | Goal::Stage(_)) => {
            output::say("it has ended without getting there");
            Some(Exit::PipelineFailed)
        }
        (end, _) => end,
    })
}
