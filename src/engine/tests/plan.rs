//! Random pipelines for the simulation: every mode, condition, retry and lock now and then.

use std::sync::Arc;

use super::scene::{condition, pipeline, rule, told};
use crate::{
    engine::rng::Rng,
    model::{ConditionResult::*, *},
};

const SHAPES: [&str; 4] = [
    "Source > Test: lint, unit; pack > Deploy: !gate; ship",
    "Source > Test: unit > Extra: more > Deploy: !gate, !other; ship",
    "Source > Deploy: ship",
    "Source > Test: a, b, c, d, e, f > Deploy: !gate; ship",
];

pub(super) fn definition(rng: &mut Rng, name: &str) -> Pipeline {
    let mut one_in = |count: u64| rng.next_u64().is_multiple_of(count);
    let shape = (0..SHAPES.len() - 1).find(|_| one_in(3)).unwrap_or(SHAPES.len() - 1);
    let mut plan = pipeline(name, SHAPES[shape]);
    plan.execution_mode = match (one_in(3), one_in(2)) {
        (true, true) => ExecutionMode::Queued,
        (true, false) => ExecutionMode::Parallel,
        (false, _) => ExecutionMode::Superseded,
    };
    if one_in(4) {
        plan.max_concurrent_actions = Some(2);
    }
    if one_in(3) {
        let only = |pattern: &str| {
            Some(Patterns { includes: vec![pattern.to_owned()], excludes: Vec::new() })
        };
        let (branches, file_paths) = (only("*"), only("src/**"));
        let push = vec![PushFilter { branches, file_paths, ..PushFilter::default() }];
        let source_action = "app".into();
        plan.triggers = vec![PipelineTrigger { source_action, push, schedule: None }];
    }
    let parallel = plan.execution_mode == ExecutionMode::Parallel;
    for stage in plan.stages.iter_mut().skip(1) {
        let retry = RetryConfiguration {
            mode: if one_in(2) { RetryMode::AllActions } else { RetryMode::FailedActions },
            attempts: 2,
            delay: Span(if one_in(2) { 0 } else { 10_000 }),
            backoff: 2,
        };
        if one_in(3) {
            stage.lock = Some("production".into());
        }
        stage.before_entry = match (one_in(4), one_in(4), one_in(2)) {
            (true, _, skips) => condition(
                if skips { Skip } else { Fail },
                vec![check(if one_in(3) { "other" } else { "main" })],
            ),
            (_, true, _) => condition(Fail, vec![rule("probe", "Commands", &[]), window()]),
            _ => None,
        };
        if one_in(5) {
            let result = if one_in(2) && !parallel { Rollback } else { Fail };
            stage.on_success = condition(result, vec![rule("probe", "Commands", &[])]);
        }
        stage.on_failure = match (one_in(4), one_in(3), one_in(3)) {
            (true, ..) => Some(OnFailure::Retry(retry)),
            (_, true, _) if !parallel => Some(OnFailure::Rollback),
            (.., true) if !parallel => {
                condition(Rollback, vec![check("main")]).map(OnFailure::Conditional)
            }
            _ => None,
        };
        for action in &mut stage.actions {
            if action.is_approval() {
                if one_in(3) {
                    told(action).configuration.insert("TimeoutResult".into(), "SKIP".into());
                }
                if one_in(3) {
                    told(action).configuration.insert("UndoWindow".into(), "5s".into());
                }
            } else if one_in(6) {
                Arc::make_mut(action).retry = Some(retry);
            }
        }
    }
    plan
}

fn check(value: &str) -> Rule {
    let settings = [("Variable", "#{app.BranchName}"), ("Operator", "EQ"), ("Value", value)];
    rule("check", "VariableCheck", &settings)
}

fn window() -> Rule {
    rule("hours", "DeploymentWindow", &[("Cron", "0 0 9-11 ? * MON-FRI *")])
}
