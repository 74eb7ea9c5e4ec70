//! What the system and the keyboard ask of this process.

use std::io;

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    suspend: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            suspend: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
        })
    }

    /// Takes back what has come from the keyboard and was not for us.
    pub(super) fn forget(&mut self) {
        while self.interrupt.recv().now_or_never().is_some() {}
        while self.suspend.recv().now_or_never().is_some() {}
    }

    /// Returns when this process is asked to end (`true`) or to step aside for the shell.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.hangup.recv() => true,
            _ = self.interrupt.recv() => true,
            _ = self.suspend.recv() => false,
        }
    }
}
