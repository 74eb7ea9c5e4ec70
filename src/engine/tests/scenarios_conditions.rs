//! Conditions and rules.

use super::scene::{Scene, condition, pipeline, rule, with_stage};
use crate::{
    engine::{Fact, Refusal, Request, event::SkipReason},
    model::{ConditionResult::*, ExecutionStatus::*, *},
};

const TEXT: &str = "Source > Build: make > Deploy: ship";
/// 1970-01-01 was a Thursday.
const MONDAY_MORNING: [(&str, &str); 2] =
    [("Cron", "0 0 9-11 ? * MON *"), ("TimeZone", "Europe/Berlin")];

fn check(variable: &str, value: &str) -> Rule {
    rule("check", "VariableCheck", &[("Variable", variable), ("Operator", "EQ"), ("Value", value)])
}

fn before_deploy(result: ConditionResult, rules: Vec<Rule>) -> Scene {
    Scene::with(with_stage(pipeline("p", TEXT), "Deploy", |stage| {
        stage.before_entry = condition(result, rules);
    }))
}

fn after_build(result: ConditionResult, rules: Vec<Rule>) -> Scene {
    Scene::with(with_stage(pipeline("p", TEXT), "Build", |stage| {
        stage.on_success = condition(result, rules);
    }))
}

fn override_it(
    scene: &mut Scene,
    stage: &str,
    execution: ExecutionId,
    condition: ConditionType,
) -> Result<(), Refusal> {
    scene.request(Request::OverrideStageCondition {
        pipeline: "p".into(),
        stage: stage.into(),
        execution,
        condition,
        reason: "we looked".into(),
    })
}

#[test]
fn an_entry_condition_that_holds_lets_the_actions_start() {
    let mut scene = before_deploy(Fail, vec![check("#{app.BranchName}", "main")]);
    scene.commit("c1");
    scene.succeed("make");
    assert_eq!(scene.running(), ["ship"]);
    assert_eq!(scene.stage("Deploy").conditions[0].status, Some(ConditionStatus::Succeeded));
}

#[test]
fn an_entry_condition_that_fails_fails_the_stage_before_any_action() {
    let mut scene = before_deploy(Fail, vec![check("#{app.BranchName}", "release")]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert!(scene.running().is_empty());
    assert_eq!(scene.status(execution), Failed);
    let condition = &scene.stage("Deploy").conditions[0];
    assert_eq!(condition.rules[0].summary, "main EQ release does not hold");
}

#[test]
fn a_condition_that_skips_leaves_the_stage_out_and_the_execution_goes_on() {
    let mut scene = before_deploy(Skip, vec![check("#{app.BranchName}", "release")]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert_eq!(scene.stage("Deploy").status, Some(StageStatus::Skipped));
    assert_eq!(scene.status(execution), Succeeded);
    assert!(scene.stage("Deploy").last_success.is_none(), "a skipped stage deployed nothing");
}

#[test]
fn a_condition_succeeds_only_if_every_rule_does() {
    let rules = vec![check("a", "a"), Rule { name: "other".into(), ..check("a", "b") }];
    let mut scene = before_deploy(Fail, rules);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert_eq!(scene.status(execution), Failed);
    let rules = scene.stage("Deploy").conditions[0].rules.clone();
    let statuses: Vec<_> = rules.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Some(RuleStatus::Succeeded), Some(RuleStatus::Failed)]);
}

#[test]
fn entry_rules_run_after_the_stage_is_locked() {
    let mut scene = before_deploy(Fail, vec![rule("probe", "Commands", &[])]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert_eq!(scene.occupant("Deploy"), Some(execution));
    assert_eq!(scene.running(), ["probe@BEFORE_ENTRY"]);
    assert_eq!(
        scene.stage("Deploy").waits.unwrap().sentence(scene.now),
        "waits for the rule probe"
    );
    scene.succeed("probe@BEFORE_ENTRY");
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn a_commands_rule_that_fails_fails_its_condition() {
    let mut scene = before_deploy(Fail, vec![rule("probe", "Commands", &[])]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    scene.fail("probe@BEFORE_ENTRY");
    assert_eq!(scene.status(execution), Failed);
}

#[test]
fn a_success_condition_that_fails_fails_the_stage() {
    let mut scene = after_build(Fail, vec![check("a", "b")]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert_eq!(scene.status(execution), Failed);
    assert!(scene.running().is_empty());
}

#[test]
fn a_closed_window_is_waited_for_and_says_when_it_opens() {
    let mut scene = before_deploy(Fail, vec![rule("hours", "DeploymentWindow", &MONDAY_MORNING)]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert!(scene.running().is_empty());
    assert_eq!(scene.status(execution), InProgress);
    let words = "waits for the window: opens Mon 09:00 (Europe/Berlin)";
    assert_eq!(scene.stage("Deploy").waits.unwrap().sentence(scene.now), words);
    assert_eq!(scene.action("Deploy", "ship").waits.unwrap().sentence(scene.now), words);
    scene.wait(Span(3 * Span::DAY.0));
    assert!(scene.running().is_empty(), "it is Sunday");
    scene.wait(Span(33 * Span::HOUR.0));
    assert_eq!(scene.running(), ["ship"], "the window has opened by itself");
}

#[test]
fn a_window_that_stays_closed_for_longer_than_the_timeout_fails() {
    let mut window = rule("hours", "DeploymentWindow", &MONDAY_MORNING);
    window.timeout = Some(Span::HOUR);
    let mut scene = before_deploy(Fail, vec![window]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    scene.wait(Span(2 * Span::HOUR.0));
    assert_eq!(scene.status(execution), Failed);
}

#[test]
fn an_operator_overrides_a_rule_that_waits() {
    let mut scene = before_deploy(Fail, vec![rule("hours", "DeploymentWindow", &MONDAY_MORNING)]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    override_it(&mut scene, "Deploy", execution, ConditionType::BeforeEntry).unwrap();
    assert_eq!(scene.running(), ["ship"]);
    let condition = scene.stage("Deploy").conditions[0].clone();
    assert_eq!(condition.status, Some(ConditionStatus::Overridden));
    assert_eq!(condition.overridden.unwrap().reason, "we looked");
    assert_eq!(condition.rules[0].status, Some(RuleStatus::Abandoned));
    assert!(scene.engine.next_deadline().is_none());
}

#[test]
fn an_operator_overrides_an_entry_condition_that_has_failed_the_stage() {
    let mut scene = before_deploy(Fail, vec![check("a", "b")]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert_eq!(scene.status(execution), Failed);
    override_it(&mut scene, "Deploy", execution, ConditionType::BeforeEntry).unwrap();
    assert_eq!(scene.status(execution), InProgress);
    scene.succeed("ship");
    assert_eq!(scene.status(execution), Succeeded);
}

#[test]
fn an_operator_overrides_a_success_condition_and_the_stage_has_succeeded() {
    let mut scene = after_build(Fail, vec![check("a", "b")]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    override_it(&mut scene, "Build", execution, ConditionType::OnSuccess).unwrap();
    assert_eq!(scene.stage("Build").status, Some(StageStatus::Succeeded));
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn an_override_ends_the_jobs_of_the_rules() {
    let mut scene = before_deploy(Fail, vec![rule("probe", "Commands", &[])]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    override_it(&mut scene, "Deploy", execution, ConditionType::BeforeEntry).unwrap();
    assert_eq!(scene.stopped_jobs.len(), 1);
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn a_skipped_stage_can_be_neither_overridden_nor_retried() {
    let mut scene = before_deploy(Skip, vec![check("a", "b")]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    let refusal = override_it(&mut scene, "Deploy", execution, ConditionType::BeforeEntry);
    assert!(refusal.is_err());
    assert!(scene.retry(execution, "Deploy", RetryMode::AllActions).is_err());
    let reason = scene.log.iter().find_map(|event| match &event.fact {
        Fact::StageSkipped { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, Some(SkipReason::Condition));
}

#[test]
fn only_the_latest_execution_of_a_stage_can_be_overridden() {
    let mut scene = before_deploy(Fail, vec![check("#{app.CommitId}", "c2")]);
    let first = scene.commit("c1");
    scene.succeed("make");
    scene.commit("c2");
    scene.succeed("make");
    // By then nothing on the board speaks of it any more.
    let refusal = override_it(&mut scene, "Deploy", first, ConditionType::BeforeEntry).unwrap_err();
    assert!(matches!(refusal, Refusal::UnknownExecution { .. }), "{refusal}");
}

#[test]
fn a_retry_looks_at_a_failed_condition_again() {
    let mut scene = before_deploy(Fail, vec![rule("probe", "Commands", &[])]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    scene.fail("probe@BEFORE_ENTRY");
    scene.retry(execution, "Deploy", RetryMode::FailedActions).unwrap();
    scene.succeed("probe@BEFORE_ENTRY");
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn a_stop_does_not_wait_for_a_window() {
    let mut scene = before_deploy(Fail, vec![rule("hours", "DeploymentWindow", &MONDAY_MORNING)]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    scene.stop(execution, StopMode::Wait).unwrap();
    assert_eq!(scene.status(execution), Stopped);
    assert!(scene.engine.next_deadline().is_none());
}

#[test]
fn a_stop_that_waits_lets_a_running_rule_finish() {
    let mut scene = before_deploy(Fail, vec![rule("probe", "Commands", &[])]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    scene.stop(execution, StopMode::Wait).unwrap();
    assert_eq!(scene.status(execution), Stopping);
    scene.succeed("probe@BEFORE_ENTRY");
    assert_eq!(scene.status(execution), Stopped);
}

#[test]
fn a_rule_with_an_unknown_reference_fails_and_names_it() {
    let mut scene = before_deploy(Fail, vec![check("#{build.VERSION}", "1")]);
    let execution = scene.commit("c1");
    scene.succeed("make");
    assert_eq!(scene.status(execution), Failed);
    let summary = scene.stage("Deploy").conditions[0].rules[0].summary.clone();
    assert_eq!(summary, "variable #{build.VERSION} has no value");
}
