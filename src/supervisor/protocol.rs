//! What runtime and supervisor say to each other, and the files of a job directory.
//!
//! Requests go in as lines of JSON, ended jobs come out the same way. Secrets travel here and
//! in the environment of the action only; no file of ours holds them.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, FlockOperation, fallocate, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};

/// What the action prints.
pub const LOG: &str = "log";
/// Pairs of little-endian u64: an offset in the log, and the epoch milliseconds it was written.
pub const TIMES: &str = "times";
/// How it ended; written whole or not at all.
pub const RESULT: &str = "result.json";
/// Held for as long as a supervisor works on the job.
pub const LOCK: &str = "lock";
/// A FIFO: any byte written to it asks for the end of the action.
pub const CONTROL: &str = "control";
/// There once a stop was asked for.
pub const STOP: &str = "stop-requested";

#[derive(Serialize, Deserialize)]
pub struct StartRequest {
    pub directory: PathBuf,
    /// Which start of this job it is. Whoever creates the file `claim-N` first decides about it.
    pub claim: u32,
    pub program: String,
    pub arguments: Vec<String>,
    pub working_directory: PathBuf,
    /// The whole environment, nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// Values to be masked in the log.
    pub secrets: Vec<String>,
    pub timeout_ms: u64,
    /// How much of the log is kept, in bytes: the beginning and the end of it.
    pub log_limit: u64,
    /// Between TERM and KILL.
    pub grace_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Ended {
    pub directory: PathBuf,
    /// Why the job could not be started, where no result says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    pub outcome: Outcome,
    pub started_at_ms: u64,
    pub ended_at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Exited {
        code: i32,
    },
    Signaled {
        signal: i32,
    },
    TimedOut,
    Stopped,
    NotStarted {
        reason: String,
    },
    /// It has exited with 0, but what it said could not be kept.
    LogLost {
        reason: String,
    },
}

/// Claims the start `number` of a job for a supervisor; `false` if somebody else has claimed it.
pub fn claim(directory: &Path, number: u32) -> io::Result<bool> {
    let path = claim_path(directory, number);
    is_first(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop))
}

/// Claims the next start of a job for a runtime, so that a request that is still on its way
/// starts nothing. `false`: a supervisor has, or had, the job.
pub fn claim_unstarted(directory: &Path) -> io::Result<bool> {
    let number = next_claim(directory);
    let ours =
        |number: u32| std::fs::read(claim_path(directory, number)).is_ok_and(|it| it == BY_RUNTIME);
    if number > 0 && !ours(number - 1) {
        return Ok(false);
    }
    let whole = directory.join("claim.tmp");
    std::fs::write(&whole, BY_RUNTIME)?;
    is_first(std::fs::hard_link(whole, claim_path(directory, number)))
}

const BY_RUNTIME: &[u8] = b"runtime";

/// Returns the number of the next start: one more than the highest that was claimed.
pub fn next_claim(directory: &Path) -> u32 {
    (0..u32::MAX).find(|number| !claim_path(directory, *number).exists()).unwrap_or(u32::MAX)
}

pub fn was_claimed(directory: &Path, number: u32) -> bool {
    claim_path(directory, number).exists()
}

fn claim_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("claim-{number}"))
}

fn is_first(made: io::Result<()>) -> io::Result<bool> {
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the lock file of a job without locking it.
pub fn open_lock(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(directory.join(LOCK))
}

/// Waits until no supervisor works on the job any more.
pub fn wait_for_supervisor(directory: &Path) -> io::Result<()> {
    let lock = open_lock(directory)?;
    Ok(flock(&lock, FlockOperation::LockExclusive)?)
}

/// Tells whether a supervisor works on the job now.
pub fn is_supervised(directory: &Path) -> bool {
    open_lock(directory)
        .is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// Asks for the end of a job, whether it runs, is about to start, or is over.
pub fn request_stop(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(directory.join(STOP))?;
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    match options.open(directory.join(CONTROL)) {
        Ok(mut control) => io::Write::write_all(&mut control, b"stop\n"),
        // Nobody works on it: it has ended, or it will find the mark before it starts.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

pub fn stop_was_requested(directory: &Path) -> bool {
    directory.join(STOP).exists()
}

pub fn read_result(directory: &Path) -> Option<JobResult> {
    let bytes = std::fs::read(directory.join(RESULT)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Makes room for the result, so that a disk that is full by then cannot keep it from being told.
pub fn reserve_result(directory: &Path) -> io::Result<()> {
    let file = result_file(directory)?;
    match fallocate(&file, FallocateFlags::empty(), 0, RESULT_BYTES as u64) {
        // There are file systems that cannot promise anything.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One block; a result is shorter and filled up with blanks.
const RESULT_BYTES: usize = 4096;

fn result_file(directory: &Path) -> io::Result<File> {
    let path = directory.join("result.tmp");
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Writes the result so that after a power cut it is there whole or not there.
pub fn write_result(directory: &Path, result: &JobResult) -> io::Result<()> {
    let mut file = result_file(directory)?;
    let mut text = serde_json::to_vec(result)?;
    text.resize(text.len().max(RESULT_BYTES), b' ');
    io::Write::write_all(&mut file, &text)?;
    file.sync_all()?;
    std::fs::rename(directory.join("result.tmp"), directory.join(RESULT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_supervisor_has_claimed_may_start_after_any_number_of_runtimes() {
        let job = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            assert!(claim_unstarted(job.path()).unwrap());
        }
        assert!(!claim(job.path(), 2).unwrap(), "an old request must not start it");
        assert!(claim(job.path(), next_claim(job.path())).unwrap());
        assert!(!claim_unstarted(job.path()).unwrap(), "a supervisor has it");
    }
}
