//! The small process that owns running actions, so that none of them dies with the runtime.
//!
//! One thread, one poll loop. It starts each action in a process group of its own, stamps and
//! masks its output into the log, enforces the timeout, and writes the result file. It outlives
//! the runtime and ends itself when its last action has ended and nobody talks to it any more.
//! It knows nothing of pipelines: only of job directories and what is in [`protocol`].

mod child;
pub(crate) mod mask;
mod output;
pub mod protocol;

use std::{
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use child::Child;
use protocol::{Ended, StartRequest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCHLD, SIGTERM};

/// Serves requests from standard input until it ends and the last action is over.
pub fn run() -> io::Result<()> {
    // A session of our own: no terminal signal reaches us or our actions, and no action can
    // read from or write to the operator's terminal.
    let _ = rustix::process::setsid();
    Supervisor::new()?.serve()
}

struct Supervisor {
    requests: Requests,
    children: Vec<Child>,
    /// Readable after any signal we listen to.
    signals: OwnedFd,
    stop_all: Arc<AtomicBool>,
}

impl Supervisor {
    fn new() -> io::Result<Self> {
        let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
        let (signals, write_end) = rustix::pipe::pipe_with(flags)?;
        for signal in [SIGCHLD, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, write_end.try_clone()?)?;
        }
        let stop_all = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTERM, Arc::clone(&stop_all))?;
        rustix::io::ioctl_fionbio(io::stdin(), true)?;
        Ok(Self { requests: Requests::default(), children: Vec::new(), signals, stop_all })
    }

    fn serve(mut self) -> io::Result<()> {
        loop {
            for request in self.requests.drain()? {
                self.start(&request);
            }
            if self.stop_all.swap(false, Ordering::Relaxed) {
                self.children.iter_mut().for_each(|child| child.stop(now()));
            }
            self.step();
            if self.requests.closed && self.children.is_empty() {
                return Ok(());
            }
            self.wait()?;
        }
    }

    fn start(&mut self, request: &StartRequest) {
        match Child::start(request, now()) {
            Ok(Some(child)) => self.children.push(child),
            // Somebody else has claimed this start; it is not ours to run.
            Ok(None) => {}
            // Nothing was started, and there may be no place to write down why.
            Err(error) => announce(&request.directory, Some(error.to_string())),
        }
    }

    /// Lets every child do what can be done now and takes leave of those that are over.
    fn step(&mut self) {
        self.children.retain_mut(|child| {
            let over = child.step(now());
            if over {
                announce(child.directory(), None);
            }
            !over
        });
    }

    /// Sleeps until there is a request, output, a signal or a deadline.
    fn wait(&mut self) -> io::Result<()> {
        if self.children.iter().any(Child::has_more_output) {
            return Ok(());
        }
        let now = Instant::now();
        let deadline = self.children.iter().filter_map(|child| child.deadline(now)).min();
        let timeout = deadline.map(|at| {
            let left = at.saturating_duration_since(now) + Duration::from_millis(1);
            Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 60, tv_nsec: 0 })
        });
        let stdin = io::stdin();
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if !self.requests.closed {
            fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        for child in &self.children {
            fds.extend(child.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut sink = [0; 64];
        while rustix::io::read(&self.signals, &mut sink).is_ok_and(|count| count == sink.len()) {}
        Ok(())
    }
}

/// Tells the runtime that a job is over; if it is gone, the result file speaks for itself.
fn announce(directory: &std::path::Path, error: Option<String>) {
    let ended = Ended { directory: directory.to_owned(), error };
    if let Ok(mut line) = serde_json::to_vec(&ended) {
        line.push(b'\n');
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}

/// Lines of JSON from standard input.
#[derive(Default)]
struct Requests {
    buffer: Vec<u8>,
    closed: bool,
}

impl Requests {
    fn drain(&mut self) -> io::Result<Vec<StartRequest>> {
        let mut chunk = [0; 16 * 1024];
        while !self.closed {
            match io::stdin().read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let Some(end) = memchr::memrchr(b'\n', &self.buffer) else { return Ok(Vec::new()) };
        let lines: Vec<u8> = self.buffer.drain(..=end).collect();
        let requests = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        requests.map(|line| serde_json::from_slice(line).map_err(io::Error::from)).collect()
    }
}

/// The two clocks: one for deadlines, one for what people read.
#[derive(Clone, Copy)]
struct Now {
    instant: Instant,
    epoch_ms: u64,
}

#[expect(clippy::disallowed_methods, reason = "the supervisor stands alone and has its own clock")]
fn now() -> Now {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), epoch_ms: u64::try_from(epoch.as_millis()).unwrap_or(u64::MAX) }
}
