//! `approve` and `reject`.

use super::{
    Exit, Failure,
    args::Decide,
    operate::{connect, submit},
    output,
    target::{self, Target},
    when,
};
use crate::{
    ansi,
    engine::{Board, Refusal},
    host::{StateDir, clock},
    model::{ApprovalStatus, GateRef, Timestamp},
    runtime::{Operation, RuntimeHandle, lookup::ExecutionRecord},
};

pub(super) async fn approve(state_dir: StateDir, arguments: Decide) -> Result<Exit, Failure> {
    decide(state_dir, arguments, ApprovalStatus::Approved).await
}

pub(super) async fn reject(state_dir: StateDir, arguments: Decide) -> Result<Exit, Failure> {
    if arguments.summary.trim().is_empty() {
        let failure = Failure::from(Refusal::ReasonMissing);
        return Err(failure.hint("give it with -m \"...\""));
    }
    decide(state_dir, arguments, ApprovalStatus::Rejected).await
}

async fn decide(
    state_dir: StateDir,
    arguments: Decide,
    status: ApprovalStatus,
) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let target = Target::parse(&arguments.target);
    let effective_at = arguments.at.as_deref().map(when::parse).transpose()?;
    let operation = if let Some(token) = &arguments.token {
        by_token(&handle, &board, &target, token, status, &arguments, effective_at)?
    } else {
        let at = target::open_gate(&board, &target, &arguments.selection)
            .map_err(|failure| explain(&handle, &target, &arguments, failure))?;
        Operation::PutApprovalResult {
            gate: at.reference(),
            status,
            summary: arguments.summary.clone(),
            if_revision: arguments.if_revision.clone(),
            effective_at,
        }
    };
    let Operation::PutApprovalResult { gate, .. } = &operation else {
        return Ok(Exit::Done);
    };
    let mut done = format!("{}/{} {}", gate.stage, gate.action, status.as_str().to_lowercase());
    if let Some(at) = board.open_gates().find(|at| at.gate.token == gate.token) {
        let (lane, revision) = (at.lane.lane.label(), &at.execution.revision);
        let subject = ansi::one_line(revision.subject());
        done.extend([": ", lane, " ", revision.id.short(), " ", &subject]);
    }
    let receipt = submit(&handle, operation).await?;
    match receipt.effective_at {
        Some(at) => output::line(format!(
            "{done} with effect from {}; until then `stagegate withdraw` takes it back",
            clock::local_date(at)
        )),
        None => output::line(done),
    }
    Ok(Exit::Done)
}

fn by_token(
    handle: &RuntimeHandle,
    board: &Board,
    target: &Target,
    token: &str,
    status: ApprovalStatus,
    arguments: &Decide,
    effective_at: Option<Timestamp>,
) -> Result<Operation, Failure> {
    let card = target::pipeline(board, &target.pipeline)?;
    let parsed = token.parse().map_err(|_| Failure::usage(format!("{token} is no token")))?;
    let open =
        board.open_gates().find(|at| at.gate.token == parsed && at.pipeline.name == card.name);
    let (stage, action) = if let Some(at) = open {
        (at.stage.name.clone(), at.action.name.clone())
    } else {
        if let Ok(Some(record)) = handle.history().and_then(|history| history.decision(token)) {
            return Err(Failure::from(Refusal::ApprovalAlreadyCompleted {
                stage: record.stage,
                action: record.action,
                status: record.decision.status,
                by: record.decision.by.into(),
                at: record.decision.at,
            }));
        }
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
        let (stage, action) = (part(&target.stage).into(), part(&target.action).into());
        let failure = Failure::from(Refusal::InvalidApprovalToken { stage, action });
        if target.action.is_some() {
            return Err(failure);
        }
        let message = format!("no open approval of {} has the token {token}", target.pipeline);
        return Err(Failure { message, ..failure });
    };
    let gate = GateRef { pipeline: target.pipeline.clone(), stage, action, token: parsed };
    Ok(Operation::PutApprovalResult {
        gate,
        status,
        summary: arguments.summary.clone(),
        if_revision: arguments.if_revision.clone(),
        effective_at,
    })
}

/// Says what became of the gate somebody wanted to decide at: who was faster, or what is newer.
fn explain(
    handle: &RuntimeHandle,
    target: &Target,
    arguments: &Decide,
    failure: Failure,
) -> Failure {
    let decided = || -> Option<Refusal> {
        let history = handle.history().ok()?;
        let lane = arguments.selection.lane.as_deref();
        let in_lane = |it: &ExecutionRecord| lane.is_none_or(|lane| it.lane.as_str() == lane);
        // Whoever comes too early is not told of an execution before.
        let execution = match &arguments.selection.execution {
            Some(prefix) => history.find(prefix).ok()?.into_iter().find(in_lane)?,
            None => history.newest(&target.pipeline, lane).ok()??,
        };
        if arguments.selection.execution.is_some()
            && let Some(by) = execution.superseded_by
        {
            let at = execution.updated_at;
            return Some(Refusal::Superseded { execution: execution.id, by, at });
        }
        let mut decisions = history.actions(execution.id).ok()?.into_iter().filter(|it| {
            target.stage.as_ref().is_none_or(|stage| it.stage.as_str() == stage)
                && target.action.as_ref().is_none_or(|action| it.action.as_str() == action)
        });
        let record = decisions.find(|it| it.decision.is_some())?;
        let decision = record.decision?;
        Some(Refusal::ApprovalAlreadyCompleted {
            stage: record.stage,
            action: record.action,
            status: decision.status,
            by: decision.by.into(),
            at: decision.at,
        })
    };
    // Only a gate that is not open is worth explaining.
    match failure.exit {
        Exit::Refused => decided().map_or(failure, Failure::from),
        _ => failure,
    }
}
