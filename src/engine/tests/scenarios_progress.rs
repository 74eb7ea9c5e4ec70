//! Run orders, failure, variables and artifacts.

use std::{iter, sync::Arc};

use super::scene::{Scene, pipeline, told, values};
use crate::model::{
    ActionStatus, ArtifactContent, ExecutionStatus::*, JobSuccess, Span, StageStatus,
};

#[test]
fn actions_of_one_run_order_run_in_parallel() {
    let mut scene = Scene::pipeline("Source > Test: lint, unit; pack");
    scene.commit("a1");
    assert_eq!(scene.running(), ["lint", "unit"]);
}

#[test]
fn the_next_group_starts_only_after_every_action_of_the_current_one_succeeded() {
    let mut scene = Scene::pipeline("Source > Test: lint, unit; pack");
    scene.commit("a1");
    scene.succeed("lint");
    assert_eq!(scene.running(), ["unit"]);
    let waits = scene.action("Test", "pack").waits.unwrap().sentence(scene.now);
    assert_eq!(waits, "waits for unit");
    scene.succeed("unit");
    assert_eq!(scene.running(), ["pack"]);
}

#[test]
fn siblings_of_a_failed_action_run_to_their_end_and_later_groups_never_start() {
    let mut scene = Scene::pipeline("Source > Test: lint, unit; pack");
    let execution = scene.commit("a1");
    scene.fail("lint");
    assert_eq!(scene.status(execution), InProgress);
    assert_eq!(scene.running(), ["unit"]);
    scene.succeed("unit");
    assert_eq!(scene.status(execution), Failed);
    assert_eq!(scene.stage("Test").status, Some(StageStatus::Failed));
    assert_eq!(scene.running(), [""; 0]);
    assert!(scene.action("Test", "pack").latest.is_none());
}

#[test]
fn a_failed_stage_lets_the_waiting_execution_in() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let [failed, waiting] = [scene.commit("a1"), scene.commit("b2")];
    scene.fail("make");
    assert_eq!(scene.status(failed), Failed);
    assert_eq!(scene.occupant("Build"), Some(waiting));
}

#[test]
fn an_execution_succeeds_with_its_last_stage() {
    let mut scene = Scene::pipeline("Source > Build: make > Deploy: ship");
    let execution = scene.commit("a1");
    scene.succeed("make");
    assert_eq!(scene.status(execution), InProgress);
    scene.succeed("ship");
    assert_eq!(scene.status(execution), Succeeded);
}

#[test]
fn variables_are_resolved_just_before_the_action_starts() {
    let mut definition = pipeline("p", "Source > Build: make; pack");
    told(&mut definition.stages[1].actions[1]).commands = vec![
        "pack #{make.VERSION} of #{app.CommitId} in #{codepipeline.PipelineExecutionId}".into(),
    ];
    let mut scene = Scene::with(definition);
    let execution = scene.commit("a1");
    let variables = values("VERSION", "1.2");
    scene.succeed_with("make", JobSuccess { variables, ..JobSuccess::default() });
    let job = scene.jobs.values().next().unwrap();
    assert_eq!(job.instructions.commands, [format!("pack 1.2 of a1 in {execution}")]);
}

#[test]
fn an_unknown_reference_fails_the_action_and_is_named() {
    let mut definition = pipeline("p", "Source > Build: make");
    told(&mut definition.stages[1].actions[0]).commands = vec!["echo #{app.Nonsense}".into()];
    let mut scene = Scene::with(definition);
    let execution = scene.commit("a1");
    assert_eq!(scene.status(execution), Failed);
    let attempt = scene.action("Build", "make").latest.unwrap();
    assert_eq!(attempt.status, ActionStatus::Failed);
    assert_eq!(attempt.error.unwrap().message, "variable #{app.Nonsense} has no value");
    assert!(scene.jobs.is_empty(), "nothing was run");
}

#[test]
fn artifacts_reach_later_actions() {
    let mut definition = pipeline("p", "Source > Build: make > Deploy: ship");
    Arc::make_mut(&mut definition.stages[2].actions[0]).input_artifacts = vec!["dist".into()];
    let mut scene = Scene::with(definition);
    scene.commit("a1");
    let dist = Arc::new(ArtifactContent::Tree { tree: "t1".into(), files: 1, bytes: 2 });
    let artifacts = iter::once(("dist".into(), Arc::clone(&dist))).collect();
    scene.succeed_with("make", JobSuccess { artifacts, ..JobSuccess::default() });
    assert_eq!(scene.jobs.values().next().unwrap().inputs[0].content, dist);
}

#[test]
fn an_edited_file_leaves_executions_under_way_on_their_own_version() {
    let mut scene = Scene::pipeline("Source > Build: make > Deploy: ship");
    let execution = scene.commit("a1");
    let edited = pipeline("p", "Source > Build: compile");
    scene.apply(crate::engine::Input::DefinitionLoaded(Box::new(edited))).unwrap();
    scene.succeed("make");
    assert_eq!(scene.running(), ["ship"], "the removed stage still runs for it");
    scene.succeed("ship");
    assert_eq!(scene.status(execution), Succeeded);
    scene.commit("b2");
    assert_eq!(scene.running(), ["compile"]);
}

#[test]
fn an_action_that_ended_while_nobody_looked_has_worked_until_then() {
    let mut scene = Scene::pipeline("Source > Build: make");
    scene.commit("a1");
    let started_at = scene.action("Build", "make").latest.unwrap().started_at;
    scene.now = started_at + Span::HOUR;
    let ended_at = Some(started_at + Span::MINUTE);
    scene.succeed_with("make", JobSuccess { ended_at, ..JobSuccess::default() });
    assert_eq!(scene.action("Build", "make").latest.unwrap().ended_at, ended_at);
}
