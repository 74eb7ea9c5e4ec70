//! What is drawn: every view at every size people have, the meaning of colours, and never a panic.

use std::{fmt::Write, sync::Arc};

use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    Shop, behaviour, look, picture, press, text,
    views::{self, Scene},
};
use crate::{
    model::{ExecutionStatus::*, Span},
    runtime::lookup::{Durations, Fleet, FleetRow, Question, Told},
    tui::{
        hit::Hits,
        theme::Role,
        ui::{Ui, View},
    },
};

/// A ui to which everything has been told that its views ask for.
fn informed(shop: &Shop) -> Ui {
    let mut ui = shop.ui();
    let pipeline = ui.selection.pipeline.clone().unwrap();
    let id = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
    let statuses = [InProgress, Succeeded, Failed, Superseded, Stopped];
    let executions: Vec<_> = statuses
        .iter()
        .enumerate()
        .map(|(at, status)| behaviour::execution(shop, &id(at + 1), *status))
        .collect();
    let fleet = Fleet {
        rows: vec![FleetRow {
            pipeline: pipeline.clone(),
            statuses: statuses.into_iter().rev().collect(),
            durations: Durations::of([Span(60_000), Span(65_000), Span(70_000)]),
            lead_times: Durations::of([Span(160_000), Span(165_000), Span(170_000)]),
            succeeded: 3,
            failed: 1,
            newest: Some(("a1b2c3d".into(), "fix: rounding".to_owned(), shop.now)),
        }],
    };
    let story = Question::Story(ui.execution().unwrap());
    for (question, told) in [
        (Question::Executions(pipeline.clone()), Told::Executions(executions)),
        (Question::Events(Some(pipeline)), behaviour::events(shop)),
        (Question::Fleet, Told::Fleet(fleet)),
        (story, Told::Story(Box::new(behaviour::story(shop)))),
    ] {
        ui.told(question, 0, Arc::new(told), shop.now);
    }
    ui
}

const SIZES: [(u16, u16); 14] = [
    (30, 24),
    (40, 24),
    (50, 24),
    (65, 24),
    (80, 24),
    (100, 24),
    (120, 24),
    (160, 24),
    (30, 10),
    (80, 10),
    (160, 10),
    (30, 50),
    (80, 50),
    (160, 50),
];

#[test]
fn every_view_at_every_size() {
    let shop = Shop::new();
    for view in View::ALL {
        let mut ui = informed(&shop);
        ui.go_to(view);
        let mut frames = String::new();
        for (width, height) in SIZES {
            let shown = without_local_times(&text(&picture(&ui, shop.now, width, height)));
            let _ = writeln!(frames, "--- {width}x{height}\n{shown}");
        }
        insta::assert_snapshot!(format!("view_{}", view.name()), frames);
    }
}

/// Times of day are the time zone's of whoever runs the test.
fn without_local_times(text: &str) -> String {
    let date = regex::Regex::new(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}|\b\d{2}:\d{2}:\d{2}\b").unwrap();
    date.replace_all(text, |found: &regex::Captures<'_>| "-".repeat(found[0].len())).into_owned()
}

/// Writes one letter a cell for the colour of the text: what it means, not what it is.
fn roles(buffer: &Buffer) -> String {
    let look = look();
    let letters = [
        (Role::Succeeded, 's'),
        (Role::Failed, 'F'),
        (Role::Waiting, 'W'),
        (Role::Running, 'r'),
        (Role::Badge, 'b'),
        (Role::Muted, '-'),
        (Role::Strong, '*'),
        (Role::Border, '_'),
    ];
    let cell = |x: u16, y: u16| {
        let cell = &buffer[(x, y)];
        let meant = letters.iter().find(|(role, _)| look.style(*role).fg == Some(cell.fg));
        match meant {
            _ if cell.symbol().trim().is_empty() => ' ',
            Some((_, letter)) => *letter,
            None => '.',
        }
    };
    let rows = (1..buffer.area.height).map(|y| {
        let row: String = (0..buffer.area.width).map(|x| cell(x, y)).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_colours_of_the_board_mean() {
    let shop = Shop::new();
    insta::assert_snapshot!(roles(&picture(&shop.ui(), shop.now, 100, 24)));
}

#[test]
fn what_the_colours_of_a_failure_mean() {
    let shop = Shop::new();
    let (mut ui, mut now) = (shop.ui(), shop.now);
    press(&mut ui, &mut now, "!");
    insta::assert_snapshot!(roles(&picture(&ui, now, 100, 24)));
}

#[test]
fn what_is_selected_and_what_waits_shows_at_every_size() {
    let shop = Shop::new();
    for (width, height) in SIZES {
        let shown = text(&picture(&informed(&shop), shop.now, width, height));
        assert!(shown.contains("go-no-go"), "{width}x{height}:\n{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_is_drawn_outside_and_nothing_panics(
        (width, height) in (0_u16..300, 0_u16..100),
        (left, top) in (0_u16..5, 0_u16..5),
        keys in proptest::collection::vec("[1-7hjklgGaxdDzTfw/&!?:\\[\\],.{}+_ \\t]", 0..12),
        branches in 0_usize..12,
    ) {
        let mut shop = Shop::new();
        for number in 0..branches {
            let id = format!("{number:07x}");
            shop.commit(&format!("branch-{number}-日本"), &id, "feat: some 👩‍💻 subject");
        }
        let (mut ui, mut now) = (informed(&shop), shop.now);
        for key in &keys {
            press(&mut ui, &mut now, &format!("\"{key}\""));
        }
        let whole = Rect::new(0, 0, width + 9, height + 9);
        let mut buffer = Buffer::empty(whole);
        let area = Rect::new(left, top, width, height);
        let look = look();
        let scene = Scene { ui: &ui, look: &look, now, beat: 1 };
        views::draw(&scene, area, &mut buffer, &mut Hits::default());
        let untouched = ratatui::buffer::Cell::default();
        for position in whole.positions().filter(|it| !area.contains(*it)) {
            prop_assert_eq!(&buffer[position], &untouched, "at {}", position);
        }
    }
}
