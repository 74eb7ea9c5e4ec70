//! The attempt of an action whose details are shown, wherever it was found.

use super::{Ui, View};
use crate::{
    engine::board::{ActionCard, Attempt},
    model::{ActionExecutionId, Timestamp},
    runtime::lookup::{Bar, BarKind, Question, Story, Told},
    tui::look::Mark,
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub id: ActionExecutionId,
    pub name: String,
    pub stage: String,
    /// Category and provider, where they are known.
    pub kind: String,
    pub mark: Mark,
    pub status: String,
    pub number: u32,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub is_gate: bool,
    pub error: Option<String>,
}

impl Shown {
    pub(crate) fn has_failed(&self) -> bool {
        self.mark == Mark::Failed
    }
}

impl Ui {
    /// Returns the execution of the timeline from its start to its end, once that is known.
    pub(crate) fn story(&self) -> Option<&Story> {
        match self.knowledge.get(&Question::Story(self.execution()?)) {
            Some(Told::Story(story)) => Some(story),
            _ => None,
        }
    }

    pub(crate) fn bars(&self) -> &[Bar] {
        self.story().map_or(&[], |it| &it.bars)
    }

    /// Returns the attempt that is selected in the view.
    pub(crate) fn shown(&self) -> Option<Shown> {
        match self.view {
            View::Timeline => {
                let bars = self.bars();
                bars.get(self.bar_at(bars.len())).and_then(of_bar)
            }
            View::Board
            | View::Lanes
            | View::History
            | View::Events
            | View::Fleet
            | View::Attention => {
                if let Some(held) = self.held() {
                    return Some(held.clone());
                }
                let (stage, action) = (self.stage()?, self.action()?);
                Some(of_attempt(stage.name.as_str(), action, action.latest.as_ref()?))
            }
        }
    }

    /// Returns the bar that is selected; at first what failed, else what lasts, else the last.
    pub(crate) fn bar_at(&self, count: usize) -> usize {
        let last = count.saturating_sub(1);
        if let Some(cursor) = self.cursors.get(&View::Timeline) {
            return cursor.at.min(last);
        }
        let failed = |bar: &Bar| of_bar(bar).is_some_and(|it| it.has_failed());
        let bars = self.bars();
        let found = bars.iter().rposition(failed);
        found.or_else(|| bars.iter().rposition(|it| it.to.is_none())).unwrap_or(last)
    }
}

fn of_attempt(stage: &str, action: &ActionCard, attempt: &Attempt) -> Shown {
    let is_gate = attempt.gate.is_some();
    Shown {
        id: attempt.id,
        name: action.name.to_string(),
        stage: stage.to_owned(),
        kind: format!("{} {}", action.category, action.provider),
        mark: if is_gate { Mark::Waiting } else { Mark::of_action(attempt.status) },
        status: attempt.status.to_string(),
        number: attempt.number,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        is_gate,
        error: attempt.error.as_ref().map(|it| it.message.clone()),
    }
}

fn of_bar(bar: &Bar) -> Option<Shown> {
    let (id, name, number, status, is_gate) = match &bar.kind {
        BarKind::Queue => return None,
        BarKind::Action { id, name, attempt, status } => (id, name, *attempt, status, false),
        BarKind::Gate { id, name, status } => (id, name, 1, status, true),
    };
    let mark = match bar.to {
        None if is_gate => Mark::Waiting,
        _ => Mark::of_action(*status),
    };
    Some(Shown {
        id: *id,
        name: name.to_string(),
        stage: bar.stage.to_string(),
        kind: bar.stage.to_string(),
        mark,
        status: status.to_string(),
        number,
        started_at: bar.from,
        ended_at: bar.to,
        is_gate: is_gate && bar.to.is_none(),
        error: None,
    })
}
