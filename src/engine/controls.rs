//! What operators do to executions and stages: stop, retry, enable and disable transitions.

use super::{
    Effect, Engine, Fact, Refusal, Step, TransitionChange,
    state::{Execution, PipelineState, Place, Progress},
};
use crate::model::{
    ExecutionId, ExecutionStatus, Operator, PipelineName, RetryMode, StageName, StageStatus,
    StopMode, StopRequest,
};

impl Engine {
    pub(super) fn pipeline(&self, name: &PipelineName) -> Result<&PipelineState, Refusal> {
        self.state.pipelines.get(name).ok_or_else(|| Refusal::UnknownPipeline {
            pipeline: name.clone(),
            known: self.state.pipelines.keys().map(ToString::to_string).collect(),
        })
    }

    pub(super) fn execution_of(
        &self,
        name: &PipelineName,
        id: ExecutionId,
    ) -> Result<&Execution, Refusal> {
        self.pipeline(name)?;
        let here = self.state.home(id).is_some_and(|home| home.pipeline == *name);
        self.state.execution(id).filter(|_| here).ok_or_else(|| Refusal::UnknownExecution {
            pipeline: name.clone(),
            execution: id.to_string(),
        })
    }

    pub(super) fn stop(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        id: ExecutionId,
        request: StopRequest,
    ) -> Result<(), Refusal> {
        let execution = self.execution_of(name, id)?;
        if execution.status.has_ended() {
            return Err(Refusal::NotStoppable { execution: id, status: execution.status });
        }
        let escalates = execution.stop.as_ref().is_none_or(|earlier| {
            earlier.mode == StopMode::Wait && request.mode == StopMode::Abandon
        });
        if !escalates {
            return Err(Refusal::DuplicatedStopRequest { execution: id });
        }
        let mode = request.mode;
        self.record(step, name, Fact::StopRequested { execution: id, request });
        self.abandon_actions(step, name, id, mode);
        Ok(())
    }

    /// Ends what need not be waited for: under `Wait` only open gates, since nothing runs there.
    fn abandon_actions(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        execution: ExecutionId,
        mode: StopMode,
    ) {
        for action in self.state.actions_in_progress(execution) {
            match self.state.action(&action).map(|it| &it.progress) {
                Some(Progress::AwaitingApproval(_) | Progress::WaitingToRetry { .. }) => {}
                Some(Progress::Running) if mode == StopMode::Abandon => {
                    step.effects.push(Effect::StopJob(action.id));
                }
                _ => continue,
            }
            self.record(step, name, Fact::ActionAbandoned { action });
        }
        self.abandon_rules(step, name, execution, mode == StopMode::Abandon);
    }

    pub(super) fn retry(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        stage: StageName,
        id: ExecutionId,
        mode: RetryMode,
        by: Operator,
    ) -> Result<(), Refusal> {
        let execution = self.execution_of(name, id)?;
        match execution.status {
            ExecutionStatus::Failed | ExecutionStatus::Stopped => {}
            status @ (ExecutionStatus::InProgress
            | ExecutionStatus::Stopping
            | ExecutionStatus::Succeeded
            | ExecutionStatus::Superseded
            | ExecutionStatus::Cancelled) => {
                return Err(Refusal::NotRetryable { execution: id, status });
            }
        }
        let ended = execution.stages.get(&stage).map(|it| it.status);
        if !matches!(ended, Some(StageStatus::Failed | StageStatus::Stopped)) {
            return Err(Refusal::StageNotRetryable { execution: id, stage });
        }
        self.may_reopen(id, &stage)?;
        let by = Some(by);
        self.record(step, name, Fact::StageRetried { execution: id, stage, mode, by });
        Ok(())
    }

    /// Only the execution that entered a stage last may go on in it, and only while nobody else
    /// holds what the stage needs.
    pub(super) fn may_reopen(&self, id: ExecutionId, stage: &StageName) -> Result<(), Refusal> {
        let home = self.state.home(id);
        let slot = home.and_then(|home| self.state.lane(home)).and_then(|it| it.slots.get(stage));
        if let Some(latest) = slot.and_then(|slot| slot.latest).filter(|latest| *latest != id) {
            let stage = stage.clone();
            return Err(Refusal::NotLatestPipelineExecution { execution: id, stage, latest });
        }
        let lock = self.state.execution(id).and_then(|it| it.lock_of(stage));
        match lock.and_then(|lock| Some((lock, self.state.locks.get(lock)?))) {
            Some((lock, holder)) => Err(Refusal::LockHeld { lock: lock.clone(), holder: *holder }),
            None => Ok(()),
        }
    }

    /// Forgets a pipeline; its history stays.
    pub(super) fn delete_pipeline(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        by: Operator,
    ) -> Result<(), Refusal> {
        let pipeline = self.pipeline(name)?;
        let mut executions = pipeline.lanes.values().flat_map(|it| self.state.executions_in(it));
        let alive = executions.find(|it| !it.status.has_ended()).map(|it| it.id);
        drop(executions);
        if let Some(execution) = alive {
            return Err(Refusal::StillUnderWay { pipeline: name.clone(), execution });
        }
        self.record(step, name, Fact::PipelineDeleted { by });
        Ok(())
    }

    pub(super) fn set_transition(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        stage: StageName,
        change: TransitionChange,
        by: Operator,
    ) -> Result<(), Refusal> {
        let pipeline = self.pipeline(name)?;
        let stages = &pipeline.definition.stages;
        match stages.iter().position(|it| it.name == stage) {
            Some(0) => return Err(Refusal::NoTransition),
            Some(_) => {}
            // An execution of an older version may still wait before a stage that is gone.
            None if pipeline.transitions.contains_key(&stage) => {}
            None => {
                let known = stages.iter().map(|it| it.name.to_string()).collect();
                return Err(Refusal::UnknownStage { pipeline: name.clone(), stage, known });
            }
        }
        let lanes: Vec<_> = pipeline.lanes_of(name).collect();
        let fact = match change {
            TransitionChange::Enable => Fact::TransitionEnabled { stage, by },
            TransitionChange::Disable { reason } => Fact::TransitionDisabled { stage, reason, by },
        };
        self.record(step, name, fact);
        self.to_admit.extend(lanes);
        Ok(())
    }

    /// Returns the stage in which an execution failed or was stopped.
    pub fn stage_to_retry(execution: &Execution) -> Option<&StageName> {
        match &execution.place {
            Place::Ended => execution
                .stages
                .iter()
                .find(|(_, it)| matches!(it.status, StageStatus::Failed | StageStatus::Stopped))
                .map(|(name, _)| name),
            Place::Before { .. } | Place::In { .. } => None,
        }
    }
}
