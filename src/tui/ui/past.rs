//! Time travel: the board as it was after each event of one execution.

use std::sync::Arc;

use super::Ui;
use crate::{
    engine::board::Severity,
    model::{ExecutionId, Timestamp},
    runtime::lookup::{Frame, Question, Story, Told},
};

/// Where in the past the dashboard stands.
pub(crate) struct Past {
    story: Arc<Told>,
    pub at: usize,
}

/// How far a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Back,
    Forward,
    /// To the event that moved the execution to another stage.
    TurnBack,
    TurnForward,
}

impl Past {
    fn story(&self) -> Option<&Story> {
        match self.story.as_ref() {
            Told::Story(story) => Some(story),
            _ => None,
        }
    }

    fn frames(&self) -> &[Frame] {
        self.story().map_or(&[], |it| &it.frames)
    }

    pub(crate) fn frame(&self) -> Option<&Frame> {
        self.frames().get(self.at)
    }

    pub(crate) fn count(&self) -> usize {
        self.frames().len()
    }

    /// Returns the moment that is shown.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        self.frame().map(|it| it.at)
    }

    /// Returns where a step leads; nothing beyond the last event, where the present is.
    fn step(&self, step: Step) -> Option<usize> {
        let frames = self.frames();
        let turn = |at: &usize| frames[*at].is_turn;
        match step {
            Step::Back => Some(self.at.saturating_sub(1)),
            Step::Forward => Some(self.at + 1).filter(|at| *at < frames.len()),
            Step::TurnBack => Some((0..self.at.min(frames.len())).rev().find(turn).unwrap_or(0)),
            Step::TurnForward => (self.at + 1..frames.len()).find(turn),
        }
    }
}

impl Ui {
    /// Returns the execution that time travel and the timeline are about: the one that was opened,
    /// else the one in the selected stage, else the newest of the lane.
    pub(crate) fn execution(&self) -> Option<ExecutionId> {
        self.opened.or_else(|| {
            let stage = self.stage().and_then(|it| it.execution.as_ref()).map(|it| it.id);
            let lane = self.lane();
            let newest = lane.and_then(|it| it.alive.first()).map(|it| it.id);
            stage.or(newest).or_else(|| lane?.recent.first().map(|it| it.id))
        })
    }

    /// Goes through the events of an execution. The first step back opens the past, the last step
    /// forward closes it.
    pub(crate) fn travel(&mut self, step: Step, now: Timestamp) {
        if self.past.is_none() {
            if matches!(step, Step::Forward | Step::TurnForward) {
                return self.say(Severity::Remark, "this is the present; , steps back", now);
            }
            let Some(execution) = self.execution() else {
                return self.say(Severity::Remark, "nothing has happened in this lane yet", now);
            };
            match self.knowledge.fresh(&Question::Story(execution)) {
                Some(story) => self.open_past(story, now),
                // The answer is on its way and opens the past when it comes.
                None => self.opens_past = Some(execution),
            }
            return;
        }
        let next = self.past.as_ref().and_then(|past| past.step(step));
        match (&mut self.past, next) {
            (Some(past), Some(at)) => {
                past.at = at;
                self.show_past();
            }
            _ => {
                self.return_to_present();
            }
        }
    }

    /// Opens the past of an execution at its newest event.
    pub(super) fn open_past(&mut self, story: Arc<Told>, now: Timestamp) {
        let count = match story.as_ref() {
            Told::Story(it) => it.frames.len(),
            _ => 0,
        };
        // The newest event is the present; the one before it is the first step back.
        let Some(at) = count.checked_sub(2) else {
            return self.say(Severity::Remark, "nothing is known of what came before", now);
        };
        self.past = Some(Past { story, at });
        self.show_past();
    }

    fn show_past(&mut self) {
        let frame = self.past.as_ref().and_then(Past::frame);
        if let Some(board) = frame.map(|it| Arc::clone(&it.board)) {
            self.board = board;
            // What has just happened is what is to be seen.
            (self.selection.stage, self.selection.action) = (None, None);
            self.selection.repair(&self.board);
        }
    }

    /// Leaves the past; `false` if this is the present.
    pub(crate) fn return_to_present(&mut self) -> bool {
        let was = self.past.take().is_some();
        if was {
            let live = Arc::clone(&self.live);
            self.set_board(live);
        }
        was
    }
}
