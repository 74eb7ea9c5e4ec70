//! Retries that happen by themselves, and rollbacks.

use std::{iter, sync::Arc};

use super::scene::{
    Scene, condition, operator, pipeline, rule, told, values, with_mode, with_stage,
};
use crate::{
    engine::{Fact, Input, Refusal, Request, TransitionChange, state::Release},
    model::{ConditionResult::Rollback, ExecutionStatus::*, *},
};

const TEXT: &str = "Source > Deploy: ship";

fn on_failure(on_failure: OnFailure) -> Scene {
    Scene::with(with_stage(pipeline("p", TEXT), "Deploy", |stage| {
        stage.on_failure = Some(on_failure);
    }))
}

fn retry(attempts: u32, delay: Span, backoff: u32) -> RetryConfiguration {
    RetryConfiguration { mode: RetryMode::FailedActions, attempts, delay, backoff }
}

/// Returns the newest execution that was started.
fn newest(scene: &Scene) -> ExecutionId {
    let started = scene.log.iter().rev().find_map(|event| match &event.fact {
        Fact::ExecutionStarted { execution, .. } => Some(*execution),
        _ => None,
    });
    started.unwrap()
}

fn roll_back_to(scene: &mut Scene, execution: ExecutionId) -> Result<(), Refusal> {
    let state = scene.engine.state();
    let release = state.pipelines["p"].lanes["main"].slots[&"Deploy".into()].last_success.clone();
    let release = release.map(|it| (*it.release).clone()).unwrap();
    scene.request(Request::RollbackStage {
        pipeline: "p".into(),
        lane: "main".into(),
        stage: "Deploy".into(),
        release: Box::new(Release { execution, ..release }),
    })
}

#[test]
fn an_automatic_retry_happens_once_and_then_the_stage_fails() {
    let mut scene = on_failure(OnFailure::Retry(retry(1, Span(0), 1)));
    let execution = scene.commit("c1");
    scene.fail("ship");
    assert_eq!(scene.running(), ["ship"], "tried again at once");
    assert_eq!(scene.stage("Deploy").automatic_retries, 1);
    scene.fail("ship");
    assert_eq!(scene.status(execution), Failed);
    assert_eq!(scene.action("Deploy", "ship").latest.unwrap().number, 2);
}

#[test]
fn a_retry_keeps_the_stage_and_waits_longer_each_time() {
    let mut scene = on_failure(OnFailure::Retry(retry(3, Span(10_000), 2)));
    let execution = scene.commit("c1");
    scene.commit("c2");
    for delay in [10, 20, 40] {
        scene.fail("ship");
        assert!(scene.running().is_empty());
        assert_eq!(scene.occupant("Deploy"), Some(execution), "nobody slips in meanwhile");
        let waits = scene.stage("Deploy").waits.unwrap().sentence(scene.now);
        assert!(waits.starts_with("retry "), "{waits}");
        scene.wait(Span((delay - 1) * 1_000));
        assert!(scene.running().is_empty());
        scene.wait(Span(1_000));
        assert_eq!(scene.commits_at("ship"), ["c1"]);
    }
    scene.fail("ship");
    assert_eq!(scene.status(execution), Failed);
    assert_eq!(scene.commits_at("ship"), ["c2"]);
}

#[test]
fn an_action_is_tried_again_by_itself_while_its_siblings_go_on() {
    let mut scene = Scene::with(with_stage(
        pipeline("p", "Source > Build: make, lint; pack"),
        "Build",
        |stage| Arc::make_mut(&mut stage.actions[0]).retry = Some(retry(2, Span(5_000), 1)),
    ));
    scene.commit("c1");
    scene.fail("make");
    assert_eq!(scene.running(), ["lint"]);
    let action = scene.action("Build", "make");
    assert_eq!(action.latest.unwrap().status, ActionStatus::InProgress);
    assert!(action.waits.unwrap().sentence(scene.now).starts_with("retry 1 in "));
    scene.succeed("lint");
    scene.wait(Span(5_000));
    scene.succeed("make");
    assert_eq!(scene.running(), ["pack"]);
}

#[test]
fn a_stop_ends_a_retry_that_has_not_begun() {
    for with in [
        with_stage(pipeline("p", TEXT), "Deploy", |stage| {
            Arc::make_mut(&mut stage.actions[0]).retry = Some(retry(2, Span::HOUR, 1));
        }),
        with_stage(pipeline("p", TEXT), "Deploy", |stage| {
            stage.on_failure = Some(OnFailure::Retry(retry(2, Span::HOUR, 1)));
        }),
    ] {
        let mut scene = Scene::with(with);
        let execution = scene.commit("c1");
        scene.fail("ship");
        scene.stop(execution, StopMode::Wait).unwrap();
        assert_eq!(scene.status(execution), Stopped);
        assert!(scene.engine.next_deadline().is_none());
    }
}

#[test]
fn a_retry_by_hand_gives_the_automatic_ones_back() {
    let mut scene = on_failure(OnFailure::Retry(retry(1, Span(0), 1)));
    let execution = scene.commit("c1");
    scene.fail("ship");
    scene.fail("ship");
    scene.retry(execution, "Deploy", RetryMode::FailedActions).unwrap();
    scene.fail("ship");
    assert_eq!(scene.running(), ["ship"]);
    let stage = scene.stage("Deploy");
    assert_eq!((stage.automatic_retries, stage.manual_retries), (1, 1));
}

#[test]
fn a_rejection_is_neither_tried_again_nor_rolled_back() {
    for what in [OnFailure::Retry(retry(5, Span(0), 1)), OnFailure::Rollback] {
        let definition =
            with_stage(pipeline("p", "Source > Deploy: !gate; ship"), "Deploy", |it| {
                it.on_failure = Some(what);
            });
        let mut scene = Scene::with(definition);
        scene.commit("c1");
        scene.approve();
        scene.succeed("ship");
        let second = scene.commit("c2");
        let token = scene.token();
        scene
            .decide(token, ApprovalStatus::Rejected, None, crate::engine::Relation::Newer)
            .unwrap();
        assert_eq!(scene.status(second), Failed);
        assert!(scene.running().is_empty());
        assert_eq!(scene.engine.state().executions_started, 2);
    }
}

#[test]
fn a_failed_deploy_is_rolled_back_to_the_last_success() {
    let mut scene = on_failure(OnFailure::Rollback);
    for commit in ["c1", "c2", "c3"] {
        scene.commit(commit);
        scene.succeed("ship");
    }
    let third = newest(&scene);
    let fourth = scene.commit("c4");
    scene.fail("ship");
    assert_eq!(scene.status(fourth), Failed);
    let rollback = newest(&scene);
    assert_ne!(rollback, fourth);
    assert_eq!(scene.commits_at("ship"), ["c3"], "with the third's commit");
    let card = scene.stage("Deploy").execution.unwrap();
    assert_eq!((card.id, card.rollback_of), (rollback, Some(third)));
    assert_eq!(card.trigger.kind, TriggerType::AutomatedRollback);
    scene.succeed("ship");
    assert_eq!(scene.status(rollback), Succeeded);
    assert_eq!(scene.stage("Deploy").last_success.unwrap().release_of, third);
}

#[test]
fn a_rollback_brings_artifacts_and_variables_back() {
    let text = "Source > Build: make > Deploy: ship";
    let mut definition = with_stage(pipeline("p", text), "Deploy", |stage| {
        stage.on_failure = Some(OnFailure::Rollback);
        Arc::make_mut(&mut stage.actions[0]).input_artifacts = vec!["dist".into()];
        told(&mut stage.actions[0]).commands = vec!["ship #{make.VERSION}".into()];
    });
    Arc::make_mut(&mut definition.stages[1].actions[0]).namespace = Some("make".into());
    let mut scene = Scene::with(definition);
    let built = |version: &str| JobSuccess {
        variables: values("VERSION", version),
        artifacts: iter::once((
            "dist".into(),
            ArtifactContent::Tree { tree: format!("tree-{version}").into(), files: 1, bytes: 1 }
                .into(),
        ))
        .collect(),
        ..JobSuccess::default()
    };
    scene.commit("c1");
    scene.succeed_with("make", built("1"));
    scene.succeed("ship");
    scene.commit("c2");
    scene.succeed_with("make", built("2"));
    scene.fail("ship");
    let job = scene.jobs.values().next().unwrap();
    assert_eq!(job.instructions.commands, ["ship 1"]);
    assert_eq!(job.inputs[0].content, built("1").artifacts[&ArtifactName::from("dist")]);
}

#[test]
fn a_rollback_without_an_earlier_success_does_nothing() {
    let mut scene = on_failure(OnFailure::Rollback);
    let execution = scene.commit("c1");
    scene.fail("ship");
    assert_eq!(scene.status(execution), Failed);
    assert!(scene.running().is_empty());
}

#[test]
fn a_rollback_that_fails_is_not_rolled_back_again() {
    let mut scene = on_failure(OnFailure::Rollback);
    scene.commit("c1");
    scene.succeed("ship");
    scene.commit("c2");
    scene.fail("ship");
    scene.fail("ship");
    assert!(scene.running().is_empty());
    assert_eq!(scene.engine.state().executions_started, 3);
}

#[test]
fn a_rollback_runs_its_stage_only() {
    let text = "Source > Deploy: ship > Check: probe";
    let mut scene = Scene::with(with_stage(pipeline("p", text), "Deploy", |stage| {
        stage.on_failure = Some(OnFailure::Rollback);
    }));
    scene.commit("c1");
    scene.succeed("ship");
    scene.succeed("probe");
    scene.commit("c2");
    scene.fail("ship");
    let rollback = newest(&scene);
    scene.succeed("ship");
    assert_eq!(scene.status(rollback), Succeeded);
    assert!(scene.running().is_empty());
}

#[test]
fn a_rollback_goes_before_the_queue_and_through_a_disabled_transition() {
    let mut scene = on_failure(OnFailure::Rollback);
    scene.commit("c1");
    scene.succeed("ship");
    scene.commit("c2");
    scene.transition("Deploy", TransitionChange::Disable { reason: "freeze".into() });
    let waiting = scene.commit("c3");
    scene.fail("ship");
    assert_eq!(scene.commits_at("ship"), ["c1"]);
    assert_eq!(scene.status(waiting), InProgress, "it neither supersedes nor is superseded");
    scene.succeed("ship");
    assert_eq!(scene.waiting_before("Deploy"), [waiting]);
}

#[test]
fn an_operator_rolls_back_by_hand() {
    let mut scene = Scene::pipeline(TEXT);
    let first = scene.commit("c1");
    scene.succeed("ship");
    roll_back_to(&mut scene, first).unwrap();
    assert_eq!(scene.commits_at("ship"), ["c1"]);
    let card = scene.stage("Deploy").execution.unwrap();
    assert_eq!(card.trigger.kind, TriggerType::ManualRollback);
    assert_eq!(card.trigger.detail, operator().to_string());
}

#[test]
fn a_stage_that_is_running_is_not_rolled_back() {
    let mut scene = Scene::pipeline(TEXT);
    let first = scene.commit("c1");
    scene.succeed("ship");
    scene.commit("c2");
    let refusal = roll_back_to(&mut scene, first).unwrap_err();
    assert!(matches!(refusal, Refusal::UnableToRollbackStage { .. }), "{refusal}");
}

#[test]
fn a_parallel_pipeline_has_no_rollback() {
    let mut scene = Scene::with(with_mode(pipeline("p", TEXT), ExecutionMode::Queued));
    let first = scene.commit("c1");
    scene.succeed("ship");
    let parallel = with_mode(pipeline("p", TEXT), ExecutionMode::Parallel);
    scene.apply(crate::engine::Input::DefinitionLoaded(Box::new(parallel))).unwrap();
    assert!(roll_back_to(&mut scene, first).is_err());
}

#[test]
fn failure_conditions_decide_whether_a_failure_is_rolled_back() {
    for (value, rolls_back) in [("c2", true), ("other", false)] {
        let check = rule(
            "check",
            "VariableCheck",
            &[("Variable", "#{app.CommitId}"), ("Operator", "EQ"), ("Value", value)],
        );
        let condition = condition(Rollback, vec![check]).unwrap();
        let mut scene = on_failure(OnFailure::Conditional(condition));
        scene.commit("c1");
        scene.succeed("ship");
        let second = scene.commit("c2");
        scene.fail("ship");
        assert_eq!(scene.status(second), Failed);
        assert_eq!(!scene.running().is_empty(), rolls_back, "{value}");
    }
}

#[test]
fn a_success_condition_may_ask_for_a_rollback() {
    let mut scene = Scene::with(with_stage(pipeline("p", TEXT), "Deploy", |stage| {
        stage.on_success = condition(Rollback, vec![rule("probe", "Commands", &[])]);
    }));
    scene.commit("c1");
    scene.succeed("ship");
    scene.succeed("probe@ON_SUCCESS");
    let second = scene.commit("c2");
    scene.succeed("ship");
    scene.fail("probe@ON_SUCCESS");
    assert_eq!(scene.status(second), Failed);
    assert_eq!(scene.commits_at("ship"), ["c1"]);
}

#[test]
fn an_action_is_tried_again_as_often_as_declared_and_waits_longer_each_time() {
    let mut scene =
        Scene::with(with_stage(pipeline("p", "Source > Build: make"), "Build", |stage| {
            Arc::make_mut(&mut stage.actions[0]).retry = Some(retry(2, Span(5_000), 3));
        }));
    let execution = scene.commit("c1");
    for delay in [5_000, 15_000] {
        scene.fail("make");
        scene.wait(Span(delay - 1));
        assert!(scene.running().is_empty());
        scene.wait(Span(1));
        assert_eq!(scene.running(), ["make"]);
    }
    scene.fail("make");
    assert_eq!(scene.status(execution), Failed);
}

#[test]
fn a_stage_that_is_no_longer_declared_is_not_rolled_back() {
    let mut scene = on_failure(OnFailure::Rollback);
    scene.commit("c1");
    scene.succeed("ship");
    scene.commit("c2");
    let without = pipeline("p", "Source > Publish: ship");
    scene.apply(Input::DefinitionLoaded(Box::new(without))).unwrap();
    let started = scene.engine.state().executions_started;
    scene.fail("ship");
    assert_eq!(scene.engine.state().executions_started, started);
}
