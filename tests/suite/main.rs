//! The whole program from outside: real git, real processes, real SQLite, a real terminal.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test that cannot be set up has failed; tests start programs and say why they skip"
)]

#[cfg(feature = "fault-injection")]
mod stress;
mod support;

mod actions;
mod architecture;
mod background;
mod cli;
mod containers;
mod controls;
mod dashboard;
mod git_source;
mod hostile;
mod keeping;
mod modes;
mod pictures;
mod recovery;
mod resources;
mod samples;
mod triggers;
