//! What the history knows of executions that have ended, and how they leave it. Decisions stay.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::{History, StoreError, history::parsed_option, load_in, schema, write_snapshot};
use crate::model::{ArtifactContent, ExecutionId, JobSuccess, Timestamp};

/// How many executions leave in one transaction: a runtime waits that long with its own.
const AT_ONCE: usize = 20;

/// An execution that has ended, and what it has left elsewhere.
#[derive(Clone, Debug)]
pub struct EndedExecution {
    pub id: ExecutionId,
    pub at: Timestamp,
    /// Its actions' executions, by whose ids their logs are found.
    pub actions: Vec<String>,
    /// The trees of its artifacts in our own object store, with their bytes.
    pub trees: Vec<(String, u64)>,
}

impl History {
    /// Returns the executions that have ended, newest first.
    pub fn ended(&self) -> Result<Vec<EndedExecution>, StoreError> {
        let sql = "SELECT id, updated_at FROM execution
                   WHERE status NOT IN ('InProgress', 'Stopping') ORDER BY updated_at DESC";
        let rows =
            self.rows(sql, &[], |row| Ok((row.get::<_, String>(0)?, Timestamp(row.get(1)?))))?;
        let ids = rows.into_iter().filter_map(|(id, at)| Some((id.parse().ok()?, at)));
        let with_nothing =
            |(id, at)| EndedExecution { id, at, actions: Vec::new(), trees: Vec::new() };
        let mut found: Vec<_> = ids.map(with_nothing).collect();
        for execution in &mut found {
            let sql = "SELECT id, success FROM action_execution WHERE execution = ?1";
            let actions = self.rows(sql, params![execution.id.to_string()], |row| {
                Ok((row.get::<_, String>(0)?, parsed_option::<JobSuccess>(row, 1)?))
            })?;
            for (id, success) in actions {
                execution.actions.push(id);
                let artifacts = success.iter().flat_map(|it| it.artifacts.values());
                execution.trees.extend(artifacts.filter_map(|content| match &**content {
                    ArtifactContent::Tree { tree, bytes, .. } => Some((tree.to_string(), *bytes)),
                    ArtifactContent::Commit { .. } => None,
                }));
            }
        }
        Ok(found)
    }

    /// Tells whether an action execution is in the history.
    pub fn is_known_action(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM action_execution WHERE id = ?1";
        self.rows(sql, params![id], |_| Ok(())).map(|found| !found.is_empty())
    }
}

/// Takes executions out of the history; returns how many. A runtime may be writing meanwhile.
pub fn forget(path: &Path, executions: &[ExecutionId]) -> Result<usize, StoreError> {
    if executions.is_empty() {
        return Ok(0);
    }
    let failed = |source| StoreError::Write { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    schema::configure(&connection).map_err(failed)?;
    // Nobody may write between the state and what is taken away from under it.
    let immediate = || TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(immediate()).map_err(failed)?;
    let (loaded, _) = load_in(&transaction, path)?;
    write_snapshot(&transaction, path, &loaded.state)?;
    transaction.commit().map_err(failed)?;
    for some in executions.chunks(AT_ONCE) {
        let transaction = connection.transaction_with_behavior(immediate()).map_err(failed)?;
        for id in some.iter().map(ToString::to_string) {
            for sql in [
                // The newest stays: its number must not be given to another, which would then seem
                // to be in the snapshot.
                "DELETE FROM event WHERE execution = ?1 AND id < (SELECT max(id) FROM event)",
                "DELETE FROM action_execution WHERE execution = ?1",
                "DELETE FROM execution WHERE id = ?1",
            ] {
                transaction
                    .prepare_cached(sql)
                    .and_then(|mut it| it.execute([&id]))
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
    }
    Ok(executions.len())
}
