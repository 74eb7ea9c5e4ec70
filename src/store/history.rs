//! Read queries for lists and details. Newest first, as CodePipeline answers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::{StoreError, open_for_reading};
use crate::{
    engine::{Event, Fact, state::Release},
    model::{
        ActionExecutionId, ActionName, ActionStatus, ApprovalDecision, Artifacts, ErrorDetails,
        ExecutionId, ExecutionStatus, Instructions, JobSuccess, Lane, Pipeline, PipelineName,
        RevisionId, SourceRevision, StageName, Timestamp, Trigger,
        variable::{PIPELINE_NAMESPACE, Variables},
    },
};

/// A window on the history of a state directory, also while a runtime writes to it.
pub struct History {
    connection: Connection,
    path: PathBuf,
}

#[derive(Clone, Debug)]
pub struct ExecutionRecord {
    pub id: ExecutionId,
    pub pipeline: PipelineName,
    pub lane: Lane,
    pub version: u32,
    pub status: ExecutionStatus,
    pub trigger: Trigger,
    pub revisions: Vec<SourceRevision>,
    pub variables: BTreeMap<String, String>,
    pub stop_reason: Option<String>,
    pub superseded_by: Option<ExecutionId>,
    /// For executions of type ROLLBACK: what they bring back.
    pub rollback_target: Option<ExecutionId>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct ActionRecord {
    pub id: ActionExecutionId,
    pub stage: StageName,
    pub action: ActionName,
    pub attempt: u32,
    pub status: ActionStatus,
    pub resolved: Instructions,
    pub success: Option<JobSuccess>,
    pub error: Option<ErrorDetails>,
    pub decision: Option<ApprovalDecision>,
    /// It waits for a decision and does no work.
    pub is_gate: bool,
    pub started_at: Timestamp,
    /// When it ended, once it has.
    pub updated_at: Timestamp,
}

/// An action that has succeeded.
#[derive(Clone, Debug)]
pub struct SuccessfulAction {
    pub lane: Lane,
    pub stage: StageName,
    pub action: ActionName,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct DeclinedRecord {
    pub branch: String,
    pub reason: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct DecidedGate {
    pub stage: StageName,
    pub action: ActionName,
    pub decision: ApprovalDecision,
}

const EXECUTION_COLUMNS: &str = "e.id, e.pipeline, e.lane, e.version, e.status, e.trigger, \
     e.revisions, e.variables, e.stop_reason, e.superseded_by, e.rollback_target, e.started_at, \
     e.updated_at";
const ACTION_COLUMNS: &str = "a.id, a.stage, a.action, a.attempt, a.status, a.resolved, a.success, \
     a.error, a.decision, a.token IS NOT NULL, a.started_at, a.updated_at";

impl History {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: open_for_reading(path)?, path: path.to_owned() })
    }

    /// Returns the newest executions of a pipeline, at most `limit`.
    pub fn executions(
        &self,
        pipeline: &PipelineName,
        limit: usize,
    ) -> Result<Vec<ExecutionRecord>, StoreError> {
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS} FROM execution AS e WHERE pipeline = ?1
             ORDER BY number DESC LIMIT ?2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(&sql, params![pipeline.as_str(), limit], execution_record)
    }

    pub fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError> {
        let sql = format!("SELECT {EXECUTION_COLUMNS} FROM execution AS e WHERE id = ?1");
        let found = self.rows(&sql, params![id.to_string()], execution_record)?;
        Ok(found.into_iter().next())
    }

    /// Returns the newest execution of a pipeline, or of one lane of it.
    pub fn newest(
        &self,
        pipeline: &PipelineName,
        lane: Option<&str>,
    ) -> Result<Option<ExecutionRecord>, StoreError> {
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS} FROM execution AS e
             WHERE pipeline = ?1 AND (?2 IS NULL OR lane = ?2) ORDER BY number DESC LIMIT 1"
        );
        let found = self.rows(&sql, params![pipeline.as_str(), lane], execution_record)?;
        Ok(found.into_iter().next())
    }

    /// Finds executions whose id begins with `prefix`, the whole id being the longest prefix.
    pub fn find(&self, prefix: &str) -> Result<Vec<ExecutionRecord>, StoreError> {
        let plain: String = prefix.chars().filter(|c| c.is_ascii_hexdigit() || *c == '-').collect();
        if plain.is_empty() || plain.len() != prefix.len() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS} FROM execution AS e WHERE id >= ?1 AND id < ?1 || '~'
             ORDER BY number DESC LIMIT 3"
        );
        self.rows(&sql, params![plain.to_lowercase()], execution_record)
    }

    /// Returns the attempts of an execution's actions, oldest first.
    pub fn actions(&self, execution: ExecutionId) -> Result<Vec<ActionRecord>, StoreError> {
        let sql = format!(
            "SELECT {ACTION_COLUMNS} FROM action_execution AS a WHERE execution = ?1 ORDER BY number"
        );
        self.rows(&sql, params![execution.to_string()], |row| action_record(row, 0))
    }

    /// Returns one attempt of an action with its execution.
    pub fn action(
        &self,
        id: ActionExecutionId,
    ) -> Result<Option<(ExecutionRecord, ActionRecord)>, StoreError> {
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS}, {ACTION_COLUMNS} FROM action_execution AS a
             JOIN execution AS e ON e.id = a.execution WHERE a.id = ?1"
        );
        let found = self.rows(&sql, params![id.to_string()], with_execution)?;
        Ok(found.into_iter().next())
    }

    /// Returns the attempts of an action in an execution and in those before it in the lane, so many
    /// in all, newest first.
    pub fn runs_of(
        &self,
        execution: &ExecutionRecord,
        (stage, action): (&StageName, &ActionName),
        executions: usize,
    ) -> Result<Vec<(ExecutionRecord, ActionRecord)>, StoreError> {
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS}, {ACTION_COLUMNS} FROM
                 (SELECT * FROM execution WHERE pipeline = ?1 AND lane = ?2
                      AND number <= (SELECT number FROM execution WHERE id = ?6)
                  ORDER BY number DESC LIMIT ?5) AS e
             JOIN action_execution AS a ON a.execution = e.id
             WHERE a.stage = ?3 AND a.action = ?4 ORDER BY a.number DESC"
        );
        let executions = i64::try_from(executions).unwrap_or(i64::MAX);
        let ExecutionRecord { id, pipeline, lane, .. } = execution;
        let (stage, action, id) = (stage.as_str(), action.as_str(), id.to_string());
        let parameters = params![pipeline.as_str(), lane.as_str(), stage, action, executions, id];
        self.rows(&sql, parameters, with_execution)
    }

    /// Returns the work that succeeded in the newest executions of a pipeline, newest first.
    pub fn successful_actions(
        &self,
        pipeline: &PipelineName,
        executions: usize,
    ) -> Result<Vec<SuccessfulAction>, StoreError> {
        let sql = "SELECT e.lane, a.stage, a.action, a.started_at, a.updated_at FROM
                       (SELECT id, lane FROM execution WHERE pipeline = ?1
                        ORDER BY number DESC LIMIT ?2) AS e
                   JOIN action_execution AS a ON a.execution = e.id
                   WHERE a.status = 'Succeeded' AND a.token IS NULL ORDER BY a.number DESC";
        let executions = i64::try_from(executions).unwrap_or(i64::MAX);
        self.rows(sql, params![pipeline.as_str(), executions], |row| {
            Ok(SuccessfulAction {
                lane: word(row, 0)?,
                stage: word(row, 1)?,
                action: word(row, 2)?,
                started_at: Timestamp(row.get(3)?),
                ended_at: Timestamp(row.get(4)?),
            })
        })
    }

    /// Returns what was decided with a token, or nothing while the gate is open.
    pub fn decision(&self, token: &str) -> Result<Option<DecidedGate>, StoreError> {
        let sql = "SELECT stage, action, decision FROM action_execution
                   WHERE token = ?1 AND decision IS NOT NULL";
        let found = self.rows(sql, params![token], |row| {
            Ok(DecidedGate {
                stage: word(row, 0)?,
                action: word(row, 1)?,
                decision: parsed(row, 2)?,
            })
        })?;
        Ok(found.into_iter().next())
    }

    /// Returns the events after the given one, oldest first, each with its number.
    pub fn events_after(&self, number: i64) -> Result<Vec<(i64, Event)>, StoreError> {
        let sql = "SELECT id, body FROM event WHERE id > ?1 ORDER BY id";
        self.rows(sql, params![number], |row| Ok((row.get(0)?, parsed(row, 1)?)))
    }

    /// Returns the newest events, of one pipeline or of all, newest first.
    pub fn newest_events(
        &self,
        pipeline: Option<&PipelineName>,
        limit: usize,
    ) -> Result<Vec<(i64, Event)>, StoreError> {
        let sql = "SELECT id, body FROM event WHERE ?1 IS NULL OR pipeline = ?1
                   ORDER BY id DESC LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let pipeline = pipeline.map(PipelineName::as_str);
        self.rows(sql, params![pipeline, limit], |row| Ok((row.get(0)?, parsed(row, 1)?)))
    }

    /// Returns the number of the first event of an execution.
    pub fn first_event_of(&self, execution: ExecutionId) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(id) FROM event WHERE execution = ?1";
        let first = self.rows(sql, params![execution.to_string()], |row| row.get(0))?;
        Ok(first.into_iter().next().flatten())
    }

    /// Returns the events of an execution, oldest first.
    pub fn events_of(&self, execution: ExecutionId) -> Result<Vec<Event>, StoreError> {
        let sql = "SELECT body FROM event WHERE execution = ?1 ORDER BY id";
        self.rows(sql, params![execution.to_string()], |row| parsed(row, 0))
    }

    /// Returns the number of the newest event, zero if there is none.
    pub fn newest_event(&self) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(max(id), 0) FROM event";
        let newest = self.connection.query_row(sql, [], |row| row.get(0));
        newest.map_err(|source| self.unreadable(source))
    }

    /// Returns why a revision has started nothing, as often as that was decided, oldest first.
    pub fn declined(
        &self,
        pipeline: &PipelineName,
        revision: &RevisionId,
    ) -> Result<Vec<DeclinedRecord>, StoreError> {
        let sql = "SELECT at, json_extract(body, '$.fact.StartDeclined.branch'),
                       json_extract(body, '$.fact.StartDeclined.reason')
                   FROM event WHERE kind = 'StartDeclined' AND pipeline = ?1
                   AND json_extract(body, '$.fact.StartDeclined.revision') = ?2 ORDER BY id";
        self.rows(sql, &[&pipeline.as_str(), &revision.as_str()], |row| {
            Ok(DeclinedRecord {
                at: Timestamp(row.get(0)?),
                branch: row.get(1)?,
                reason: row.get(2)?,
            })
        })
    }

    /// Returns the definition an execution was pinned to.
    pub fn definition(
        &self,
        pipeline: &PipelineName,
        version: u32,
    ) -> Result<Option<Arc<Pipeline>>, StoreError> {
        let sql = "SELECT body FROM event WHERE kind = 'PipelineDefined' AND pipeline = ?1
                   AND json_extract(body, '$.fact.PipelineDefined.version') = ?2";
        let body: Option<String> = self
            .connection
            .query_row(sql, params![pipeline.as_str(), version], |row| row.get(0))
            .optional()
            .map_err(|source| self.unreadable(source))?;
        let Some(body) = body else { return Ok(None) };
        let event: Event = serde_json::from_str(&body)
            .map_err(|source| StoreError::Decode { path: self.path.clone(), source })?;
        Ok(match event.fact {
            Fact::PipelineDefined { definition, .. } => Some(definition),
            _ => None,
        })
    }

    /// Returns the STANDARD executions that succeeded in a stage, newest first, at most `limit`.
    pub fn succeeded_in(
        &self,
        pipeline: &PipelineName,
        stage: &StageName,
        lane: &Lane,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let sql = "SELECT event.execution FROM event
                   JOIN execution ON execution.id = event.execution
                   WHERE event.kind = 'StageSucceeded' AND event.pipeline = ?1
                       AND json_extract(body, '$.fact.StageSucceeded.stage') = ?2
                       AND execution.lane = ?3 AND execution.rollback_target IS NULL
                   ORDER BY event.id DESC LIMIT ?4";
        let parameters = params![pipeline.as_str(), stage.as_str(), lane.as_str(), limit];
        let ids = self.rows(sql, parameters, |row| row.get::<_, String>(0))?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Returns what a stage of an execution has succeeded with, from its events; nothing if it
    /// has not.
    pub fn release(
        &self,
        execution: ExecutionId,
        stage: &StageName,
    ) -> Result<Option<Release>, StoreError> {
        let events = self.events_of(execution)?;
        let Some(Fact::ExecutionStarted { version, revisions, variables: own, .. }) =
            events.first().map(|event| &event.fact)
        else {
            return Ok(None);
        };
        let definition = self.definition(&events[0].pipeline, *version)?;
        let mut variables = Variables::new();
        if !own.is_empty() {
            variables.insert(PIPELINE_NAMESPACE.into(), Arc::clone(own));
        }
        let mut release = Arc::new(Release {
            execution,
            version: *version,
            revisions: Arc::clone(revisions),
            variables,
            artifacts: Artifacts::new(),
        });
        for event in &events {
            match &event.fact {
                Fact::ActionSucceeded { action, success } => {
                    let declared = definition
                        .as_ref()
                        .and_then(|it| it.stage(&action.stage)?.action(&action.action));
                    release.take_in(declared.and_then(|it| it.namespace.as_ref()), success);
                }
                Fact::StageSucceeded { stage: succeeded, .. } if succeeded == stage => {
                    return Ok(Some(Arc::unwrap_or_clone(release)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        parameters: &[&dyn rusqlite::ToSql],
        record: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(sql).map_err(|source| self.unreadable(source))?;
        let rows =
            statement.query_map(parameters, record).map_err(|source| self.unreadable(source))?;
        rows.collect::<Result<_, _>>().map_err(|source| self.unreadable(source))
    }

    fn unreadable(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Read { path: self.path.clone(), source }
    }
}

fn execution_record(row: &Row<'_>) -> rusqlite::Result<ExecutionRecord> {
    Ok(ExecutionRecord {
        id: word(row, 0)?,
        pipeline: word(row, 1)?,
        lane: word(row, 2)?,
        version: row.get(3)?,
        status: word(row, 4)?,
        trigger: parsed(row, 5)?,
        revisions: parsed(row, 6)?,
        variables: parsed(row, 7)?,
        stop_reason: row.get(8)?,
        superseded_by: word_option(row, 9)?,
        rollback_target: word_option(row, 10)?,
        started_at: Timestamp(row.get(11)?),
        updated_at: Timestamp(row.get(12)?),
    })
}

/// Reads an attempt whose columns begin at `from`.
fn action_record(row: &Row<'_>, from: usize) -> rusqlite::Result<ActionRecord> {
    Ok(ActionRecord {
        id: word(row, from)?,
        stage: word(row, from + 1)?,
        action: word(row, from + 2)?,
        attempt: row.get(from + 3)?,
        status: word(row, from + 4)?,
        resolved: parsed(row, from + 5)?,
        success: parsed_option(row, from + 6)?,
        error: parsed_option(row, from + 7)?,
        decision: parsed_option(row, from + 8)?,
        is_gate: row.get(from + 9)?,
        started_at: Timestamp(row.get(from + 10)?),
        updated_at: Timestamp(row.get(from + 11)?),
    })
}

fn with_execution(row: &Row<'_>) -> rusqlite::Result<(ExecutionRecord, ActionRecord)> {
    Ok((execution_record(row)?, action_record(row, 13)?))
}

/// Reads an id, a name or a status, each of which is one word.
fn word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read_word(text, column)
}

fn word_option<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| read_word(text, column)).transpose()
}

fn read_word<T: DeserializeOwned>(text: String, column: usize) -> rusqlite::Result<T> {
    let read = T::deserialize(text.into_deserializer());
    read.map_err(|error: serde::de::value::Error| unfit(column, error))
}

pub(super) fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unfit(column, error))
}

pub(super) fn parsed_option<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unfit(column, error))).transpose()
}

fn unfit(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
