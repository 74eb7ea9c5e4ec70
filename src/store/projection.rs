//! Writes one event and the rows that lists are read from.

use rusqlite::{Transaction, params};
use serde::Serialize;

use crate::{
    engine::{ActionRef, Event, Fact},
    model::{ActionStatus, ExecutionId, ExecutionStatus, Timestamp},
};

pub(super) fn write(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO event (at, pipeline, execution, kind, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            event.at.0,
            event.pipeline.as_str(),
            event.fact.execution().map(|id| id.to_string()),
            event.fact.kind(),
            json(event)?,
        ])?;
    project(&Projection { transaction, at: event.at }, event)?;
    super::decisions::write(transaction, event)
}

fn project(rows: &Projection<'_>, event: &Event) -> rusqlite::Result<()> {
    match &event.fact {
        Fact::PipelineDefined { .. }
        | Fact::PipelineDeleted { .. }
        | Fact::BaselineTaken { .. }
        | Fact::HeadMoved { .. }
        | Fact::BranchDeleted { .. }
        | Fact::ChangesAwaited { .. }
        | Fact::ChangesListed { .. }
        | Fact::StartDeclined { .. }
        | Fact::WatchingPaused { .. }
        | Fact::WatchingResumed { .. }
        | Fact::ScheduleSet { .. }
        | Fact::TransitionEnabled { .. }
        | Fact::TransitionDisabled { .. }
        | Fact::StageEntered { .. }
        | Fact::StageSucceeded { .. }
        | Fact::StageFailed { .. }
        | Fact::StageStopped { .. }
        | Fact::StageSkipped { .. }
        | Fact::StageRetryScheduled { .. }
        | Fact::ConditionStarted { .. }
        | Fact::ConditionSucceeded { .. }
        | Fact::ConditionFailed { .. }
        | Fact::RuleStarted { .. }
        | Fact::RuleWaits { .. }
        | Fact::RuleSucceeded { .. }
        | Fact::RuleFailed { .. }
        | Fact::RuleAbandoned { .. }
        | Fact::ApprovalDeferred { .. }
        | Fact::ApprovalWithdrawn { .. }
        | Fact::ApprovalNoted { .. } => Ok(()),
        Fact::ExecutionStarted { .. } => rows.start_execution(event),
        Fact::ExecutionSuperseded { execution, by, .. } => {
            rows.set(*execution, "superseded_by", &by.to_string())?;
            rows.status(*execution, ExecutionStatus::Superseded)
        }
        Fact::ExecutionSucceeded { execution } => {
            rows.status(*execution, ExecutionStatus::Succeeded)
        }
        Fact::ExecutionFailed { execution, .. } => rows.status(*execution, ExecutionStatus::Failed),
        Fact::ExecutionStopped { execution } => rows.status(*execution, ExecutionStatus::Stopped),
        Fact::StageRetried { execution, .. } | Fact::ConditionOverridden { execution, .. } => {
            rows.status(*execution, ExecutionStatus::InProgress)
        }
        Fact::StopRequested { execution, request } => {
            rows.set(*execution, "stop_reason", &request.reason)?;
            rows.status(*execution, ExecutionStatus::Stopping)
        }
        Fact::ActionStarted { .. } => rows.start_action(event),
        Fact::ApprovalDecided { action, decision } => {
            rows.finish(action, ActionStatus::InProgress, "decision", Some(json(decision)?))
        }
        Fact::ActionSucceeded { action, success } => {
            let rows = Projection { at: success.ended_by(rows.at), ..*rows };
            rows.finish(action, ActionStatus::Succeeded, "success", Some(json(success)?))
        }
        Fact::ActionFailed { action, error } | Fact::ActionRetryScheduled { action, error, .. } => {
            rows.finish(action, ActionStatus::Failed, "error", Some(json(error)?))
        }
        Fact::ActionAbandoned { action } | Fact::ApprovalGaveWay { action, .. } => {
            rows.finish(action, ActionStatus::Abandoned, "error", None)
        }
    }
}

struct Projection<'a> {
    transaction: &'a Transaction<'a>,
    at: Timestamp,
}

impl Projection<'_> {
    fn start_execution(&self, event: &Event) -> rusqlite::Result<()> {
        let Fact::ExecutionStarted {
            execution,
            version,
            lane,
            trigger,
            revisions,
            variables,
            options,
        } = &event.fact
        else {
            return Ok(());
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO execution (id, pipeline, lane, version, status, trigger, revisions,
                     variables, rollback_target, started_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
            )?
            .execute(params![
                execution.to_string(),
                event.pipeline.as_str(),
                lane.as_str(),
                version,
                ExecutionStatus::InProgress.as_str(),
                json(trigger)?,
                json(revisions)?,
                json(variables)?,
                options.rollback.as_ref().map(|it| it.release.execution.to_string()),
                self.at.0,
            ])?;
        Ok(())
    }

    fn start_action(&self, event: &Event) -> rusqlite::Result<()> {
        let Fact::ActionStarted { action, attempt, resolved, approval } = &event.fact else {
            return Ok(());
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO action_execution (id, execution, version, stage, action, attempt,
                     status, token, resolved, started_at, updated_at)
                 SELECT ?1, ?2, version, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9
                 FROM execution WHERE id = ?2",
            )?
            .execute(params![
                action.id.to_string(),
                action.execution.to_string(),
                action.stage.as_str(),
                action.action.as_str(),
                attempt,
                ActionStatus::InProgress.as_str(),
                approval.as_ref().map(|it| it.token.to_string()),
                json(resolved)?,
                self.at.0,
            ])?;
        Ok(())
    }

    fn status(&self, id: ExecutionId, status: ExecutionStatus) -> rusqlite::Result<()> {
        self.set(id, "status", status.as_str())
    }

    fn set(&self, id: ExecutionId, column: &str, value: &str) -> rusqlite::Result<()> {
        let sql = format!("UPDATE execution SET {column} = ?2, updated_at = ?3 WHERE id = ?1");
        self.transaction.prepare_cached(&sql)?.execute(params![
            id.to_string(),
            value,
            self.at.0
        ])?;
        Ok(())
    }

    fn finish(
        &self,
        action: &ActionRef,
        status: ActionStatus,
        column: &str,
        body: Option<String>,
    ) -> rusqlite::Result<()> {
        let sql = format!(
            "UPDATE action_execution SET status = ?2, {column} = coalesce(?3, {column}),
                 updated_at = ?4 WHERE id = ?1"
        );
        self.transaction.prepare_cached(&sql)?.execute(params![
            action.id.to_string(),
            status.as_str(),
            body,
            self.at.0
        ])?;
        Ok(())
    }
}

pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
