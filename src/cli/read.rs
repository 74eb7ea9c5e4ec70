//! `status`, `history` and `show`.

use std::collections::BTreeMap;

use super::{
    Exit, Failure,
    args::{Global, History, Show, Status},
    json, output,
    serve::pipeline_files,
    target,
};
use crate::{
    ansi,
    engine::board::{
        ActionCard, DeferredDecision, LaneCard, OpenGate, Override, PipelineCard, StageCard,
    },
    host::{StateDir, clock, reports::Reports},
    model::{ActionStatus, PipelineName, Timestamp},
    runtime::{
        self, RuntimeHandle,
        lookup::{ActionRecord, ExecutionRecord},
    },
};

/// Says what to do while no pipeline is known.
async fn none_yet(global: &Global) -> String {
    match pipeline_files(global).await {
        Ok(files) if !files.is_empty() => format!(
            "no pipeline is known yet: `stagegate` or `stagegate watch` reads {}",
            files.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ")
        ),
        _ => "no pipeline yet: `stagegate init` writes one".to_owned(),
    }
}

pub(super) async fn status(
    state_dir: StateDir,
    global: &Global,
    arguments: Status,
) -> Result<Exit, Failure> {
    let handle = super::open(state_dir).await?;
    let board = std::sync::Arc::clone(&handle.board().borrow());
    let cards: Vec<&PipelineCard> = match &arguments.pipeline {
        Some(name) => vec![target::pipeline(&board, &name.as_str().into())?],
        None => board.pipelines.iter().map(AsRef::as_ref).collect(),
    };
    if let Some(name) = arguments.lane.as_ref().filter(|_| !cards.is_empty()) {
        target::known_lane(&cards, name)?;
    }
    let wanted =
        |lane: &&LaneCard| arguments.lane.as_ref().is_none_or(|name| lane.lane.as_str() == name);
    let now = clock::now();
    if arguments.json {
        let states: Vec<_> =
            cards.iter().map(|card| json::pipeline_state(card, wanted, now)).collect();
        match (arguments.pipeline.is_some(), states) {
            (true, mut states) => output::json(&states.remove(0)),
            (false, states) => output::json(&serde_json::Value::Array(states)),
        }
        return Ok(Exit::Done);
    }
    if cards.is_empty() && board.notices.is_empty() {
        output::say(none_yet(global).await);
    }
    for notice in &board.notices {
        output::line(format!("! {}", ansi::one_line(&notice.text)));
    }
    for card in cards {
        output::line(format!("{}  version {}", card.name, card.version));
        for notice in &card.notices {
            output::line(format!("  ! {}", ansi::one_line(&notice.text)));
        }
        if card.lanes.is_empty() {
            output::line(format!("  nothing has run; commit, or `stagegate start {}`", card.name));
        }
        for lane in card.lanes.iter().filter(wanted) {
            output::line(format!("  {}", ansi::one_line(lane.lane.label())));
            lane.stages.iter().for_each(|stage| print_stage(stage, now));
        }
    }
    if !handle.has_runtime() && handle.state_dir().exists() {
        output::say("no runtime serves this state directory; this is how the last one left it");
    }
    Ok(Exit::Done)
}

fn print_stage(stage: &StageCard, now: Timestamp) {
    let status = stage.status.map_or("-", |it| it.as_str());
    let commit = stage.execution.as_ref().map_or_else(String::new, |it| {
        let kind = if it.rollback_of.is_some() { "ROLLBACK to " } else { "" };
        format!("{kind}{} {}", it.revision.id.short(), ansi::one_line(it.revision.subject()))
    });
    output::line(format!("    {:<16} {status:<10} {commit}", stage.name));
    for inbound in &stage.inbound {
        output::line(format!(
            "      {} {} ({})",
            inbound.execution.revision.id.short(),
            inbound.reason.sentence(now),
            now.since(inbound.since)
        ));
    }
    for condition in stage.conditions.iter().filter(|it| it.status.is_some()) {
        for rule in &condition.rules {
            let status = rule.status.map_or("-", |it| it.as_str());
            let summary = ansi::one_line(&rule.summary);
            let name = format!("{} {}", condition.kind, rule.name);
            output::line(format!("      {name:<18} {status} {summary}"));
        }
        if let Some(Override { by, reason, .. }) = condition.overridden.as_deref() {
            output::line(format!("        overridden by {by}: {}", ansi::one_line(reason)));
        }
    }
    if let Some(waits) = &stage.waits {
        output::line(format!("      {}", waits.sentence(now)));
    }
    for action in &stage.actions {
        output::line(format!("      {:<18} {}", action.name, action_words(action, now)));
        if let Some(gate) = action.latest.as_ref().and_then(|it| it.gate.as_ref()) {
            print_gate(gate);
        }
    }
}

fn print_gate(gate: &OpenGate) {
    if let Some(deferred) = &gate.deferred {
        let DeferredDecision { decision, effective_at } = &**deferred;
        output::line(format!(
            "        {} by {} from {} on; `stagegate withdraw` takes it back. {}",
            decision.status,
            decision.by,
            clock::local_date(*effective_at),
            ansi::one_line(&decision.summary)
        ));
    }
    if let Some(note) = &gate.note {
        output::line(format!("        note by {}: {}", note.by, ansi::one_line(&note.text)));
    }
}

fn action_words(action: &ActionCard, now: Timestamp) -> String {
    let Some(attempt) = &action.latest else {
        return action.waits.as_ref().map_or_else(|| "-".to_owned(), |it| it.sentence(now));
    };
    let elapsed = attempt.ended_at.unwrap_or(now).since(attempt.started_at);
    match (&attempt.gate, &attempt.error, attempt.status) {
        (Some(gate), _, _) => format!(
            "waits for approval {elapsed}, {} left, token {}",
            gate.expires_at.since(now),
            gate.token
        ),
        (None, Some(error), status) => {
            let words = match &action.waits {
                Some(waits) => waits.sentence(now),
                None => format!("{status} {elapsed}"),
            };
            format!("{words}  {}", ansi::one_line(&error.message))
        }
        (None, None, ActionStatus::InProgress) => format!("{} {elapsed}", attempt.status),
        (None, None, _) => {
            format!("{} {elapsed}  {}", attempt.status, ansi::one_line(&attempt.summary))
        }
    }
}

pub(super) async fn history(state_dir: StateDir, arguments: &History) -> Result<Exit, Failure> {
    let handle = super::open(state_dir).await?;
    let name = arguments.pipeline.as_deref().map(PipelineName::from);
    if arguments.decisions {
        return decisions(&handle, name.as_ref(), arguments);
    }
    // The command line asks for one or the other.
    let Some(name) = name else { return Ok(Exit::Usage) };
    let unknown = target::pipeline(&handle.board().borrow(), &name).err();
    let (unknown, history) = match unknown {
        Some(refusal) if !handle.state_dir().exists() => return Err(refusal.into()),
        unknown => (unknown, handle.history()?),
    };
    let executions = history.executions(&name, arguments.limit)?;
    // A deleted pipeline is on no board any more, its executions are in the history.
    if let (Some(refusal), []) = (unknown, executions.as_slice()) {
        return Err(refusal.into());
    }
    if arguments.json {
        let mut modes = BTreeMap::new();
        for it in &executions {
            if !modes.contains_key(&it.version)
                && let Some(definition) = history.definition(&name, it.version)?
            {
                modes.insert(it.version, definition.execution_mode);
            }
        }
        output::json(&json::execution_summaries(&executions, &modes));
        return Ok(Exit::Done);
    }
    for it in &executions {
        let revision = it.revisions.first();
        let kind = if it.rollback_target.is_some() { "ROLLBACK " } else { "" };
        output::line(format!(
            "{}  {}  {:<10}  {:<14}  {kind}{} {}",
            it.id.short(),
            clock::local_date(it.started_at),
            it.status,
            ansi::one_line(it.lane.as_str()),
            revision.map_or("", |it| it.id.short()),
            ansi::one_line(revision.map_or("", |it| it.subject())),
        ));
    }
    Ok(Exit::Done)
}

fn decisions(
    handle: &RuntimeHandle,
    pipeline: Option<&PipelineName>,
    arguments: &History,
) -> Result<Exit, Failure> {
    let decisions = if handle.state_dir().exists() {
        handle.history()?.decisions(pipeline, arguments.limit)?
    } else {
        Vec::new()
    };
    if arguments.json {
        output::json(&json::decisions(&decisions));
        return Ok(Exit::Done);
    }
    for it in &decisions {
        let place = [Some(it.pipeline.as_str()), it.stage.as_deref(), it.subject.as_deref()];
        let revision = it.revisions.first();
        output::line(format!(
            "{}  {:<12}  {:<18}  {}  {}  {} {}  {}",
            clock::local_date(it.at),
            ansi::one_line(&it.by.to_string()),
            it.kind,
            ansi::one_line(&place.into_iter().flatten().collect::<Vec<_>>().join("/")),
            ansi::one_line(it.lane.as_deref().unwrap_or("-")),
            revision.map_or("", |it| it.id.short()),
            ansi::one_line(revision.map_or("", |it| it.subject())),
            ansi::one_line(&it.reason),
        ));
    }
    Ok(Exit::Done)
}

/// Finds one execution by the beginning of its id, or the newest of a pipeline, or of a lane of it.
pub(super) fn find_execution(
    history: &runtime::History,
    prefix: &str,
    lane: Option<&str>,
) -> Result<ExecutionRecord, Failure> {
    // The newest one of a pipeline is what people mean by its name.
    let mut found = match (history.newest(&prefix.into(), lane)?, lane) {
        (Some(newest), _) => return Ok(newest),
        (None, Some(lane)) => {
            return Err(Failure::usage(format!("{prefix} has no execution in lane {lane}")));
        }
        (None, None) => history.find(prefix)?,
    };
    match found.len() {
        0 => Err(Failure::usage(format!("there is no execution and no pipeline {prefix}"))
            .hint("`stagegate history PIPELINE` lists executions")),
        1 => Ok(found.remove(0)),
        _ => Err(Failure::usage(format!("several executions begin with {prefix}"))),
    }
}

pub(super) async fn show(state_dir: StateDir, arguments: &Show) -> Result<Exit, Failure> {
    let handle = super::open(state_dir).await?;
    if !handle.state_dir().exists() {
        return Err(Failure::usage("nothing has run yet"));
    }
    let history = handle.history()?;
    let execution = find_execution(&history, &arguments.execution, arguments.lane.as_deref())?;
    let actions = history.actions(execution.id)?;
    if arguments.json {
        let definition = history.definition(&execution.pipeline, execution.version)?;
        output::json(&json::execution(&execution, &actions, definition.as_deref()));
        return Ok(Exit::Done);
    }
    output::line(format!("{}  {}  {}", execution.id, execution.pipeline, execution.status));
    let trigger = &execution.trigger;
    output::line(format!("  trigger   {} {}", trigger.kind, ansi::one_line(&trigger.detail)));
    for revision in &execution.revisions {
        output::line(format!(
            "  revision  {} {} ({})",
            revision.id.short(),
            ansi::one_line(revision.subject()),
            ansi::one_line(&revision.author_name)
        ));
    }
    if let Some(target) = &execution.rollback_target {
        output::line(format!("  ROLLBACK to {target}"));
    }
    if let Some(reason) = &execution.stop_reason {
        output::line(format!("  stopped   {}", ansi::one_line(reason)));
    }
    if let Some(by) = &execution.superseded_by {
        output::line(format!("  superseded by {by}"));
    }
    for action in &actions {
        print_action(action);
        print_tests(&Reports::read(&handle.job_directory(action.id)));
    }
    Ok(Exit::Done)
}

/// Prints what the tests have come to, if the action has left reports.
fn print_tests(reports: &Reports) {
    if *reports == Reports::default() {
        return;
    }
    let (passed, skipped) = (reports.passed(), reports.skipped());
    let failed = reports.failed().count();
    output::line(format!("      tests: {passed} passed, {failed} failed, {skipped} skipped"));
    for case in reports.failed() {
        let name = ansi::one_line(&format!("{} {}", case.suite, case.name));
        output::line(format!("        failed: {name}"));
    }
    for problem in &reports.problems {
        output::line(format!("        {}", ansi::one_line(problem)));
    }
}

fn print_action(action: &ActionRecord) {
    let in_progress = action.status == ActionStatus::InProgress;
    let until = if in_progress { clock::now() } else { action.updated_at };
    let elapsed = until.since(action.started_at);
    let place = format!("{}/{}", action.stage, action.action);
    let again =
        if action.attempt > 1 { format!(" (attempt {})", action.attempt) } else { String::new() };
    output::line(format!("  {place:<28} {:<10} {elapsed}{again}", action.status));
    if let Some(error) = &action.error {
        output::line(format!("      {}", ansi::one_line(&error.message)));
    }
    if let Some(decision) = &action.decision {
        let summary = ansi::one_line(&decision.summary);
        let why = if summary.is_empty() { summary } else { format!(": {summary}") };
        let (status, by, at) = (decision.status, &decision.by, decision.at.utc());
        output::line(format!("      {status} by {by} at {at}{why}"));
    }
}
