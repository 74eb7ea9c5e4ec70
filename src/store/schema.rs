//! Numbered migrations. A database of a newer format is left alone.

use std::{path::Path, time::Duration};

use rusqlite::Connection;

use super::StoreError;

pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One entry a format version; entries never change once released.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE event (
        id        INTEGER PRIMARY KEY,
        at        INTEGER NOT NULL,
        pipeline  TEXT NOT NULL,
        execution TEXT,
        kind      TEXT NOT NULL,
        body      TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_by_execution ON event (execution, id) WHERE execution IS NOT NULL;
    CREATE INDEX event_by_time ON event (at);

    CREATE TABLE execution (
        number        INTEGER PRIMARY KEY,
        id            TEXT NOT NULL UNIQUE,
        pipeline      TEXT NOT NULL,
        lane          TEXT NOT NULL,
        version       INTEGER NOT NULL,
        status        TEXT NOT NULL,
        trigger       TEXT NOT NULL,
        revisions     TEXT NOT NULL,
        variables     TEXT NOT NULL,
        stop_reason   TEXT,
        superseded_by TEXT,
        started_at    INTEGER NOT NULL,
        updated_at    INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX execution_by_pipeline ON execution (pipeline, number);

    CREATE TABLE action_execution (
        number     INTEGER PRIMARY KEY,
        id         TEXT NOT NULL UNIQUE,
        execution  TEXT NOT NULL,
        version    INTEGER NOT NULL,
        stage      TEXT NOT NULL,
        action     TEXT NOT NULL,
        attempt    INTEGER NOT NULL,
        status     TEXT NOT NULL,
        token      TEXT,
        resolved   TEXT NOT NULL,
        success    TEXT,
        error      TEXT,
        decision   TEXT,
        started_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX action_by_execution ON action_execution (execution, number);
    CREATE INDEX action_by_token ON action_execution (token) WHERE token IS NOT NULL;

    CREATE TABLE snapshot (
        id    INTEGER PRIMARY KEY CHECK (id = 1),
        event INTEGER NOT NULL,
        body  BLOB NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE execution ADD COLUMN rollback_target TEXT;
    CREATE INDEX stage_success ON event (pipeline, id) WHERE kind = 'StageSucceeded';
    DELETE FROM snapshot;
",
    "
    CREATE TABLE decision (
        number    INTEGER PRIMARY KEY,
        at        INTEGER NOT NULL,
        pipeline  TEXT NOT NULL,
        kind      TEXT NOT NULL,
        stage     TEXT,
        subject   TEXT,
        reason    TEXT NOT NULL,
        operator  TEXT NOT NULL,
        execution TEXT,
        lane      TEXT,
        revisions TEXT NOT NULL
    ) STRICT;
    CREATE INDEX decision_by_pipeline ON decision (pipeline, number);
    INSERT INTO decision (at, pipeline, kind, stage, subject, reason, operator, execution, lane,
            revisions)
        SELECT json_extract(decision, '$.at'), pipeline, json_extract(decision, '$.status'), stage,
            action, json_extract(decision, '$.summary'), json_extract(decision, '$.by'), execution,
            lane, revisions
        FROM action_execution JOIN execution ON execution.id = action_execution.execution
        WHERE decision IS NOT NULL ORDER BY action_execution.updated_at;
",
    "
    CREATE INDEX definition ON event (pipeline, id) WHERE kind = 'PipelineDefined';
",
    // What an execution works with is one object. Events that led to the snapshot may be pruned.
    "
    UPDATE snapshot SET body = CAST(json_set(CAST(body AS TEXT), '$.executions', json((
        SELECT json_group_object(key, json_set(
            json_remove(value, '$.revisions', '$.variables', '$.artifacts'),
            '$.release', json_object(
                'execution', key,
                'version', json_extract(value, '$.version'),
                'revisions', json_extract(value, '$.revisions'),
                'variables', json_extract(value, '$.variables'),
                'artifacts', json_extract(value, '$.artifacts'))))
        FROM json_each(CAST(body AS TEXT), '$.executions')))) AS BLOB);
",
];

/// The format this build reads and writes.
pub(super) const CURRENT: usize = MIGRATIONS.len();

pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL syncs the log at each commit: a decision is on disk before it is acknowledged.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -512)?;
    Ok(())
}

pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    let known = i64::try_from(CURRENT).unwrap_or(i64::MAX);
    match usize::try_from(found) {
        Ok(version) if found <= known => Ok(version),
        _ => Err(StoreError::TooNew { path: path.to_owned(), found, known }),
    }
}

pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    for (version, migration) in MIGRATIONS.iter().enumerate().skip(check_format(connection, path)?)
    {
        let next = version + 1;
        let script = format!("BEGIN; {migration} PRAGMA user_version = {next}; COMMIT;");
        connection.execute_batch(&script).map_err(failed)?;
    }
    Ok(())
}
