//! What is selected, by name: a refresh never moves it to something else.

use crate::{
    engine::board::{ActionCard, Board, LaneCard, PipelineCard, StageCard},
    model::{ActionName, Lane, PipelineName, StageName, StageStatus},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub pipeline: Option<PipelineName>,
    pub lane: Option<Lane>,
    pub stage: Option<StageName>,
    pub action: Option<ActionName>,
}

/// A place that needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub selection: Selection,
    pub is_gate: bool,
}

impl Selection {
    /// Puts what is gone back to something that is there.
    pub(crate) fn repair(&mut self, board: &Board) {
        let pipeline = self.pipeline.as_ref().and_then(|name| board.pipeline(name));
        let pipeline = pipeline.or(board.pipelines.first().map(AsRef::as_ref));
        self.pipeline = pipeline.map(|it| it.name.clone());
        let lane = pipeline.and_then(|it| lane_or_first(it, self.lane.as_ref()));
        self.lane = lane.map(|it| it.lane.clone());
        let Some(lane) = lane else {
            (self.stage, self.action) = (None, None);
            return;
        };
        let stage = lane.stages.iter().find(|it| Some(&it.name) == self.stage.as_ref());
        let stage = stage.or_else(|| interesting_stage(lane));
        self.stage = stage.map(|it| it.name.clone());
        let Some(stage) = stage else { return };
        let action = stage.actions.iter().find(|it| Some(&it.name) == self.action.as_ref());
        let open = stage.open_gate().map(|(action, _, _)| action);
        let failed = stage
            .actions
            .iter()
            .find(|it| it.latest.as_ref().is_some_and(|attempt| attempt.error.is_some()));
        let action = action.or(open).or(failed).or(stage.actions.first());
        self.action = action.map(|it| it.name.clone());
    }

    /// Selects a lane and forgets the stage, so that `repair` finds the interesting one.
    pub(crate) fn go_to_lane(
        &mut self,
        pipeline: &PipelineName,
        lane: Option<&Lane>,
        board: &Board,
    ) {
        *self = Self {
            pipeline: Some(pipeline.clone()),
            lane: lane.cloned(),
            stage: None,
            action: None,
        };
        self.repair(board);
    }

    pub(crate) fn move_stage(&mut self, board: &Board, step: isize) -> bool {
        let Some(lane) = self.lane_card(board) else { return false };
        let position = lane.stages.iter().position(|it| Some(&it.name) == self.stage.as_ref());
        let Some(target) = position.and_then(|at| at.checked_add_signed(step)) else {
            return false;
        };
        let Some(stage) = lane.stages.get(target) else { return false };
        self.stage = Some(stage.name.clone());
        self.action = None;
        self.repair(board);
        true
    }

    pub(crate) fn move_action(&mut self, board: &Board, step: isize) {
        let Some(stage) = self.stage_card(board) else { return };
        let position = stage.actions.iter().position(|it| Some(&it.name) == self.action.as_ref());
        let last = stage.actions.len().saturating_sub(1);
        let target = position.unwrap_or(0).saturating_add_signed(step).min(last);
        self.action = stage.actions.get(target).map(|it| it.name.clone());
    }

    /// Moves through the rows of the lanes pane.
    pub(crate) fn move_lane(&mut self, board: &Board, step: isize) {
        let rows = lane_rows(board);
        let position = rows.iter().position(|(pipeline, lane)| {
            Some(pipeline) == self.pipeline.as_ref() && *lane == self.lane
        });
        let target =
            position.unwrap_or(0).saturating_add_signed(step).min(rows.len().saturating_sub(1));
        if let Some((pipeline, lane)) = rows.get(target) {
            self.go_to_lane(pipeline, lane.as_ref(), board);
        }
    }

    /// Goes to the next place that needs a person; `false` if there is none.
    pub(crate) fn next_attention(&mut self, board: &Board) -> bool {
        let places = attention(board);
        let here = places.iter().position(|place| place.selection == *self);
        let next = here.map_or(0, |at| at + 1);
        let found = places.get(next).or(places.first());
        if let Some(place) = found {
            *self = place.selection.clone();
        }
        found.is_some()
    }

    pub(crate) fn lane_card<'a>(&self, board: &'a Board) -> Option<&'a LaneCard> {
        let pipeline = board.pipeline(self.pipeline.as_ref()?)?;
        pipeline.lanes.iter().find(|it| Some(&it.lane) == self.lane.as_ref())
    }

    pub(crate) fn stage_card<'a>(&self, board: &'a Board) -> Option<&'a StageCard> {
        let lane = self.lane_card(board)?;
        lane.stages.iter().find(|it| Some(&it.name) == self.stage.as_ref())
    }

    pub(crate) fn action_card<'a>(&self, board: &'a Board) -> Option<&'a ActionCard> {
        let stage = self.stage_card(board)?;
        stage.actions.iter().find(|it| Some(&it.name) == self.action.as_ref())
    }
}

fn lane_or_first<'a>(pipeline: &'a PipelineCard, lane: Option<&Lane>) -> Option<&'a LaneCard> {
    let wanted = pipeline.lanes.iter().find(|it| Some(&it.lane) == lane);
    wanted.or(pipeline.lanes.first())
}

/// A gate before a failure before something that runs before whatever comes last.
fn interesting_stage(lane: &LaneCard) -> Option<&StageCard> {
    let stages = || lane.stages.iter();
    stages()
        .find(|it| it.open_gate().is_some())
        .or_else(|| stages().find(|it| it.status == Some(StageStatus::Failed)))
        .or_else(|| stages().find(|it| it.is_occupied()))
        .or_else(|| stages().rev().find(|it| it.status.is_some()))
        .or(lane.stages.first())
}

/// Returns the rows of the lanes pane: each pipeline's lanes, or the pipeline alone.
pub(crate) fn lane_rows(board: &Board) -> Vec<(PipelineName, Option<Lane>)> {
    let rows = board.pipelines.iter().flat_map(|pipeline| {
        let lanes = pipeline.lanes.iter().map(|it| (pipeline.name.clone(), Some(it.lane.clone())));
        let alone = pipeline.lanes.is_empty().then(|| (pipeline.name.clone(), None));
        lanes.chain(alone)
    });
    rows.collect()
}

/// Returns every gate that waits and every stage whose last execution failed there.
pub(crate) fn attention(board: &Board) -> Vec<Place> {
    let mut places = Vec::new();
    for pipeline in &board.pipelines {
        for lane in &pipeline.lanes {
            for stage in &lane.stages {
                let place = |action: &ActionName, is_gate| Place {
                    selection: Selection {
                        pipeline: Some(pipeline.name.clone()),
                        lane: Some(lane.lane.clone()),
                        stage: Some(stage.name.clone()),
                        action: Some(action.clone()),
                    },
                    is_gate,
                };
                let gate = stage.open_gate();
                // What is decided for later needs nobody.
                let gate = gate.filter(|(_, _, gate)| gate.deferred.is_none());
                if let Some((action, _, _)) = gate {
                    places.push(place(&action.name, true));
                } else if stage.status == Some(StageStatus::Failed) {
                    let failed = stage.actions.iter().find(|it| {
                        it.latest.as_ref().is_some_and(|attempt| attempt.error.is_some())
                    });
                    places.extend(failed.map(|action| place(&action.name, false)));
                }
            }
        }
    }
    places
}
