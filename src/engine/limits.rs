//! How many actions may run at a time: in the runtime, in a pipeline, in a stage, and in one
//! PARALLEL execution (CodePipeline user guide, "Quotas").
//!
//! Gates, source actions whose commit is known and invoked pipelines run nothing and count
//! nowhere. Who does not fit is held and tries again, oldest execution first, whenever an action
//! has ended.

use super::{Engine, state::Progress};
use crate::model::{Action, Category, ExecutionId, ExecutionMode, PipelineName, Stage, StageName};

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
        self.most_actions = most;
    }

    pub(super) fn limit_in_the_way(
        &self,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
        action: &Action,
    ) -> Option<Reached> {
        let runs_nothing = action.is_approval()
            || action.is_invoke_of_pipeline()
            || action.action_type.category == Category::Source;
        if runs_nothing {
            return None;
        }
        let of_pipeline = self.state.pipelines.get(pipeline)?.definition.max_concurrent_actions;
        let is_parallel = self
            .state
            .execution(execution)
            .is_some_and(|it| it.definition.execution_mode == ExecutionMode::Parallel);
        let limits = [
            ("of the runtime", self.most_actions),
            ("of the pipeline", of_pipeline.and_then(|it| usize::try_from(it).ok())),
            ("of the stage", stage.max_concurrent_actions.and_then(|it| usize::try_from(it).ok())),
            ("of a PARALLEL execution", is_parallel.then_some(ACTIONS_OF_A_PARALLEL_EXECUTION)),
        ];
        limits.into_iter().find_map(|(scope, limit)| {
            let limit = limit?;
            let running = match scope {
                "of the runtime" => self.running_jobs(|_, _, _| true),
                "of the pipeline" => self.running_jobs(|name, _, _| name == pipeline),
                "of the stage" => {
                    self.running_jobs(|name, _, at| name == pipeline && *at == stage.name)
                }
                _ => self.running_jobs(|_, id, _| id == execution),
            };
            (running >= limit).then_some(Reached { scope, limit })
        })
    }

    fn running_jobs(
        &self,
        counts: impl Fn(&PipelineName, ExecutionId, &StageName) -> bool,
    ) -> usize {
        let running = self.state.running.values().filter(|action| {
            let Some(home) = self.state.home(action.execution) else { return false };
            let works = self.state.action(action).is_some_and(|it| match it.progress {
                // Who waits to be tried again keeps its place.
                Progress::Running | Progress::WaitingToRetry { .. } => true,
                Progress::AwaitingApproval(_)
                | Progress::Decided(_)
                | Progress::Succeeded { .. }
                | Progress::Failed { .. }
                | Progress::Abandoned { .. } => false,
            });
            works && counts(&home.pipeline, action.execution, &action.stage)
        });
        running.count()
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
