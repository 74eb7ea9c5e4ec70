//! Starts actions, makes their jobs and takes their results.

use std::sync::Arc;

use super::{
    ActionRef, Effect, Engine, Fact, Step,
    state::{Approval, Progress},
};
use crate::model::{
    Action, ActionExecutionId, ApprovalStatus, ApprovalToken, ArtifactName, Category, ErrorDetails,
    ExecutionId, FailureType, Instructions, Job, JobInput, JobReport, JobSuccess, PipelineName,
    Stage, StageName,
};

impl Engine {
    pub(super) fn start_action(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
        action: &Action,
    ) {
        if self.limit_in_the_way(pipeline, execution, stage, action).is_some() {
            return self.hold(execution);
        }
        self.start_admitted(step, pipeline, execution, stage, action);
    }

    /// Starts an action that no limit holds back.
    fn start_admitted(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
        action: &Action,
    ) {
        let id = ActionExecutionId::from_random_bytes(self.rng.bytes());
        let approval = action.is_approval().then(|| Approval {
            token: ApprovalToken::of(id),
            expires_at: action.expires_at(step.at),
            deferred: None,
            note: None,
        });
        let Some(state) = self.state.execution(execution) else { return };
        let entered = state.stages.get(&stage.name);
        let attempt = 1 + entered.map_or(0, |it| it.attempts_of(&action.name));
        let value_of = |namespace: &str, key: &str| state.release.variable(namespace, key);
        let (resolved, problem) = match action.instructions.resolve(&value_of) {
            Ok(resolved) => (resolved, None),
            Err(unresolved) => (Arc::clone(&action.instructions), Some(unresolved)),
        };
        let known = state.release.revisions.iter().find(|it| it.action == action.name).cloned();
        let name = action.name.clone();
        let action_ref = ActionRef { execution, stage: stage.name.clone(), action: name, id };
        let approval = approval.filter(|_| problem.is_none());
        let opened = approval.is_some();
        let fact = Fact::ActionStarted { action: action_ref.clone(), attempt, resolved, approval };
        self.record(step, pipeline, fact);

        if let Some(unresolved) = problem {
            let error = configuration_error(unresolved.to_string());
            self.record(step, pipeline, Fact::ActionFailed { action: action_ref, error });
        } else if opened {
            // The gate waits for an operator or for its deadline.
        } else if action.is_invoke_of_pipeline() {
            self.invoke(step, pipeline, action_ref);
        } else if action.action_type.category == Category::Source
            && let Some(revision) = known
        {
            let success = JobSuccess {
                summary: format!("{} {}", revision.id.short(), revision.subject()),
                variables: Arc::new(revision.variables()),
                artifacts: action
                    .output_artifacts
                    .iter()
                    .map(|it| (it.name.clone(), revision.content()))
                    .collect(),
                revision: Some(revision),
                ended_at: None,
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

    /// Builds the job of a running action; nothing for what needs no job, and nothing where input
    /// artifacts are missing.
    pub(super) fn job_of(&self, action: &ActionRef) -> Option<Job> {
        let execution = self.state.execution(action.execution)?;
        let declared = execution.definition.stage(&action.stage)?.action(&action.action)?;
        let attempt = self.state.action(action)?;
        let has_job = !declared.is_approval() && !declared.is_invoke_of_pipeline();
        if !has_job || !matches!(attempt.progress, Progress::Running) {
            return None;
        }
        let work = (Arc::clone(declared), Arc::clone(&attempt.resolved));
        self.job(action.execution, &action.stage, action.id, work)
    }

    pub(super) fn job(
        &self,
        id: ExecutionId,
        stage: &StageName,
        job: ActionExecutionId,
        (action, instructions): (Arc<Action>, Arc<Instructions>),
    ) -> Option<Job> {
        let execution = self.state.execution(id)?;
        let home = &execution.home;
        let inputs = action
            .input_artifacts
            .iter()
            .map(|name| {
                let content = execution.release.artifacts.get(name)?.clone();
                Some(JobInput { name: name.clone(), content })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Job {
            id: job,
            pipeline: home.pipeline.clone(),
            lane: home.lane.clone(),
            stage: stage.clone(),
            execution: id,
            action,
            instructions,
            definition: Arc::clone(&execution.definition),
            revisions: Arc::clone(&execution.release.revisions),
            inputs,
        })
    }

    pub(super) fn report(
        &mut self,
        step: &mut Step,
        id: ActionExecutionId,
        report: JobReport,
    ) -> Result<(), super::Refusal> {
        if self.report_rule(step, id, &report) {
            return Ok(());
        }
        let action = self.state.running.get(&id).cloned().ok_or(super::Refusal::JobNotRunning)?;
        let awaited = self
            .state
            .action(&action)
            .is_some_and(|it| it.id == id && matches!(it.progress, Progress::Running));
        let home = self.state.home(action.execution).cloned().filter(|_| awaited);
        let pipeline = home.ok_or(super::Refusal::JobNotRunning)?.pipeline;
        match report {
            JobReport::Succeeded(success) => {
                self.record(step, &pipeline, Fact::ActionSucceeded { action, success });
            }
            JobReport::Failed(error) => self.fail_action(step, &pipeline, action, error),
        }
        Ok(())
    }

    /// Turns answers at gates into the ends of their actions.
    pub(super) fn finish_decided(
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
                    error: ErrorDetails::new(
                        FailureType::JobFailed,
                        format!("rejected by {}: {summary}", decision.by),
                    ),
                },
            });
        }
        for fact in facts {
            self.record(step, pipeline, fact);
        }
    }

    /// The time of an action has come: a gate times out, a deferred decision takes effect, or the
    /// action is tried again.
    pub(super) fn action_is_due(&mut self, step: &mut Step, id: ActionExecutionId) {
        let Some(action) = self.state.running.get(&id).cloned() else { return };
        let Some(home) = self.state.home(action.execution).cloned() else { return };
        match self.state.action(&action).map(|it| it.progress.clone()) {
            Some(Progress::AwaitingApproval(approval)) => {
                self.approval_is_due(step, &home.pipeline, action, approval);
            }
            Some(Progress::WaitingToRetry { .. }) => {
                let definition =
                    self.state.execution(action.execution).map(|it| it.definition.clone());
                let Some(definition) = definition else { return };
                let Some(stage) = definition.stage(&action.stage) else { return };
                let Some(declared) = stage.action(&action.action) else { return };
                self.start_admitted(step, &home.pipeline, action.execution, stage, declared);
            }
            _ => {}
        }
    }
}

pub(super) fn configuration_error(message: String) -> ErrorDetails {
    ErrorDetails::new(FailureType::ConfigurationError, message)
}
