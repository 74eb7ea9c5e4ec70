//! One stage: who is in it, who waits before it, and its actions.

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::{
    ansi,
    engine::board::{ActionCard, Attempt, StageCard},
    model::{ActionStatus, ConditionStatus, RuleStatus, Span, StageStatus},
    tui::{
        hit::{Hits, Target},
        look::Mark,
        text,
        theme::Role,
        ui::{Pane, eta::Eta},
    },
};

pub(super) fn draw(
    scene: &Scene<'_>,
    stage: &StageCard,
    area: Rect,
    buffer: &mut Buffer,
    hits: &mut Hits,
) {
    let selected = scene.ui.selection.stage.as_ref() == Some(&stage.name);
    draw_title(scene, stage, selected, area, buffer);
    draw_commit(scene, stage, area, buffer);
    let mut row = 2;
    for inbound in &stage.inbound {
        row += draw_inbound(scene, inbound, area, row, buffer);
    }
    row += draw_conditions(scene, stage, area, row, buffer);
    row += 1;
    let room = area.height.saturating_sub(row);
    let body = Rect { y: area.y + row.min(area.height), height: room, ..area };
    draw_actions(scene, stage, selected, body, buffer, hits);
}

fn stage_mark(stage: &StageCard) -> Mark {
    match stage.status {
        _ if stage.open_gate().is_some() => Mark::Waiting,
        Some(status) => Mark::of_stage(status),
        None => Mark::NotStarted,
    }
}

fn draw_title(
    scene: &Scene<'_>,
    stage: &StageCard,
    selected: bool,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mark = stage_mark(stage);
    let mut pen = scene.pen(buffer, area, 0);
    if let (Some(started), None) = (stage.started_at, stage.open_gate()) {
        let elapsed = stage.ended_at.unwrap_or(scene.now).since(started).to_string();
        let is_live = scene.ui.past.is_none() && stage.is_occupied();
        let left = scene.ui.stage_left(stage, scene.now).filter(|it| is_live && *it > Span(0));
        let left = left.map_or_else(String::new, |it| format!(", {} left", super::about(it)));
        pen.write_right(&format!("{elapsed}{left}"), scene.style(Role::Muted));
    }
    pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role())).skip(1);
    let role = if selected && scene.ui.focus == Pane::Board { Role::Focus } else { Role::Title };
    let style = scene.style(role).add_modifier(ratatui::style::Modifier::BOLD);
    pen.write(stage.name.as_str(), style).skip(1);
    let word = match stage.status {
        Some(StageStatus::InProgress) if stage.open_gate().is_some() => {
            let decided = stage.open_gate().is_some_and(|(.., gate)| gate.deferred.is_some());
            if decided { "decided" } else { "waits for you" }
        }
        Some(status) => status.as_str(),
        None => "",
    };
    pen.write(word, scene.style(mark.role()));
}

fn draw_commit(scene: &Scene<'_>, stage: &StageCard, area: Rect, buffer: &mut Buffer) {
    let mut pen = scene.pen(buffer, area, 1);
    pen.skip(2);
    match &stage.execution {
        Some(execution) => {
            let revision = &execution.revision;
            if scene.ui.watched.contains(&execution.id) {
                pen.write(" w ", scene.style(Role::Badge)).skip(1);
            }
            if execution.rollback_of.is_some() {
                pen.write("ROLLBACK to", scene.style(Role::Waiting)).skip(1);
            }
            pen.write(revision.id.short(), scene.style(Role::Strong)).skip(1);
            pen.write(&ansi::one_line(revision.subject()), scene.style(Role::Muted));
        }
        None => {
            pen.write("not reached yet", scene.style(Role::Queued));
        }
    }
}

/// Writes who waits and why; returns how many rows that took.
fn draw_inbound(
    scene: &Scene<'_>,
    inbound: &crate::engine::board::InboundCard,
    area: Rect,
    row: u16,
    buffer: &mut Buffer,
) -> u16 {
    let glyphs = &scene.look.glyphs;
    let words = format!(
        "{} {} ({})",
        inbound.execution.revision.id.short(),
        inbound.reason.sentence(scene.now),
        scene.age(inbound.since)
    );
    // Where there are few rows, what waits in the stage is more important than who is behind it.
    let most = if area.height > 9 { 3 } else { 1 };
    let lines = text::wrap(&words, area.width.saturating_sub(4), most, glyphs.ellipsis);
    for (at, line) in (0..).zip(&lines) {
        let mut pen = scene.pen(buffer, area, row + at);
        let glyph = if at == 0 { glyphs.waiting } else { " " };
        pen.skip(2).write(glyph, scene.style(Role::Waiting)).skip(1);
        pen.write(line, scene.style(Role::Waiting));
    }
    u16::try_from(lines.len()).unwrap_or(0)
}

/// Writes the conditions that are in the way, or were overridden; returns how many rows.
fn draw_conditions(
    scene: &Scene<'_>,
    stage: &StageCard,
    area: Rect,
    row: u16,
    buffer: &mut Buffer,
) -> u16 {
    let mut rows = 0;
    for condition in &stage.conditions {
        let role = match condition.status {
            None | Some(ConditionStatus::Succeeded) => continue,
            Some(ConditionStatus::Failed | ConditionStatus::Errored) => Role::Failed,
            Some(_) => Role::Waiting,
        };
        let status = condition.status.map_or("", ConditionStatus::as_str);
        let told = condition
            .rules
            .iter()
            .find(|rule| !rule.summary.is_empty() && rule.status != Some(RuleStatus::Succeeded));
        let why = match (&condition.overridden, told) {
            (Some(it), _) => format!("by {}: {}", it.by.user, it.reason),
            (None, Some(rule)) => format!("{}: {}", rule.name, rule.summary),
            (None, None) => String::new(),
        };
        let words = ansi::one_line(&format!("{} {status} {why}", condition.kind.words()));
        let width = area.width.saturating_sub(4);
        for line in text::wrap(&words, width, 2, scene.look.glyphs.ellipsis) {
            let mut pen = scene.pen(buffer, area, row + rows);
            pen.skip(2).write(&line, scene.style(role));
            rows += 1;
        }
    }
    rows
}

fn draw_actions(
    scene: &Scene<'_>,
    stage: &StageCard,
    in_selected_stage: bool,
    area: Rect,
    buffer: &mut Buffer,
    hits: &mut Hits,
) {
    let count = u16::try_from(stage.actions.len()).unwrap_or(u16::MAX);
    // Three rows an action breathe, two say everything, one still says what matters.
    let rows = match area.height {
        room if room + 1 >= count.saturating_mul(3) => 3,
        room if room >= count.saturating_mul(2) => 2,
        _ => 1,
    };
    let is_selected =
        |it: &ActionCard| in_selected_stage && scene.ui.selection.action.as_ref() == Some(&it.name);
    let chosen = stage.actions.iter().position(is_selected).unwrap_or(0);
    let fitting = usize::from(((area.height + u16::from(rows == 3)) / rows).max(1));
    let first = (chosen + 1).saturating_sub(fitting);
    for (at, action) in (0_u16..).zip(stage.actions.iter().skip(first).take(fitting)) {
        let cell = Rect { y: area.y + at * rows, height: rows.min(2), ..area }.intersection(area);
        let action_name = Some(action.name.clone());
        hits.add(cell, Target::Action { stage: stage.name.clone(), action: action_name });
        draw_cell(scene, stage, action, is_selected(action), cell, buffer);
    }
    let hidden = stage.actions.len().saturating_sub(first + fitting);
    if hidden > 0 && area.height > 0 {
        let line = Rect { y: area.bottom() - 1, height: 1, ..area };
        scene.pen(buffer, line, 0).write_right(&format!("+{hidden}"), scene.style(Role::Muted));
    }
}

/// A bar that fills up to what half of the runs took, and then up to what most did.
fn draw_eta(scene: &Scene<'_>, eta: Eta, pen: &mut text::Pen<'_>) {
    const CELLS: i64 = 8;
    let glyphs = &scene.look.glyphs;
    if let Some(over) = eta.over() {
        let words = format!("{} over usual", super::about(over));
        pen.write(&words, scene.style(Role::BarOver)).skip(1);
        return;
    }
    let share = |span: Span| (span.0 * CELLS / eta.p50.0.max(1)).clamp(0, CELLS);
    let full = usize::try_from(share(eta.elapsed)).unwrap_or(0);
    let rest = usize::try_from(CELLS).unwrap_or(0) - full;
    let beyond_p50 = eta.elapsed > eta.p50;
    let role = if beyond_p50 { Role::Waiting } else { Role::Running };
    let glyph = if beyond_p50 { glyphs.bar_wait } else { glyphs.bar_full };
    pen.write(&glyph.repeat(full), scene.style(role));
    pen.write(&glyphs.bar_queue.repeat(rest), scene.style(Role::Muted)).skip(1);
    pen.write(&format!("of {}", super::about(eta.p50)), scene.style(Role::Muted)).skip(1);
}

fn draw_cell(
    scene: &Scene<'_>,
    stage: &StageCard,
    action: &ActionCard,
    selected: bool,
    area: Rect,
    buffer: &mut Buffer,
) {
    let glyphs = &scene.look.glyphs;
    let mark = action_mark(action);
    let mut pen = scene.pen(buffer, area, 0);
    pen.write_right(&elapsed(scene, action), scene.style(Role::Muted));
    let marker = if selected { glyphs.selected } else { " " };
    pen.write(marker, scene.style(Role::Focus)).skip(1);
    pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role())).skip(1);
    let role = if action.latest.is_some() { Role::Strong } else { Role::Muted };
    pen.write(action.name.as_str(), scene.style(role)).skip(1);
    pen.write(&action.provider, scene.style(Role::Muted));
    if area.height > 1 {
        let mut pen = scene.pen(buffer, area, 1);
        let marker = if selected { glyphs.selected } else { " " };
        pen.write(marker, scene.style(Role::Focus)).skip(3);
        let (word, rest) = words(scene, action);
        match scene.ui.eta(&stage.name, action, scene.now) {
            Some(eta) => draw_eta(scene, eta, &mut pen),
            None => {
                pen.write(&word, scene.style(mark.role())).skip(1);
            }
        }
        if let Some(silent) = action.latest.as_ref().and_then(|it| scene.ui.silent.get(&it.id)) {
            let words = format!("silent for {}", text::coarse(*silent));
            pen.write(&words, scene.style(Role::Waiting)).skip(1);
        }
        pen.write(&ansi::one_line(&rest), scene.style(Role::Muted));
    }
    if selected && scene.ui.focus == Pane::Board {
        buffer.set_style(area.intersection(buffer.area), scene.look.style(Role::Selection));
    }
}

pub(super) fn action_mark(action: &ActionCard) -> Mark {
    match &action.latest {
        Some(Attempt { gate: Some(_), .. }) => Mark::Waiting,
        Some(attempt) => Mark::of_action(attempt.status),
        None => Mark::NotStarted,
    }
}

fn elapsed(scene: &Scene<'_>, action: &ActionCard) -> String {
    match &action.latest {
        Some(attempt) if attempt.gate.is_some() => scene.age(attempt.started_at),
        Some(attempt) => {
            attempt.ended_at.unwrap_or(scene.now).since(attempt.started_at).to_string()
        }
        None => String::new(),
    }
}

/// Returns the status word and what more there is to say in the room that is left.
pub(super) fn words(scene: &Scene<'_>, action: &ActionCard) -> (String, String) {
    let Some(attempt) = &action.latest else {
        let why = action.waits.as_ref().map(|it| it.sentence(scene.now));
        return (why.unwrap_or_else(|| "not started".to_owned()), String::new());
    };
    if let Some(gate) = &attempt.gate {
        if let Some(deferred) = &gate.deferred {
            let left = super::left(deferred.effective_at.since(scene.now));
            let by = &deferred.decision.by.user;
            return (deferred.decision.status.to_string(), format!("by {by} in {left}, u undoes"));
        }
        let left = text::coarse(gate.expires_at.since(scene.now));
        if let Some(note) = &gate.note {
            return ("waits for you".to_owned(), format!("{}: {}", note.by.user, note.text));
        }
        return ("waits for you".to_owned(), format!("{left} left"));
    }
    if let Some(why) = &action.waits {
        let error = attempt.error.as_ref().map_or_else(String::new, |it| it.message.clone());
        return (why.sentence(scene.now), error);
    }
    let again =
        if attempt.number > 1 { format!("attempt {} ", attempt.number) } else { String::new() };
    let rest = match (attempt.status, &attempt.error, &attempt.decision) {
        (ActionStatus::InProgress, ..) => {
            scene.ui.tails.get(&attempt.id).cloned().unwrap_or_default()
        }
        (_, Some(error), _) => error.message.clone(),
        (_, None, Some(decision)) => format!("by {} {}", decision.by.user, decision.summary),
        (_, None, None) => attempt.summary.clone(),
    };
    (attempt.status.to_string(), format!("{again}{rest}"))
}
