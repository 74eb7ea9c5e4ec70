//! What gates can do beyond CodePipeline's.

use super::scene::{Scene, operator, pipeline, told, with_stage};
use crate::{
    engine::{Comparison, Refusal, Relation, Request},
    model::{ApprovalStatus::*, ExecutionStatus::*, *},
};

const GATE: &str = "Source > Deploy: !gate; ship > Check: probe";

fn scene_with(configuration: &[(&str, &str)]) -> Scene {
    Scene::with(with_stage(pipeline("p", GATE), "Deploy", |stage| {
        let settings = configuration.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        told(&mut stage.actions[0]).configuration.extend(settings);
    }))
}

fn approve_at(scene: &mut Scene, effective_at: Option<Timestamp>) -> Result<(), Refusal> {
    let token = scene.token();
    scene.request(Request::PutApprovalResult {
        gate: super::scene::gate(token),
        status: Approved,
        summary: String::new(),
        if_revision: None,
        comparison: Comparison { deployed: None, relation: Relation::First },
        effective_at,
    })
}

fn at_gate(scene: &mut Scene, make: impl FnOnce(GateRef) -> Request) -> Result<(), Refusal> {
    let token = scene.token();
    scene.request(make(super::scene::gate(token)))
}

fn withdraw(scene: &mut Scene) -> Result<(), Refusal> {
    at_gate(scene, |gate| Request::WithdrawApproval { gate })
}

fn give_way(scene: &mut Scene) -> Result<(), Refusal> {
    at_gate(scene, |gate| Request::GiveWay { gate })
}

#[test]
fn a_deferred_approval_takes_effect_at_its_time() {
    let mut scene = scene_with(&[]);
    scene.commit("c1");
    let at = scene.now + Span::HOUR;
    approve_at(&mut scene, Some(at)).unwrap();
    assert!(scene.running().is_empty());
    assert_eq!(scene.engine.next_deadline(), Some(at));
    scene.wait(Span::HOUR);
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn a_deferred_approval_can_be_taken_back() {
    let mut scene = scene_with(&[]);
    scene.commit("c1");
    let at = scene.now + Span::HOUR;
    approve_at(&mut scene, Some(at)).unwrap();
    let again = approve_at(&mut scene, None).unwrap_err();
    assert!(matches!(again, Refusal::ApprovalAlreadyCompleted { .. }), "{again}");
    withdraw(&mut scene).unwrap();
    scene.wait(Span(2 * Span::HOUR.0));
    assert!(scene.running().is_empty(), "nothing came of it");
    approve_at(&mut scene, None).unwrap();
    assert_eq!(scene.running(), ["ship"]);
}

#[test]
fn an_approval_is_not_deferred_past_its_timeout() {
    let mut scene = scene_with(&[]);
    scene.commit("c1");
    let at = scene.now + Span(8 * Span::DAY.0);
    let refusal = approve_at(&mut scene, Some(at)).unwrap_err();
    assert!(matches!(refusal, Refusal::DeferredPastTimeout { .. }), "{refusal}");
}

#[test]
fn an_undo_window_holds_every_approval_back_for_a_moment() {
    let mut scene = scene_with(&[("UndoWindow", "5s")]);
    scene.commit("c1");
    approve_at(&mut scene, None).unwrap();
    assert!(scene.running().is_empty());
    withdraw(&mut scene).unwrap();
    approve_at(&mut scene, None).unwrap();
    scene.wait(Span(5_000));
    assert_eq!(scene.running(), ["ship"]);
    let decision = scene.action("Deploy", "gate").latest.unwrap().decision.unwrap();
    assert_eq!(decision.by, operator());
}

#[test]
fn without_a_decision_to_take_back_there_is_nothing_to_withdraw() {
    let mut scene = scene_with(&[]);
    scene.commit("c1");
    let refusal = withdraw(&mut scene).unwrap_err();
    assert!(matches!(refusal, Refusal::NothingToWithdraw { .. }), "{refusal}");
}

#[test]
fn a_gate_may_skip_its_stage_at_the_timeout() {
    let mut scene = scene_with(&[("TimeoutResult", "SKIP")]);
    scene.commit("c1");
    scene.wait(Span(7 * Span::DAY.0));
    assert_eq!(scene.stage("Deploy").status, Some(StageStatus::Skipped));
    assert_eq!(scene.running(), ["probe"]);
}

#[test]
fn a_gate_gives_way_to_the_newest_execution_behind_it() {
    let mut scene = scene_with(&[]);
    let first = scene.commit("c1");
    let second = scene.commit("c2");
    let old = scene.token();
    give_way(&mut scene).unwrap();
    assert_eq!(scene.status(first), Superseded);
    assert_eq!(scene.occupant("Deploy"), Some(second));
    assert_ne!(scene.token(), old, "it is a gate of its own, to be looked at anew");
    assert!(scene.running().is_empty());
}

#[test]
fn a_gate_with_nothing_behind_it_does_not_give_way() {
    let mut scene = scene_with(&[]);
    scene.commit("c1");
    let refusal = give_way(&mut scene).unwrap_err();
    assert!(matches!(refusal, Refusal::NothingBehind { .. }), "{refusal}");
}

#[test]
fn a_gate_does_not_give_way_while_something_runs_beside_it() {
    let mut scene = Scene::pipeline("Source > Deploy: !gate, plan; ship");
    scene.commit("c1");
    scene.commit("c2");
    let refusal = give_way(&mut scene).unwrap_err();
    assert!(matches!(refusal, Refusal::StageBusy { .. }), "{refusal}");
}

#[test]
fn a_note_stays_on_a_waiting_gate() {
    let mut scene = scene_with(&[]);
    scene.commit("c1");
    let text = "QA looks at the login, back at 14:00";
    at_gate(&mut scene, |gate| Request::NoteApproval { gate, text: text.to_owned() }).unwrap();
    let board = scene.engine.board();
    let note = board.open_gates().next().unwrap().gate.note.clone().unwrap();
    assert_eq!((note.text.as_str(), note.by), (text, operator()));
}
