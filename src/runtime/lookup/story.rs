//! One execution from its start to its end: bars for a chart, and frames to step through.

use std::sync::Arc;

use crate::{
    engine::{Board, Engine, Event, Fact, board::WaitReason},
    model::{ActionExecutionId, ActionName, ActionStatus, ExecutionId, StageName, Timestamp},
    store::{ExecutionRecord, History, StoreError},
};

/// Each frame holds a board of its own; of a longer story the end is stepped through.
const MOST_FRAMES: usize = 1_000;

#[derive(Clone, Debug)]
pub struct Story {
    pub execution: ExecutionRecord,
    /// In the order in which they began.
    pub bars: Vec<Bar>,
    pub frames: Vec<Frame>,
}

/// A stretch of time in the life of an execution.
#[derive(Clone, Debug)]
pub struct Bar {
    pub stage: StageName,
    pub kind: BarKind,
    pub from: Timestamp,
    /// Absent while it lasts.
    pub to: Option<Timestamp>,
    /// Nothing that came later could have begun earlier without it.
    pub critical: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Stood before the stage.
    Queue,
    /// An action worked.
    Action { id: ActionExecutionId, name: ActionName, attempt: u32, status: ActionStatus },
    /// A gate waited for somebody.
    Gate { id: ActionExecutionId, name: ActionName, status: ActionStatus },
}

/// The board after one event, with nothing on it but this execution.
#[derive(Clone, Debug)]
pub struct Frame {
    pub at: Timestamp,
    pub text: String,
    pub board: Arc<Board>,
    /// The event moves the execution from one stage to another, or ends it.
    pub is_turn: bool,
}

impl Story {
    pub(super) fn read(history: &History, id: ExecutionId) -> Result<Option<Self>, StoreError> {
        let Some(execution) = history.execution(id)? else { return Ok(None) };
        let events = history.events_of(id)?;
        let mut bars = queues(&events);
        for record in history.actions(id)? {
            let (id, name, status) = (record.id, record.action, record.status);
            let ended = status != ActionStatus::InProgress;
            let kind = if record.is_gate {
                BarKind::Gate { id, name, status }
            } else {
                BarKind::Action { id, name, attempt: record.attempt, status }
            };
            bars.push(Bar {
                stage: record.stage,
                kind,
                from: record.started_at,
                to: ended.then_some(record.updated_at),
                critical: false,
            });
        }
        bars.sort_by_key(|bar| bar.from);
        mark_critical(&mut bars);
        let frames = frames(history, &execution, &events)?;
        Ok(Some(Self { execution, bars, frames }))
    }
}

/// Finds the times in which the execution stood before a stage.
fn queues(events: &[Event]) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut since = events.first().map(|it| it.at);
    for event in events {
        match &event.fact {
            Fact::StageEntered { stage, .. } => {
                if let Some(from) = since.take().filter(|from| *from < event.at) {
                    let (stage, to) = (stage.clone(), Some(event.at));
                    bars.push(Bar { stage, kind: BarKind::Queue, from, to, critical: false });
                }
            }
            Fact::StageSucceeded { .. } | Fact::StageSkipped { .. } => since = Some(event.at),
            _ => {}
        }
    }
    bars
}

/// Walks back from the last end: before each bar the one that ended last is what it waited for.
fn mark_critical(bars: &mut [Bar]) {
    let last = (0..bars.len()).max_by_key(|at| (bars[*at].to.is_none(), bars[*at].to));
    let mut current = last;
    while let Some(at) = current {
        bars[at].critical = true;
        let from = bars[at].from;
        current = (0..bars.len())
            .filter(|it| !bars[*it].critical && bars[*it].to.is_some_and(|to| to <= from))
            .max_by_key(|it| bars[*it].to);
    }
}

/// Plays the events of an execution again, one board an event.
fn frames(
    history: &History,
    execution: &ExecutionRecord,
    events: &[Event],
) -> Result<Vec<Frame>, StoreError> {
    let defined = history.definition(&execution.pipeline, execution.version)?;
    let (Some(definition), Some(first)) = (defined, events.first()) else {
        return Ok(Vec::new());
    };
    let fact = Fact::PipelineDefined { version: execution.version, definition };
    let defined = Event { at: first.at, pipeline: execution.pipeline.clone(), fact };
    let mut engine = Engine::replay([&defined], 0);
    let mut frames = Vec::new();
    let first = events.len().saturating_sub(MOST_FRAMES);
    for (number, event) in events.iter().enumerate() {
        engine.follow(event);
        if number < first {
            continue;
        }
        let Some(text) = super::super::narrate::sentence(event) else { continue };
        let is_turn = matches!(
            event.fact,
            Fact::StageEntered { .. }
                | Fact::ExecutionStarted { .. }
                | Fact::ExecutionSucceeded { .. }
                | Fact::ExecutionFailed { .. }
                | Fact::ExecutionStopped { .. }
                | Fact::ExecutionSuperseded { .. }
        );
        let board = Arc::new(as_it_was(engine.board()));
        frames.push(Frame { at: event.at, text, board, is_turn });
    }
    Ok(frames)
}

/// A replay has no runtime, but there was one then: why something waited for it is not to be told.
fn as_it_was(mut board: Board) -> Board {
    let pipelines = board.pipelines.iter_mut().map(Arc::make_mut);
    for stage in pipelines.flat_map(|it| &mut it.lanes).flat_map(|it| &mut it.stages) {
        // It stood there for a moment only.
        stage.inbound.retain(|it| it.reason != WaitReason::NoRuntime);
        let actions = stage.actions.iter_mut().map(|it| &mut it.waits);
        for waits in actions.chain([&mut stage.waits]) {
            *waits = waits.take().filter(|it| *it != WaitReason::NoRuntime);
        }
    }
    board
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, from: i64, to: i64) -> Bar {
        let id = ActionExecutionId::from_random_bytes([u8::try_from(from).unwrap(); 16]);
        let (name, status) = (name.into(), ActionStatus::Succeeded);
        Bar {
            stage: "S".into(),
            kind: BarKind::Action { id, name, attempt: 1, status },
            from: Timestamp(from),
            to: Some(Timestamp(to)),
            critical: false,
        }
    }

    #[test]
    fn the_critical_path_is_what_the_end_waited_for() {
        let mut bars = vec![bar("a", 0, 5), bar("b", 0, 9), bar("c", 9, 11), bar("d", 9, 20)];
        mark_critical(&mut bars);
        let critical: Vec<bool> = bars.iter().map(|it| it.critical).collect();
        assert_eq!(critical, [false, true, false, true]);
    }
}
