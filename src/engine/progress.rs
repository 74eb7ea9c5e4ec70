//! Walks an execution through a stage: entry condition, actions by run order, success condition,
//! and what follows a failure.

use super::{
    Engine, Fact, Step,
    conditions::Verdict,
    event::SkipReason,
    failure::Cause,
    state::{Place, Progress},
};
use crate::model::{
    ActionName, ActionStatus, ApprovalStatus, ConditionResult, ConditionType, ExecutionId,
    PipelineName, Stage, StageName,
};

impl Engine {
    pub(super) fn progress(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        name: &StageName,
    ) {
        let Some(definition) = self.state.execution(execution).map(|it| it.definition.clone())
        else {
            return;
        };
        let Some(stage) = definition.stage(name) else { return };
        let entered = self.state.execution(execution).and_then(|it| it.stages.get(name));
        if entered.is_none_or(|it| it.retry_at.is_some()) {
            return;
        }
        match self.condition(step, pipeline, execution, stage, ConditionType::BeforeEntry) {
            Verdict::Pending => return,
            Verdict::Met => {}
            Verdict::NotMet(ConditionResult::Skip) => {
                let reason = SkipReason::Condition;
                return self.skip(step, pipeline, execution, name.clone(), reason);
            }
            Verdict::NotMet(_) => {
                return self.fail_stage(step, pipeline, execution, stage, Cause::Failure);
            }
        }
        let Some(entered) = self.state.execution(execution).and_then(|it| it.stages.get(name))
        else {
            return;
        };
        // Siblings of a failed action run to their end before the stage counts as failed.
        let works = entered.has_action(ActionStatus::InProgress);
        if entered.has_action(ActionStatus::Failed) {
            let rejected = entered.actions.values().any(|it| {
                it.status() == ActionStatus::Failed
                    && it.decision().is_some_and(|it| it.status == ApprovalStatus::Rejected)
            });
            let cause = if rejected { Cause::Rejection } else { Cause::Failure };
            if !works {
                self.fail_stage(step, pipeline, execution, stage, cause);
            }
            return;
        }
        if entered.has_action(ActionStatus::Abandoned) {
            // A gate that has timed out and was told to skip the stage then.
            if !works {
                let reason = SkipReason::ApprovalTimeout;
                self.skip(step, pipeline, execution, name.clone(), reason);
            }
            return;
        }
        match self.next_actions(execution, stage) {
            Group::Running => {}
            Group::Ready(order) => {
                for action in stage.actions.iter().filter(|it| it.run_order == order) {
                    if self.has_started(execution, name, &action.name) {
                        continue;
                    }
                    self.start_action(step, pipeline, execution, stage, action);
                }
            }
            Group::AllSucceeded => self.succeed_stage(step, pipeline, execution, stage),
        }
    }

    fn succeed_stage(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
    ) {
        match self.condition(step, pipeline, execution, stage, ConditionType::OnSuccess) {
            Verdict::Pending => {}
            Verdict::Met => {
                let stage = stage.name.clone();
                self.record(step, pipeline, Fact::StageSucceeded { execution, stage });
                self.succeed_if_over(step, pipeline, execution);
            }
            Verdict::NotMet(result) => {
                let cause = match result {
                    ConditionResult::Rollback => Cause::RollbackWanted,
                    ConditionResult::Fail | ConditionResult::Retry | ConditionResult::Skip => {
                        Cause::Failure
                    }
                };
                self.fail_stage(step, pipeline, execution, stage, cause);
            }
        }
    }

    pub(super) fn skip(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: StageName,
        reason: SkipReason,
    ) {
        self.record(step, pipeline, Fact::StageSkipped { execution, stage, reason });
        self.succeed_if_over(step, pipeline, execution);
    }

    fn succeed_if_over(&mut self, step: &mut Step, pipeline: &PipelineName, id: ExecutionId) {
        // Whoever has a next stage stands before that one by now.
        let over = self.state.execution(id).is_some_and(|it| matches!(it.place, Place::In { .. }));
        if over {
            self.end(step, pipeline, Fact::ExecutionSucceeded { execution: id });
        }
    }

    /// Returns what the lowest run order that is not through needs.
    fn next_actions(&self, id: ExecutionId, stage: &Stage) -> Group {
        let entered = self.state.execution(id).and_then(|it| it.stages.get(&stage.name));
        let Some(entered) = entered else { return Group::Running };
        for order in stage.run_orders() {
            let group = stage.actions.iter().filter(|it| it.run_order == order);
            let mut all_succeeded = true;
            for action in group {
                let Some(started) = entered.actions.get(&action.name) else {
                    return Group::Ready(order);
                };
                all_succeeded &= matches!(started.progress, Progress::Succeeded { .. });
            }
            if !all_succeeded {
                return Group::Running;
            }
        }
        Group::AllSucceeded
    }

    fn has_started(&self, id: ExecutionId, stage: &StageName, action: &ActionName) -> bool {
        let entered = self.state.execution(id).and_then(|it| it.stages.get(stage));
        entered.is_some_and(|it| it.actions.contains_key(action))
    }
}

enum Group {
    Running,
    /// Actions of this run order have not started yet.
    Ready(u32),
    AllSucceeded,
}
