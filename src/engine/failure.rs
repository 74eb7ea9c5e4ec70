//! What follows the failure of an action or a stage: the end, another try, or a rollback
//! (CodePipeline user guide, "Stage retry", "Stage rollback").

use std::sync::Arc;

use super::{
    Engine, Fact, Refusal, Step,
    conditions::Verdict,
    event::ActionRef,
    state::{Home, Release, Rollback, StartOptions},
};
use crate::model::{
    ConditionResult, ConditionType, ErrorDetails, ExecutionId, ExecutionMode, Lane, OnFailure,
    Operator, PipelineName, RetryConfiguration, Stage, StageName, Trigger, TriggerType,
    variable::PIPELINE_NAMESPACE,
};

/// Why a stage fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Failure,
    /// A person said no; nothing tries again or rolls back by itself then.
    Rejection,
    /// Its success condition asks for a rollback.
    RollbackWanted,
}

impl Engine {
    pub(super) fn fail_stage(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
        cause: Cause,
    ) {
        let rolls_back = match (cause, &stage.on_failure) {
            (Cause::RollbackWanted, _) | (Cause::Failure, Some(OnFailure::Rollback)) => true,
            (Cause::Rejection, _) | (Cause::Failure, Some(OnFailure::Fail) | None) => false,
            (Cause::Failure, Some(OnFailure::Retry(retry))) => {
                if self.schedule_stage_retry(step, pipeline, execution, stage, retry) {
                    return;
                }
                false
            }
            (Cause::Failure, Some(OnFailure::Conditional(condition))) => {
                let kind = ConditionType::OnFailure;
                match self.condition(step, pipeline, execution, stage, kind) {
                    Verdict::Pending => return,
                    Verdict::Met => condition.result == ConditionResult::Rollback,
                    Verdict::NotMet(_) => false,
                }
            }
        };
        let home = self.state.home(execution).cloned();
        let name = stage.name.clone();
        self.record(step, pipeline, Fact::StageFailed { execution, stage: name.clone() });
        self.end(step, pipeline, Fact::ExecutionFailed { execution, stage: name });
        if let Some(home) = home.filter(|_| rolls_back) {
            self.roll_back_to_last_success(step, &home, stage, execution);
        }
    }

    /// Returns whether the stage will be tried again.
    fn schedule_stage_retry(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
        retry: &RetryConfiguration,
    ) -> bool {
        let entered = self.state.execution(execution).and_then(|it| it.stages.get(&stage.name));
        let done = entered.map_or(0, |it| it.automatic_retries);
        if done >= retry.attempts {
            return false;
        }
        let at = step.at + retry.delay_before(done + 1);
        let name = stage.name.clone();
        self.record(step, pipeline, Fact::StageRetryScheduled { execution, stage: name, at });
        if at <= step.at {
            self.retry_stage_now(step, execution);
        }
        true
    }

    /// The delay is over.
    pub(super) fn retry_stage_now(&mut self, step: &mut Step, execution: ExecutionId) {
        let Some(home) = self.state.home(execution).cloned() else { return };
        let Some(it) = self.state.execution(execution) else { return };
        let Some((stage, _)) = it.current_stage() else { return };
        let declared = it.definition.stage(stage).and_then(|it| it.on_failure.as_ref());
        let Some(OnFailure::Retry(retry)) = declared else { return };
        let (stage, mode) = (stage.clone(), retry.mode);
        let fact = Fact::StageRetried { execution, stage, mode, by: None };
        self.record(step, &home.pipeline, fact);
    }

    /// Records the failure of an action: for good, or until it is tried again.
    pub(super) fn fail_action(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        action: ActionRef,
        error: ErrorDetails,
    ) {
        let retry_at = self.state.execution(action.execution).and_then(|execution| {
            let declared = execution.definition.stage(&action.stage)?.action(&action.action)?;
            let retry = declared.retry.filter(|_| execution.stop.is_none())?;
            let entered = execution.stages.get(&action.stage)?;
            let done = entered.action_retries.get(&action.action).copied().unwrap_or(0);
            (done < retry.attempts).then(|| step.at + retry.delay_before(done + 1))
        });
        let fact = match retry_at {
            Some(at) => Fact::ActionRetryScheduled { action, at, error },
            None => Fact::ActionFailed { action, error },
        };
        self.record(step, pipeline, fact);
    }

    fn roll_back_to_last_success(
        &mut self,
        step: &mut Step,
        home: &Home,
        stage: &Stage,
        failed: ExecutionId,
    ) {
        let Some(success) = self.state.last_success(home, &stage.name) else { return };
        // A rollback runs as the current version declares the stage.
        let declared = self.state.pipelines.get(&home.pipeline).map(|it| &it.definition);
        let possible = declared.is_some_and(|it| {
            it.execution_mode != ExecutionMode::Parallel && it.stage(&stage.name).is_some()
        });
        if !possible {
            return;
        }
        let release = success.release.clone();
        // What could not be put back once will not be put back by trying for ever.
        let tried = self.state.execution(failed).and_then(|it| it.options.rollback.as_deref());
        if tried.is_some_and(|it| it.release.execution == release.execution) {
            return;
        }
        let detail = format!("{} failed in {}", failed.short(), stage.name);
        let trigger = Trigger { kind: TriggerType::AutomatedRollback, detail };
        let rollback = Rollback { stage: stage.name.clone(), release };
        self.start_rollback(step, home, rollback, trigger, None);
    }

    /// Rolls a stage back by hand. The shell has looked the target up in the history.
    pub(super) fn roll_back(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        lane: Lane,
        stage: StageName,
        release: Release,
        by: &Operator,
    ) -> Result<ExecutionId, Refusal> {
        let pipeline = self.pipeline(name)?;
        let unable = |reason: &str| Refusal::UnableToRollbackStage {
            stage: stage.clone(),
            reason: reason.to_owned(),
        };
        if pipeline.definition.stage(&stage).is_none() {
            let known = pipeline.definition.stages.iter().map(|it| it.name.to_string()).collect();
            let pipeline = name.clone();
            return Err(Refusal::UnknownStage { pipeline, stage: stage.clone(), known });
        }
        if pipeline.definition.execution_mode == ExecutionMode::Parallel {
            return Err(unable("a PARALLEL pipeline has no rollback"));
        }
        if pipeline.definition.first_stage().name == stage {
            return Err(unable("the source stage cannot be rolled back"));
        }
        let slot = pipeline.lanes.get(&lane).and_then(|it| it.slots.get(&stage));
        if slot.is_some_and(|slot| slot.occupant.is_some()) {
            return Err(unable("an execution is in it; stop that one first"));
        }
        let home = Home { pipeline: name.clone(), lane };
        let trigger = Trigger { kind: TriggerType::ManualRollback, detail: by.to_string() };
        let rollback = Rollback { stage, release: release.into() };
        let by = Some(Box::new(by.clone()));
        Ok(self.start_rollback(step, &home, rollback, trigger, by))
    }

    fn start_rollback(
        &mut self,
        step: &mut Step,
        home: &Home,
        rollback: Rollback,
        trigger: Trigger,
        by: Option<Box<Operator>>,
    ) -> ExecutionId {
        let execution = self.mint_execution();
        let version = self.state.pipelines.get(&home.pipeline).map_or(0, |it| it.version);
        let release = &rollback.release;
        let fact = Fact::ExecutionStarted {
            execution,
            version,
            lane: home.lane.clone(),
            trigger,
            revisions: Arc::clone(&release.revisions),
            variables: release.variables.get(PIPELINE_NAMESPACE).cloned().unwrap_or_default(),
            options: StartOptions {
                rollback: Some(Box::new(rollback)),
                by,
                ..StartOptions::default()
            },
        };
        self.record(step, &home.pipeline, fact);
        execution
    }
}
