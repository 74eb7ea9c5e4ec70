//! Stagegate: CodePipeline on your own machine, with a dashboard you can live in.

pub mod definition;
pub mod engine;
pub mod model;
pub mod store;
