//! Starts with a wish: skipped stages, a token, another pipeline; and the end of a pipeline.

use std::sync::Arc;

use super::scene::{Scene, pipeline, told, with_stage};
use crate::{
    engine::{Input, Refusal, Request},
    model::{ExecutionStatus::*, *},
};

const TEXT: &str = "Source > Build: make > Test: unit > Deploy: ship";

#[test]
fn an_execution_leaves_out_the_stages_it_was_told_to() {
    let mut scene = Scene::pipeline(TEXT);
    let execution = scene.start("c1", |start| start.skip = vec!["Test".into()]).unwrap();
    scene.succeed("make");
    assert_eq!(scene.running(), ["ship"]);
    assert_eq!(scene.stage("Test").status, Some(StageStatus::Skipped));
    scene.succeed("ship");
    assert_eq!(scene.status(execution), Succeeded);
}

#[test]
fn a_skipped_stage_is_not_waited_for() {
    let mut scene = Scene::pipeline(TEXT);
    scene.commit("c1");
    scene.succeed("make");
    let second = scene.start("c2", |start| start.skip = vec!["Test".into()]).unwrap();
    scene.succeed("make");
    assert_eq!(scene.occupant("Deploy"), Some(second), "although c1 is still in Test");
    assert_eq!(scene.commits_at("unit"), ["c1"]);
}

#[test]
fn an_execution_begins_with_the_stage_it_was_told_to() {
    let mut scene = Scene::pipeline(TEXT);
    scene.start("c1", |start| start.from = Some("Deploy".into())).unwrap();
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn the_last_stage_may_be_skipped() {
    let mut scene = Scene::pipeline("Source > Build: make > Deploy: ship");
    let execution = scene.start("c1", |start| start.skip = vec!["Deploy".into()]).unwrap();
    scene.succeed("make");
    assert_eq!(scene.status(execution), Succeeded);
}

#[test]
fn the_source_stage_is_never_skipped_and_unknown_stages_are_named() {
    let mut scene = Scene::pipeline(TEXT);
    let refusal = scene.start("c1", |start| start.skip = vec!["Source".into()]).unwrap_err();
    assert!(matches!(refusal, Refusal::UnableToSkip { .. }), "{refusal}");
    let refusal = scene.start("c1", |start| start.from = Some("Depl".into())).unwrap_err();
    assert!(matches!(refusal, Refusal::UnknownStage { .. }), "{refusal}");
}

#[test]
fn the_same_token_starts_one_execution() {
    let mut scene = Scene::pipeline(TEXT);
    let with_token = |scene: &mut Scene, token: &str| {
        scene.start("c1", |start| start.client_request_token = Some(token.into())).unwrap()
    };
    let first = with_token(&mut scene, "a");
    assert_eq!(with_token(&mut scene, "a"), first);
    assert_ne!(with_token(&mut scene, "b"), first);
}

fn invoking(wait: bool) -> Pipeline {
    with_stage(pipeline("p", "Source > Call: other > Deploy: ship"), "Call", |stage| {
        let action = &mut stage.actions[0];
        Arc::make_mut(action).action_type.category = Category::Invoke;
        Arc::make_mut(action).action_type.provider = "CodePipeline".into();
        told(action).configuration.insert("PipelineName".into(), "q".into());
        if !wait {
            told(action).configuration.insert("WaitForCompletion".into(), "false".into());
        }
    })
}

fn two_pipelines(wait: bool) -> Scene {
    let mut child = pipeline("q", "Source > Work: toil");
    told(&mut child.stages[0].actions[0]).configuration.insert("BranchName".into(), "main".into());
    let mut scene = Scene::with_all([invoking(wait), child]);
    scene.commit_to("q", "main", "q1");
    scene.succeed("toil");
    scene
}

#[test]
fn an_invoked_pipeline_is_waited_for() {
    let mut scene = two_pipelines(true);
    scene.start_by_hand("c1").unwrap();
    assert_eq!(scene.running(), ["toil"], "the other pipeline runs its newest commit");
    assert_eq!(scene.commits_at("toil"), ["q1"]);
    scene.succeed("toil");
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn an_action_that_waits_for_the_pipeline_it_invoked_takes_nobodys_place() {
    let mut scene = two_pipelines(true);
    scene.engine.limit_actions(Some(1));
    scene.start_by_hand("p1").unwrap();
    assert_eq!(scene.running(), ["toil"], "else neither could ever end");
    scene.succeed("toil");
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn an_invoked_pipeline_that_fails_fails_the_action() {
    let mut scene = two_pipelines(true);
    let execution = scene.start_by_hand("c1").unwrap();
    scene.fail("toil");
    assert_eq!(scene.status(execution), Failed);
    let error = scene.action("Call", "other").latest.unwrap().error.unwrap();
    assert!(error.message.ends_with("is Failed"), "{}", error.message);
}

#[test]
fn an_invoked_pipeline_need_not_be_waited_for() {
    let mut scene = two_pipelines(false);
    scene.start_by_hand("c1").unwrap();
    assert_eq!(scene.running(), ["ship", "toil"]);
}

#[test]
fn a_pipeline_does_not_invoke_itself() {
    let mut definition = invoking(true);
    told(&mut definition.stages[1].actions[0])
        .configuration
        .insert("PipelineName".into(), "p".into());
    let mut scene = Scene::with(definition);
    let execution = scene.commit("c1");
    assert_eq!(scene.status(execution), Failed);
}

#[test]
fn a_pipeline_is_deleted_only_when_nothing_is_under_way() {
    let mut scene = Scene::pipeline("Source > Build: make");
    scene.commit("c1");
    let delete = || Request::DeletePipeline { pipeline: "p".into() };
    let refusal = scene.request(delete()).unwrap_err();
    assert!(matches!(refusal, Refusal::StillUnderWay { .. }), "{refusal}");
    scene.succeed("make");
    scene.request(delete()).unwrap();
    assert!(scene.engine.state().pipelines.is_empty());
    assert!(scene.engine.state().executions.is_empty());
    let again = pipeline("p", "Source > Build: make");
    scene.apply(Input::DefinitionLoaded(Box::new(again))).unwrap();
    assert_eq!(scene.engine.state().pipelines["p"].version, 2, "the history has a version 1");
}

#[test]
fn variables_of_the_pipeline_have_defaults_overrides_and_may_be_required() {
    let variable = |name: &str, default: Option<&str>| PipelineVariable {
        name: name.into(),
        default_value: default.map(Into::into),
        description: None,
    };
    let mut definition = pipeline("p", "Source > Build: make");
    definition.variables = vec![variable("target", None), variable("level", Some("info"))];
    told(&mut definition.stages[1].actions[0]).commands =
        vec!["make #{variables.target} #{variables.level}".into()];
    let mut scene = Scene::with(definition);
    let set = |name: &str| vec![(name.to_owned(), "x".to_owned())];
    let refusal = scene.start_by_hand("c1").unwrap_err();
    assert!(matches!(&refusal, Refusal::MissingVariable { name } if name == "target"), "{refusal}");
    let refusal = scene.start("c1", |start| start.variables = set("traget")).unwrap_err();
    assert!(matches!(&refusal, Refusal::UnknownVariable { .. }), "{refusal}");
    scene.start("c1", |start| start.variables = set("target")).unwrap();
    assert_eq!(scene.jobs.values().next().unwrap().instructions.commands, ["make x info"]);
}
