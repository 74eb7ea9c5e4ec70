//! The log of an action: what it prints, masked, and when.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FallocateFlags, fallocate};

use super::{mask::Masker, protocol};

pub(super) const PIPE_SIZE: usize = 1 << 20;
const CHUNK: usize = 1 << 18;
/// How many chunks one action may write before the others get their turn.
const TURN: usize = 8;
/// Files are cut at whole blocks of any file system.
const BLOCK: u64 = 1 << 16;

pub(super) struct LogWriter {
    log: File,
    times: File,
    length: u64,
    stamped_ms: u64,
    masker: Masker,
    chunk: Vec<u8>,
    limit: u64,
    /// Where the end that is kept begins, once something was cut.
    tail: u64,
    /// Why something could not be written.
    lost: Option<io::Error>,
}

pub(super) enum Reading {
    /// Nothing more to read for now.
    Drained,
    /// The action's turn is over, though it has more.
    More,
    Ended,
}

impl LogWriter {
    pub(super) fn open(directory: &Path, masker: Masker, limit: u64) -> io::Result<Self> {
        let append = |name: &str| {
            let path = directory.join(name);
            OpenOptions::new().append(true).create(true).mode(0o600).open(path)
        };
        let log = append(protocol::LOG)?;
        let length = log.metadata()?.len();
        let times = append(protocol::TIMES)?;
        Ok(Self {
            log,
            times,
            length,
            stamped_ms: 0,
            masker,
            chunk: Vec::new(),
            limit,
            tail: 0,
            lost: None,
        })
    }

    pub(super) fn read_from(&mut self, output: &OwnedFd, now_ms: u64) -> Reading {
        // Grown on the first output, so that silent actions cost nothing.
        self.chunk.resize(CHUNK, 0);
        for _ in 0..TURN {
            match rustix::io::read(output, &mut self.chunk) {
                Ok(0) => return Reading::Ended,
                Ok(count) => {
                    let chunk = std::mem::take(&mut self.chunk);
                    // On a full disk reading goes on, so that the action is not blocked for ever.
                    if let Err(error) = self.write(&chunk[..count], now_ms) {
                        self.lost.get_or_insert(error);
                    }
                    self.chunk = chunk;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Reading::Drained,
                Err(_) => return Reading::Ended,
            }
        }
        Reading::More
    }

    pub(super) fn write(&mut self, bytes: &[u8], now_ms: u64) -> io::Result<()> {
        let Self { log, masker, .. } = self;
        let mut written = 0;
        masker.feed(bytes, |clear| {
            written += clear.len() as u64;
            log.write_all(clear)
        })?;
        self.advance(written, now_ms)
    }

    /// Writes what was held back; fails if anything of the log could not be written.
    pub(super) fn finish(&mut self, now_ms: u64) -> io::Result<()> {
        let rest = self.masker.finish();
        let written =
            self.log.write_all(&rest).and_then(|()| self.advance(rest.len() as u64, now_ms));
        self.lost.take().map_or(written, Err)
    }

    fn advance(&mut self, written: u64, now_ms: u64) -> io::Result<()> {
        if written > 0 && self.stamped_ms != now_ms {
            let mut record = [0; 16];
            record[..8].copy_from_slice(&self.length.to_le_bytes());
            record[8..].copy_from_slice(&now_ms.to_le_bytes());
            self.times.write_all(&record)?;
            self.stamped_ms = now_ms;
        }
        self.length += written;
        self.cut();
        Ok(())
    }

    /// Gives the middle of a log that is too long back to the file system. Positions stay what
    /// they are: readers see a hole. Where holes cannot be made the log is kept whole.
    fn cut(&mut self) {
        let half = self.limit / 2;
        let head = half.next_multiple_of(BLOCK);
        // Not for every line, but in steps.
        let due = self.tail.max(head) + half + (half / 4).max(BLOCK);
        if self.length < due {
            return;
        }
        let tail = (self.length - half) / BLOCK * BLOCK;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = fallocate(&self.log, flags, head, tail - head);
        self.tail = tail;
    }
}
