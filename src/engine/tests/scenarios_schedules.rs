//! Schedules, in virtual time.

use super::pushes::{Pushes, at, schedule, with_sources};
use crate::{
    engine::{Engine, Input},
    model::*,
};

fn nightly() -> Pipeline {
    with_sources(&[("app", "main")], vec![schedule("0 3 * * MON-FRI")])
}

/// A Thursday noon with `a1` on `main`.
fn scene(definition: Pipeline) -> Pushes {
    let mut pushes = Pushes::on(Pipeline { triggers: Vec::new(), ..definition.clone() });
    pushes.push("main", "a1");
    pushes.scene.succeed("make");
    pushes.scene.now = at("2026-03-26T12:00:00+01:00");
    pushes.define(definition);
    pushes
}

#[test]
fn a_schedule_starts_the_head_of_the_branch_when_its_time_comes() {
    let mut pushes = scene(nightly());
    assert_eq!(pushes.scene.engine.next_deadline(), Some(at("2026-03-27T03:00:00+01:00")));
    pushes.time("2026-03-27T02:59:59+01:00");
    assert_eq!(pushes.started().len(), 1, "not yet");
    pushes.time("2026-03-27T03:00:00+01:00");
    assert_eq!(pushes.started(), ["main a1", "main a1"], "the same commit again");
    let detail = "schedule 0 3 * * MON-FRI Europe/Berlin".to_owned();
    assert_eq!(pushes.last_trigger(), (TriggerType::CloudWatchEvent, detail));
}

#[test]
fn three_o_clock_stays_three_o_clock_when_summer_time_begins() {
    let mut pushes = scene(nightly());
    pushes.time("2026-03-27T03:00:00+01:00");
    let monday = at("2026-03-30T03:00:00+02:00");
    assert_eq!(pushes.scene.engine.next_deadline(), Some(monday), "an hour earlier in UTC");
}

#[test]
fn times_that_were_missed_start_one_execution() {
    let mut pushes = scene(nightly());
    pushes.time("2026-04-20T12:00:00+02:00");
    assert_eq!(pushes.started().len(), 2);
    assert_eq!(pushes.scene.engine.next_deadline(), Some(at("2026-04-21T03:00:00+02:00")));
}

#[test]
fn with_only_a_schedule_commits_start_nothing() {
    let mut pushes = scene(nightly());
    pushes.push("main", "b2");
    assert_eq!(pushes.started(), ["main a1"]);
    assert_eq!(pushes.declined(), ["main b2: only its schedule starts what app brings"]);
    pushes.time("2026-03-27T03:00:00+01:00");
    assert_eq!(pushes.started()[1], "main b2", "the newest head");
}

#[test]
fn after_a_restart_a_schedule_waits_until_the_branch_was_looked_at() {
    let pushes = scene(nightly());
    let mut engine = Engine::replay(pushes.events(), 1);
    let late = at("2026-03-27T09:00:00+01:00");
    engine.apply(Input::RuntimeStarted, late).unwrap();
    assert_eq!(engine.next_deadline(), None);
    let step = engine.apply(Input::DeadlinePassed, late).unwrap();
    assert!(step.events.is_empty(), "the head of yesterday is not the head of today");
    let heads = vec![super::scene::revision("main", "b2").into()];
    let (pipeline, action) = ("p".into(), "app".into());
    engine.apply(Input::SourceObserved { pipeline, action, heads }, late).unwrap();
    assert_eq!(engine.next_deadline(), Some(at("2026-03-27T03:00:00+01:00")));
    engine.apply(Input::DeadlinePassed, late).unwrap();
    assert_eq!(engine.state().executions_started, 2);
}

#[test]
fn a_schedule_whose_branch_is_not_there_says_so_and_goes_on() {
    let mut pushes = Pushes::on(nightly());
    pushes.time("2026-03-27T03:00:00+01:00");
    assert_eq!(
        pushes.declined(),
        ["main -: schedule 0 3 * * MON-FRI Europe/Berlin: there is no branch main"]
    );
    assert!(pushes.scene.engine.next_deadline().is_some());
}

#[test]
fn an_edit_of_the_schedule_sets_another_time_and_removing_it_sets_none() {
    let mut pushes = scene(nightly());
    let edited = with_sources(&[("app", "main")], vec![schedule("30 4 * * *")]);
    pushes.define(edited);
    assert_eq!(pushes.scene.engine.next_deadline(), Some(at("2026-03-27T04:30:00+01:00")));
    pushes.define(with_sources(&[("app", "main")], Vec::new()));
    assert_eq!(pushes.scene.engine.next_deadline(), None);
}

#[test]
fn an_edit_of_something_else_keeps_the_time() {
    let mut pushes = scene(nightly());
    pushes.scene.now = at("2026-03-27T02:00:00+01:00");
    let mut edited = nightly();
    super::scene::told(&mut edited.stages[1].actions[0]).commands = vec!["make all".to_owned()];
    pushes.define(edited);
    assert_eq!(pushes.scene.engine.next_deadline(), Some(at("2026-03-27T03:00:00+01:00")));
}

#[test]
fn the_schedule_of_a_pipeline_that_nobody_watches_waits() {
    let mut pushes = scene(nightly());
    pushes.scene.apply(Input::SourcesLeft { pipeline: "p".into() }).unwrap();
    assert_eq!(pushes.scene.engine.next_deadline(), None);
    pushes.time("2026-03-28T12:00:00+01:00");
    assert_eq!(pushes.started().len(), 1);
    pushes.observe("app");
    pushes.time("2026-03-28T12:00:01+01:00");
    assert_eq!(pushes.started().len(), 2, "what was missed is made up for once");
}
