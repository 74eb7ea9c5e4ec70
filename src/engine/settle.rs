//! Moves everything that can move: admission to stages, run-order groups, ends of stages and
//! executions. It goes on until nothing changes, so a free stage never keeps a waiter.
//!
//! SUPERSEDED mode (CodePipeline user guide, "How pipeline executions work"): a stage holds one
//! execution; before it stands at most one more, and a newer arrival supersedes that one.

use super::{
    ActionRef, Effect, Engine, Fact, Step,
    state::{Approval, Execution, Place, Progress, ResolvedAction},
};
use crate::model::{
    Action, ActionExecutionId, ActionStatus, ApprovalStatus, ApprovalToken, ArtifactName, Category,
    EnvironmentVariable, ErrorDetails, ExecutionId, ExecutionStatus, FailureType, Job, JobInput,
    JobReport, JobSuccess, Lane, PipelineName, StageName,
    variable::{self, Unresolved},
};

impl Engine {
    pub(super) fn settle(&mut self, step: &mut Step) {
        while let Some((pipeline, lane)) = step.unsettled.pop_first() {
            self.admit(step, &pipeline, &lane);
            for execution in self.executions_in_order(&pipeline, &lane) {
                self.advance(step, &pipeline, execution);
            }
        }
    }

    fn executions_in_order(&self, pipeline: &PipelineName, lane: &Lane) -> Vec<ExecutionId> {
        let lane = self.state.pipelines.get(pipeline).and_then(|it| it.lanes.get(lane));
        let mut alive: Vec<&Execution> = lane
            .iter()
            .flat_map(|lane| lane.executions.values())
            .filter(|execution| !execution.status.has_ended())
            .collect();
        alive.sort_by_key(|execution| execution.number);
        alive.into_iter().map(|execution| execution.id).collect()
    }

    /// Supersedes all but the newest waiter of each stage and lets it in where the way is free.
    fn admit(&mut self, step: &mut Step, pipeline: &PipelineName, lane: &Lane) {
        let Some(state) = self.state.pipelines.get(pipeline) else { return };
        let Some(slots) = state.lanes.get(lane).map(|lane| &lane.slots) else { return };
        let mut facts = Vec::new();
        for (stage, slot) in slots {
            let number = |id: &ExecutionId| self.state.execution(*id).map(|it| it.number);
            let Some(newest) = slot.waiting.iter().copied().max_by_key(number) else { continue };
            for older in slot.waiting.iter().copied().filter(|id| *id != newest) {
                let stage = stage.clone();
                facts.push(Fact::ExecutionSuperseded { execution: older, by: newest, stage });
            }
            let stopping = self
                .state
                .execution(newest)
                .is_some_and(|it| it.status == ExecutionStatus::Stopping);
            if slot.occupant.is_none() && state.is_enabled(stage) && !stopping {
                facts.push(Fact::StageEntered { execution: newest, stage: stage.clone() });
            }
        }
        for fact in facts {
            self.record(step, pipeline, fact);
        }
    }

    fn advance(&mut self, step: &mut Step, pipeline: &PipelineName, id: ExecutionId) {
        let Some(execution) = self.state.execution(id) else { return };
        let stopping = execution.status == ExecutionStatus::Stopping;
        match execution.place.clone() {
            Place::Before { .. } if stopping => {
                self.record(step, pipeline, Fact::ExecutionStopped { execution: id });
            }
            Place::Before { .. } | Place::Ended => {}
            Place::In { stage } => {
                self.finish_decided(step, pipeline, id, &stage);
                if stopping {
                    self.finish_stopping(step, pipeline, id, stage);
                } else {
                    self.progress(step, pipeline, id, stage);
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
        if !self.has_status(execution, &stage, ActionStatus::InProgress) {
            self.record(step, pipeline, Fact::StageStopped { execution, stage });
            self.record(step, pipeline, Fact::ExecutionStopped { execution });
        }
    }

    fn progress(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: StageName,
    ) {
        // Siblings of a failed action run to their end before the stage counts as failed.
        if self.has_status(execution, &stage, ActionStatus::Failed) {
            if !self.has_status(execution, &stage, ActionStatus::InProgress) {
                let fact = Fact::StageFailed { execution, stage: stage.clone() };
                self.record(step, pipeline, fact);
                self.record(step, pipeline, Fact::ExecutionFailed { execution, stage });
            }
            return;
        }
        match self.next_actions(execution, &stage) {
            Group::Running => {}
            Group::Ready(actions) => {
                for action in actions {
                    self.start_action(step, pipeline, execution, &stage, &action);
                }
            }
            Group::AllSucceeded => {
                self.record(step, pipeline, Fact::StageSucceeded { execution, stage });
                let over = self
                    .state
                    .execution(execution)
                    .is_some_and(|it| matches!(it.place, Place::In { .. }));
                if over {
                    self.record(step, pipeline, Fact::ExecutionSucceeded { execution });
                }
            }
        }
    }

    fn has_status(&self, id: ExecutionId, stage: &StageName, status: ActionStatus) -> bool {
        let stage = self.state.execution(id).and_then(|it| it.stages.get(stage));
        stage.is_some_and(|it| it.actions.values().any(|action| action.status() == status))
    }

    /// Returns what the lowest run order that is not through needs.
    fn next_actions(&self, id: ExecutionId, stage: &StageName) -> Group {
        let Some(execution) = self.state.execution(id) else { return Group::Running };
        let Some(declared) = execution.definition.stage(stage) else { return Group::Running };
        let Some(entered) = execution.stages.get(stage) else { return Group::Running };
        for order in declared.run_orders() {
            let group = || declared.actions.iter().filter(move |it| it.run_order == order);
            let ready: Vec<Action> =
                group().filter(|it| !entered.actions.contains_key(&it.name)).cloned().collect();
            if !ready.is_empty() {
                return Group::Ready(ready);
            }
            let succeeded =
                |action: &Action| entered.actions[&action.name].status() == ActionStatus::Succeeded;
            if !group().all(succeeded) {
                return Group::Running;
            }
        }
        Group::AllSucceeded
    }

    fn start_action(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &StageName,
        action: &Action,
    ) {
        let id = ActionExecutionId::from_random_bytes(self.rng.bytes());
        let approval = action.is_approval().then(|| Approval {
            token: ApprovalToken::from_random_bytes(self.rng.bytes()),
            expires_at: action.expires_at(step.at),
        });
        let Some(state) = self.state.execution(execution) else { return };
        let attempt = 1 + state
            .stages
            .get(stage)
            .and_then(|stage| stage.attempts.get(&action.name))
            .copied()
            .unwrap_or(0);
        let (resolved, problem) = match resolve(action, state) {
            Ok(resolved) => (resolved, None),
            Err(unresolved) => (as_written(action), Some(unresolved)),
        };
        let known = state.revisions.iter().find(|it| it.action == action.name).cloned();
        let action_ref =
            ActionRef { execution, stage: stage.clone(), action: action.name.clone(), id };
        let approval = approval.filter(|_| problem.is_none());
        let opened = approval.is_some();
        let fact = Fact::ActionStarted { action: action_ref.clone(), attempt, resolved, approval };
        self.record(step, pipeline, fact);

        if let Some(unresolved) = problem {
            let error = configuration_error(unresolved.to_string());
            self.record(step, pipeline, Fact::ActionFailed { action: action_ref, error });
        } else if opened {
            // The gate waits for an operator or for its deadline.
        } else if action.action_type.category == Category::Source
            && let Some(revision) = known
        {
            let success = JobSuccess {
                summary: format!("{} {}", revision.id.short(), revision.subject()),
                variables: revision.variables().collect(),
                artifacts: action
                    .output_artifacts
                    .iter()
                    .map(|it| (it.name.clone(), revision.content()))
                    .collect(),
                revision: Some(revision),
            };
            self.record(step, pipeline, Fact::ActionSucceeded { action: action_ref, success });
        } else if let Some(job) = self.job_of(&action_ref) {
            step.effects.push(Effect::StartJob(Box::new(job)));
        } else {
            let names: Vec<_> = action.input_artifacts.iter().map(ArtifactName::as_str).collect();
            let error = configuration_error(format!(
                "no action has produced the input artifact {}",
                names.join(" or ")
            ));
            self.record(step, pipeline, Fact::ActionFailed { action: action_ref, error });
        }
    }

    /// Builds the job of an action in progress; nothing for gates and missing input artifacts.
    pub(super) fn job_of(&self, action: &ActionRef) -> Option<Job> {
        let home = self.state.homes.get(&action.execution)?;
        let execution = self.state.execution(action.execution)?;
        let declared = execution.definition.stage(&action.stage)?.action(&action.action)?;
        if declared.is_approval() {
            return None;
        }
        let attempt = self.state.action(action)?;
        let inputs = declared
            .input_artifacts
            .iter()
            .map(|name| {
                let content = execution.artifacts.get(name)?.clone();
                Some(JobInput { name: name.clone(), content })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Job {
            id: action.id,
            pipeline: home.pipeline.clone(),
            lane: home.lane.clone(),
            stage: action.stage.clone(),
            execution: action.execution,
            action: attempt.resolved.apply_to(declared),
            base_directory: execution.definition.base_directory(),
            revisions: execution.revisions.clone(),
            withheld_environment: execution.definition.secret_environment(),
            inputs,
        })
    }

    pub(super) fn report(
        &mut self,
        step: &mut Step,
        id: ActionExecutionId,
        report: JobReport,
    ) -> Result<(), super::Refusal> {
        let action = self.state.running.get(&id).cloned().ok_or(super::Refusal::JobNotRunning)?;
        let awaited = self
            .state
            .action(&action)
            .is_some_and(|it| it.id == id && matches!(it.progress, Progress::Running));
        let home = self.state.homes.get(&action.execution).cloned().filter(|_| awaited);
        let pipeline = home.ok_or(super::Refusal::JobNotRunning)?.pipeline;
        let fact = match report {
            JobReport::Succeeded(success) => Fact::ActionSucceeded { action, success },
            JobReport::Failed(error) => Fact::ActionFailed { action, error },
        };
        self.record(step, &pipeline, fact);
        Ok(())
    }

    /// Turns answers at gates into the ends of their actions.
    fn finish_decided(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &StageName,
    ) {
        let Some(entered) = self.state.execution(execution).and_then(|it| it.stages.get(stage))
        else {
            return;
        };
        let mut facts = Vec::new();
        for (name, attempt) in &entered.actions {
            let Progress::Decided(decision) = &attempt.progress else { continue };
            let action =
                ActionRef { execution, stage: stage.clone(), action: name.clone(), id: attempt.id };
            let summary = decision.summary.clone();
            facts.push(match decision.status {
                ApprovalStatus::Approved => Fact::ActionSucceeded {
                    action,
                    success: JobSuccess { summary, ..JobSuccess::default() },
                },
                ApprovalStatus::Rejected => Fact::ActionFailed {
                    action,
                    error: ErrorDetails {
                        code: FailureType::JobFailed,
                        message: format!("rejected by {}: {summary}", decision.by),
                    },
                },
            });
        }
        for fact in facts {
            self.record(step, pipeline, fact);
        }
    }
}

enum Group {
    Running,
    Ready(Vec<Action>),
    AllSucceeded,
}

fn configuration_error(message: String) -> ErrorDetails {
    ErrorDetails { code: FailureType::ConfigurationError, message }
}

pub(super) fn as_written(action: &Action) -> ResolvedAction {
    ResolvedAction {
        configuration: action.configuration.clone(),
        commands: action.commands.clone(),
        environment_variables: action.environment_variables.clone(),
    }
}

pub(super) fn resolve(
    action: &Action,
    execution: &Execution,
) -> Result<ResolvedAction, Unresolved> {
    let resolve = |text: &String| variable::resolve(text, &execution.variables);
    Ok(ResolvedAction {
        configuration: action
            .configuration
            .iter()
            .map(|(key, value)| Ok((key.clone(), resolve(value)?)))
            .collect::<Result<_, Unresolved>>()?,
        commands: action.commands.iter().map(resolve).collect::<Result<_, _>>()?,
        environment_variables: action
            .environment_variables
            .iter()
            .map(|it| Ok(EnvironmentVariable { value: resolve(&it.value)?, ..it.clone() }))
            .collect::<Result<_, Unresolved>>()?,
    })
}
