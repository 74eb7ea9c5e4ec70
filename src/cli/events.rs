//! `events`: what has happened, a line each.

use super::{Exit, Failure, args::Events, output, target};
use crate::{
    engine::Event,
    host::{StateDir, clock},
    model::PipelineName,
    runtime::narrate,
};

pub(super) async fn events(state_dir: StateDir, arguments: Events) -> Result<Exit, Failure> {
    let handle = super::open(state_dir).await?;
    if !handle.state_dir().exists() {
        output::say("nothing has run yet");
        return Ok(Exit::Done);
    }
    let history = handle.history()?;
    let pipeline: Option<PipelineName> = arguments.pipeline.as_deref().map(Into::into);
    let end = history.newest_event()?;
    let mut newest = history.newest_events(pipeline.as_ref(), arguments.limit)?;
    if let Some(name) = pipeline.as_ref().filter(|_| newest.is_empty()) {
        target::pipeline(&handle.board().borrow(), name)?;
    }
    newest.reverse();
    let mut after = newest.last().map_or(end, |(number, _)| *number);
    for (number, event) in &newest {
        print(*number, event, arguments.json);
    }
    if !arguments.follow {
        return Ok(Exit::Done);
    }
    let mut board = handle.board();
    // Whoever serves the directory tells of changes; without a runtime nothing more happens.
    while board.changed().await.is_ok() {
        board.borrow_and_update();
        for (number, event) in history.events_after(after)? {
            after = number;
            if pipeline.as_ref().is_none_or(|name| event.pipeline == *name) {
                print(number, &event, arguments.json);
            }
        }
    }
    Ok(Exit::Done)
}

fn print(number: i64, event: &Event, as_json: bool) {
    if as_json {
        let execution = event.fact.execution().map(|id| id.to_string());
        let line = serde_json::json!({
            "schema": 1,
            "number": number,
            "at": event.at.epoch_seconds(),
            "pipelineName": event.pipeline,
            "pipelineExecutionId": execution,
            "kind": event.fact.kind(),
            "text": narrate::sentence(event),
        });
        output::line(line.to_string());
    } else if let Some(sentence) = narrate::sentence(event) {
        output::line(format!("{} {sentence}", clock::local_moment(event.at, clock::now())));
    }
}
