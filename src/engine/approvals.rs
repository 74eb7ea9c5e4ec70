//! Gates: a decision is bound to execution, action, token and revision, and taken once.

use super::{ActionRef, Comparison, Engine, Fact, Refusal, Step, state::Progress};
use crate::model::{
    ActionExecutionId, ActionName, ApprovalDecision, ApprovalStatus, ApprovalToken, ErrorDetails,
    FailureType, PipelineName, StageName,
};

pub(super) struct Gate {
    pub(super) pipeline: PipelineName,
    pub(super) stage: StageName,
    pub(super) action: ActionName,
    pub(super) token: ApprovalToken,
}

impl Engine {
    pub(super) fn put_approval_result(
        &mut self,
        step: &mut Step,
        gate: &Gate,
        decision: ApprovalDecision,
        if_revision: Option<String>,
        comparison: &Comparison,
    ) -> Result<(), Refusal> {
        let action = self.open_gate(gate)?;
        self.check_revision(&action, &decision, if_revision, comparison)?;
        if decision.status == ApprovalStatus::Rejected && decision.summary.trim().is_empty() {
            return Err(Refusal::ReasonMissing);
        }
        self.record(step, &gate.pipeline, Fact::ApprovalDecided { action, decision });
        Ok(())
    }

    fn open_gate(&self, gate: &Gate) -> Result<ActionRef, Refusal> {
        let pipeline = self.pipeline(&gate.pipeline)?;
        let executions = || pipeline.lanes.values().flat_map(|lane| lane.executions.values());
        let attempts = executions().filter_map(|execution| {
            let attempt = execution.stages.get(&gate.stage)?.actions.get(&gate.action)?;
            Some((execution, attempt))
        });
        let mut decided = None;
        let mut another = false;
        for (execution, attempt) in attempts {
            match &attempt.progress {
                Progress::AwaitingApproval(approval) if approval.token == gate.token => {
                    return Ok(ActionRef {
                        execution: execution.id,
                        stage: gate.stage.clone(),
                        action: gate.action.clone(),
                        id: attempt.id,
                    });
                }
                Progress::AwaitingApproval(_) => another = true,
                Progress::Running
                | Progress::Decided(_)
                | Progress::Succeeded { .. }
                | Progress::Failed { .. }
                | Progress::Abandoned { .. } => {
                    decided = attempt.decision().cloned().or(decided);
                }
            }
        }
        let (stage, action) = (gate.stage.clone(), gate.action.clone());
        match decided {
            Some(ApprovalDecision { status, by, at, .. }) if !another => {
                Err(Refusal::ApprovalAlreadyCompleted { stage, action, status, by, at })
            }
            _ => Err(Refusal::InvalidApprovalToken { stage, action }),
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
        let home = self.state.homes.get(&action.execution);
        let slot =
            home.and_then(|home| self.state.lane(home)).and_then(|it| it.slots.get(&action.stage));
        let deployed =
            slot.and_then(|slot| slot.last_success.as_ref()).map(|it| it.revision.id.clone());
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

    pub(super) fn expire_approval(&mut self, step: &mut Step, id: ActionExecutionId) {
        let action = self.state.running.get(&id).cloned();
        let home = action.as_ref().and_then(|it| self.state.homes.get(&it.execution)).cloned();
        let (Some(action), Some(home)) = (action, home) else { return };
        let error = ErrorDetails {
            code: FailureType::JobFailed,
            message: "the approval timed out without a decision".to_owned(),
        };
        self.record(step, &home.pipeline, Fact::ActionFailed { action, error });
    }
}
