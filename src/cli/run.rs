//! `run`: start an execution, follow it in plain lines, exit with its result.

use std::io::{BufRead, IsTerminal};

use tokio::signal::unix::SignalKind;

use super::{
    Exit, Failure, args,
    operate::start_operation,
    output,
    serve::{Serving, nothing_to_show, pipeline_files, signals, start_or_attach},
    target,
};
use crate::{
    engine::{
        Event, Fact,
        board::{Notice, Severity},
    },
    host::{StateDir, clock, environment},
    model::{ApprovalStatus, ExecutionId, Timestamp, TriggerType},
    runtime::{History, Operation, RuntimeHandle, narrate},
    words,
};

/// How long our own runtime may take to read the files.
const READ: std::time::Duration = std::time::Duration::from_secs(3);
/// How long it may take to look at the repository, which may have to be fetched.
const LOOK: std::time::Duration = std::time::Duration::from_secs(20);

pub(super) async fn run(
    state_dir: StateDir,
    global: &args::Global,
    arguments: args::Run,
) -> Result<Exit, Failure> {
    let mut interrupt = signals(SignalKind::interrupt())?;
    let began = clock::now();
    let files = pipeline_files(global).await?;
    let Some(serving) = start_or_attach(state_dir, files, global).await? else {
        return Err(nothing_to_show());
    };
    let (handle, began) = match &serving {
        Serving::Attached(handle) => (handle, None),
        Serving::Inside(runtime) => (&runtime.handle, Some(began)),
    };
    let exit = tokio::select! {
        exit = follow(handle, arguments, began) => exit,
        _ = interrupt.recv() => Ok(Exit::Interrupted),
    };
    if let Serving::Inside(runtime) = serving {
        if matches!(exit, Ok(Exit::Interrupted)) {
            output::say("interrupted; running actions go on and are picked up by the next runtime");
        }
        runtime.shut_down().await?;
    }
    exit
}

/// Starts an execution and prints what becomes of it. A runtime that has `began` just now may have
/// started the newest commit by itself already; then that execution is the one.
async fn follow(
    handle: &RuntimeHandle,
    arguments: args::Run,
    began: Option<Timestamp>,
) -> Result<Exit, Failure> {
    let name = arguments.start.pipeline.as_str().into();
    let mut board = handle.board();
    // A runtime of our own reads the files and looks at the repository first.
    let there = board.wait_for(|board| board.pipeline(&name).is_some());
    let there = tokio::time::timeout(READ, there).await.is_ok();
    if there && began.is_some() {
        let seen = board.wait_for(|board| {
            board.pipeline(&name).is_none_or(|it| {
                let is_wrong = |it: &Notice| it.severity == Severity::Problem;
                it.is_watched || it.notices.iter().any(is_wrong)
            })
        });
        let _ = tokio::time::timeout(LOOK, seen).await;
    }
    // An unknown name or an unreadable repository is refused below, with the reason.
    target::pipeline(&handle.board().borrow(), &name)?;
    let history = handle.history()?;
    let caught_up = match began {
        Some(began) => caught_up(&history, &arguments.start, began)?,
        None => None,
    };
    let (execution, mut after) = match caught_up {
        Some(execution) => {
            (execution, history.first_event_of(execution)?.map_or(0, |first| first - 1))
        }
        None => {
            let after = history.newest_event()?;
            let operation = start_operation(arguments.start)?;
            let receipt = handle.submit(operation, environment::operator("cli")).await?;
            let started =
                receipt.execution.ok_or_else(|| Failure::usage("no execution was started"))?;
            (started, after)
        }
    };
    let mut end = Ending::default();
    loop {
        for (number, event) in history.events_after(after)? {
            after = number;
            if event.fact.execution() != Some(execution) {
                continue;
            }
            if let Some(sentence) = narrate::sentence(&event) {
                output::line(format!("{} {sentence}", clock::local_time(event.at)));
            }
            if let Some(exit) = end.after(&event) {
                return Ok(exit);
            }
        }
        if let Some(exit) = at_gate(handle, execution, arguments.wait_for_approval).await? {
            return Ok(exit);
        }
        if board.changed().await.is_err() {
            return Err(Failure::usage("the runtime has ended"));
        }
    }
}

/// Finds the execution that our runtime has started since `began`, for a commit it had missed.
fn caught_up(
    history: &History,
    start: &args::Start,
    began: Timestamp,
) -> Result<Option<ExecutionId>, Failure> {
    if start.revision.is_some() || !start.variables.is_empty() {
        return Ok(None);
    }
    let newest = history.executions(&start.pipeline.as_str().into(), 20)?;
    let missed: Vec<_> = newest
        .iter()
        .filter(|it| it.started_at >= began && it.trigger.kind == TriggerType::Webhook)
        .filter(|it| start.branch.as_ref().is_none_or(|branch| it.lane.as_str() == branch))
        .collect();
    Ok(match missed.as_slice() {
        [only] => Some(only.id),
        _ => None,
    })
}

/// Remembers why an execution will turn out to have failed.
#[derive(Default)]
pub(super) struct Ending {
    rejected: bool,
    timed_out: bool,
}

impl Ending {
    pub(super) fn after(&mut self, event: &Event) -> Option<Exit> {
        match &event.fact {
            Fact::ApprovalDecided { decision, .. } => {
                self.rejected |= decision.status == ApprovalStatus::Rejected;
                None
            }
            Fact::ActionFailed { error, .. } | Fact::RuleFailed { error, .. } => {
                self.timed_out |= error.timed_out;
                None
            }
            // What was before counts no more.
            Fact::StageSkipped { .. } => {
                self.timed_out = false;
                None
            }
            Fact::StageRetried { .. } => {
                *self = Self::default();
                None
            }
            Fact::ExecutionSucceeded { .. } => Some(Exit::Done),
            Fact::ExecutionFailed { .. } if self.rejected => Some(Exit::Refused),
            Fact::ExecutionFailed { .. } if self.timed_out => Some(Exit::TimedOut),
            Fact::ExecutionFailed { .. } | Fact::ExecutionStopped { .. } => {
                Some(Exit::PipelineFailed)
            }
            Fact::ExecutionSuperseded { .. } => Some(Exit::Stale),
            _ => None,
        }
    }
}

async fn at_gate(
    handle: &RuntimeHandle,
    execution: ExecutionId,
    wait_for_approval: bool,
) -> Result<Option<Exit>, Failure> {
    let board = std::sync::Arc::clone(&handle.board().borrow());
    let mut gates = board.open_gates().filter(|at| at.gate.deferred.is_none());
    let Some(at) = gates.find(|at| at.execution.id == execution) else {
        return Ok(None);
    };
    if wait_for_approval {
        return Ok(None);
    }
    let target = format!("{}/{}/{}", at.pipeline.name, at.stage.name, at.action.name);
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        output::say(format!(
            "stopped at the gate; decide with `stagegate approve {target} --execution {}`",
            execution.short()
        ));
        return Ok(Some(Exit::AtGate));
    }
    let review = handle.review(at).await;
    output::say(format!(
        "{target}: {} by {}, {} +{} -{}",
        words::count(review.coming, "commit"),
        words::count(review.authors, "author"),
        words::count(review.files.len(), "file"),
        review.added(),
        review.deleted()
    ));
    let short = at.execution.revision.id.short().to_owned();
    let (question, yes) = if review.is_downgrade() {
        (
            format!("DOWNGRADE. Type {short} to approve, a reason to reject, nothing to leave: "),
            short,
        )
    } else {
        ("Type yes to approve, a reason to reject, nothing to leave: ".to_owned(), "yes".to_owned())
    };
    output::ask(&question);
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.ok().and_then(Result::ok).unwrap_or_default();
    let answer = answer.trim();
    if answer.is_empty() {
        return Ok(Some(Exit::AtGate));
    }
    let approved = answer.eq_ignore_ascii_case(&yes);
    // A letter is no reason; whoever meant to approve must not have rejected.
    if !approved && (answer.len() < 4 || !answer.contains(char::is_alphabetic)) {
        output::say(format!("`{answer}` is neither {yes} nor a reason; nothing is decided"));
        return Ok(Some(Exit::AtGate));
    }
    let operation = Operation::PutApprovalResult {
        gate: at.reference(),
        status: if approved { ApprovalStatus::Approved } else { ApprovalStatus::Rejected },
        summary: if approved { String::new() } else { answer.to_owned() },
        if_revision: Some(at.execution.revision.id.to_string()),
        effective_at: None,
    };
    handle.submit(operation, environment::operator("cli")).await?;
    Ok(None)
}
