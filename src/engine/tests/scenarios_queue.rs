//! QUEUED and PARALLEL, and what happens to executions when the mode changes.

use super::scene::{Scene, pipeline, with_mode, with_stage};
use crate::{
    engine::{Input, Refusal, TransitionChange},
    model::{
        ExecutionMode::{self, Parallel, Queued, Superseded},
        ExecutionStatus::{self, Failed, InProgress, Stopped, Succeeded},
        *,
    },
};

const TWO: &str = "Source > Build: make > Deploy: ship";

fn in_mode(mode: ExecutionMode) -> Scene {
    Scene::with(with_mode(pipeline("p", TWO), mode))
}

fn reload(scene: &mut Scene, mode: ExecutionMode) {
    let definition = with_mode(pipeline("p", TWO), mode);
    scene.apply(Input::DefinitionLoaded(Box::new(definition))).unwrap();
}

#[test]
fn queued_executions_go_through_each_stage_in_order_and_none_is_superseded() {
    let mut scene = in_mode(Queued);
    let commits: Vec<String> = (0..10).map(|it| format!("c{it}")).collect();
    let executions: Vec<ExecutionId> = commits.iter().map(|it| scene.commit(it)).collect();
    assert_eq!(scene.waiting_before("Build"), executions[1..]);
    for (commit, execution) in commits.iter().zip(&executions) {
        assert_eq!(scene.commits_at("make"), [commit.as_str()], "one at a time, in order");
        scene.succeed("make");
        assert_eq!(scene.commits_at("ship"), [commit.as_str()]);
        scene.succeed("ship");
        assert_eq!(scene.status(*execution), Succeeded);
    }
}

#[test]
fn a_queue_stands_before_every_stage() {
    let mut scene = in_mode(Queued);
    let [first, second, third] = ["c1", "c2", "c3"].map(|it| scene.commit(it));
    scene.succeed("make of c1");
    scene.succeed("make of c2");
    assert_eq!(scene.occupant("Deploy"), Some(first));
    assert_eq!(scene.waiting_before("Deploy"), [second]);
    assert_eq!(scene.occupant("Build"), Some(third));
}

#[test]
fn a_failed_execution_lets_the_next_in_the_queue_enter() {
    let mut scene = in_mode(Queued);
    let first = scene.commit("c1");
    scene.commit("c2");
    scene.fail("make");
    assert_eq!(scene.status(first), Failed);
    assert_eq!(scene.commits_at("make"), ["c2"]);
}

#[test]
fn an_enabled_transition_lets_the_queue_in_one_after_another() {
    let mut scene = Scene::with(with_mode(pipeline("p", "Source | Build: make"), Queued));
    scene.commit("c1");
    scene.commit("c2");
    scene.transition("Build", TransitionChange::Enable);
    assert_eq!(scene.commits_at("make"), ["c1"]);
    scene.succeed("make");
    assert_eq!(scene.commits_at("make"), ["c2"]);
}

#[test]
fn a_stopped_execution_leaves_the_queue() {
    let mut scene = in_mode(Queued);
    let [_, second, third] = ["c1", "c2", "c3"].map(|it| scene.commit(it));
    scene.stop(second, StopMode::Wait).unwrap();
    assert_eq!(scene.status(second), Stopped);
    assert_eq!(scene.waiting_before("Build"), [third]);
}

#[test]
fn parallel_executions_do_not_wait_for_each_other() {
    let mut scene = in_mode(Parallel);
    let executions = ["c1", "c2", "c3"].map(|it| scene.commit(it));
    assert_eq!(scene.commits_at("make"), ["c1", "c2", "c3"]);
    scene.succeed("make of c3");
    scene.succeed("make of c1");
    assert_eq!(scene.commits_at("ship"), ["c1", "c3"], "they overlap in a stage");
    scene.succeed("ship of c3");
    assert_eq!(executions.map(|it| scene.status(it)), [InProgress, InProgress, Succeeded]);
}

#[test]
fn a_parallel_execution_can_be_retried_although_a_newer_one_went_through() {
    let mut scene = in_mode(Parallel);
    let first = scene.commit("c1");
    scene.commit("c2");
    scene.fail("make of c1");
    scene.succeed("make of c2");
    scene.retry(first, "Build", RetryMode::FailedActions).unwrap();
    assert_eq!(scene.commits_at("make"), ["c1"]);
}

#[test]
fn at_most_fifty_executions_of_a_queued_or_parallel_pipeline_are_under_way() {
    for mode in [Queued, Parallel] {
        let mut scene = in_mode(mode);
        for number in 0..50 {
            scene.commit(&format!("c{number:02}"));
        }
        let refusal = scene.start_by_hand("late").unwrap_err();
        assert!(
            matches!(refusal, Refusal::ConcurrentPipelineExecutionsLimitExceeded { limit: 50, .. }),
            "{refusal}"
        );
    }
}

#[test]
fn a_parallel_execution_runs_five_actions_at_a_time() {
    let wide = "Source > Build: a, b, c, d, e, f, g";
    let mut scene = Scene::with(with_mode(pipeline("p", wide), Parallel));
    scene.commit("c1");
    assert_eq!(scene.running(), ["a", "b", "c", "d", "e"]);
    scene.succeed("b");
    assert_eq!(scene.running(), ["a", "c", "d", "e", "f"]);
}

#[test]
fn memory_holds_the_newest_parallel_executions_only() {
    let mut scene = in_mode(Parallel);
    for number in 0..30 {
        let commit = format!("c{number:02}");
        scene.commit(&commit);
        scene.succeed(&format!("make of {commit}"));
        scene.succeed(&format!("ship of {commit}"));
    }
    assert!(
        scene.engine.state().executions.len() <= 10,
        "{}",
        scene.engine.state().executions.len()
    );
    assert_eq!(scene.engine.state().pipelines["p"].lanes.len(), 8);
}

#[test]
fn executions_keep_the_mode_they_started_under() {
    let mut scene = in_mode(Queued);
    let [first, second] = ["c1", "c2"].map(|it| scene.commit(it));
    reload(&mut scene, Superseded);
    let third = scene.commit("c3");
    assert_eq!(scene.status(second), InProgress, "a queued one is never superseded");
    let fourth = scene.commit("c4");
    assert_eq!(scene.status(third), ExecutionStatus::Superseded);
    scene.succeed("make of c1");
    scene.succeed("ship of c1");
    assert_eq!(scene.status(first), Succeeded);
    assert_eq!(scene.commits_at("make"), ["c2"]);
    assert_eq!(scene.waiting_before("Build"), [fourth]);
}

#[test]
fn an_edit_never_cancels_an_execution() {
    for (from, to) in [(Superseded, Parallel), (Parallel, Queued), (Queued, Superseded)] {
        let mut scene = in_mode(from);
        let execution = scene.commit("c1");
        reload(&mut scene, to);
        scene.succeed("make");
        scene.succeed("ship");
        assert_eq!(scene.status(execution), Succeeded, "{from:?} to {to:?}");
    }
}

#[test]
fn a_waiter_says_how_many_are_before_it() {
    let mut scene = in_mode(Queued);
    for commit in ["c1", "c2", "c3"] {
        scene.commit(commit);
    }
    let inbound = scene.stage("Build").inbound;
    let sentences: Vec<_> = inbound.iter().map(|it| it.reason.sentence(scene.now)).collect();
    assert_eq!(sentences, ["waits: c1 is in the stage", "waits: c2 is before it"]);
}

#[test]
fn who_waits_for_an_execution_of_its_own_commit_is_told_so() {
    let mut scene = Scene::pipeline("Source > Release: !gate");
    scene.commit("c1");
    scene.start_by_hand("c1").unwrap();
    let inbound = scene.stage("Release").inbound;
    assert_eq!(
        inbound[0].reason.sentence(scene.now),
        "waits: another execution of its commit is in the stage, held at the gate gate"
    );
}

#[test]
fn a_stage_limit_holds_actions_back_and_says_so() {
    let definition = with_stage(pipeline("p", "Source > Build: a, b, c"), "Build", |stage| {
        stage.max_concurrent_actions = Some(2);
    });
    let mut scene = Scene::with(definition);
    scene.commit("c1");
    assert_eq!(scene.running(), ["a", "b"]);
    let waits = scene.action("Build", "c").waits.unwrap();
    assert_eq!(waits.sentence(scene.now), "waits: 2 actions run, the limit of the stage");
    scene.succeed("a");
    assert_eq!(scene.running(), ["b", "c"]);
}

#[test]
fn a_limit_of_the_runtime_lets_the_oldest_execution_go_first() {
    let definitions = ["p", "q"].map(|name| pipeline(name, "Source > Build: make; pack"));
    let mut scene = Scene::with_all(definitions);
    scene.engine.limit_actions(Some(1));
    scene.commit_to("q", "main", "c1");
    scene.commit_to("p", "main", "c2");
    scene.commit_to("p", "topic", "c3");
    assert_eq!(scene.commits_at("make"), ["c1"]);
    scene.succeed("make");
    assert_eq!(scene.running(), ["make"], "who has waited goes before who goes on");
    assert_eq!(scene.commits_at("make"), ["c2"]);
}

#[test]
fn a_limit_counts_only_what_it_limits() {
    let limit = |stage: &mut Stage| stage.max_concurrent_actions = Some(1);
    let mut limited = with_stage(pipeline("p", "Source > Build: a > Test: t, u"), "Build", limit);
    let other = pipeline("q", "Source > Build: x, y");

    let mut scene = Scene::with_all([limited.clone(), other.clone()]);
    scene.commit_to("q", "main", "c1");
    scene.commit_to("p", "main", "c2");
    assert_eq!(scene.running(), ["a", "x", "y"], "a stage of that name elsewhere is another stage");
    scene.commit_to("p", "topic", "c3");
    assert_eq!(scene.commits_at("a"), ["c2"], "the lanes share the limit");
    scene.succeed("a");
    assert_eq!(scene.running(), ["a", "t", "u", "x", "y"], "what follows the stage is free");

    limited.stages[1].max_concurrent_actions = None;
    limited.max_concurrent_actions = Some(1);
    let mut scene = Scene::with_all([limited, other]);
    scene.commit_to("q", "main", "c1");
    scene.commit_to("p", "main", "c2");
    assert_eq!(scene.running(), ["a", "x", "y"]);
    scene.commit_to("p", "topic", "c3");
    scene.succeed("a");
    assert_eq!(scene.commits_at("a"), ["c3"], "the limit of the pipeline spans its stages");
    assert_eq!(scene.running(), ["a", "x", "y"]);
}

#[test]
fn a_limit_that_is_raised_lets_go_at_once_who_was_held_back() {
    let mut definition = pipeline("p", "Source > Build: a, b, c");
    definition.max_concurrent_actions = Some(1);
    let mut scene = Scene::with(definition.clone());
    scene.commit("c1");
    assert_eq!(scene.running(), ["a"]);
    definition.max_concurrent_actions = Some(2);
    scene.apply(Input::DefinitionLoaded(Box::new(definition))).unwrap();
    assert_eq!(scene.running(), ["a", "b"]);
}

#[test]
fn a_gate_opens_whatever_limit_is_reached() {
    let definitions =
        [pipeline("p", "Source > Build: make"), pipeline("q", "Source > Release: !gate")];
    let mut scene = Scene::with_all(definitions);
    scene.engine.limit_actions(Some(1));
    scene.commit_to("p", "main", "c1");
    scene.commit_to("q", "main", "c2");
    assert_eq!(scene.running(), ["make"]);
    scene.token();
}
