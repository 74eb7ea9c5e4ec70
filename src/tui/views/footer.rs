//! The bottom line: the keys that matter here, or what has just been said.

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::{
    ansi,
    engine::board::Severity,
    host::clock,
    model::StageStatus,
    tui::{
        commands::{Command, Context},
        text,
        theme::Role,
        ui::{Pane, Tab, View, field::TextField, past::Past, prompt::Prompt},
    },
};

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = scene.pen(buffer, area, 0);
    pen.skip(1);
    if let Some(toast) = &scene.ui.toast {
        let role = match toast.severity {
            Severity::Problem => Role::Failed,
            Severity::Remark => Role::Strong,
        };
        pen.write(&ansi::one_line(&toast.text), scene.style(role));
        return;
    }
    if let Some(past) = &scene.ui.past {
        return draw_past(scene, past, area, buffer);
    }
    pen.write_right("? keys ", scene.style(Role::Muted));
    if let Some(choices) = scene.ui.keymap.choices(scene.ui.context()) {
        for (key, command) in choices {
            pen.write(&key, scene.style(Role::Key)).skip(1);
            pen.write(&command, scene.style(Role::Muted)).skip(3);
        }
        return;
    }
    let offered = hints(scene).into_iter().filter(|(command, _)| {
        !scene.ui.read_only || !command.changes_something() || *command == Command::Review
    });
    for (command, word) in offered {
        let Some(key) = scene.ui.keymap.first_key(command, scene.ui.context()) else { continue };
        // Half a hint is no hint.
        if text::width(key) + text::width(word) + 1 > pen.room() {
            break;
        }
        pen.write(key, scene.style(Role::Key)).skip(1);
        pen.write(word, scene.style(Role::Muted)).skip(3);
    }
}

/// Where in the past this is, and what happened there.
fn draw_past(scene: &Scene<'_>, past: &Past, area: Rect, buffer: &mut Buffer) {
    const CELLS: usize = 12;
    let glyphs = &scene.look.glyphs;
    let mut pen = scene.pen(buffer, area, 0);
    pen.skip(1).write_right(", . step  { } stage  Esc present ", scene.style(Role::Muted));
    let at = past.at * (CELLS - 1) / (past.count().max(2) - 1);
    pen.write(&glyphs.rule.repeat(at), scene.style(Role::Focus));
    pen.write(glyphs.critical, scene.style(Role::Focus));
    pen.write(&glyphs.rule.repeat(CELLS - 1 - at), scene.style(Role::Border)).skip(1);
    if let Some(frame) = past.frame() {
        pen.write(&clock::local_time(frame.at), scene.style(Role::Muted)).skip(1);
        // The pipeline stands in the header.
        let text = frame.text.split_once([':', '/']).map_or(frame.text.as_str(), |it| it.1);
        pen.write(text.trim_start(), scene.style(Role::Strong));
    }
}

/// Chooses the commands worth a word: what can be done about the selection comes first.
fn hints(scene: &Scene<'_>) -> Vec<(Command, &'static str)> {
    let ui = scene.ui;
    if ui.context() == Context::Dialog {
        return Vec::new();
    }
    if ui.board.pipelines.is_empty() {
        return vec![(Command::Init, "init"), (Command::Demo, "demo"), (Command::Quit, "quit")];
    }
    if ui.view == View::Attention && ui.focus == Pane::Board {
        return vec![
            (Command::Open, "open"),
            (Command::Review, "review"),
            (Command::MarkGate, "mark"),
            (Command::Back, "board"),
            (Command::Palette, "commands"),
        ];
    }
    if ui.view.is_table() && ui.focus == Pane::Board {
        return vec![
            (Command::Open, "open"),
            (Command::Search, "search"),
            (Command::Back, "board"),
            (Command::ViewHistory, "history"),
            (Command::ViewFleet, "fleet"),
            (Command::ViewAttention, "for you"),
            (Command::Palette, "commands"),
        ];
    }
    let mut hints = Vec::new();
    if ui.view == View::Timeline {
        hints.extend([
            (Command::StepBack, "time travel"),
            (Command::Older, "older"),
            (Command::Newer, "newer"),
            (Command::Back, "board"),
        ]);
    } else if ui.gate().is_some_and(|at| at.gate.deferred.is_some()) {
        hints.extend([(Command::Undo, "take back"), (Command::Review, "review")]);
    } else if ui.gate().is_some() {
        hints.extend([(Command::Review, "review"), (Command::SayNo, "reject")]);
    } else if let Some(stage) = ui.stage() {
        match stage.status {
            Some(StageStatus::Failed | StageStatus::Stopped) => {
                hints.extend([(Command::Retry, "retry"), (Command::NextError, "next error")]);
            }
            Some(StageStatus::InProgress) => hints.push((Command::SayNo, "stop")),
            _ => {}
        }
    }
    if ui.focus == Pane::Detail && ui.tab != Tab::Log {
        hints.extend([
            (Command::NextTab, "next tab"),
            (Command::Open, "open"),
            (Command::Back, "back"),
        ]);
    } else if ui.focus == Pane::Detail && ui.shown().is_some_and(|it| it.is_gate) {
        hints.extend([(Command::Zoom, "zoom"), (Command::Back, "back")]);
    } else if ui.focus == Pane::Detail {
        hints.extend([
            (Command::Follow, if ui.log.follows() { "unfollow" } else { "follow" }),
            (Command::Search, "search"),
            (Command::Filter, "filter"),
            (Command::Wrap, "wrap"),
            (Command::Zoom, "zoom"),
            (Command::Back, "back"),
        ]);
    } else {
        let (waiting, failed) = ui.attention;
        if waiting + failed > 0 {
            hints.push((Command::Attention, "next for you"));
        }
        hints.extend([
            (Command::Start, "start"),
            (Command::Transition, "transition"),
            (Command::ViewHistory, "history"),
            (Command::NextPane, "pane"),
            (Command::Palette, "commands"),
            (Command::Quit, "quit"),
        ]);
    }
    hints
}

pub(super) fn draw_prompt(scene: &Scene<'_>, prompt: &Prompt, area: Rect, buffer: &mut Buffer) {
    scene.fill(area, buffer, Role::Text);
    let mut pen = scene.pen(buffer, area, 0);
    pen.skip(1).write(prompt.kind.sign(), scene.style(Role::Key));
    draw_field(scene, &prompt.field, &mut pen);
}

/// Writes a text field with its cursor.
pub(super) fn draw_field(
    scene: &Scene<'_>,
    field: &TextField,
    pen: &mut crate::tui::text::Pen<'_>,
) {
    let (before, after) = field.text().split_at(field.before_cursor().len());
    // The cursor stays in sight, however long the text is.
    let hidden = text::width(before).saturating_sub(pen.room().saturating_sub(1));
    let before = text::skip(before, hidden);
    let mut letters = after.chars();
    let under = letters.next().map_or_else(|| " ".to_owned(), String::from);
    pen.write(before, scene.style(Role::Strong));
    pen.write(&under, scene.style(Role::Strong).add_modifier(ratatui::style::Modifier::REVERSED));
    pen.write(letters.as_str(), scene.style(Role::Strong));
}
