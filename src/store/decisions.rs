//! What operators have decided, kept for ever: rows of their own that no pruning touches.

use rusqlite::{Transaction, params};

use super::{History, StoreError, history::parsed};
use crate::{
    engine::{Event, Fact, state::StartOptions},
    model::{ApprovalStatus, Operator, PipelineName, SourceRevision, Timestamp},
};

/// A decision, and what it was about at that moment.
#[derive(Clone, Debug)]
pub struct DecisionRecord {
    pub at: Timestamp,
    pub pipeline: PipelineName,
    /// What was done, such as `Approved`.
    pub kind: String,
    pub stage: Option<String>,
    /// The action, or the kind of condition.
    pub subject: Option<String>,
    pub reason: String,
    pub by: Operator,
    pub execution: Option<String>,
    pub lane: Option<String>,
    pub revisions: Vec<SourceRevision>,
}

struct Decision<'a> {
    kind: &'a str,
    stage: Option<&'a str>,
    subject: Option<&'a str>,
    reason: &'a str,
    by: &'a Operator,
}

pub(super) fn write(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let Some(decision) = decision(&event.fact) else { return Ok(()) };
    transaction
        .prepare_cached(
            "INSERT INTO decision (at, pipeline, kind, stage, subject, reason, operator, execution,
                 lane, revisions)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, lane, coalesce(revisions, '[]')
             FROM (SELECT 1) LEFT JOIN execution ON id = ?8",
        )?
        .execute(params![
            event.at.0,
            event.pipeline.as_str(),
            decision.kind,
            decision.stage,
            decision.subject,
            decision.reason,
            super::projection::json(decision.by)?,
            event.fact.execution().map(|id| id.to_string()),
        ])?;
    Ok(())
}

fn decision(fact: &Fact) -> Option<Decision<'_>> {
    let of = |kind, by| Decision { kind, stage: None, subject: None, reason: "", by };
    Some(match fact {
        Fact::ApprovalDecided { action, decision } => Decision {
            stage: Some(action.stage.as_str()),
            subject: Some(action.action.as_str()),
            reason: &decision.summary,
            ..of(decision.status.as_str(), &decision.by)
        },
        Fact::ApprovalDeferred { action, decision, .. } => Decision {
            stage: Some(action.stage.as_str()),
            subject: Some(action.action.as_str()),
            reason: &decision.summary,
            ..of(deferred_kind(decision.status), &decision.by)
        },
        Fact::ApprovalWithdrawn { action, by } => Decision {
            stage: Some(action.stage.as_str()),
            subject: Some(action.action.as_str()),
            ..of("ApprovalWithdrawn", by)
        },
        Fact::ApprovalGaveWay { action, by, .. } => Decision {
            stage: Some(action.stage.as_str()),
            subject: Some(action.action.as_str()),
            ..of("ApprovalGaveWay", by)
        },
        Fact::ConditionOverridden { stage, condition, reason, by, .. } => Decision {
            stage: Some(stage.as_str()),
            subject: Some(condition.as_str()),
            reason,
            ..of("ConditionOverridden", by)
        },
        Fact::StopRequested { request, .. } => {
            Decision { reason: &request.reason, ..of("StopRequested", &request.by) }
        }
        Fact::ExecutionStarted { options: StartOptions { by: Some(by), rollback, .. }, .. } => {
            match rollback {
                Some(rollback) => {
                    Decision { stage: Some(rollback.stage.as_str()), ..of("StageRolledBack", by) }
                }
                None => of("ExecutionStarted", by),
            }
        }
        Fact::StageRetried { stage, by: Some(by), .. } => {
            Decision { stage: Some(stage.as_str()), ..of("StageRetried", by) }
        }
        Fact::TransitionEnabled { stage, by } => {
            Decision { stage: Some(stage.as_str()), ..of("TransitionEnabled", by) }
        }
        Fact::TransitionDisabled { stage, reason, by } => {
            Decision { stage: Some(stage.as_str()), reason, ..of("TransitionDisabled", by) }
        }
        Fact::WatchingPaused { by } => of("WatchingPaused", by),
        Fact::WatchingResumed { by } => of("WatchingResumed", by),
        Fact::PipelineDeleted { by } => of("PipelineDeleted", by),
        // What the engine decides by itself, and what happens in the world.
        Fact::PipelineDefined { .. }
        | Fact::BaselineTaken { .. }
        | Fact::HeadMoved { .. }
        | Fact::BranchDeleted { .. }
        | Fact::ChangesAwaited { .. }
        | Fact::ChangesListed { .. }
        | Fact::StartDeclined { .. }
        | Fact::ScheduleSet { .. }
        | Fact::ExecutionStarted { .. }
        | Fact::ExecutionSuperseded { .. }
        | Fact::ExecutionSucceeded { .. }
        | Fact::ExecutionFailed { .. }
        | Fact::ExecutionStopped { .. }
        | Fact::StageEntered { .. }
        | Fact::StageSucceeded { .. }
        | Fact::StageFailed { .. }
        | Fact::StageStopped { .. }
        | Fact::StageSkipped { .. }
        | Fact::StageRetryScheduled { .. }
        | Fact::StageRetried { .. }
        | Fact::ConditionStarted { .. }
        | Fact::ConditionSucceeded { .. }
        | Fact::ConditionFailed { .. }
        | Fact::RuleStarted { .. }
        | Fact::RuleWaits { .. }
        | Fact::RuleAbandoned { .. }
        | Fact::RuleSucceeded { .. }
        | Fact::RuleFailed { .. }
        | Fact::ActionStarted { .. }
        | Fact::ActionSucceeded { .. }
        | Fact::ActionFailed { .. }
        | Fact::ActionAbandoned { .. }
        | Fact::ActionRetryScheduled { .. }
        | Fact::ApprovalNoted { .. } => return None,
    })
}

/// A decision for later says what was decided.
fn deferred_kind(status: ApprovalStatus) -> &'static str {
    match status {
        ApprovalStatus::Approved => "ApprovalDeferred",
        ApprovalStatus::Rejected => "RejectionDeferred",
    }
}

impl History {
    /// Returns the newest decisions, of one pipeline or of all, at most `limit`.
    pub fn decisions(
        &self,
        pipeline: Option<&PipelineName>,
        limit: usize,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        let sql = "SELECT at, pipeline, kind, stage, subject, reason, operator, execution, lane,
                       revisions
                   FROM decision WHERE ?1 IS NULL OR pipeline = ?1 ORDER BY number DESC LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(sql, params![pipeline.map(PipelineName::as_str), limit], |row| {
            Ok(DecisionRecord {
                at: Timestamp(row.get(0)?),
                pipeline: row.get::<_, String>(1)?.into(),
                kind: row.get(2)?,
                stage: row.get(3)?,
                subject: row.get(4)?,
                reason: row.get(5)?,
                by: parsed(row, 6)?,
                execution: row.get(7)?,
                lane: row.get(8)?,
                revisions: parsed(row, 9)?,
            })
        })
    }
}
