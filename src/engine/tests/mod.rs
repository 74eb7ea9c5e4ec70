//! Claims about the execution model, each a scenario, and a seeded simulation of everything.

mod scenarios_approvals;
mod scenarios_controls;
mod scenarios_modes;
mod scenarios_progress;
mod scene;
mod simulation;
