//! The history database: the only place that knows SQL. It decides nothing.
//!
//! Events and the rows that lists are read from are written in one transaction, synced to disk
//! before `append` returns. A snapshot of the state every few thousand events keeps opening fast
//! however long the history is.

mod decisions;
mod history;
mod projection;
mod prune;
mod schema;

use std::path::{Path, PathBuf};

pub use decisions::DecisionRecord;
pub use history::{
    ActionRecord, DecidedGate, DeclinedRecord, ExecutionRecord, History, SuccessfulAction,
};
pub use prune::{EndedExecution, forget};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use thiserror::Error;

use crate::{
    engine::{Event, state::State},
    model::Timestamp,
};

/// How many events may follow the last snapshot before a new one is due.
const SNAPSHOT_EVERY: i64 = 2_000;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("cannot open the history database {}", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error(
        "the history database {} has format {found}, this build knows up to {known}",
        path.display()
    )]
    TooNew { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the history database {} has format {found}, this build reads {known}",
        path.display()
    )]
    TooOld { path: PathBuf, found: usize, known: usize },
    #[error("the history database {} cannot be read", path.display())]
    Read { path: PathBuf, source: rusqlite::Error },
    #[error("the history database {} holds an entry this build cannot read", path.display())]
    Decode { path: PathBuf, source: serde_json::Error },
    #[error("history cannot be written to {}", path.display())]
    Write { path: PathBuf, source: rusqlite::Error },
}

impl StoreError {
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooNew { .. } => {
                Some("use the newer stagegate that wrote it, or another --state-dir")
            }
            Self::TooOld { .. } => {
                Some("start a runtime of this build: it brings the database up to date")
            }
            Self::Write { .. } => Some("check free space and permissions, then start it again"),
            Self::Open { .. } => Some("check that you may write to the state directory"),
            Self::Read { .. } | Self::Decode { .. } => None,
        }
    }
}

pub struct Store {
    connection: Connection,
    path: PathBuf,
    events_since_snapshot: i64,
}

/// What a store holds when it is opened.
pub struct Loaded {
    pub state: State,
    /// The time of the last event.
    pub latest: Timestamp,
}

impl Store {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(failed)?;
        schema::configure(&connection).map_err(failed)?;
        schema::migrate(&connection, path)?;
        Ok(Self { connection, path: path.to_owned(), events_since_snapshot: 0 })
    }

    /// Returns the state as the events have left it.
    pub fn load(&mut self) -> Result<Loaded, StoreError> {
        let (loaded, tail) = load(&self.connection, &self.path)?;
        self.events_since_snapshot = tail;
        Ok(loaded)
    }

    /// Writes events durably: when this returns, a power cut cannot take them back.
    pub fn append(&mut self, events: &[Event]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let failed = |source| StoreError::Write { path: self.path.clone(), source };
        let transaction = self.connection.transaction().map_err(failed)?;
        for event in events {
            projection::write(&transaction, event).map_err(failed)?;
        }
        crate::fault::passed("in-append");
        transaction.commit().map_err(failed)?;
        self.events_since_snapshot += i64::try_from(events.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    /// Keeps a snapshot if one is due. `state` must be what the events so far have made.
    pub fn snapshot_if_due(&mut self, state: &State) -> Result<(), StoreError> {
        if self.events_since_snapshot < SNAPSHOT_EVERY {
            return Ok(());
        }
        write_snapshot(&self.connection, &self.path, state)?;
        self.events_since_snapshot = 0;
        Ok(())
    }
}

/// Keeps the state that the events so far have made.
fn write_snapshot(connection: &Connection, path: &Path, state: &State) -> Result<(), StoreError> {
    let body = serde_json::to_vec(state)
        .map_err(|source| StoreError::Decode { path: path.to_owned(), source })?;
    connection
        .execute(
            "INSERT OR REPLACE INTO snapshot (id, event, body)
             SELECT 1, coalesce(max(id), 0), ?1 FROM event",
            params![body],
        )
        .map_err(|source| StoreError::Write { path: path.to_owned(), source })?;
    Ok(())
}

/// Reads the state without taking the store over; another process may be writing.
pub fn read_state(path: &Path) -> Result<Loaded, StoreError> {
    let connection = open_for_reading(path)?;
    load(&connection, path).map(|(loaded, _)| loaded)
}

/// Looks at every page of a history; returns what is damaged, in SQLite's words.
pub fn check(path: &Path) -> Result<Option<String>, StoreError> {
    let connection = open_for_reading(path)?;
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
    Ok((found != "ok").then_some(found))
}

fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(schema::BUSY_TIMEOUT).map_err(failed)?;
    match schema::check_format(&connection, path)? {
        schema::CURRENT => Ok(connection),
        // Its runtime has not got further than to create the file.
        0 => {
            let empty = Connection::open_in_memory().map_err(failed)?;
            schema::migrate(&empty, path)?;
            Ok(empty)
        }
        found => Err(StoreError::TooOld { path: path.to_owned(), found, known: schema::CURRENT }),
    }
}

fn load(connection: &Connection, path: &Path) -> Result<(Loaded, i64), StoreError> {
    let read = |source| StoreError::Read { path: path.to_owned(), source };
    // One transaction, so that a writer cannot come between snapshot and tail.
    let transaction = connection.unchecked_transaction().map_err(read)?;
    load_in(&transaction, path)
}

/// Loads inside a transaction of the caller's.
fn load_in(transaction: &Connection, path: &Path) -> Result<(Loaded, i64), StoreError> {
    let read = |source| StoreError::Read { path: path.to_owned(), source };
    let decode = |source| StoreError::Decode { path: path.to_owned(), source };
    let snapshot: Option<(i64, Vec<u8>)> = transaction
        .query_row("SELECT event, body FROM snapshot WHERE id = 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(read)?;
    let (after, mut state) = match snapshot {
        Some((event, body)) => (event, serde_json::from_slice(&body).map_err(decode)?),
        None => (0, State::default()),
    };
    let latest: i64 = transaction
        .query_row("SELECT coalesce(max(at), 0) FROM event", [], |row| row.get(0))
        .map_err(read)?;
    let mut statement =
        transaction.prepare("SELECT body FROM event WHERE id > ?1 ORDER BY id").map_err(read)?;
    let mut rows = statement.query(params![after]).map_err(read)?;
    let mut tail = 0;
    while let Some(row) = rows.next().map_err(read)? {
        let body: String = row.get(0).map_err(read)?;
        let event: Event = serde_json::from_str(&body).map_err(decode)?;
        state.evolve(&event);
        tail += 1;
    }
    Ok((Loaded { state, latest: Timestamp(latest) }, tail))
}

#[cfg(test)]
mod tests;
