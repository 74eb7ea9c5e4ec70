//! Applies to a lane what recorded facts mean for it: who waits before which stage, and what is no
//! longer needed.

use std::collections::BTreeSet;

use super::state::{Home, LaneState, Slot, SlotKey, State};
use crate::model::{ExecutionId, Lane, PipelineName, StageName};

/// How many ended executions a lane shows, and how many lanes of one execution stay.
pub(super) const RECENT: usize = 8;

impl State {
    /// Lets an execution wait before a stage, and its slot for the lock of the stage.
    pub(super) fn queue(&mut self, id: ExecutionId, stage: &StageName) {
        let Some(home) = self.home(id).cloned() else { return };
        let Some(execution) = self.execution(id) else { return };
        let lock = execution.lock_of(stage).cloned();
        let ticket = self.tickets;
        let Some(lane) = self.lane_mut(&home) else { return };
        let slot = lane.slots.entry(stage.clone()).or_default();
        slot.waiting.push_back(id);
        let ticket = *slot.ticket.get_or_insert(ticket);
        self.tickets = self.tickets.max(ticket + 1);
        // Waiters of different versions may want different locks; the place is the slot's.
        if let Some(lock) = lock {
            let key = SlotKey { home, stage: stage.clone() };
            self.lock_queues.entry(lock).or_default().insert(ticket, key);
        }
    }

    /// Takes an execution out of the wait. Who still waits there keeps the slot's place in the
    /// queue of its lock.
    pub(super) fn unqueue(&mut self, id: ExecutionId, stage: &StageName) {
        let Some(home) = self.home(id).cloned() else { return };
        let Some(lane) = self.lane_mut(&home) else { return };
        let Some(slot) = lane.slots.get_mut(stage) else { return };
        if !slot.waiting.contains(&id) {
            return;
        }
        slot.waiting.retain(|waiting| *waiting != id);
        if slot.waiting.is_empty() {
            self.give_ticket_back(&home, stage);
        }
    }

    pub(super) fn give_ticket_back(&mut self, home: &Home, stage: &StageName) {
        let slot = self.lane_mut(home).and_then(|lane| lane.slots.get_mut(stage));
        if let Some(ticket) = slot.and_then(|slot| slot.ticket.take()) {
            for queue in self.lock_queues.values_mut() {
                queue.remove(&ticket);
            }
            self.lock_queues.retain(|_, queue| !queue.is_empty());
        }
    }

    /// The slot has had its turn: who still waits there goes to the end of the lock's queue, so
    /// that one busy lane cannot keep the others from it.
    pub(super) fn requeue(&mut self, id: ExecutionId, stage: &StageName) {
        let Some(home) = self.home(id).cloned() else { return };
        self.give_ticket_back(&home, stage);
        let slot = self.lane_mut(&home).and_then(|lane| lane.slots.get_mut(stage));
        let Some(slot) = slot.filter(|slot| !slot.waiting.is_empty()) else { return };
        for other in std::mem::take(&mut slot.waiting) {
            self.queue(other, stage);
        }
    }

    /// Drops an execution that has ended, once no stage shows it or could retry it.
    pub(super) fn forget_if_unneeded(&mut self, id: ExecutionId) {
        let Some(execution) = self.executions.get(&id) else { return };
        let Home { pipeline, lane } = &execution.home;
        let lane = self.pipelines.get_mut(pipeline).and_then(|it| it.lanes.get_mut(lane));
        let Some(lane) = lane else { return };
        let is_shown = || lane.slots.values().any(|slot| slot.latest == Some(id));
        if execution.status.has_ended() && !is_shown() {
            lane.executions.remove(&execution.number);
            self.executions.remove(&id);
        }
    }

    pub(super) fn drop_finished_lane(&mut self, home: &Home) {
        let finished = self.lane(home).is_some_and(|lane| {
            lane.branch_deleted && self.executions_in(lane).all(|it| it.status.has_ended())
        });
        if finished {
            self.drop_lane(&home.pipeline, &home.lane);
        }
    }

    pub(super) fn drop_lane(&mut self, pipeline: &PipelineName, lane: &Lane) {
        let lane = self.pipelines.get_mut(pipeline).and_then(|it| it.lanes.remove(lane));
        for id in lane.iter().flat_map(|lane| lane.executions.values()) {
            self.executions.remove(id);
        }
    }

    /// Of the lanes that PARALLEL executions had to themselves, the newest few stay, and those
    /// that hold the last success of a stage.
    pub(super) fn drop_surplus_lanes(&mut self, home: &Home) {
        if !home.lane.is_of_one() {
            return;
        }
        let Some(pipeline) = self.pipelines.get(&home.pipeline) else { return };
        let stages = pipeline.definition.stages.iter();
        let mut kept: BTreeSet<Lane> = stages
            .filter_map(|stage| {
                let same_branch = |lane: &Lane| lane.branch() == home.lane.branch();
                let lanes = pipeline.lanes.iter().filter(|(lane, _)| same_branch(lane));
                let success = |lane: &LaneState| {
                    lane.slots.get(&stage.name)?.last_success.as_ref().map(|it| it.at)
                };
                let newest = lanes.filter_map(|(lane, it)| Some((success(it)?, lane))).max()?;
                Some(newest.1.clone())
            })
            .collect();
        let ended = |lane: &LaneState| self.executions_in(lane).all(|it| it.status.has_ended());
        let number = |lane: &LaneState| lane.executions.keys().max().copied();
        let mut candidates: Vec<_> = pipeline
            .lanes
            .iter()
            .filter(|(lane, state)| lane.is_of_one() && ended(state))
            .map(|(lane, state)| (number(state), lane.clone()))
            .collect();
        candidates.sort();
        kept.extend(
            candidates
                .split_off(candidates.len().saturating_sub(RECENT))
                .into_iter()
                .map(|it| it.1),
        );
        for (_, lane) in candidates.into_iter().filter(|(_, lane)| !kept.contains(lane)) {
            self.drop_lane(&home.pipeline, &lane);
        }
    }

    pub(super) fn lane_mut(&mut self, home: &Home) -> Option<&mut LaneState> {
        self.pipelines.get_mut(&home.pipeline)?.lanes.get_mut(&home.lane)
    }

    /// Returns the slot of a stage in the lane of an execution.
    pub(super) fn slot_mut(&mut self, id: ExecutionId, stage: &StageName) -> Option<&mut Slot> {
        let home = &self.executions.get(&id)?.home;
        let lane = self.pipelines.get_mut(&home.pipeline)?.lanes.get_mut(&home.lane)?;
        Some(lane.slots.entry(stage.clone()).or_default())
    }
}
