//! Read queries for lists and details. Newest first, as CodePipeline answers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::{StoreError, open_for_reading};
use crate::{
    engine::{
        Event, Fact,
        state::{Release, ResolvedAction},
    },
    model::{
        ApprovalDecision, Artifacts, ErrorDetails, ExecutionId, JobSuccess, Lane, Pipeline,
        PipelineName, RevisionId, SourceRevision, StageName, Timestamp, Trigger,
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
    pub id: String,
    pub pipeline: PipelineName,
    pub lane: String,
    pub version: u32,
    pub status: String,
    pub trigger: Trigger,
    pub revisions: Vec<SourceRevision>,
    pub variables: BTreeMap<String, String>,
    pub stop_reason: Option<String>,
    pub superseded_by: Option<String>,
    /// For executions of type ROLLBACK: what they bring back.
    pub rollback_target: Option<String>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct ActionRecord {
    pub id: String,
    pub stage: String,
    pub action: String,
    pub attempt: u32,
    pub status: String,
    pub resolved: ResolvedAction,
    pub success: Option<JobSuccess>,
    pub error: Option<ErrorDetails>,
    pub decision: Option<ApprovalDecision>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct DeclinedRecord {
    pub branch: String,
    pub reason: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct DecidedGate {
    pub stage: String,
    pub action: String,
    pub decision: ApprovalDecision,
}

const EXECUTION_COLUMNS: &str = "id, pipeline, lane, version, status, trigger, revisions, \
     variables, stop_reason, superseded_by, rollback_target, started_at, updated_at";

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
            "SELECT {EXECUTION_COLUMNS} FROM execution WHERE pipeline = ?1
             ORDER BY number DESC LIMIT ?2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(&sql, params![pipeline.as_str(), limit], execution_record)
    }

    /// Finds executions whose id begins with `prefix`, the whole id being the longest prefix.
    pub fn find(&self, prefix: &str) -> Result<Vec<ExecutionRecord>, StoreError> {
        let plain: String = prefix.chars().filter(|c| c.is_ascii_hexdigit() || *c == '-').collect();
        if plain.is_empty() || plain.len() != prefix.len() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS} FROM execution WHERE id LIKE ?1 || '%'
             ORDER BY number DESC LIMIT 3"
        );
        self.rows(&sql, params![plain.to_lowercase()], execution_record)
    }

    /// Returns the attempts of an execution's actions, oldest first.
    pub fn actions(&self, execution: &str) -> Result<Vec<ActionRecord>, StoreError> {
        let sql = "SELECT id, stage, action, attempt, status, resolved, success, error, decision,
                       started_at, updated_at
                   FROM action_execution WHERE execution = ?1 ORDER BY number";
        self.rows(sql, params![execution], |row| {
            Ok(ActionRecord {
                id: row.get(0)?,
                stage: row.get(1)?,
                action: row.get(2)?,
                attempt: row.get(3)?,
                status: row.get(4)?,
                resolved: parsed(row, 5)?,
                success: parsed_option(row, 6)?,
                error: parsed_option(row, 7)?,
                decision: parsed_option(row, 8)?,
                started_at: Timestamp(row.get(9)?),
                updated_at: Timestamp(row.get(10)?),
            })
        })
    }

    /// Returns what was decided with a token, or nothing while the gate is open.
    pub fn decision(&self, token: &str) -> Result<Option<DecidedGate>, StoreError> {
        let sql = "SELECT stage, action, decision FROM action_execution
                   WHERE token = ?1 AND decision IS NOT NULL";
        let found = self.rows(sql, params![token], |row| {
            Ok(DecidedGate { stage: row.get(0)?, action: row.get(1)?, decision: parsed(row, 2)? })
        })?;
        Ok(found.into_iter().next())
    }

    /// Returns the events after the given one, oldest first, each with its number.
    pub fn events_after(&self, number: i64) -> Result<Vec<(i64, Event)>, StoreError> {
        let sql = "SELECT id, body FROM event WHERE id > ?1 ORDER BY id LIMIT 1000";
        self.rows(sql, params![number], |row| Ok((row.get(0)?, parsed(row, 1)?)))
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
        let sql = "SELECT body FROM event WHERE execution = ?1 ORDER BY id";
        let events: Vec<Event> =
            self.rows(sql, params![execution.to_string()], |row| parsed(row, 0))?;
        let Some(Fact::ExecutionStarted { version, revisions: first, variables: own, .. }) =
            events.first().map(|event| &event.fact)
        else {
            return Ok(None);
        };
        let definition = self.definition(&events[0].pipeline, *version)?;
        let own = (PIPELINE_NAMESPACE.to_owned(), Arc::clone(own));
        let mut revisions = first.to_vec();
        let (mut variables, mut artifacts) = (Variables::from([own]), Artifacts::new());
        for event in &events {
            match &event.fact {
                Fact::ActionSucceeded { action, success } => {
                    artifacts.extend(success.artifacts.clone());
                    let declared = definition
                        .as_ref()
                        .and_then(|it| it.stage(&action.stage)?.action(&action.action));
                    if let Some(namespace) = declared.and_then(|it| it.namespace.clone()) {
                        variables.insert(namespace, success.variables.clone());
                    }
                    let found = success.revision.iter();
                    let new = |it: &&Arc<SourceRevision>| {
                        first.iter().all(|known| known.action != it.action)
                    };
                    revisions.extend(found.filter(new).cloned());
                }
                Fact::StageSucceeded { stage: succeeded, .. } if succeeded == stage => {
                    let (revisions, variables) = (revisions.into(), variables.into());
                    let (version, artifacts) = (*version, artifacts.into());
                    return Ok(Some(Release {
                        execution,
                        version,
                        revisions,
                        variables,
                        artifacts,
                    }));
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
        id: row.get(0)?,
        pipeline: row.get::<_, String>(1)?.into(),
        lane: row.get(2)?,
        version: row.get(3)?,
        status: row.get(4)?,
        trigger: parsed(row, 5)?,
        revisions: parsed(row, 6)?,
        variables: parsed(row, 7)?,
        stop_reason: row.get(8)?,
        superseded_by: row.get(9)?,
        rollback_target: row.get(10)?,
        started_at: Timestamp(row.get(11)?),
        updated_at: Timestamp(row.get(12)?),
    })
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

fn unfit(column: usize, error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}
