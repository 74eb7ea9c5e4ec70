//! Operations on what is selected, each by its dialog where it needs one.

use super::{Ui, Wish, dialog::Dialog};
use crate::{
    engine::{
        Request, WatchingChange,
        board::{GateAt, Severity, StageCard},
    },
    host::clock,
    model::{ApprovalStatus, ConditionStatus, RetryMode, StageStatus, StopMode, Timestamp},
    runtime::Operation,
};

impl Ui {
    pub(super) fn review(&mut self, status: ApprovalStatus, now: Timestamp) -> Vec<Wish> {
        if let Some(wishes) = self.review_marked(status, now) {
            return wishes;
        }
        if let Some(decided) = self.gate().and_then(|at| at.gate.deferred.clone()) {
            let words = format!(
                "{} by {}, with effect from {}: u takes it back",
                decided.decision.status,
                decided.decision.by,
                clock::local_moment(decided.effective_at, now)
            );
            self.say(Severity::Remark, words, now);
            return Vec::new();
        }
        if let Some(at) = self.gate() {
            let dialog = Dialog::gate(at, status, now);
            self.open_dialog(dialog)
        } else {
            self.say(Severity::Remark, "no gate waits in this stage; ! goes to the next one", now);
            Vec::new()
        }
    }

    pub(super) fn stop(&mut self, mode: StopMode, now: Timestamp) -> Vec<Wish> {
        let found = self.pipeline().zip(self.stage()).and_then(|(pipeline, stage)| {
            let inside = stage.execution.as_ref().filter(|_| stage.is_occupied());
            let execution = inside.or(stage.inbound.first().map(|it| &it.execution))?;
            let commit = execution.revision.id.short();
            Some(Dialog::stop(&pipeline.name, execution.id, commit, mode, now))
        });
        if let Some(dialog) = found {
            self.open_dialog(dialog)
        } else {
            self.say(Severity::Remark, "nothing runs or waits in this stage", now);
            Vec::new()
        }
    }

    fn failed_stage(
        &self,
    ) -> Option<(crate::model::PipelineName, crate::model::StageName, crate::model::ExecutionId)>
    {
        let stage = self.stage()?;
        let ended = matches!(stage.status, Some(StageStatus::Failed | StageStatus::Stopped));
        let execution = stage.execution.as_ref().filter(|_| ended)?;
        Some((self.pipeline()?.name.clone(), stage.name.clone(), execution.id))
    }

    pub(super) fn roll_back(&mut self, now: Timestamp) -> Vec<Wish> {
        let place = self.pipeline().zip(self.lane()).zip(self.stage());
        let Some(((pipeline, lane), stage)) = place else { return Vec::new() };
        let target = self.execution_in_history(now);
        let refusal = match target {
            _ if stage.last_success.is_none() => Some("this stage has never succeeded"),
            Some(it) if it.lane != lane.lane => {
                Some("that execution ran in another lane: select its lane and stage on the board")
            }
            _ => None,
        };
        if let Some(words) = refusal {
            self.say(Severity::Remark, words, now);
            return Vec::new();
        }
        let dialog = Dialog::rollback(&pipeline.name, &lane.lane, &stage.name, target, now);
        self.open_dialog(dialog)
    }

    pub(super) fn override_condition(&mut self, now: Timestamp) -> Vec<Wish> {
        let in_the_way = |stage: &StageCard| {
            let mut conditions = stage.conditions.iter();
            let open = [Some(ConditionStatus::InProgress), Some(ConditionStatus::Failed)];
            Some((
                stage.execution.as_ref()?.id,
                conditions.find(|it| open.contains(&it.status))?.kind,
            ))
        };
        let place = self.pipeline().zip(self.stage());
        let found = place.and_then(|(pipeline, stage)| Some((pipeline, stage, in_the_way(stage)?)));
        let Some((pipeline, stage, (execution, kind))) = found else {
            self.say(Severity::Remark, "no condition holds this stage", now);
            return Vec::new();
        };
        let dialog = Dialog::override_condition(&pipeline.name, &stage.name, execution, kind, now);
        self.open_dialog(dialog)
    }

    pub(super) fn undo(&mut self, now: Timestamp) -> Vec<Wish> {
        let deferred = self.selected_gate().filter(|at| at.gate.deferred.is_some());
        let Some(at) = deferred else {
            self.say(Severity::Remark, "no decision here can be taken back", now);
            return Vec::new();
        };
        let request = Request::WithdrawApproval { gate: at.reference() };
        vec![Wish::Submit(request.into())]
    }

    pub(super) fn at_gate(
        &mut self,
        dialog: impl Fn(GateAt<'_>, Timestamp) -> Dialog,
        now: Timestamp,
    ) -> Vec<Wish> {
        if let Some(dialog) = self.selected_gate().map(|at| dialog(at, now)) {
            return self.open_dialog(dialog);
        }
        self.say(Severity::Remark, "no gate is open here", now);
        Vec::new()
    }

    pub(super) fn retry(&mut self, now: Timestamp) -> Vec<Wish> {
        if let Some((pipeline, stage, execution)) = self.failed_stage() {
            let mode = RetryMode::FailedActions;
            vec![Wish::Submit(Operation::from(Request::RetryStageExecution {
                pipeline,
                stage,
                execution,
                mode,
            }))]
        } else {
            self.say(Severity::Remark, "this stage has neither failed nor been stopped", now);
            Vec::new()
        }
    }

    pub(super) fn retry_all(&mut self, now: Timestamp) -> Vec<Wish> {
        match self.failed_stage() {
            Some((pipeline, stage, execution)) => {
                self.open_dialog(Dialog::retry_all(&pipeline, &stage, execution, now))
            }
            None => self.retry(now),
        }
    }

    /// Pauses watching or resumes it; either is undone by the same key.
    pub(super) fn pause(&self) -> Vec<Wish> {
        let Some(card) = self.pipeline() else { return Vec::new() };
        let change = match card.watching_paused {
            None => WatchingChange::Pause,
            Some(_) => WatchingChange::Resume,
        };
        let pipeline = card.name.clone();
        vec![Wish::Submit(Request::SetWatching { pipeline, change }.into())]
    }

    pub(super) fn transition(&mut self, now: Timestamp) -> Vec<Wish> {
        let found = self.pipeline().zip(self.stage()).and_then(|(pipeline, stage)| {
            let enable = !stage.transition.as_ref()?.enabled;
            Some(Dialog::transition(&pipeline.name, &stage.name, enable, now))
        });
        if let Some(dialog) = found {
            self.open_dialog(dialog)
        } else {
            self.say(Severity::Remark, "the first stage has no inbound transition", now);
            Vec::new()
        }
    }
}
