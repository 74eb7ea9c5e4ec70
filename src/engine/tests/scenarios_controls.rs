//! Stop, retry and transitions.

use super::scene::{Scene, operator, pipeline, told};
use crate::{
    engine::{Engine, Input, Refusal, Request, TransitionChange, WatchingChange},
    model::{
        ActionStatus, ExecutionStatus::*, JobReport, JobSuccess, PipelineName, RetryMode, StopMode,
    },
};

#[test]
fn stop_and_wait_lets_running_actions_finish_and_starts_nothing_further() {
    let mut scene = Scene::pipeline("Source > Build: make; pack");
    let execution = scene.commit("a1");
    scene.stop(execution, StopMode::Wait).unwrap();
    assert_eq!(scene.status(execution), Stopping);
    scene.succeed("make");
    assert_eq!(scene.status(execution), Stopped);
    assert!(scene.running().is_empty());
}

#[test]
fn stop_and_abandon_ends_the_actions_and_frees_the_stage_at_once() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let [execution, waiting] = [scene.commit("a1"), scene.commit("b2")];
    let job = *scene.jobs.keys().next().unwrap();
    scene.stop(execution, StopMode::Abandon).unwrap();
    assert_eq!(scene.status(execution), Stopped);
    assert_eq!(scene.stopped_jobs, [job]);
    assert_eq!(scene.occupant("Build"), Some(waiting));
    let report = JobReport::Succeeded(JobSuccess::default());
    let late = scene.apply(Input::JobReported { id: job, report });
    assert_eq!(late, Err(Refusal::JobNotRunning), "a late report is refused");
}

#[test]
fn abandon_escalates_a_stop_that_waits_and_neither_can_be_asked_twice() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let execution = scene.commit("a1");
    scene.stop(execution, StopMode::Wait).unwrap();
    let twice = scene.stop(execution, StopMode::Wait);
    assert_eq!(twice, Err(Refusal::DuplicatedStopRequest { execution }));
    scene.stop(execution, StopMode::Abandon).unwrap();
    assert_eq!(scene.status(execution), Stopped);
    let ended = scene.stop(execution, StopMode::Abandon);
    assert_eq!(ended, Err(Refusal::NotStoppable { execution, status: Stopped }));
}

#[test]
fn a_stop_closes_an_open_gate_because_nothing_runs_there() {
    let mut scene = Scene::pipeline("Source > Deploy: !gate; ship");
    let execution = scene.commit("a1");
    scene.stop(execution, StopMode::Wait).unwrap();
    assert_eq!(scene.status(execution), Stopped);
    let attempt = scene.action("Deploy", "gate").latest.unwrap();
    assert_eq!(attempt.status, ActionStatus::Abandoned);
    assert_eq!(scene.engine.next_deadline(), None);
}

#[test]
fn a_stopped_waiter_never_enters() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let [_, waiting] = [scene.commit("a1"), scene.commit("b2")];
    scene.stop(waiting, StopMode::Wait).unwrap();
    assert_eq!(scene.status(waiting), Stopped);
    scene.succeed("make");
    assert_eq!(scene.occupant("Build"), None);
}

#[test]
fn retry_runs_only_the_failed_actions_again_as_the_same_execution() {
    let mut scene = Scene::pipeline("Source > Test: lint, unit > Deploy: ship");
    let execution = scene.commit("a1");
    scene.succeed("lint");
    scene.fail("unit");
    scene.retry(execution, "Test", RetryMode::FailedActions).unwrap();
    assert_eq!(scene.running(), ["unit"]);
    assert_eq!(scene.action("Test", "unit").latest.unwrap().number, 2);
    scene.succeed("unit");
    assert_eq!(scene.occupant("Deploy"), Some(execution));
}

#[test]
fn retry_of_all_actions_starts_the_stage_from_its_first_group() {
    let mut scene = Scene::pipeline("Source > Test: lint; unit");
    let execution = scene.commit("a1");
    scene.succeed("lint");
    scene.fail("unit");
    scene.retry(execution, "Test", RetryMode::AllActions).unwrap();
    assert_eq!(scene.running(), ["lint"]);
}

#[test]
fn an_execution_that_is_no_longer_the_latest_in_its_stage_cannot_be_retried() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let [failed, newer] = [scene.commit("a1"), scene.commit("b2")];
    scene.fail("make");
    let refusal = scene.retry(failed, "Build", RetryMode::FailedActions).unwrap_err();
    match refusal {
        Refusal::NotLatestPipelineExecution { latest, .. } => assert_eq!(latest, newer),
        // It may have left the engine's memory altogether.
        Refusal::UnknownExecution { .. } => {}
        other => panic!("{other}"),
    }
}

#[test]
fn what_succeeded_cannot_be_retried() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let execution = scene.commit("a1");
    scene.succeed("make");
    let refusal = scene.retry(execution, "Build", RetryMode::FailedActions).unwrap_err();
    assert_eq!(refusal, Refusal::NotRetryable { execution, status: Succeeded });
}

#[test]
fn a_disabled_transition_holds_executions_back_and_enabling_lets_them_in() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let reason = "release freeze".to_owned();
    scene.transition("Build", TransitionChange::Disable { reason });
    let execution = scene.commit("a1");
    assert_eq!(scene.waiting_before("Build"), [execution]);
    let sentence = scene.stage("Build").inbound[0].reason.sentence(scene.now);
    assert_eq!(sentence, "waits: transition disabled by sam: release freeze");
    scene.transition("Build", TransitionChange::Enable);
    assert_eq!(scene.occupant("Build"), Some(execution));
}

#[test]
fn a_refusal_leaves_no_trace() {
    let mut scene = Scene::pipeline("Source > Build: make");
    let execution = scene.commit("a1");
    let (state, events) = (scene.engine.state().clone(), scene.log.len());
    assert!(scene.retry(execution, "Build", RetryMode::FailedActions).is_err());
    assert!(scene.retry(execution, "Nowhere", RetryMode::FailedActions).is_err());
    assert_eq!((scene.engine.state(), scene.log.len()), (&state, events));
}

#[test]
fn a_transition_is_that_of_a_stage_there_is_or_was() {
    let mut scene = Scene::pipeline("Source > Build: make | Deploy: ship");
    let change = |stage: &str, scene: &mut Scene| {
        scene.request(Request::SetStageTransition {
            pipeline: "p".into(),
            stage: stage.into(),
            change: TransitionChange::Enable,
        })
    };
    let unknown = change("Nowhere", &mut scene).unwrap_err();
    assert!(matches!(unknown, Refusal::UnknownStage { .. }), "{unknown}");
    assert_eq!(change("Source", &mut scene), Err(Refusal::NoTransition));

    let waiting = scene.commit("a1");
    scene.succeed("make");
    let without = pipeline("p", "Source > Build: make > Ship: ship");
    scene.apply(Input::DefinitionLoaded(Box::new(without))).unwrap();
    assert_eq!(scene.waiting_before("Deploy"), [waiting], "it keeps its version");
    change("Deploy", &mut scene).unwrap();
    assert_eq!(scene.running(), ["ship"]);
}

fn watching(scene: &mut Scene, change: WatchingChange) {
    scene.request(Request::SetWatching { pipeline: "p".into(), change }).unwrap();
}

#[test]
fn while_watching_is_paused_commits_start_nothing_and_then_the_newest_of_each_branch_does() {
    let mut scene = Scene::pipeline("Source > Build: make");
    scene.commit("a1");
    scene.succeed("make");
    watching(&mut scene, WatchingChange::Pause);
    let by = scene.engine.board().pipelines[0].watching_paused.clone().unwrap().by;
    assert_eq!(by, operator());
    for (branch, id) in [("main", "a2"), ("topic", "b1"), ("main", "a3")] {
        scene.push(branch, id);
    }
    assert!(scene.running().is_empty());
    scene.start_by_hand("a0").unwrap();
    assert_eq!(scene.commits_at("make"), ["a0"], "an operator still starts what he likes");
    scene.succeed("make");
    watching(&mut scene, WatchingChange::Resume);
    assert_eq!(scene.commits_at("make"), ["a3", "b1"]);
}

#[test]
fn what_another_repository_showed_while_watching_was_paused_is_no_first_sight() {
    let definition = pipeline("p", "Source > Build: make");
    let mut scene = Scene::with(definition.clone());
    watching(&mut scene, WatchingChange::Pause);
    scene.push("main", "old");
    let mut elsewhere = definition;
    let source = told(&mut elsewhere.stages[0].actions[0]);
    source.configuration.insert("RepositoryPath".into(), "https://example.org/a".into());
    scene.apply(Input::DefinitionLoaded(Box::new(elsewhere.clone()))).unwrap();
    watching(&mut scene, WatchingChange::Resume);
    assert!(scene.engine.state().pipelines[&PipelineName::from("p")].sources.is_empty());
    scene.push("main", "new");
    assert!(scene.running().is_empty(), "the first sight of the new repository");

    // How often it is asked makes no other repository of it.
    let source = told(&mut elsewhere.stages[0].actions[0]);
    source.configuration.insert("PollInterval".into(), "5m".into());
    scene.apply(Input::DefinitionLoaded(Box::new(elsewhere))).unwrap();
    scene.commit("newer");
    assert_eq!(scene.running(), ["make"]);
}

#[test]
fn pausing_twice_or_resuming_what_was_not_paused_records_nothing() {
    let mut scene = Scene::pipeline("Source > Build: make");
    watching(&mut scene, WatchingChange::Resume);
    let count = |scene: &Scene| {
        scene.log.iter().filter(|it| it.fact.kind().starts_with("Watching")).count()
    };
    assert_eq!(count(&scene), 0);
    watching(&mut scene, WatchingChange::Pause);
    watching(&mut scene, WatchingChange::Pause);
    assert_eq!(count(&scene), 1);
    watching(&mut scene, WatchingChange::Resume);
    assert_eq!(count(&scene), 2);
    assert!(scene.running().is_empty(), "nothing was pushed meanwhile");
}

#[test]
fn a_runtime_that_starts_while_watching_is_paused_keeps_commits_back_too() {
    let mut scene = Scene::pipeline("Source > Build: make");
    watching(&mut scene, WatchingChange::Pause);
    scene.engine = Engine::replay(&scene.log, 7);
    scene.push("main", "a2");
    assert!(scene.running().is_empty());
    watching(&mut scene, WatchingChange::Resume);
    assert_eq!(scene.commits_at("make"), ["a2"]);
}
