//! Who enters which stage (CodePipeline user guide, "How pipeline executions work").
//!
//! SUPERSEDED: a stage holds one execution; before it stands at most one more, and a newer arrival
//! supersedes that one. QUEUED: nobody is superseded, the first to arrive enters first. PARALLEL:
//! every execution has a lane of its own, so nobody stands in its way. An execution keeps the mode
//! it started under. A stage with a lock is entered by one execution of all pipelines at a time,
//! in the order in which the stages began to be waited for.

use super::{
    Engine, Fact, Step,
    event::SkipReason,
    state::{Execution, Home, SlotKey},
};
use crate::model::{ExecutionId, ExecutionMode, ExecutionStatus, LockName};

impl Engine {
    pub(super) fn admit(&mut self, step: &mut Step, home: &Home) {
        let Some(state) = self.state.lane(home) else { return };
        let waited_for: Vec<SlotKey> = state
            .slots
            .iter()
            .filter(|(_, slot)| !slot.waiting.is_empty())
            .map(|(stage, _)| SlotKey { home: home.clone(), stage: stage.clone() })
            .collect();
        for key in waited_for {
            self.skip_as_wanted(step, &key);
            self.supersede(step, &key);
            self.enter(step, &key);
        }
    }

    fn waiting(&self, key: &SlotKey) -> impl Iterator<Item = &Execution> {
        let lane = self.state.lane(&key.home);
        let slot = lane.and_then(|lane| lane.slots.get(&key.stage));
        let ids = slot.into_iter().flat_map(|slot| &slot.waiting);
        ids.filter_map(|id| self.state.execution(*id))
    }

    fn skip_as_wanted(&mut self, step: &mut Step, key: &SlotKey) {
        let unwanted = |it: &&Execution| {
            it.options.skip.contains(&key.stage) && it.status == ExecutionStatus::InProgress
        };
        let skipped: Vec<ExecutionId> =
            self.waiting(key).filter(unwanted).map(|it| it.id).collect();
        for execution in skipped {
            let (stage, reason) = (key.stage.clone(), SkipReason::Operator);
            self.skip(step, &key.home.pipeline, execution, stage, reason);
        }
    }

    fn supersede(&mut self, step: &mut Step, key: &SlotKey) {
        let standard = || self.waiting(key).filter(|it| !it.is_rollback());
        let Some((newest, number)) =
            standard().max_by_key(|it| it.number).map(|it| (it.id, it.number))
        else {
            return;
        };
        let superseded: Vec<ExecutionId> = standard()
            .filter(|it| it.number < number)
            .filter(|it| it.definition.execution_mode == ExecutionMode::Superseded)
            .map(|it| it.id)
            .collect();
        for execution in superseded {
            let stage = key.stage.clone();
            let fact = Fact::ExecutionSuperseded { execution, by: newest, stage };
            self.end(step, &key.home.pipeline, fact);
        }
    }

    fn enter(&mut self, step: &mut Step, key: &SlotKey) {
        let Some(candidate) = self.candidate(key) else { return };
        let execution = candidate.id;
        if let Some(lock) = candidate.lock_of(&key.stage) {
            if self.state.locks.contains_key(lock) {
                return;
            }
            if let Some(first) = self.first_in_queue(lock).filter(|first| first != key) {
                self.to_admit.insert(first.home);
                return;
            }
        }
        let stage = key.stage.clone();
        self.record(step, &key.home.pipeline, Fact::StageEntered { execution, stage });
    }

    /// Returns who would enter the stage now, apart from its lock. A rollback goes before the
    /// queue, and a disabled transition does not hold it back: it is there to undo.
    fn candidate(&self, key: &SlotKey) -> Option<&Execution> {
        let pipeline = self.state.pipelines.get(&key.home.pipeline)?;
        if pipeline.lanes.get(&key.home.lane)?.slots.get(&key.stage)?.occupant.is_some() {
            return None;
        }
        let ready = |it: &&Execution| it.status == ExecutionStatus::InProgress;
        let rollback = self.waiting(key).filter(ready).find(|it| it.is_rollback());
        let first = || self.waiting(key).find(ready).filter(|_| pipeline.is_enabled(&key.stage));
        rollback.or_else(first)
    }

    /// Returns the slot that has waited for a lock longest and could take it now. A rollback goes
    /// before all others: what it undoes is out there.
    pub(super) fn first_in_queue(&self, lock: &LockName) -> Option<SlotKey> {
        let queue = self.state.lock_queues.get(lock)?;
        let candidates = || {
            let candidates = queue.values().filter_map(|key| Some((key, self.candidate(key)?)));
            candidates.filter(|(key, it)| it.lock_of(&key.stage) == Some(lock))
        };
        let rollback = candidates().find(|(_, it)| it.is_rollback());
        rollback.or_else(|| candidates().next()).map(|(key, _)| key.clone())
    }

    /// Marks whoever may now take a lock that is free.
    pub(super) fn wake_lock_queues(&mut self) {
        let free = self.state.lock_queues.keys().filter(|it| !self.state.locks.contains_key(*it));
        let woken: Vec<_> = free.filter_map(|lock| self.first_in_queue(lock)).collect();
        self.to_admit.extend(woken.into_iter().map(|key| key.home));
    }
}
