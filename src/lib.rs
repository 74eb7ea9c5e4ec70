//! Stagegate: CodePipeline on your own machine, with a dashboard you can live in.

pub mod ansi;
pub mod cli;
pub mod definition;
pub mod engine;
pub mod fault;
pub mod host;
pub mod hostile;
pub mod model;
pub mod providers;
pub mod runtime;
pub mod store;
pub mod supervisor;
pub mod tui;
mod words;
