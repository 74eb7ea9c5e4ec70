//! One action: a shell in a process group of its own, from its start to its result file.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FileType, FlockOperation, Mode, OFlags, flock},
    process::{Pid, Signal, kill_process_group, test_kill_process_group},
};

use super::{
    Now,
    mask::Masker,
    output::{LogWriter, Reading},
    protocol::{self, JobResult, Outcome, StartRequest},
};

/// How long an output pipe may stay open after the last process of the group is gone.
const LINGER: Duration = Duration::from_millis(500);
/// How often to look whether the group is gone: nothing tells about the end of a grandchild.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(super) struct Child {
    directory: PathBuf,
    process: std::process::Child,
    group: Pid,
    output: Option<OwnedFd>,
    control: OwnedFd,
    log: LogWriter,
    more_output: bool,
    timeout_at: Instant,
    grace: Duration,
    ending: Ending,
    started_at_ms: u64,
    /// Released when the child is dropped, after the result was written.
    _lock: File,
}

/// How far the end of the action has come.
enum Ending {
    Running,
    /// TERM was sent; KILL follows.
    Terminating {
        outcome: Outcome,
        kill_at: Instant,
    },
    Killed {
        outcome: Outcome,
    },
    /// The shell is gone; what it started may still run or hold the output pipe.
    Lingering {
        outcome: Outcome,
        kill_at: Instant,
        /// From then on nobody is waited for any more.
        give_up_at: Option<Instant>,
    },
}

impl Child {
    /// Starts the action, or writes the result that says why it could not be started.
    pub(super) fn start(request: &StartRequest, now: Now) -> io::Result<Option<Self>> {
        let directory = request.directory.clone();
        let lock = protocol::open_lock(&directory)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // The order matters: whoever asks for a stop leaves a mark first and writes to the FIFO
        // then, so one of the two is seen here.
        let control = open_control(&directory)?;
        if !protocol::claim(&directory, request.claim)? {
            return Ok(None);
        }
        if protocol::stop_was_requested(&directory) {
            return end_unstarted(&directory, Outcome::Stopped, now);
        }
        let masker = Masker::new(&request.secrets);
        let mut log = LogWriter::open(&directory, masker, request.log_limit)?;
        match spawn(request) {
            Ok((process, output)) => {
                let group = Pid::from_child(&process);
                Ok(Some(Self {
                    directory,
                    process,
                    group,
                    output: Some(output),
                    control,
                    log,
                    more_output: false,
                    timeout_at: now.instant + Duration::from_millis(request.timeout_ms),
                    grace: Duration::from_millis(request.grace_ms),
                    ending: Ending::Running,
                    started_at_ms: now.epoch_ms,
                    _lock: lock,
                }))
            }
            Err(error) => {
                let reason = format!("cannot start {}: {error}", request.program);
                log.write(reason.as_bytes(), now.epoch_ms)?;
                log.write(b"\n", now.epoch_ms)?;
                end_unstarted(&directory, Outcome::NotStarted { reason }, now)
            }
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn has_more_output(&self) -> bool {
        self.more_output
    }

    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let output = self.output.as_ref().map(AsFd::as_fd);
        output.into_iter().chain(std::iter::once(self.control.as_fd()))
    }

    /// Returns when `step` has something to do even if nothing is heard from the action.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        match &self.ending {
            Ending::Running => Some(self.timeout_at),
            Ending::Terminating { kill_at, .. } => Some(*kill_at),
            Ending::Killed { .. } => None,
            Ending::Lingering { .. } => Some(now + LOOK_AGAIN),
        }
    }

    pub(super) fn stop(&mut self, now: Now) {
        self.terminate(Outcome::Stopped, now);
    }

    /// Does what can be done now; `true` once the result is written.
    pub(super) fn step(&mut self, now: Now) -> bool {
        self.read_output(now);
        if self.stop_was_asked() {
            self.terminate(Outcome::Stopped, now);
        }
        self.keep_time(now);
        if !matches!(self.ending, Ending::Lingering { .. })
            && let Ok(Some(status)) = self.process.try_wait()
        {
            self.shell_ended(status, now);
        }
        self.leave_if_over(now)
    }

    /// Ends the action once nothing of it is left; `true` once the result is written.
    fn leave_if_over(&mut self, now: Now) -> bool {
        let group_is_gone = self.group_is_gone();
        let Ending::Lingering { outcome, kill_at, give_up_at } = &mut self.ending else {
            return false;
        };
        let outcome = outcome.clone();
        match give_up_at {
            None if group_is_gone && self.output.is_none() => {}
            None if group_is_gone || now.instant >= *kill_at => {
                *give_up_at = Some(now.instant + LINGER);
                self.signal(Signal::KILL);
                return false;
            }
            // Somebody outside our group holds the pipe; that is theirs to keep.
            Some(at) if now.instant >= *at => {}
            Some(_) if group_is_gone && self.output.is_none() => {}
            None | Some(_) => return false,
        }
        self.output = None;
        self.more_output = false;
        self.finish(outcome, now);
        true
    }

    fn read_output(&mut self, now: Now) {
        let Some(output) = &self.output else { return };
        match self.log.read_from(output, now.epoch_ms) {
            Reading::Drained => self.more_output = false,
            Reading::More => self.more_output = true,
            Reading::Ended => {
                self.more_output = false;
                self.output = None;
            }
        }
    }

    fn stop_was_asked(&self) -> bool {
        let mut asked = [0; 64];
        rustix::io::read(&self.control, &mut asked).is_ok_and(|count| count > 0)
    }

    fn keep_time(&mut self, now: Now) {
        match &mut self.ending {
            Ending::Running if now.instant >= self.timeout_at => {
                self.terminate(Outcome::TimedOut, now);
            }
            Ending::Terminating { outcome, kill_at } if now.instant >= *kill_at => {
                let outcome = outcome.clone();
                self.signal(Signal::KILL);
                self.ending = Ending::Killed { outcome };
            }
            Ending::Running
            | Ending::Terminating { .. }
            | Ending::Killed { .. }
            | Ending::Lingering { .. } => {}
        }
    }

    fn terminate(&mut self, outcome: Outcome, now: Now) {
        if matches!(self.ending, Ending::Running) {
            self.signal(Signal::TERM);
            self.ending = Ending::Terminating { outcome, kill_at: now.instant + self.grace };
        }
    }

    fn shell_ended(&mut self, status: ExitStatus, now: Now) {
        let outcome = match &self.ending {
            Ending::Terminating { outcome, .. } | Ending::Killed { outcome } => outcome.clone(),
            Ending::Running | Ending::Lingering { .. } => match status.signal() {
                Some(signal) => Outcome::Signaled { signal },
                None => Outcome::Exited { code: status.code().unwrap_or(-1) },
            },
        };
        let kill_at = match &self.ending {
            Ending::Terminating { kill_at, .. } => *kill_at,
            Ending::Running | Ending::Killed { .. } | Ending::Lingering { .. } => {
                // An action ends with its shell, and so does what the shell has left behind.
                self.signal(Signal::TERM);
                now.instant + self.grace
            }
        };
        self.read_output(now);
        self.ending = Ending::Lingering { outcome, kill_at, give_up_at: None };
    }

    fn group_is_gone(&self) -> bool {
        test_kill_process_group(self.group).is_err()
    }

    fn signal(&self, signal: Signal) {
        // The group may be gone already; then there is nobody to tell.
        let _ = kill_process_group(self.group, signal);
    }

    fn finish(&mut self, outcome: Outcome, now: Now) {
        let outcome = match (outcome, self.log.finish(now.epoch_ms)) {
            (Outcome::Exited { code: 0 }, Err(error)) => {
                Outcome::LogLost { reason: error.to_string() }
            }
            (outcome, Ok(()) | Err(_)) => outcome,
        };
        let result =
            JobResult { outcome, started_at_ms: self.started_at_ms, ended_at_ms: now.epoch_ms };
        if let Err(error) = protocol::write_result(&self.directory, &result) {
            // Without a result the job counts as lost, which is the truth.
            let _ = io::Write::write_fmt(
                &mut io::stderr(),
                format_args!("stagegate supervisor: {}: {error}\n", self.directory.display()),
            );
        }
        let _ = std::fs::remove_file(self.directory.join(protocol::CONTROL));
    }
}

fn end_unstarted(directory: &Path, outcome: Outcome, now: Now) -> io::Result<Option<Child>> {
    let (started_at_ms, ended_at_ms) = (now.epoch_ms, now.epoch_ms);
    protocol::write_result(directory, &JobResult { outcome, started_at_ms, ended_at_ms })?;
    let _ = std::fs::remove_file(directory.join(protocol::CONTROL));
    super::announce(directory, None);
    Ok(None)
}

/// Opens the FIFO for both directions, so that it never reports an end when writers leave.
fn open_control(directory: &Path) -> io::Result<OwnedFd> {
    let path = directory.join(protocol::CONTROL);
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(&path, flags, Mode::empty())?)
}

#[expect(clippy::disallowed_methods, reason = "starting actions is what the supervisor is for")]
fn spawn(request: &StartRequest) -> io::Result<(std::process::Child, OwnedFd)> {
    // One pipe for both streams keeps their order.
    let (output, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&output, true)?;
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&output, super::output::PIPE_SIZE);
    let process = Command::new(&request.program)
        .args(&request.arguments)
        .env_clear()
        .envs(request.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&request.working_directory)
        .stdin(Stdio::null())
        .stdout(write_end.try_clone()?)
        .stderr(write_end)
        .process_group(0)
        .spawn()?;
    Ok((process, output))
}
