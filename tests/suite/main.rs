//! The whole program from outside: real git, real processes, real SQLite, a real terminal.

mod support;

mod actions;
mod architecture;
mod cli;
mod dashboard;
mod git_source;
mod recovery;
mod samples;
