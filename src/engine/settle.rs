//! Moves everything that can move, until nothing changes, so that a free stage never keeps a
//! waiter and a free lock never keeps a queue.

use super::{Engine, Fact, Step, state::Place};
use crate::model::{ActionStatus, ExecutionId, ExecutionStatus, PipelineName, StageName};

/// More than this from one input is a circle.
const MOST_EVENTS: usize = 20_000;

impl Engine {
    pub(super) fn settle(&mut self, step: &mut Step) {
        loop {
            let last = || step.events.iter().rev().take(12).map(|it| &it.fact).collect::<Vec<_>>();
            debug_assert!(step.events.len() < MOST_EVENTS, "this never ends: {:#?}", last());
            // Who waits for room under a limit goes before whoever comes now.
            for execution in self.held_that_may_try() {
                self.advance(step, execution);
            }
            if let Some(home) = self.to_admit.pop_first() {
                self.admit(step, &home);
            } else if let Some((_, execution)) = self.to_advance.pop_first() {
                self.advance(step, execution);
            } else {
                self.wake_lock_queues();
                if self.to_admit.is_empty() {
                    break;
                }
            }
        }
    }

    fn advance(&mut self, step: &mut Step, id: ExecutionId) {
        let Some(execution) = self.state.execution(id) else { return };
        let pipeline = &execution.home.pipeline.clone();
        let stopping = execution.status == ExecutionStatus::Stopping;
        match execution.place.clone() {
            Place::Before { .. } if stopping => {
                self.end(step, pipeline, Fact::ExecutionStopped { execution: id });
            }
            Place::Before { .. } | Place::Ended => {}
            Place::In { stage } => {
                self.finish_decided(step, pipeline, id, &stage);
                if stopping {
                    self.finish_stopping(step, pipeline, id, stage);
                } else {
                    self.progress(step, pipeline, id, &stage);
                }
            }
        }
    }

    fn finish_stopping(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: StageName,
    ) {
        let entered = self.state.execution(execution).and_then(|it| it.stages.get(&stage));
        let works = entered
            .is_some_and(|it| it.has_action(ActionStatus::InProgress) || it.is_rule_running());
        if !works {
            self.record(step, pipeline, Fact::StageStopped { execution, stage });
            self.end(step, pipeline, Fact::ExecutionStopped { execution });
        }
    }

    /// Records the end of an execution and tells the action that had invoked it.
    pub(super) fn end(&mut self, step: &mut Step, pipeline: &PipelineName, end: Fact) {
        let execution = end.execution();
        let parent = execution
            .and_then(|id| self.state.execution(id))
            .and_then(|it| it.options.parent.as_deref().cloned());
        self.record(step, pipeline, end);
        if let (Some(child), Some(parent)) = (execution, parent) {
            self.child_ended(step, child, parent);
        }
    }
}
