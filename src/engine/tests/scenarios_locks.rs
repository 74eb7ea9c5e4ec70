//! Locks that stages of several lanes and pipelines share.

use super::scene::{Scene, pipeline, with_stage};
use crate::{
    engine::{Refusal, TransitionChange},
    model::*,
};

fn locked(name: &str, text: &str) -> Pipeline {
    with_stage(pipeline(name, text), "Deploy", |stage| stage.lock = Some("production".into()))
}

const DEPLOY: &str = "Source > Deploy: ship > Check: probe";

#[test]
fn one_execution_of_all_lanes_and_pipelines_holds_a_lock() {
    let mut scene = Scene::with_all([locked("p", DEPLOY), locked("q", DEPLOY)]);
    scene.commit_to("p", "main", "c1");
    scene.commit_to("p", "topic", "c2");
    scene.commit_to("q", "main", "c3");
    assert_eq!(scene.commits_at("ship"), ["c1"]);
}

#[test]
fn a_lock_goes_to_whoever_has_waited_longest() {
    let mut scene = Scene::with_all([locked("p", DEPLOY), locked("q", DEPLOY)]);
    scene.commit_to("q", "zebra", "c1");
    scene.commit_to("q", "main", "c2");
    scene.commit_to("p", "main", "c3");
    for commit in ["c1", "c2", "c3"] {
        assert_eq!(scene.commits_at("ship"), [commit]);
        scene.succeed("ship");
    }
}

#[test]
fn a_busy_lane_keeps_its_place_but_does_not_starve_the_others() {
    let mut scene = Scene::with_all([locked("p", DEPLOY), locked("q", DEPLOY)]);
    scene.commit_to("p", "main", "a1");
    scene.commit_to("p", "main", "a2");
    scene.commit_to("q", "main", "b1");
    // The newer commit takes the place of the one it supersedes.
    scene.commit_to("p", "main", "a3");
    scene.succeed("ship of a1");
    assert_eq!(scene.commits_at("ship"), ["a3"]);
    scene.commit_to("p", "main", "a4");
    scene.succeed("ship of a3");
    assert_eq!(scene.commits_at("ship"), ["b1"], "p has had its turn");
}

#[test]
fn a_lock_is_free_again_however_its_stage_ends() {
    for how in ["succeed", "fail", "stop"] {
        let mut scene = Scene::with_all([locked("p", DEPLOY), locked("q", DEPLOY)]);
        let first = scene.commit_to("p", "main", "c1");
        scene.commit_to("q", "main", "c2");
        match how {
            "succeed" => scene.succeed("ship of c1"),
            "fail" => scene.fail("ship of c1"),
            _ => scene.stop(first, StopMode::Abandon).unwrap(),
        }
        assert_eq!(scene.commits_at("ship"), ["c2"], "{how}");
    }
}

#[test]
fn who_is_held_by_a_transition_does_not_hold_the_queue() {
    let mut scene = Scene::with_all([locked("p", DEPLOY), locked("q", DEPLOY)]);
    scene.commit_to("q", "main", "c0");
    scene.transition("Deploy", TransitionChange::Disable { reason: "freeze".into() });
    scene.commit_to("p", "main", "c1");
    scene.commit_to("q", "topic", "c2");
    scene.succeed("ship of c0");
    assert_eq!(scene.commits_at("ship"), ["c2"]);
    scene.transition("Deploy", TransitionChange::Enable);
    assert_eq!(scene.commits_at("ship"), ["c2"]);
    scene.succeed("ship of c2");
    assert_eq!(scene.commits_at("ship"), ["c1"]);
}

#[test]
fn a_waiter_names_the_lock_and_who_holds_it() {
    let mut scene = Scene::with_all([locked("p", DEPLOY), locked("q", DEPLOY)]);
    scene.commit_to("q", "main", "c1");
    scene.commit_to("p", "main", "c2");
    let inbound = &scene.stage("Deploy").inbound[0];
    assert_eq!(
        inbound.reason.sentence(scene.now),
        "waits for the lock production: c1 of q (main) holds it"
    );
}

#[test]
fn a_retry_does_not_take_a_lock_from_somebody() {
    let mut scene = Scene::with_all([locked("p", DEPLOY), locked("q", DEPLOY)]);
    let first = scene.commit_to("p", "main", "c1");
    scene.fail("ship");
    scene.commit_to("q", "main", "c2");
    let refusal = scene.retry(first, "Deploy", RetryMode::FailedActions).unwrap_err();
    assert!(matches!(refusal, Refusal::LockHeld { .. }), "{refusal}");
    scene.succeed("ship of c2");
    scene.retry(first, "Deploy", RetryMode::FailedActions).unwrap();
    assert_eq!(scene.commits_at("ship"), ["c1"]);
}

#[test]
fn two_stages_of_one_lane_may_share_a_lock() {
    let mut definition = locked("p", DEPLOY);
    definition.stages[2].lock = Some("production".into());
    let mut scene = Scene::with(definition);
    scene.commit("c1");
    scene.commit("c2");
    scene.succeed("ship of c1");
    assert_eq!(scene.commits_at("ship"), ["c2"], "c2 has waited longer");
    scene.succeed("ship of c2");
    assert_eq!(scene.commits_at("probe"), ["c2"], "the newer one superseded c1 before Check");
}

#[test]
fn a_rollback_takes_the_lock_before_whoever_waits_for_it() {
    let undone = with_stage(locked("p", DEPLOY), "Deploy", |stage| {
        stage.on_failure = Some(OnFailure::Rollback);
    });
    let mut scene = Scene::with_all([undone, locked("q", DEPLOY)]);
    scene.commit("a1");
    scene.succeed("ship");
    scene.commit("a2");
    scene.commit_to("q", "main", "b1");
    assert_eq!(scene.commits_at("ship"), ["a2"], "the other waits");
    scene.fail("ship");
    assert_eq!(scene.commits_at("ship"), ["a1"], "what was there comes back first");
    scene.succeed("ship");
    assert_eq!(scene.commits_at("ship"), ["b1"]);
}
