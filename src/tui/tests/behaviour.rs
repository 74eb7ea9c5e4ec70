//! Views, tabs, time travel and the palette: keys in, state and wishes out.

use std::sync::Arc;

use super::{Shop, decision, picture, press, review, text};
use crate::{
    engine::{
        Input, Relation,
        board::{Notice, Severity},
    },
    host::reports::Reports,
    model::{
        ActionExecutionId, ActionStatus, ApprovalStatus, ExecutionStatus, SourceRevision, Span,
        TriggerType,
    },
    runtime::{
        Operation,
        lookup::{
            ActionDetails, ActionRecord, Bar, BarKind, EventLine, ExecutionRecord, Frame, Question,
            Story, TextQuestion, Told,
        },
        review::Commit,
    },
    tui::ui::{Layout, Overlay, Pane, Tab, Ui, View, Wish},
};

pub(super) fn execution(shop: &Shop, id: &str, status: ExecutionStatus) -> ExecutionRecord {
    ExecutionRecord {
        id: id.parse().unwrap(),
        pipeline: "web-shop".into(),
        lane: "main".into(),
        version: 1,
        status,
        trigger: crate::model::Trigger { kind: TriggerType::Webhook, detail: String::new() },
        revisions: vec![SourceRevision::clone(&shop.heads[0])],
        variables: [("target".to_owned(), "staging".to_owned())].into(),
        stop_reason: None,
        superseded_by: None,
        rollback_target: None,
        started_at: shop.now,
        updated_at: shop.now + Span(65_000),
    }
}

fn action(shop: &Shop, id: ActionExecutionId, status: ActionStatus) -> ActionRecord {
    ActionRecord {
        id,
        stage: "Test".into(),
        action: "lint".into(),
        attempt: 1,
        status,
        resolved: crate::model::Instructions {
            commands: vec!["lint --strict".to_owned()],
            ..Default::default()
        },
        success: None,
        error: None,
        decision: None,
        is_gate: false,
        started_at: shop.now,
        updated_at: shop.now + Span(4_000),
    }
}

/// Tells the ui what the history would answer, whatever it asks.
fn tell(ui: &mut Ui, shop: &Shop, question: Question, told: Told) {
    let asked = ui.knowledge.boards();
    ui.told(question, asked, Arc::new(told), shop.now);
}

pub(super) fn story(shop: &Shop) -> Story {
    let id = |byte| ActionExecutionId::from_random_bytes([byte; 16]);
    let bar = |stage: &str, kind, from: i64, to: Option<i64>, critical| Bar {
        stage: stage.into(),
        kind,
        from: shop.now + Span(from),
        to: to.map(|to| shop.now + Span(to)),
        critical,
    };
    let work = |byte, name: &str, status| BarKind::Action {
        id: id(byte),
        name: name.into(),
        attempt: 1,
        status,
    };
    let gate =
        BarKind::Gate { id: id(4), name: "go-no-go".into(), status: ActionStatus::InProgress };
    let frames = (0..4).map(|at| Frame {
        at: shop.now + Span(at * 1_000),
        text: format!("event {at}"),
        board: shop.board(),
        is_turn: at == 2,
    });
    Story {
        execution: execution(
            shop,
            "00000000-0000-4000-8000-000000000001",
            ExecutionStatus::InProgress,
        ),
        bars: vec![
            bar("Source", work(1, "app", ActionStatus::Succeeded), 0, Some(900), true),
            bar("Test", BarKind::Queue, 900, Some(20_000), false),
            bar("Test", work(2, "unit", ActionStatus::Succeeded), 20_000, Some(64_000), true),
            bar("Test", work(3, "lint", ActionStatus::Failed), 20_000, Some(31_000), false),
            bar("Release", gate, 64_000, None, true),
        ],
        frames: frames.collect(),
    }
}

pub(super) fn events(shop: &Shop) -> Told {
    let event = |number: i64| EventLine {
        number,
        at: shop.now,
        text: format!("web-shop/Test: event {number}"),
        execution: None,
    };
    Told::Events((1..=40).rev().map(event).collect())
}

#[test]
fn digits_change_the_view_and_escape_leads_back_to_the_board() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    for (key, view) in ["1", "2", "3", "4", "5", "6", "7"].into_iter().zip(View::ALL) {
        press(&mut ui, &mut now, key);
        assert_eq!(ui.view, view);
    }
    press(&mut ui, &mut now, "esc");
    assert_eq!(ui.view, View::Board);
}

#[test]
fn a_row_of_the_lanes_leads_to_its_board() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "2 j enter");
    assert_eq!((ui.view, ui.selection.lane.as_ref().unwrap().as_str()), (View::Board, "develop"));
}

#[test]
fn a_list_shows_the_rows_that_fit_what_is_typed_and_the_cursor_follows_its_row() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    let (one, two) =
        ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002");
    let pipeline = ui.selection.pipeline.clone().unwrap();
    let both = vec![
        execution(&shop, two, ExecutionStatus::Failed),
        execution(&shop, one, ExecutionStatus::Succeeded),
    ];
    press(&mut ui, &mut now, "3");
    tell(&mut ui, &shop, Question::Executions(pipeline.clone()), Told::Executions(both.clone()));
    press(&mut ui, &mut now, "j");
    let newest =
        execution(&shop, "00000000-0000-4000-8000-000000000003", ExecutionStatus::InProgress);
    let three = [newest].into_iter().chain(both).collect();
    tell(&mut ui, &shop, Question::Executions(pipeline), Told::Executions(three));
    let rows = ui.table(now).rows;
    assert_eq!(rows[ui.cursor_in(&rows)].key, one);
    press(&mut ui, &mut now, "/ \"failed\" enter");
    let rows = ui.table(now).rows;
    assert_eq!(rows.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), [two]);
    press(&mut ui, &mut now, "enter");
    assert_eq!((ui.view, ui.opened.unwrap().to_string().as_str()), (View::Timeline, two));
}

#[test]
fn in_the_past_nothing_can_be_decided_and_the_last_step_forward_is_the_present() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    let wishes = press(&mut ui, &mut now, ",");
    assert!(wishes.is_empty() && ui.past.is_none(), "its events are not known yet");
    let question = Question::Story(ui.execution().unwrap());
    tell(&mut ui, &shop, question, Told::Story(Box::new(story(&shop))));
    assert_eq!(ui.past.as_ref().unwrap().frame().unwrap().text, "event 2");
    let shown = text(&picture(&ui, now, 120, 30));
    assert!(shown.contains("event 2"), "{shown}");
    for key in ["a", "x", "S", "r", "t"] {
        assert!(press(&mut ui, &mut now, key).is_empty());
        assert!(ui.overlays.is_empty(), "{key} opened something");
    }
    press(&mut ui, &mut now, ". {");
    assert_eq!(ui.past.as_ref().unwrap().frame().unwrap().text, "event 2");
    press(&mut ui, &mut now, ". .");
    assert!(ui.past.is_none());
    assert!(press(&mut ui, &mut now, "a").is_empty() && !ui.overlays.is_empty());
}

#[test]
fn a_dashboard_that_only_reads_decides_nothing() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    ui.read_only = true;
    assert!(press(&mut ui, &mut now, "a y").is_empty(), "it shows what would ship, no more");
    press(&mut ui, &mut now, "esc");
    for key in ["x", "S", "t", "B", "O", "W", "M", "p"] {
        assert!(press(&mut ui, &mut now, key).is_empty());
        assert!(ui.overlays.is_empty(), "{key} opened something");
    }
}

#[test]
fn a_rollback_from_the_history_goes_back_to_the_execution_of_the_row() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    let id = "00000000-0000-4000-8000-000000000002";
    press(&mut ui, &mut now, "h 3");
    assert_eq!(ui.selection.stage.as_ref().unwrap().as_str(), "Test");
    let elsewhere = ExecutionRecord {
        lane: "develop".into(),
        ..execution(&shop, id, ExecutionStatus::Succeeded)
    };
    let question = Question::Executions("web-shop".into());
    tell(&mut ui, &shop, question.clone(), Told::Executions(vec![elsewhere]));
    press(&mut ui, &mut now, "B");
    assert!(ui.overlays.is_empty(), "it ran in another lane");
    let here =
        ExecutionRecord { lane: "main".into(), ..execution(&shop, id, ExecutionStatus::Succeeded) };
    tell(&mut ui, &shop, question, Told::Executions(vec![here]));
    press(&mut ui, &mut now, "B");
    let asked = text(&picture(&ui, now, 100, 24));
    assert!(asked.contains("Run Test again as it succeeded with"), "{asked}");
    match press(&mut ui, &mut now, "y").as_slice() {
        [Wish::Submit(Operation::RollbackStage { stage, target: Some(target), .. })] => {
            assert_eq!((stage.as_str(), target.to_string().as_str()), ("Test", id));
        }
        wishes => panic!("{wishes:?}"),
    }
}

#[test]
fn gates_that_are_marked_are_decided_together_and_each_is_listed() {
    let mut shop = Shop::new();
    shop.finish("lint", true);
    shop.finish("unit", true);
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "space");
    assert!(ui.marked.is_empty(), "only where they are listed");
    press(&mut ui, &mut now, "7");
    let gates: Vec<_> = shop.board().open_gates().map(|at| at.gate.token).collect();
    assert_eq!(gates.len(), 2);
    press(&mut ui, &mut now, "g g space space space");
    assert_eq!(ui.marked.len(), 2, "what has failed is no gate");
    assert_eq!(text(&picture(&ui, now, 100, 24)).matches("[x]").count(), 2);
    assert!(press(&mut ui, &mut now, "a").is_empty());
    let asked = text(&picture(&ui, now, 100, 24));
    for words in ["web-shop / main: Release", "a1b2c3d", "web-shop / feature/", "d4e5f6a"] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    let wishes = press(&mut ui, &mut now, "y");
    let approved: Vec<_> = wishes
        .iter()
        .map(|wish| match wish {
            Wish::Submit(Operation::PutApprovalResult { gate, status, if_revision, .. }) => {
                assert_eq!((*status, if_revision), (ApprovalStatus::Approved, &None));
                gate.token
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(approved, gates);

    assert!(press(&mut ui, &mut now, "x").is_empty());
    assert!(press(&mut ui, &mut now, "esc y").is_empty(), "a reason is needed");
    // Somebody else is faster.
    let at = shop.board();
    let at = at.open_gates().next().unwrap();
    let request = crate::engine::Request::PutApprovalResult {
        gate: at.reference(),
        status: ApprovalStatus::Approved,
        summary: String::new(),
        if_revision: None,
        comparison: review(Relation::First, None).comparison,
        effective_at: None,
    };
    shop.apply(Input::Operator { request, by: crate::host::environment::operator("test") });
    ui.set_board(shop.board());
    assert!(ui.overlays.is_empty(), "what it said is not true any more");
    assert_eq!(ui.marked.len(), 1);
}

#[test]
fn an_execution_whose_end_is_to_be_told_has_a_mark() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    for marked in [true, false] {
        press(&mut ui, &mut now, "w");
        let board = text(&picture(&ui, now, 120, 24));
        assert_eq!(board.contains(" w  a1b2c3d"), marked, "{board}");
    }
}

#[test]
fn watching_is_paused_and_resumed_by_one_key_and_the_header_says_so() {
    let mut shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    for paused in [true, false] {
        let wishes = press(&mut ui, &mut now, "p");
        let [Wish::Submit(Operation::Plain(request))] = wishes.as_slice() else {
            panic!("{wishes:?}")
        };
        let by = crate::host::environment::operator("test");
        shop.apply(Input::Operator { request: (**request).clone(), by });
        ui.set_board(shop.board());
        let shown = crate::tui::text::of_buffer(&picture(&ui, now, 100, 24));
        assert_eq!(shown.contains(" paused "), paused);
    }
}

#[test]
fn a_deferred_decision_says_when_it_takes_effect() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "a D \"soon\" enter");
    assert!(press(&mut ui, &mut now, "y").is_empty(), "soon is no moment");
    press(&mut ui, &mut now, "D");
    for _ in 0..4 {
        ui.key(crossterm::event::KeyCode::Backspace.into(), now);
    }
    let wishes = press(&mut ui, &mut now, "\"90m\" enter y");
    match wishes.as_slice() {
        [Wish::Submit(Operation::PutApprovalResult { effective_at: Some(at), .. })] => {
            assert_eq!(*at, now + Span::minutes(90));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commit_at_a_gate_opens_its_patch_and_the_dialog_stays_below() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "a");
    let token = ui.gate().unwrap().gate.token;
    let commit = |id: &str| Commit {
        is_lost: false,
        id: id.to_owned(),
        subject: "subject".to_owned(),
        author: "Mira".to_owned(),
        at: shop.now,
        badges: std::collections::BTreeSet::new(),
    };
    let mut known = review(Relation::Newer, Some("fffffff"));
    known.commits = vec![commit("1111111"), commit("2222222")];
    known.coming = 2;
    ui.set_review(token, known);
    press(&mut ui, &mut now, "j enter");
    let Some(Overlay::Reader(reader)) = ui.overlays.last() else { panic!("no patch") };
    let TextQuestion::Patch { commit, .. } = &reader.question else { panic!("no patch") };
    assert_eq!(commit, "2222222");
    press(&mut ui, &mut now, "esc");
    let wishes = press(&mut ui, &mut now, "y");
    assert_eq!(decision(&wishes).0, ApprovalStatus::Approved);
}

#[test]
fn tabs_tell_what_the_history_knows_of_an_attempt() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "!");
    let shown = ui.shown().unwrap();
    assert!(shown.has_failed());
    let earlier = |status| {
        (
            execution(&shop, "00000000-0000-4000-8000-000000000001", ExecutionStatus::Succeeded),
            action(&shop, shown.id, status),
        )
    };
    let details = ActionDetails {
        execution: execution(
            &shop,
            "00000000-0000-4000-8000-000000000002",
            ExecutionStatus::Failed,
        ),
        record: action(&shop, shown.id, ActionStatus::Failed),
        declared: None,
        attempts: vec![action(&shop, shown.id, ActionStatus::Failed)],
        earlier: vec![
            earlier(ActionStatus::Failed),
            earlier(ActionStatus::Succeeded),
            earlier(ActionStatus::Succeeded),
        ],
        reports: Reports::default(),
    };
    let since = details.failing_since().unwrap();
    assert_eq!((since.runs, since.last_good.unwrap().id.short()), (1, "b2c3d4e"));
    tell(&mut ui, &shop, Question::Action(shown.id), Told::Action(Box::new(details)));
    let board = text(&picture(&ui, now, 120, 36));
    assert!(board.contains("last green with b2c3d4e; b lists the commits since"), "{board}");
    for (tab, words) in [
        (Tab::Artifacts, "it has left no artifact"),
        (Tab::Variables, "staging"),
        (Tab::Tests, "no test reports"),
        (Tab::Configuration, "$ lint --strict"),
        (Tab::Attempts, "attempt 1"),
        (Tab::Earlier, "2 successes"),
    ] {
        press(&mut ui, &mut now, "]");
        assert_eq!(ui.tab, tab);
        let shown = text(&picture(&ui, now, 120, 36));
        assert!(shown.contains(words), "{}:\n{shown}", tab.name());
    }
    press(&mut ui, &mut now, "b");
    assert!(matches!(ui.overlays.last(), Some(Overlay::Reader(_))));
}

#[test]
fn the_palette_finds_by_some_letters_and_takes_an_argument() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, ": \"tmln\" enter");
    assert_eq!(ui.view, View::Timeline);
    press(&mut ui, &mut now, ": \"dev\" enter");
    assert_eq!(ui.view, View::Board, "a lane is gone to by its name");
    assert_eq!(ui.selection.lane.as_ref().unwrap().as_str(), "develop");
    let wishes = press(&mut ui, &mut now, ": \"theme\"");
    assert!(wishes.is_empty());
    ui.key(crossterm::event::KeyCode::Char(' ').into(), now);
    let wishes = press(&mut ui, &mut now, "\"nord\" enter");
    assert_eq!(wishes, [Wish::Theme("nord".to_owned()), Wish::KeepTheme]);
}

#[test]
fn the_theme_that_is_selected_is_seen_and_escape_takes_it_back() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    ui.theme = "default".to_owned();
    let control_t = crossterm::event::KeyEvent::new(
        crossterm::event::KeyCode::Char('t'),
        crossterm::event::KeyModifiers::CONTROL,
    );
    ui.key(control_t, now);
    assert_eq!(press(&mut ui, &mut now, "j"), [Wish::Theme("light".to_owned())]);
    assert_eq!(press(&mut ui, &mut now, "esc"), [Wish::Theme("default".to_owned())]);
}

#[test]
fn the_detail_pane_takes_more_and_less_room() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "+");
    assert_eq!(ui.layout, Layout::Log);
    press(&mut ui, &mut now, "_ _");
    assert_eq!(ui.layout, Layout::Board);
    let shown = text(&picture(&ui, now, 120, 30));
    assert!(shown.contains("waits for you"), "{shown}");
}

#[test]
fn where_there_is_no_pipeline_the_keys_of_the_greeting_lead_on() {
    let shop = Shop::new();
    let mut ui = Ui::new(Arc::default(), super::Ownership::Attached);
    let mut now = shop.now;
    assert_eq!(press(&mut ui, &mut now, "i"), [Wish::Quit(super::Leave::Init)]);
    assert_eq!(press(&mut ui, &mut now, "D"), [Wish::Quit(super::Leave::Demo)]);
    let mut ui = shop.ui();
    assert!(press(&mut ui, &mut now, "i D").is_empty());
}

#[test]
fn whoever_watches_an_execution_is_told_once_how_it_ended() {
    let mut shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "! w");
    assert!(ui.watched.is_empty(), "develop has failed already");
    press(&mut ui, &mut now, "h h h j j w");
    assert_eq!(
        (ui.selection.lane.as_ref().unwrap().as_str(), ui.watched.len()),
        ("feature/日本語", 1)
    );
    shop.finish("lint", false);
    assert_eq!(ui.ended_watches(&shop.board()), None);
    shop.finish("unit", true);
    assert_eq!(ui.ended_watches(&shop.board()).unwrap(), "web-shop d4e5f6a Failed");
    assert_eq!(ui.ended_watches(&shop.board()), None);
}

#[test]
fn a_command_of_the_users_own_gets_names_as_variables_and_never_as_code() {
    let mut shop = Shop::new();
    shop.commit("$(reboot)", "e5f6a7b", "feat: evil");
    let (mut ui, mut now) = (shop.ui(), shop.now);
    ui.keymap.bind_user("f", "git log \"{lane}\" {lane}");
    ui.selection.lane = Some("$(reboot)".into());
    let wishes = press(&mut ui, &mut now, "f");
    let [Wish::Run(run)] = wishes.as_slice() else { panic!("{wishes:?}") };
    assert_eq!(run.line, "git log \"\"$STAGEGATE_LANE\"\" \"$STAGEGATE_LANE\"");
    assert!(run.variables.contains(&("STAGEGATE_LANE".to_owned(), "$(reboot)".to_owned())));
}

#[test]
fn in_a_list_only_what_is_under_the_cursor_can_be_acted_upon() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    for view in ["2", "3", "5", "6"] {
        press(&mut ui, &mut now, view);
        for key in ["a", "x", "r", "S"] {
            assert!(press(&mut ui, &mut now, key).is_empty());
            assert!(ui.overlays.is_empty(), "{key} in view {view}");
        }
    }
    // The second row of what needs somebody is the failure of another lane.
    press(&mut ui, &mut now, "7 j r");
    assert_eq!(ui.selection.lane.as_ref().unwrap().as_str(), "develop");
}

#[test]
fn a_log_that_is_being_read_stays_when_a_newer_execution_comes() {
    let mut shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "!");
    let read = ui.shown().unwrap();
    assert_eq!(read.status, "Failed");
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), "error: no\n").unwrap();
    let path = |_| log.path().to_owned();
    ui.follow_selection(path, now);
    ui.log.load(5);
    ui.focus = Pane::Detail;
    shop.commit("develop", "d4e5f6a", "fix: unit");
    ui.set_board(shop.board());
    ui.follow_selection(path, now);
    assert_eq!(ui.shown().unwrap().id, read.id);
    let seen = text(&picture(&ui, now, 100, 30));
    assert!(seen.contains("f goes on to a newer execution"), "{seen}");
    press(&mut ui, &mut now, "f");
    ui.follow_selection(path, now);
    assert_ne!(ui.shown().map(|it| it.id), Some(read.id), "f goes on to what is now");
    ui.log.load(5);
    press(&mut ui, &mut now, "k");
    ui.follow_selection(path, now);
    assert_ne!(ui.shown().map(|it| it.id), Some(read.id), "and nobody comes back by scrolling");
}

#[test]
fn a_problem_of_a_pipeline_shows_at_every_width() {
    let shop = Shop::new();
    let mut board = (*shop.board()).clone();
    let card = Arc::make_mut(&mut board.pipelines[0]);
    let words = "stagegate.toml:30:1: `Deplo` is no category; the last good version stays";
    card.notices.push(Notice { severity: Severity::Problem, text: words.to_owned() });
    let mut ui = shop.ui();
    ui.set_board(board.into());
    for (width, height) in [(60, 20), (80, 24), (100, 30), (160, 45)] {
        let picture = picture(&ui, shop.now, width, height);
        let seen = text(&picture);
        assert!(seen.contains("stagegate.toml:30:1"), "{width}x{height}\n{seen}");
        let top: String = (0..width).map(|x| picture[(x, 0)].symbol()).collect();
        assert!(width < 80 || top.contains("1 problem"), "{width}: {top}");
    }
}
