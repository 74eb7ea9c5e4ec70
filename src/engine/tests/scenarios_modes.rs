//! SUPERSEDED mode and lanes.

use super::scene::{Scene, pipeline};
use crate::{
    engine::{Input, TransitionChange},
    model::{ExecutionStatus::*, LaneMode},
};

#[test]
fn first_sight_of_a_pipeline_starts_nothing() {
    let scene = Scene::pipeline("Source > Build: make");
    assert_eq!(scene.engine.state().executions_started, 0);
}

#[test]
fn a_commit_enters_source_and_the_next_stage_at_once() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let execution = scene.commit("a1");
    assert_eq!(scene.occupant("Build"), Some(execution));
    assert_eq!(scene.occupant("Source"), None, "the source stage is free for the next commit");
    assert_eq!(scene.running(), ["make"]);
}

#[test]
fn a_newer_execution_waits_while_the_stage_is_occupied() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let [older, newer] = [scene.commit("a1"), scene.commit("b2")];
    assert_eq!(scene.occupant("Build"), Some(older));
    assert_eq!(scene.waiting_before("Build"), [newer]);
    let sentence = scene.stage("Build").inbound[0].reason.sentence(scene.now);
    assert_eq!(sentence, "waits: a1 is in the stage");
}

#[test]
fn the_execution_in_the_middle_is_superseded_and_the_newest_goes_on() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let [first, middle, last] = [scene.commit("a1"), scene.commit("b2"), scene.commit("c3")];
    assert_eq!(scene.status(middle), Superseded);
    assert_eq!(scene.lane("main").recent[0].superseded_by, Some(last));
    scene.succeed("make");
    assert_eq!(scene.status(first), Succeeded);
    assert_eq!(scene.occupant("Build"), Some(last));
}

#[test]
fn superseding_never_touches_the_execution_inside_a_stage() {
    let mut scene = Scene::pipeline("Source > Deploy: !gate");
    let inside = scene.commit("a1");
    for id in ["b2", "c3", "d4"] {
        scene.commit(id);
    }
    assert_eq!(scene.status(inside), InProgress);
    assert_eq!(scene.occupant("Deploy"), Some(inside));
}

#[test]
fn an_execution_between_stages_no_longer_holds_the_earlier_one() {
    let mut scene = Scene::pipeline("Source > Build: make > Deploy: ship");
    let [a, b] = [scene.commit("a1"), scene.commit("b2")];
    scene.succeed("make");
    assert_eq!((scene.occupant("Deploy"), scene.occupant("Build")), (Some(a), Some(b)));
    scene.succeed("make");
    assert_eq!(scene.waiting_before("Deploy"), [b]);
    assert_eq!(scene.occupant("Build"), None);
}

#[test]
fn a_newer_execution_supersedes_the_one_waiting_before_a_disabled_transition() {
    let mut scene = Scene::pipeline("Source > Build: make | Deploy: ship");
    let older = scene.commit("a1");
    scene.succeed("make");
    assert_eq!(scene.waiting_before("Deploy"), [older]);
    let sentence = scene.stage("Deploy").inbound[0].reason.sentence(scene.now);
    assert_eq!(sentence, "waits: transition disabled: freeze");
    let newer = scene.commit("b2");
    scene.succeed("make");
    assert_eq!(scene.status(older), Superseded);
    scene.transition("Deploy", TransitionChange::Enable);
    assert_eq!(scene.occupant("Deploy"), Some(newer));
}

#[test]
fn branches_neither_block_nor_supersede_each_other() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let main = scene.commit_on("main", "a1");
    let feature = scene.commit_on("feature/x", "b2");
    let occupant = |scene: &Scene, lane: &str| {
        scene.engine.state().pipelines["p"].lanes[lane].slots[&"Build".into()].occupant
    };
    assert_eq!(occupant(&scene, "main"), Some(main));
    assert_eq!(occupant(&scene, "feature/x"), Some(feature));
}

#[test]
fn with_lane_pipeline_all_branches_share_one_line() {
    let mut definition = super::scene::pipeline("p", "Source > Build: make");
    definition.lane = LaneMode::Pipeline;
    let mut scene = Scene::with(definition);
    scene.commit_on("main", "a1");
    let waiting = scene.commit_on("develop", "b2");
    let newest = scene.commit_on("main", "c3");
    assert_eq!(scene.status(waiting), Superseded);
    assert_eq!(scene.status(newest), InProgress);
}

#[test]
fn a_lane_goes_with_its_branch_once_nothing_is_under_way_in_it() {
    let mut scene = Scene::pipeline("Source > Build: make");
    scene.commit_on("topic", "a1");
    scene.delete_branch("topic");
    assert!(scene.engine.state().pipelines["p"].lanes.contains_key("topic"));
    scene.succeed("make");
    assert!(!scene.engine.state().pipelines["p"].lanes.contains_key("topic"));
    assert!(scene.engine.state().executions.is_empty(), "nothing of the lane stays in memory");
}

#[test]
fn memory_holds_what_is_alive_and_not_the_history() {
    let mut scene = Scene::pipeline("Source > Build: make");
    for number in 0..50 {
        scene.commit(&format!("c{number}"));
        scene.succeed("make");
    }
    assert_eq!(scene.engine.state().executions.len(), 1, "the last execution of the stages");
}

#[test]
fn a_commit_that_was_started_by_hand_does_not_start_again_when_it_is_seen() {
    let mut scene = Scene::pipeline("Source > Build: make");
    scene.commit("a1");
    let request = crate::engine::Request::StartPipelineExecution {
        pipeline: "p".into(),
        revision: Box::new(super::scene::revision("main", "b2")),
        variables: Vec::new(),
        skip: Vec::new(),
        from: None,
        client_request_token: None,
    };
    scene.request(request).unwrap();
    let heads = vec![super::scene::revision("main", "b2").into()];
    let (pipeline, action) = ("p".into(), "app".into());
    scene.apply(crate::engine::Input::SourceObserved { pipeline, action, heads }).unwrap();
    assert_eq!(scene.engine.state().executions_started, 2);
}

#[test]
fn a_board_and_its_changes_are_the_next_board() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let other = pipeline("q", "Source > Build: toil");
    let mut boards = vec![scene.engine.board()];
    scene.apply(Input::DefinitionLoaded(Box::new(other))).unwrap();
    boards.push(scene.engine.board());
    scene.commit("c1");
    let mut next = boards[1].clone();
    next.pipelines[0] = scene.engine.pipeline_card(&"p".into()).unwrap().into();
    boards.push(next);
    scene.succeed("make");
    scene.request(crate::engine::Request::DeletePipeline { pipeline: "p".into() }).unwrap();
    boards.push(scene.engine.board());
    let mut followed = boards[0].clone();
    for (earlier, later) in boards.iter().zip(&boards[1..]) {
        followed = followed.after(later.change_since(earlier));
        assert_eq!(followed, *later);
    }
    let small = format!("{:?}", boards[2].change_since(&boards[1]));
    assert!(!small.contains("toil"), "what has not changed is not sent: {small}");
}
