//! Applies recorded facts about actions and approvals.

use std::sync::Arc;

use super::{
    event::{ActionRef, Fact},
    state::{ActionExecution, Approval, DeferredDecision, Execution, Note, Progress, State},
};
use crate::model::{Instructions, JobSuccess, Timestamp};

impl State {
    pub(super) fn evolve_action(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::ActionStarted { action, attempt, resolved, approval } => {
                self.start_action(action, *attempt, resolved, approval.as_ref(), at);
            }
            Fact::ApprovalDecided { action, decision } => {
                let decision = Arc::clone(decision);
                self.with_action(action, |it| it.progress = Progress::Decided(decision));
            }
            Fact::ApprovalDeferred { action, decision, effective_at } => {
                let (decision, effective_at) = (Arc::clone(decision), *effective_at);
                let deferred = Some(DeferredDecision { decision, effective_at }.into());
                self.with_approval(action, |approval| approval.deferred = deferred);
            }
            Fact::ApprovalWithdrawn { action, .. } => {
                self.with_approval(action, |approval| approval.deferred = None);
            }
            Fact::ApprovalNoted { action, text, by } => {
                let note = Note { text: text.clone(), by: by.clone(), at };
                self.with_approval(action, |approval| approval.note = Some(note.into()));
            }
            Fact::ActionSucceeded { action, success } => self.succeed(action, success, at),
            Fact::ActionFailed { action, error } => {
                self.finish(action, at, |before| Progress::Failed {
                    at,
                    error: error.clone(),
                    decision: before.decision().cloned(),
                });
            }
            Fact::ActionAbandoned { action } | Fact::ApprovalGaveWay { action, .. } => {
                self.finish(action, at, |_| Progress::Abandoned { at });
            }
            Fact::ActionRetryScheduled { action, at: retry_at, error } => {
                let progress = Progress::WaitingToRetry { at: *retry_at, error: error.clone() };
                self.with_action(action, |it| it.progress = progress);
                self.with_stage(action.execution, &action.stage, |stage| {
                    *stage.action_retries.entry(action.action.clone()).or_default() += 1;
                });
            }
            _ => {}
        }
    }

    fn start_action(
        &mut self,
        action: &ActionRef,
        attempt: u32,
        resolved: &Arc<Instructions>,
        approval: Option<&Approval>,
        at: Timestamp,
    ) {
        let started = ActionExecution {
            id: action.id,
            attempt,
            started_at: at,
            resolved: Arc::clone(resolved),
            progress: approval
                .map_or(Progress::Running, |approval| Progress::AwaitingApproval(approval.clone())),
        };
        let mut earlier = None;
        self.with(action.execution, |execution| {
            execution.updated_at = at;
            if let Some(stage) = execution.stages.get_mut(&action.stage) {
                if attempt > 1 {
                    stage.attempts.insert(action.action.clone(), attempt);
                }
                earlier = stage.actions.insert(action.action.clone(), started);
            }
        });
        if let Some(earlier) = earlier {
            self.running.remove(&earlier.id);
        }
        self.running.insert(action.id, action.clone());
    }

    fn succeed(&mut self, action: &ActionRef, success: &JobSuccess, at: Timestamp) {
        self.finish(action, at, |before| Progress::Succeeded {
            at: success.ended_by(at),
            summary: success.summary.clone(),
            decision: before.decision().cloned(),
        });
        self.with(action.execution, |execution| {
            let Execution { definition, release, .. } = execution;
            let declared = definition.stage(&action.stage).and_then(|it| it.action(&action.action));
            release.take_in(declared.and_then(|it| it.namespace.as_ref()), success);
        });
    }

    fn finish(
        &mut self,
        action: &ActionRef,
        at: Timestamp,
        progress: impl FnOnce(&ActionExecution) -> Progress,
    ) {
        self.running.remove(&action.id);
        self.with(action.execution, |execution| {
            execution.updated_at = at;
            let stage = execution.stages.get_mut(&action.stage);
            if let Some(it) = stage.and_then(|stage| stage.actions.get_mut(&action.action)) {
                it.progress = progress(it);
            }
        });
    }

    fn with_action(&mut self, action: &ActionRef, change: impl FnOnce(&mut ActionExecution)) {
        self.with_stage(action.execution, &action.stage, |stage| {
            if let Some(it) = stage.actions.get_mut(&action.action) {
                change(it);
            }
        });
    }

    fn with_approval(&mut self, action: &ActionRef, change: impl FnOnce(&mut Approval)) {
        self.with_action(action, |it| {
            if let Progress::AwaitingApproval(approval) = &mut it.progress {
                change(approval);
            }
        });
    }
}
