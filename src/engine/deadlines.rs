//! What happens by itself once its time has come.

use serde::{Deserialize, Serialize};

use super::state::{ActionExecution, Execution, Progress, RuleExecution, RuleProgress};
use crate::model::{ActionExecutionId, ExecutionId, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Deadline {
    /// An approval times out or a deferred one takes effect; an action is tried again.
    Action(ActionExecutionId),
    /// A window opens, or its rule has waited too long.
    Rule(ActionExecutionId),
    /// A stage is tried again.
    StageRetry(ExecutionId),
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
