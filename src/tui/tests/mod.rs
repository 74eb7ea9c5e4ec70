//! Keys in, wishes and pictures out, without a terminal.

use std::{path::Path, sync::Arc};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    ColorChoice, GlyphSet, Leave, Look, Ownership,
    hit::Hits,
    ui::{Overlay, Ui, Wish},
    views,
};
use crate::{
    definition,
    engine::{Board, Comparison, Engine, Input, Relation, Request, state::State},
    model::{
        ApprovalStatus, FailureType, JobReport, JobSuccess, RevisionId, SourceRevision, Span,
        Timestamp,
    },
    runtime::{Ending, Operation, review::Review},
};

const SHOP: &str = r#"
name = "web-shop"
[[stage]]
name = "Source"
[[stage.action]]
name = "app"
category = "Source"
configuration = { BranchName = "*" }
[[stage]]
name = "Test"
[[stage.action]]
name = "lint"
category = "Test"
commands = ["lint"]
[[stage.action]]
name = "unit"
category = "Test"
commands = ["unit"]
[[stage]]
name = "Release"
[[stage.action]]
name = "go-no-go"
category = "Approval"
configuration = { CustomData = "Ship #{app.CommitId}?" }
[[stage.action]]
name = "ship"
category = "Deploy"
provider = "Directory"
run_order = 2
configuration = { TargetPath = "/srv" }
"#;

/// A shop in which lane `main` waits at its gate with another commit behind it, lane `develop`
/// has failed, and `feature/日本語` runs.
struct Shop {
    engine: Engine,
    heads: Vec<Arc<SourceRevision>>,
    now: Timestamp,
}

impl Shop {
    fn new() -> Self {
        let pipeline = definition::parse(Path::new("/repo/stagegate.toml"), SHOP).unwrap();
        let now = Timestamp(1_700_000_000_000);
        let engine = Engine::new(State::default(), 5, now);
        let mut shop = Self { engine, heads: Vec::new(), now };
        shop.apply(Input::DefinitionLoaded(Box::new(pipeline)));
        shop.observe();
        shop.commit("main", "a1b2c3d", "fix: rounding in refunds");
        shop.finish("lint", true);
        shop.finish("unit", true);
        shop.commit("main", "b2c3d4e", "feat: plums");
        shop.finish("lint", true);
        shop.finish("unit", true);
        shop.commit("develop", "c3d4e5f", "feat: coupons");
        shop.finish("lint", false);
        shop.finish("unit", true);
        shop.commit("feature/日本語", "d4e5f6a", "feat: 長い件名 that goes on and on 👩‍💻");
        shop
    }

    fn apply(&mut self, input: Input) {
        self.now = self.now + Span::SECOND;
        self.engine.apply(input, self.now).unwrap();
    }

    fn observe(&mut self) {
        let heads = self.heads.clone();
        let (pipeline, action) = ("web-shop".into(), "app".into());
        self.apply(Input::SourceObserved { pipeline, action, heads });
    }

    fn commit(&mut self, branch: &str, id: &str, message: &str) {
        self.heads.retain(|head| &*head.branch != branch);
        self.heads.push(Arc::new(SourceRevision {
            action: "app".into(),
            id: id.into(),
            branch: branch.into(),
            tag: None,
            git_dir: Path::new("/nowhere/.git").into(),
            tree: "t".into(),
            message: message.into(),
            author_name: "Mira".into(),
            author_email: "mira@example.org".into(),
            author_date: "2026-01-02T03:04:05Z".into(),
        }));
        self.observe();
    }

    fn finish(&mut self, action: &str, well: bool) {
        let running = self.engine.state().running.values();
        let id = running.filter(|it| it.action.as_str() == action).map(|it| it.id).next().unwrap();
        let report = if well {
            JobReport::Succeeded(JobSuccess::default())
        } else {
            JobReport::failed(FailureType::JobFailed, "exit code 101")
        };
        self.apply(Input::JobReported { id, report });
    }

    fn board(&self) -> Arc<Board> {
        Arc::new(self.engine.board())
    }

    fn ui(&self) -> Ui {
        Ui::new(self.board(), Ownership::Inside)
    }
}

fn review(relation: Relation, deployed: Option<&str>) -> Review {
    Review {
        comparison: Comparison { deployed: deployed.map(RevisionId::from), relation },
        commits: Vec::new(),
        coming: 0,
        lost: 0,
        authors: 0,
        files: Vec::new(),
        problem: None,
    }
}

/// Types keys a second apart: `a`, `tab`, `enter`, `esc`, or `"text"` letter by letter.
fn press(ui: &mut Ui, now: &mut Timestamp, keys: &str) -> Vec<Wish> {
    let mut wishes = Vec::new();
    let mut key = |ui: &mut Ui, code| {
        *now = *now + Span::SECOND;
        wishes.extend(ui.key(KeyEvent::new(code, KeyModifiers::NONE), *now));
    };
    for word in keys.split(' ') {
        match word {
            "tab" => key(ui, KeyCode::Tab),
            "enter" => key(ui, KeyCode::Enter),
            "esc" => key(ui, KeyCode::Esc),
            "space" => key(ui, KeyCode::Char(' ')),
            text => text.trim_matches('"').chars().for_each(|c| key(ui, KeyCode::Char(c))),
        }
    }
    wishes.retain(|wish| !matches!(wish, Wish::LoadReview(_)));
    wishes
}

fn decision(wishes: &[Wish]) -> (ApprovalStatus, String, Option<String>) {
    match wishes {
        [Wish::Submit(Operation::PutApprovalResult { status, summary, if_revision, .. })] => {
            (*status, summary.clone(), if_revision.clone())
        }
        other => panic!("no decision but {other:?}"),
    }
}

#[test]
fn the_first_thing_selected_is_the_gate_that_waits() {
    let ui = Shop::new().ui();
    assert_eq!(ui.selected_gate().unwrap().action.name.as_str(), "go-no-go");
}

#[test]
fn a_review_then_y_approves() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    assert!(press(&mut ui, &mut now, "a").is_empty());
    let wishes = press(&mut ui, &mut now, "y");
    assert_eq!(decision(&wishes).0, ApprovalStatus::Approved);
}

#[test]
fn a_dialog_ignores_keys_that_were_typed_ahead() {
    let shop = Shop::new();
    let mut ui = shop.ui();
    let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
    ui.key(key('a'), shop.now);
    assert!(ui.key(key('y'), shop.now + Span(299)).is_empty());
    assert_eq!(ui.key(key('y'), shop.now + Span(300)).len(), 1);
}

#[test]
fn enter_never_confirms() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    assert!(press(&mut ui, &mut now, "a enter enter").is_empty());
}

#[test]
fn a_rejection_takes_its_reason_and_y_belongs_to_the_text_until_the_field_is_left() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    assert!(press(&mut ui, &mut now, "x tab y").is_empty(), "a reason is missing");
    let wishes = press(&mut ui, &mut now, "tab \"yy\" tab y");
    assert_eq!(decision(&wishes), (ApprovalStatus::Rejected, "yy".to_owned(), None));
}

#[test]
fn a_downgrade_wants_the_commit_typed() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "a");
    let token = ui.gate().unwrap().gate.token;
    ui.set_review(token, review(Relation::Downgrade, Some("fffffff")));
    assert!(press(&mut ui, &mut now, "esc y").is_empty());
    let wishes = press(&mut ui, &mut now, "tab \"a1b2c3d\" tab y");
    let expected = (ApprovalStatus::Approved, String::new(), Some("a1b2c3d".to_owned()));
    assert_eq!(decision(&wishes), expected);
}

#[test]
fn a_gate_decided_elsewhere_closes_its_dialog() {
    let mut shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "a");
    let at = ui.gate().unwrap();
    let request = crate::engine::Request::PutApprovalResult {
        gate: at.reference(),
        status: ApprovalStatus::Approved,
        summary: String::new(),
        if_revision: None,
        effective_at: None,
        comparison: Comparison { deployed: None, relation: Relation::First },
    };
    let by = crate::model::Operator {
        user: "sam".into(),
        host: "box".into(),
        client: "cli".into(),
        uid: None,
    };
    shop.apply(Input::Operator { request, by });
    let said = ui.set_board(shop.board());
    assert!(ui.overlays.is_empty());
    assert_eq!(said.as_deref(), Some("go-no-go was approved by sam@box"));
}

#[test]
fn selection_follows_names_when_the_board_changes() {
    let mut shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "h j");
    let before = ui.selection.clone();
    assert_eq!(before.action.as_ref().unwrap().as_str(), "unit");
    shop.commit("aaa-first", "e5f6a7b", "a lane that sorts first");
    ui.set_board(shop.board());
    assert_eq!(ui.selection, before);
}

#[test]
fn retry_is_offered_where_something_failed_and_nowhere_else() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    assert!(press(&mut ui, &mut now, "r").is_empty());
    let wishes = press(&mut ui, &mut now, "! r");
    let expected = matches!(wishes.as_slice(), [Wish::Submit(Operation::Plain(request))] if matches!(request.as_ref(), Request::RetryStageExecution { stage, .. } if stage.as_str() == "Test"));
    assert!(expected, "{wishes:?}");
}

#[test]
fn escape_never_quits_and_q_asks_while_something_is_under_way() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    assert!(press(&mut ui, &mut now, "esc esc esc esc").is_empty());
    assert!(press(&mut ui, &mut now, "q").is_empty());
    assert!(matches!(ui.overlays.last(), Some(Overlay::Dialog(_))));
    assert_eq!(press(&mut ui, &mut now, "y"), [Wish::Quit(Leave::Close)]);
}

#[test]
fn a_dashboard_that_runs_its_runtime_offers_every_way_to_leave_the_work() {
    let shop = Shop::new();
    for (key, expected) in [
        ("b", Wish::Quit(Leave::Background)),
        ("w", Wish::End(Ending::WhenIdle)),
        ("X", Wish::End(Ending::Abandon)),
    ] {
        let (mut ui, mut now) = (shop.ui(), shop.now);
        assert!(press(&mut ui, &mut now, key).is_empty(), "{key} does nothing outside the dialog");
        assert!(press(&mut ui, &mut now, "esc q").is_empty());
        assert_eq!(press(&mut ui, &mut now, key), [expected]);
    }
}

fn look() -> Look {
    Look::choose(Some("midnight"), ColorChoice::Always, Some(GlyphSet::Unicode), true, true)
        .unwrap()
}

fn picture(ui: &Ui, now: Timestamp, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let scene = views::Scene { ui, look: &look(), now, beat: 0 };
    views::draw(&scene, area, &mut buffer, &mut Hits::default());
    buffer
}

fn text(buffer: &Buffer) -> String {
    // The clock in the corner is the time zone's.
    super::text::of_buffer(buffer).split_once('\n').map_or_else(String::new, |it| it.1.to_owned())
}

#[test]
fn no_size_and_no_dialog_makes_it_panic() {
    let shop = Shop::new();
    let sizes = [0, 1, 2, 3, 5, 9, 10, 20, 39, 40, 61, 80, 100, 120, 200, 300];
    for keys in ["j", "a", "x", "?", ":", "/", "z", "! t", "q", "S"] {
        let (mut ui, mut now) = (shop.ui(), shop.now);
        press(&mut ui, &mut now, keys);
        for width in sizes {
            for height in sizes.into_iter().filter(|height| *height <= 100) {
                picture(&ui, now, width, height);
            }
        }
    }
    let empty = Ui::new(Arc::default(), Ownership::Inside);
    for size in sizes {
        picture(&empty, shop.now, size, size / 3);
    }
}

#[test]
fn a_waiting_gate_shows_at_every_usable_size() {
    let shop = Shop::new();
    for (width, height) in [(40, 10), (60, 20), (80, 24), (120, 36), (160, 45)] {
        let shown = text(&picture(&shop.ui(), shop.now, width, height));
        assert!(shown.contains("waits for you"), "{width}x{height}:\n{shown}");
    }
}

#[test]
fn the_board_at_80_columns() {
    let shop = Shop::new();
    insta::assert_snapshot!(text(&picture(&shop.ui(), shop.now, 80, 24)));
}

#[test]
fn the_board_at_120_columns() {
    let shop = Shop::new();
    insta::assert_snapshot!(text(&picture(&shop.ui(), shop.now, 120, 30)));
}

#[test]
fn the_gate_dialog_at_80_columns() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "a");
    let token = ui.gate().unwrap().gate.token;
    ui.set_review(token, review(Relation::First, None));
    insta::assert_snapshot!(text(&picture(&ui, now, 80, 24)));
}

#[test]
fn every_command_stands_in_the_help() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, ":");
    let shown = text(&picture(&ui, now, 120, 120));
    for command in super::commands::Command::ALL {
        assert!(shown.contains(command.name()), "{}", command.name());
    }
}

mod behaviour;
mod documented;
mod pictures;
