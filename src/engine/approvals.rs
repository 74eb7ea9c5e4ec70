//! Gates: a decision is bound to execution, action, token and revision, and taken once.

use super::{
    ActionRef, Comparison, Engine, Fact, Refusal, Step,
    state::{Approval, Progress},
};
use crate::model::{
    ActionStatus, ApprovalDecision, ApprovalStatus, ErrorDetails, GateRef, Operator, PipelineName,
    Span, Timestamp,
};

fn already_completed(gate: &GateRef, decision: &ApprovalDecision) -> Refusal {
    Refusal::ApprovalAlreadyCompleted {
        stage: gate.stage.clone(),
        action: gate.action.clone(),
        status: decision.status,
        by: Box::new(decision.by.clone()),
        at: decision.at,
    }
}

impl Engine {
    pub(super) fn put_approval_result(
        &mut self,
        step: &mut Step,
        gate: &GateRef,
        decision: ApprovalDecision,
        if_revision: Option<String>,
        comparison: &Comparison,
        effective_at: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        let (action, approval) = self.open_gate(gate)?;
        if let Some(deferred) = approval.deferred {
            return Err(already_completed(gate, &deferred.decision));
        }
        self.check_revision(&action, &decision, if_revision, comparison)?;
        if decision.status == ApprovalStatus::Rejected && decision.summary.trim().is_empty() {
            return Err(Refusal::ReasonMissing);
        }
        let undo = match decision.status {
            ApprovalStatus::Approved => self.undo_window(&action),
            ApprovalStatus::Rejected => Span(0),
        };
        let effective_at = effective_at.unwrap_or(step.at).max(step.at + undo);
        if effective_at >= approval.expires_at {
            let expires_at = approval.expires_at;
            return Err(Refusal::DeferredPastTimeout { effective_at, expires_at });
        }
        let decision = decision.into();
        let fact = if effective_at > step.at {
            Fact::ApprovalDeferred { action, decision, effective_at }
        } else {
            Fact::ApprovalDecided { action, decision }
        };
        self.record(step, &gate.pipeline, fact);
        Ok(())
    }

    /// Returns how long an approval can be taken back before it takes effect.
    fn undo_window(&self, action: &ActionRef) -> Span {
        let text =
            self.state.action(action).and_then(|it| it.resolved.configuration.get("UndoWindow"));
        text.and_then(|text| Span::parse(text)).unwrap_or_default()
    }

    /// Takes a deferred decision back.
    pub(super) fn withdraw_approval(
        &mut self,
        step: &mut Step,
        gate: &GateRef,
        by: Operator,
    ) -> Result<(), Refusal> {
        let (action, approval) = self.open_gate(gate)?;
        if approval.deferred.is_none() {
            let (stage, action) = (gate.stage.clone(), gate.action.clone());
            return Err(Refusal::NothingToWithdraw { stage, action });
        }
        self.record(step, &gate.pipeline, Fact::ApprovalWithdrawn { action, by });
        Ok(())
    }

    /// Pins a note to a waiting gate; an empty one takes it off.
    pub(super) fn note_approval(
        &mut self,
        step: &mut Step,
        gate: &GateRef,
        text: String,
        by: Operator,
    ) -> Result<(), Refusal> {
        let (action, _) = self.open_gate(gate)?;
        self.record(step, &gate.pipeline, Fact::ApprovalNoted { action, text, by });
        Ok(())
    }

    /// Closes a gate so that the newest execution behind it comes to it instead. CodePipeline has
    /// only the rejection for this.
    pub(super) fn give_way(
        &mut self,
        step: &mut Step,
        gate: &GateRef,
        by: Operator,
    ) -> Result<(), Refusal> {
        let (action, _) = self.open_gate(gate)?;
        let (execution, stage) = (action.execution, gate.stage.clone());
        let home = self.state.home(execution);
        let lane = home.and_then(|home| self.state.lane(home));
        let newest = lane.into_iter().flat_map(|lane| {
            let waiting = lane.slots.get(&stage).into_iter().flat_map(|slot| &slot.waiting);
            waiting.filter_map(|id| self.state.execution(*id))
        });
        let newest = newest.filter(|it| !it.is_rollback()).max_by_key(|it| it.number);
        let Some(to) = newest.map(|it| it.id) else {
            return Err(Refusal::NothingBehind { stage, action: gate.action.clone() });
        };
        let entered = self.state.execution(execution).and_then(|it| it.stages.get(&stage));
        let others = entered.into_iter().flat_map(|it| &it.actions);
        let mut others = others.filter(|(name, _)| **name != gate.action);
        if let Some((busy, _)) = others.find(|(_, it)| it.status() == ActionStatus::InProgress) {
            return Err(Refusal::StageBusy { stage, action: busy.clone() });
        }
        let name = &gate.pipeline;
        self.record(step, name, Fact::ApprovalGaveWay { action, to, by });
        self.record(step, name, Fact::StageStopped { execution, stage: stage.clone() });
        self.end(step, name, Fact::ExecutionSuperseded { execution, by: to, stage });
        Ok(())
    }

    fn open_gate(&self, gate: &GateRef) -> Result<(ActionRef, Approval), Refusal> {
        let pipeline = self.pipeline(&gate.pipeline)?;
        if let Some(found) = self.gate_of(gate) {
            return Ok(found);
        }
        let executions = || pipeline.lanes.values().flat_map(|it| self.state.executions_in(it));
        let attempts = executions().filter_map(|execution| {
            let attempt = execution.stages.get(&gate.stage)?.actions.get(&gate.action)?;
            Some((execution, attempt))
        });
        let mut decided = None;
        let mut another = false;
        for (execution, attempt) in attempts {
            match &attempt.progress {
                Progress::AwaitingApproval(approval) if approval.token == gate.token => {
                    let action = ActionRef {
                        execution: execution.id,
                        stage: gate.stage.clone(),
                        action: gate.action.clone(),
                        id: attempt.id,
                    };
                    return Ok((action, approval.clone()));
                }
                Progress::AwaitingApproval(_) => another = true,
                Progress::Running
                | Progress::Decided(_)
                | Progress::WaitingToRetry { .. }
                | Progress::Succeeded { .. }
                | Progress::Failed { .. }
                | Progress::Abandoned { .. } => {
                    decided = attempt.decision().cloned().or(decided);
                }
            }
        }
        match decided {
            Some(decision) if !another => Err(already_completed(gate, &decision)),
            _ => {
                let (stage, action) = (gate.stage.clone(), gate.action.clone());
                Err(Refusal::InvalidApprovalToken { stage, action })
            }
        }
    }

    /// Finds an open gate by the token it was given with its attempt.
    fn gate_of(&self, gate: &GateRef) -> Option<(ActionRef, Approval)> {
        let action = self.state.running.get(&gate.token.attempt())?;
        let home = self.state.home(action.execution)?;
        let place = (&home.pipeline, &action.stage, &action.action);
        if place != (&gate.pipeline, &gate.stage, &gate.action) {
            return None;
        }
        match &self.state.action(action)?.progress {
            Progress::AwaitingApproval(approval) if approval.token == gate.token => {
                Some((action.clone(), approval.clone()))
            }
            _ => None,
        }
    }

    fn check_revision(
        &self,
        action: &ActionRef,
        decision: &ApprovalDecision,
        if_revision: Option<String>,
        comparison: &Comparison,
    ) -> Result<(), Refusal> {
        let Some(execution) = self.state.execution(action.execution) else { return Ok(()) };
        let candidate = &execution.revision().id;
        if let Some(expected) = &if_revision
            && (expected.len() < 4 || !candidate.as_str().starts_with(expected.as_str()))
        {
            let (expected, actual) = (expected.clone(), candidate.clone());
            return Err(Refusal::RevisionMismatch { expected, actual });
        }
        if decision.status == ApprovalStatus::Rejected {
            return Ok(());
        }
        let home = self.state.home(action.execution);
        let success = home.and_then(|home| self.state.last_success(home, &action.stage));
        let deployed = success.map(|it| it.revision.id.clone());
        if deployed != comparison.deployed {
            return Err(Refusal::ComparisonOutdated);
        }
        match deployed {
            Some(deployed) if comparison.relation.needs_revision() && if_revision.is_none() => {
                Err(Refusal::Downgrade { candidate: candidate.clone(), deployed })
            }
            _ => Ok(()),
        }
    }

    /// The time of an open gate has come: what was decided for this moment takes effect, or it
    /// times out as its `TimeoutResult` says.
    pub(super) fn approval_is_due(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        action: ActionRef,
        approval: Approval,
    ) {
        if let Some(deferred) = approval.deferred {
            let decision = deferred.decision;
            return self.record(step, pipeline, Fact::ApprovalDecided { action, decision });
        }
        let configuration = self.state.action(&action).map(|it| &it.resolved.configuration);
        let result = configuration.and_then(|it| it.get("TimeoutResult"));
        let fact = if result.is_some_and(|it| it == "SKIP") {
            Fact::ActionAbandoned { action }
        } else {
            let error = ErrorDetails::timed_out("the approval timed out without a decision");
            Fact::ActionFailed { action, error }
        };
        self.record(step, pipeline, fact);
    }
}
