//! Gates.

use super::scene::Scene;
use crate::{
    engine::{Input, Refusal, RefusalKind, Relation},
    model::{ApprovalStatus::*, ApprovalToken, ExecutionStatus::*, Span},
};

const GATE: &str = "Source > Deploy: !gate; ship";

#[test]
fn an_approval_holds_the_stage_until_it_is_decided() {
    let mut scene = Scene::pipeline(GATE);
    let execution = scene.commit("a1");
    assert_eq!(scene.occupant("Deploy"), Some(execution));
    assert!(scene.running().is_empty());
    scene.approve();
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn a_rejection_fails_the_stage_and_keeps_who_and_why() {
    let mut scene = Scene::pipeline(GATE);
    let execution = scene.commit("a1");
    let token = scene.token();
    scene.decide(token, Rejected, None, Relation::First).unwrap();
    assert_eq!(scene.status(execution), Failed);
    let attempt = scene.action("Deploy", "gate").latest.unwrap();
    assert_eq!(attempt.error.unwrap().message, "rejected by sam@box: looked at it");
    assert_eq!(attempt.decision.unwrap().summary, "looked at it");
}

#[test]
fn a_wrong_token_is_refused() {
    let mut scene = Scene::pipeline(GATE);
    scene.commit("a1");
    let wrong = ApprovalToken::from_random_bytes([9; 16]);
    let refusal = scene.decide(wrong, Approved, None, Relation::First).unwrap_err();
    assert!(matches!(refusal, Refusal::InvalidApprovalToken { .. }), "{refusal}");
    assert!(scene.running().is_empty());
}

#[test]
fn a_token_decides_once_and_the_loser_is_told_who_won_and_when() {
    let mut scene = Scene::pipeline(GATE);
    scene.commit("a1");
    let token = scene.token();
    scene.decide(token, Approved, None, Relation::First).unwrap();
    let refusal = scene.decide(token, Rejected, None, Relation::First).unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::Stale);
    let words = refusal.to_string();
    assert!(words.starts_with("Deploy/gate was already approved by sam@box at 1970-"), "{words}");
}

#[test]
fn an_approval_times_out_as_failed_even_if_the_clock_stepped_back() {
    let mut scene = Scene::pipeline(GATE);
    let execution = scene.commit("a1");
    let deadline = scene.engine.next_deadline().expect("the gate has a deadline");
    scene.apply(Input::DeadlinePassed).unwrap();
    assert_eq!(scene.status(execution), InProgress, "calling early changes nothing");
    scene.now = deadline;
    scene.apply(Input::DeadlinePassed).unwrap();
    assert_eq!(scene.status(execution), Failed);
    scene.now = crate::model::Timestamp(0) + Span::MINUTE;
    scene.commit("b2");
    assert!(scene.log.last().unwrap().at >= deadline, "time never runs backwards in the log");
}

#[test]
fn a_downgrade_needs_the_revision_named() {
    let mut scene = Scene::pipeline(GATE);
    scene.commit("a1aaaaa");
    scene.approve();
    scene.succeed("ship");
    scene.commit("b2bbbbb");
    let token = scene.token();
    let refusal = scene.decide(token, Approved, None, Relation::Downgrade).unwrap_err();
    assert!(matches!(refusal, Refusal::Downgrade { .. }), "{refusal}");
    let refusal = scene.decide(token, Approved, Some("a1aaaaa"), Relation::Downgrade).unwrap_err();
    assert!(matches!(refusal, Refusal::RevisionMismatch { .. }), "{refusal}");
    scene.decide(token, Approved, Some("b2bbb"), Relation::Downgrade).unwrap();
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn a_decision_without_a_runtime_is_kept_and_acted_on_when_one_starts() {
    let mut scene = Scene::pipeline(GATE);
    scene.commit("a1");
    let token = scene.token();
    let request = crate::engine::Request::PutApprovalResult {
        gate: super::scene::gate(token),
        status: Approved,
        summary: String::new(),
        if_revision: None,
        effective_at: None,
        comparison: crate::engine::Comparison { deployed: None, relation: Relation::First },
    };
    let input = Input::Operator { request, by: super::scene::operator() };
    let step = scene.engine.apply_decision_only(input, scene.now).unwrap();
    assert_eq!(step.events.len(), 1);
    assert!(step.effects.is_empty());
    scene.log.extend(step.events);
    assert!(scene.running().is_empty(), "nothing runs yet");
    scene.apply(Input::RuntimeStarted).unwrap();
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn a_gate_says_what_runs_next() {
    for (pipeline, stage, action) in
        [(GATE, "Deploy", "ship"), ("Source > Check: !gate > Deploy: ship", "Deploy", "ship")]
    {
        let mut scene = Scene::pipeline(pipeline);
        scene.commit("a1");
        let board = scene.engine.board();
        let next = &board.open_gates().next().unwrap().gate.next;
        assert_eq!(next.len(), 1);
        assert_eq!((next[0].stage.as_str(), next[0].name.as_str()), (stage, action));
        assert_eq!(next[0].lines, ["ship main"], "resolved, word for word");
    }
}

#[test]
fn a_revision_is_named_by_at_least_four_characters() {
    let mut scene = Scene::pipeline(GATE);
    scene.commit("a1aaaaa");
    let token = scene.token();
    let refusal = scene.decide(token, Approved, Some("a1a"), Relation::First).unwrap_err();
    assert!(matches!(refusal, Refusal::RevisionMismatch { .. }), "{refusal}");
    scene.decide(token, Approved, Some("a1aa"), Relation::First).unwrap();
}

#[test]
fn a_wrong_token_is_wrong_also_where_another_lane_has_been_decided() {
    let mut scene = Scene::pipeline(GATE);
    scene.commit_on("main", "a1");
    scene.approve();
    scene.commit_on("develop", "b2");
    let wrong = ApprovalToken::from_random_bytes([9; 16]);
    let refusal = scene.decide(wrong, Approved, None, Relation::First).unwrap_err();
    assert!(matches!(refusal, Refusal::InvalidApprovalToken { .. }), "{refusal}");
}
