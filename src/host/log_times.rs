//! When the lines of a log were written: the supervisor notes offset and moment of what it writes.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use crate::model::Timestamp;

const RECORD: u64 = 16;

/// Reads the notes of one log; nothing of them stays in memory.
pub struct LogTimes(File);

impl LogTimes {
    /// Opens the notes that lie beside a log.
    pub fn beside(log: &Path) -> Option<Self> {
        File::open(log.with_file_name(crate::supervisor::protocol::TIMES)).ok().map(Self)
    }

    /// Returns when the byte at `offset` was written.
    pub fn at(&self, offset: u64) -> Option<Timestamp> {
        let count = self.0.metadata().ok()?.len() / RECORD;
        let (mut low, mut high) = (0, count);
        // The last note at or before the offset.
        while low < high {
            let middle = low.midpoint(high);
            if self.record(middle)?.0 <= offset { low = middle + 1 } else { high = middle }
        }
        self.record(low.checked_sub(1)?).map(|(_, at)| at)
    }

    fn record(&self, number: u64) -> Option<(u64, Timestamp)> {
        let mut bytes = [0; 16];
        self.0.read_exact_at(&mut bytes, number * RECORD).ok()?;
        let (offset, at) = bytes.split_at(8);
        let at = i64::from_le_bytes(at.try_into().ok()?);
        Some((u64::from_le_bytes(offset.try_into().ok()?), Timestamp(at)))
    }
}
