//! A pipeline that invokes another one (CodePipeline user guide, "CodePipeline invoke action").
//!
//! The reference does not say whether the action waits for the execution it starts. Here it does,
//! and ends as that one ends, unless its configuration says `WaitForCompletion = "false"`.

use super::{
    ActionRef, Engine, Fact, Step,
    actions::configuration_error,
    state::{Progress, StartOptions},
};
use crate::model::{
    ErrorDetails, ExecutionId, ExecutionStatus, FailureType, JobSuccess, PipelineName, Trigger,
    TriggerType, variable,
};

impl Engine {
    pub(super) fn invoke(&mut self, step: &mut Step, pipeline: &PipelineName, action: ActionRef) {
        match self.start_child(step, pipeline, &action) {
            Ok(child) if self.waits_for_child(&action) => {
                // The child's end is the action's.
                debug_assert!(self.state.execution(child).is_some());
            }
            Ok(child) => {
                let success = child_success(child, "started");
                self.record(step, pipeline, Fact::ActionSucceeded { action, success });
            }
            Err(problem) => {
                let error = configuration_error(problem);
                self.record(step, pipeline, Fact::ActionFailed { action, error });
            }
        }
    }

    fn setting_of(&self, action: &ActionRef, key: &str) -> Option<&str> {
        let attempt = self.state.action(action)?;
        attempt.resolved.configuration.get(key).map(String::as_str)
    }

    fn waits_for_child(&self, action: &ActionRef) -> bool {
        self.setting_of(action, "WaitForCompletion") != Some("false")
    }

    fn start_child(
        &mut self,
        step: &mut Step,
        parent: &PipelineName,
        action: &ActionRef,
    ) -> Result<ExecutionId, String> {
        let name: PipelineName = self.setting_of(action, "PipelineName").unwrap_or_default().into();
        self.check_for_circle(parent, action.execution, &name)?;
        let overrides = match self.setting_of(action, "Variables") {
            Some(text) => variables(text)?,
            None => Vec::new(),
        };
        let pipeline = self.pipeline(&name).map_err(|refusal| refusal.to_string())?;
        let source = pipeline.definition.primary_source();
        let heads = pipeline.sources.get(&source.name);
        let branch = source.instructions.configuration.get("BranchName").map_or("", String::as_str);
        let parents_branch = self.state.home(action.execution);
        let parents_branch = parents_branch.and_then(|home| home.lane.branch());
        let head = heads.and_then(|heads| {
            heads.get(branch).or_else(|| parents_branch.and_then(|branch| heads.get(branch)))
        });
        let head = head.cloned().ok_or_else(|| {
            format!("pipeline {name} has seen no commit on its branch {branch} yet")
        })?;
        let detail = format!("{parent} execution {}", action.execution.short());
        let trigger = Trigger { kind: TriggerType::StartPipelineExecution, detail };
        let options =
            StartOptions { parent: Some(action.clone().into()), ..StartOptions::default() };
        self.pipeline_variables(&name, overrides)
            .and_then(|variables| {
                self.start(step, &name, [head].into(), trigger, variables, options)
            })
            .map_err(|refusal| refusal.to_string())
    }

    /// A pipeline that waits for itself, directly or around a corner, would wait for ever.
    fn check_for_circle(
        &self,
        parent: &PipelineName,
        execution: ExecutionId,
        child: &PipelineName,
    ) -> Result<(), String> {
        let (mut at, mut name) = (Some(execution), parent.clone());
        loop {
            if name == *child {
                return Err(format!("{child} cannot invoke itself, not even through another one"));
            }
            let action = at
                .and_then(|id| self.state.execution(id))
                .and_then(|it| it.options.parent.as_deref());
            let Some(action) = action else { return Ok(()) };
            at = Some(action.execution);
            let Some(home) = self.state.home(action.execution) else { return Ok(()) };
            name = home.pipeline.clone();
        }
    }

    /// Ends the action that waited for an execution.
    pub(super) fn child_ended(&mut self, step: &mut Step, child: ExecutionId, parent: ActionRef) {
        let waits = self
            .state
            .action(&parent)
            .is_some_and(|it| it.id == parent.id && matches!(it.progress, Progress::Running));
        let Some(home) = self.state.home(parent.execution).cloned().filter(|_| waits) else {
            return;
        };
        let status = self.how_it_ended(child);
        if status == Some(ExecutionStatus::Succeeded) {
            let success = child_success(child, "succeeded");
            self.record(step, &home.pipeline, Fact::ActionSucceeded { action: parent, success });
        } else {
            let status = status.map_or("gone", ExecutionStatus::as_str);
            let message = format!("execution {} is {status}", child.short());
            let error = ErrorDetails::new(FailureType::JobFailed, message);
            self.fail_action(step, &home.pipeline, parent, error);
        }
    }

    fn how_it_ended(&self, id: ExecutionId) -> Option<ExecutionStatus> {
        if let Some(execution) = self.state.execution(id) {
            return Some(execution.status);
        }
        let lanes = self.state.pipelines.values().flat_map(|it| it.lanes.values());
        lanes.flat_map(|lane| &lane.recent).find(|it| it.execution == id).map(|it| it.status)
    }
}

fn child_success(child: ExecutionId, what: &str) -> JobSuccess {
    JobSuccess {
        summary: format!("{what} execution {}", child.short()),
        variables: variable::of_execution(child),
        ..JobSuccess::default()
    }
}

/// Reads CodePipeline's `Variables`: `[{"name": …, "value": …}]`.
fn variables(text: &str) -> Result<Vec<(String, String)>, String> {
    #[derive(serde::Deserialize)]
    struct Variable {
        name: String,
        value: String,
    }
    let variables: Vec<Variable> = serde_json::from_str(text)
        .map_err(|error| format!("Variables is no list of name and value: {error}"))?;
    Ok(variables.into_iter().map(|it| (it.name, it.value)).collect())
}
