//! Claims about the execution model, each a scenario, and a seeded simulation of everything.

mod pushes;
mod scenarios_approvals;
mod scenarios_controls;
mod scenarios_modes;
mod scenarios_progress;
mod scenarios_schedules;
mod scenarios_triggers;
mod scene;
mod simulation;
