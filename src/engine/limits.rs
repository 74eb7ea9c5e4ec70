//! How many actions may run at a time: in the runtime, in a pipeline, in a stage, and in one
//! PARALLEL execution (CodePipeline user guide, "Quotas").
//!
//! Gates, source actions and actions that invoke pipelines count nowhere. Who does not fit is held
//! and tries again, oldest execution first, whenever an action has ended or a limit may be another.

use super::{
    Engine, Event,
    state::{Execution, Progress, State},
};
use crate::model::{Action, ExecutionId, ExecutionMode, PipelineName, Stage, StageName};

/// What CodePipeline allows one PARALLEL execution.
const ACTIONS_OF_A_PARALLEL_EXECUTION: usize = 5;

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) scope: &'static str,
    pub(super) limit: usize,
}

impl Engine {
    /// Limits the actions that run at a time in the whole runtime.
    pub fn limit_actions(&mut self, most: Option<usize>) {
        if self.most_actions.is_none() {
            self.working = self.state.executions.values().map(|it| it.working()).sum();
        }
        self.most_actions = most;
    }

    pub(super) fn limit_in_the_way(
        &self,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
        action: &Action,
    ) -> Option<Reached> {
        if !action.counts_under_limits() {
            return None;
        }
        let pipeline = self.state.pipelines.get(pipeline)?;
        let of_pipeline = pipeline.definition.max_concurrent_actions;
        let execution = self.state.execution(execution)?;
        let is_parallel = execution.definition.execution_mode == ExecutionMode::Parallel;
        let in_pipeline = || pipeline.lanes.values().flat_map(|it| self.state.executions_in(it));
        let limits = [
            ("of the runtime", self.most_actions),
            ("of the pipeline", of_pipeline.and_then(|it| usize::try_from(it).ok())),
            ("of the stage", stage.max_concurrent_actions.and_then(|it| usize::try_from(it).ok())),
            ("of a PARALLEL execution", is_parallel.then_some(ACTIONS_OF_A_PARALLEL_EXECUTION)),
        ];
        limits.into_iter().find_map(|(scope, limit)| {
            let limit = limit?;
            let running = match scope {
                "of the runtime" => self.working,
                "of the pipeline" => in_pipeline().map(Execution::working).sum(),
                "of the stage" => {
                    in_pipeline().filter(|it| it.is_in(&stage.name)).map(Execution::working).sum()
                }
                _ => execution.working(),
            };
            (running >= limit).then_some(Reached { scope, limit })
        })
    }

    /// Takes a fact in and keeps count of the actions that work, where a limit asks for it.
    pub(super) fn take_in(&mut self, event: &Event) {
        if self.most_actions.is_none() {
            return self.state.evolve(event);
        }
        let execution = event.fact.execution();
        let working = |state: &State| {
            execution.and_then(|id| state.execution(id)).map_or(0, Execution::working)
        };
        let before = working(&self.state);
        self.state.evolve(event);
        self.working = self.working + working(&self.state) - before;
    }

    pub(super) fn hold(&mut self, execution: ExecutionId) {
        let number = self.state.execution(execution).map_or(0, |it| it.number);
        self.held.insert((number, execution));
    }

    /// Returns whom the end of an action may have made room for, oldest first.
    pub(super) fn held_that_may_try(&mut self) -> Vec<ExecutionId> {
        if !std::mem::take(&mut self.room_was_made) {
            return Vec::new();
        }
        std::mem::take(&mut self.held).into_iter().map(|(_, execution)| execution).collect()
    }
}

impl Execution {
    /// Returns how many of its actions count under limits now. Who waits to be tried again keeps
    /// its place.
    pub(super) fn working(&self) -> usize {
        let Some((stage, entered)) = self.current_stage() else { return 0 };
        let working = entered.actions.iter().filter(|(name, action)| {
            let works =
                matches!(action.progress, Progress::Running | Progress::WaitingToRetry { .. });
            let declared = || self.definition.stage(stage)?.action(name);
            works && declared().is_some_and(|it| it.counts_under_limits())
        });
        working.count()
    }

    fn is_in(&self, stage: &StageName) -> bool {
        self.current_stage().is_some_and(|(it, _)| it == stage)
    }
}
