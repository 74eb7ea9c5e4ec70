//! Claims about the execution model, each a scenario, and a seeded simulation of everything.

mod plan;
mod pushes;
mod reference;
mod scenarios_approvals;
mod scenarios_conditions;
mod scenarios_controls;
mod scenarios_failure;
mod scenarios_gates;
mod scenarios_locks;
mod scenarios_modes;
mod scenarios_progress;
mod scenarios_queue;
mod scenarios_schedules;
mod scenarios_start;
mod scenarios_triggers;
mod scene;
mod simulation;
