//! How much longer something takes, judged by what is usual.

use super::Ui;
use crate::{
    engine::board::{ActionCard, LaneCard, StageCard},
    model::{ActionStatus, Category, Span, StageName, Timestamp},
    runtime::lookup::{Durations, Question, Told, Usual},
};

/// How far a running action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eta {
    pub elapsed: Span,
    pub p50: Span,
    pub p90: Span,
}

impl Eta {
    /// Returns how much longer than usual it takes already.
    pub(crate) fn over(self) -> Option<Span> {
        (self.elapsed > self.p90).then(|| Span(self.elapsed.0 - self.p50.0))
    }
}

impl Ui {
    fn usual(&self) -> Option<&Usual> {
        let (pipeline, lane) = (self.selection.pipeline.clone()?, self.selection.lane.clone()?);
        match self.knowledge.get(&Question::Usual(pipeline, lane)) {
            Some(Told::Usual(usual)) => Some(usual),
            _ => None,
        }
    }

    fn durations(&self, stage: &StageName, action: &ActionCard) -> Option<&Durations> {
        self.usual()?.action(stage, &action.name)
    }

    /// Returns how far a running action is; nothing under three samples.
    pub(crate) fn eta(
        &self,
        stage: &StageName,
        action: &ActionCard,
        now: Timestamp,
    ) -> Option<Eta> {
        let attempt = action.latest.as_ref()?;
        if attempt.status != ActionStatus::InProgress || attempt.gate.is_some() {
            return None;
        }
        let durations = self.durations(stage, action)?;
        let elapsed = now.since(attempt.started_at);
        Some(Eta { elapsed, p50: durations.p50()?, p90: durations.p90()? })
    }

    /// Returns how long the work in a stage still takes: the longest action of each run order that
    /// is not through. Waiting for somebody counts nothing; nothing is said where one is unknown.
    pub(crate) fn stage_left(&self, stage: &StageCard, now: Timestamp) -> Option<Span> {
        let mut longest = std::collections::BTreeMap::<u32, i64>::new();
        for action in &stage.actions {
            let left = self.action_left(stage, action, now)?;
            let slot = longest.entry(action.run_order).or_default();
            *slot = (*slot).max(left.0);
        }
        Some(Span(longest.values().sum()))
    }

    fn action_left(&self, stage: &StageCard, action: &ActionCard, now: Timestamp) -> Option<Span> {
        if action.category == Category::Approval {
            return Some(Span(0));
        }
        let current = action.latest.as_ref().filter(|_| stage.is_occupied());
        let usual = || self.durations(&stage.name, action)?.p50();
        match current {
            Some(attempt) if attempt.ended_at.is_some() => Some(Span(0)),
            Some(attempt) => Some(Span((usual()?.0 - now.since(attempt.started_at).0).max(0))),
            None => usual(),
        }
    }

    /// Returns how long the newest execution of the lane still works until its end.
    pub(crate) fn lane_left(&self, lane: &LaneCard, now: Timestamp) -> Option<Span> {
        let at = lane.stages.iter().rposition(StageCard::is_occupied)?;
        let spans = lane.stages[at..].iter().map(|stage| Some(self.stage_left(stage, now)?.0));
        spans.sum::<Option<i64>>().map(Span)
    }
}
