//! What time alone brings about: approvals that time out, windows that open, retries, schedules.

use serde::{Deserialize, Serialize};

use super::{
    Engine, Step,
    state::{ActionExecution, Execution, Progress, RuleExecution, RuleProgress},
};
use crate::model::{ActionExecutionId, ActionName, ExecutionId, PipelineName, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Deadline {
    /// An approval times out or a deferred one takes effect; an action is tried again.
    Action(ActionExecutionId),
    /// A window opens, or its rule has waited too long.
    Rule(ActionExecutionId),
    /// A stage is tried again.
    StageRetry(ExecutionId),
    /// The schedule of the trigger on this source action comes.
    Schedule { pipeline: PipelineName, action: ActionName },
}

impl Deadline {
    /// Returns the source action whose schedule this is, if it is one of the pipeline's.
    pub(super) fn schedule_of(&self, name: &PipelineName) -> Option<&ActionName> {
        match self {
            Self::Schedule { pipeline, action } => Some(action).filter(|_| pipeline == name),
            Self::Action(_) | Self::Rule(_) | Self::StageRetry(_) => None,
        }
    }
}

impl Engine {
    /// Returns the earliest moment at which `apply(Input::DeadlinePassed)` has work to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.first_deadline().map(|(at, _)| *at)
    }

    pub(super) fn pass_deadlines(&mut self, step: &mut Step) {
        while let Some(first) = self.first_deadline().cloned() {
            if first.0 > step.at {
                break;
            }
            match &first.1 {
                Deadline::Action(id) => self.action_is_due(step, *id),
                Deadline::Rule(id) => self.rule_is_due(step, *id),
                Deadline::StageRetry(execution) => self.retry_stage_now(step, *execution),
                Deadline::Schedule { pipeline, action } => {
                    self.start_on_schedule(step, pipeline, action);
                }
            }
            // Whoever has handled it has recorded a fact that takes it away.
            if self.state.deadlines.contains(&first) {
                debug_assert!(false, "nothing came of {first:?}");
                break;
            }
        }
    }

    fn first_deadline(&self) -> Option<&(Timestamp, Deadline)> {
        self.state.deadlines.iter().find(|(_, deadline)| match deadline {
            Deadline::Action(_) | Deadline::Rule(_) | Deadline::StageRetry(_) => true,
            Deadline::Schedule { pipeline, action } => self.is_looked_at(pipeline, action),
        })
    }
}

impl Execution {
    /// Returns everything the execution waits for, with its time.
    pub(super) fn deadlines(&self) -> Vec<(Timestamp, Deadline)> {
        let Some((_, stage)) = self.current_stage() else { return Vec::new() };
        let actions = stage.actions.values().filter_map(action_deadline);
        let conditions = stage.conditions.values();
        let rules = conditions.flat_map(|it| it.rules.values()).filter_map(rule_deadline);
        let retry = stage.retry_at.map(|at| (at, Deadline::StageRetry(self.id)));
        actions.chain(rules).chain(retry).collect()
    }
}

fn action_deadline(action: &ActionExecution) -> Option<(Timestamp, Deadline)> {
    let at = match &action.progress {
        Progress::AwaitingApproval(approval) => {
            let deferred = approval.deferred.as_ref().map(|it| it.effective_at);
            deferred.unwrap_or(approval.expires_at)
        }
        Progress::WaitingToRetry { at, .. } => *at,
        Progress::Running
        | Progress::Decided(_)
        | Progress::Succeeded { .. }
        | Progress::Failed { .. }
        | Progress::Abandoned { .. } => return None,
    };
    Some((at, Deadline::Action(action.id)))
}

fn rule_deadline(rule: &RuleExecution) -> Option<(Timestamp, Deadline)> {
    match &rule.progress {
        RuleProgress::Waiting { until, .. } => {
            Some(((*until).min(rule.expires_at), Deadline::Rule(rule.id)))
        }
        RuleProgress::Running
        | RuleProgress::Succeeded { .. }
        | RuleProgress::Failed { .. }
        | RuleProgress::Abandoned { .. } => None,
    }
}
