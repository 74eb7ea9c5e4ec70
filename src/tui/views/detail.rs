//! The detail pane: the log of the selected action, the change at a gate, or what is known.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, review, stage_column};
use crate::{
    ansi,
    engine::board::ActionCard,
    host::clock,
    model::{ActionStatus, Category},
    tui::{
        hit::{Hits, Target},
        text,
        theme::Role,
        ui::{Pane, Ui},
    },
};

/// Returns how many lines of the log fit below what stands above them.
pub(crate) fn log_rows(area: Rect, ui: &Ui) -> u16 {
    let failure = u16::from(failure(ui).is_some());
    area.height.saturating_sub(1 + failure)
}

fn failure(ui: &Ui) -> Option<&str> {
    let attempt = ui.action()?.latest.as_ref()?;
    attempt.error.as_ref().map(|error| error.message.as_str())
}

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    if area.height == 0 {
        return;
    }
    hits.add(area, Target::Detail);
    draw_title(scene, area, buffer);
    let mut body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let Some(action) = scene.ui.action() else { return };
    if let Some(at) = scene.ui.selected_gate() {
        let known = scene.ui.reviews.get(&at.gate.token).map(AsRef::as_ref);
        let lines = review::lines(scene, at, known);
        review::draw(scene, &lines, 0, indented(body), buffer);
        return;
    }
    if let Some(words) = failure(scene.ui) {
        let mut pen = scene.pen(buffer, body, 0);
        pen.skip(1).write(scene.look.glyphs.failed, scene.style(Role::Failed)).skip(1);
        pen.write(&ansi::one_line(words), scene.style(Role::Failed)).skip(2);
        let next = action.waits.as_ref().map(|it| it.sentence(scene.now));
        let next = next.as_deref().unwrap_or("r runs the failed actions again");
        pen.write(next, scene.style(Role::Muted));
        body = Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body };
    }
    if scene.ui.log.has_lines() {
        draw_log(scene, body, buffer);
    } else {
        draw_facts(scene, action, indented(body), buffer);
    }
}

fn indented(area: Rect) -> Rect {
    Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(2), ..area }
}

fn draw_title(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let focused = scene.ui.focus == Pane::Detail;
    let border = if focused { Role::Focus } else { Role::Border };
    let glyphs = &scene.look.glyphs;
    scene.rule(area, buffer, border);
    let mut pen = scene.pen(buffer, area, 0);
    if scene.ui.log.has_lines() && scene.ui.selected_gate().is_none() {
        let (top, count) = scene.ui.log.position();
        let search = scene.ui.log.active_search().map_or_else(String::new, |search| {
            let at = if search.matches.is_empty() { 0 } else { search.current + 1 };
            format!("/{} {at} of {} ", search.wanted, search.matches.len())
        });
        let tail = if scene.ui.log.follows() {
            {
                let live = scene.ui.action().and_then(|it| it.latest.as_ref());
                let live = live.is_some_and(|it| it.ended_at.is_none());
                format!(" {search}{count} lines{} ", if live { ", following" } else { "" })
            }
        } else {
            let last = (top + scene.ui.log.window.len()).min(count);
            let below = count - last;
            let more = if below > 0 {
                format!("{below} below, f follows")
            } else {
                "end, f follows".to_owned()
            };
            format!(" {search}line {last} of {count}, {more} ")
        };
        pen.write_right(&tail, scene.style(if focused { Role::Focus } else { Role::Muted }));
    }
    let Some(action) = scene.ui.action() else { return };
    let mark = stage_column::action_mark(action);
    pen.write(glyphs.rule, scene.style(border));
    pen.write(" ", scene.style(Role::Text));
    pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role()));
    pen.write(&format!(" {} ", action.name), scene.style(Role::Title));
    let status = match &action.latest {
        Some(attempt) if attempt.gate.is_some() => "waits for you: a reviews, x rejects".to_owned(),
        Some(attempt) => {
            let elapsed = attempt.ended_at.unwrap_or(scene.now).since(attempt.started_at);
            let number = if attempt.number > 1 {
                format!(", attempt {}", attempt.number)
            } else {
                String::new()
            };
            format!("{} {elapsed}{number}", attempt.status)
        }
        None => "not started".to_owned(),
    };
    let words = format!("{} {} {} {status} ", action.category, action.provider, glyphs.separator);
    pen.write(&words, scene.style(Role::Muted));
}

fn draw_log(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let base = scene.look.style(Role::Text);
    let wanted = scene.ui.log.active_search();
    let (top, _) = scene.ui.log.position();
    let mut row = 0;
    for (at, line) in scene.ui.log.window.iter().enumerate() {
        if row >= area.height {
            break;
        }
        let pieces = ansi::styled(line);
        let is_error = crate::host::log::looks_like_error(line);
        let is_match =
            wanted.is_some_and(|search| search.matches.binary_search(&(top + at)).is_ok());
        let mut pen = scene.pen(buffer, area, row);
        pen.skip(1);
        for (text, style) in &pieces {
            let style = match (is_match, is_error && style.fg.is_none()) {
                (true, _) => scene.style(Role::LogMark),
                (false, true) => scene.style(Role::LogError).patch(*style),
                (false, false) => base.patch(*style),
            };
            if scene.ui.log.wrap {
                // A wrapped line is one text in the colour it begins with.
                let whole: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
                row = write_wrapped(scene, &whole, style, area, row, &mut pen);
                break;
            }
            pen.write(text, style);
        }
        row += 1;
    }
}

/// Writes a long line over several rows; returns the last row used.
fn write_wrapped(
    scene: &Scene<'_>,
    text: &str,
    style: ratatui::style::Style,
    area: Rect,
    row: u16,
    pen: &mut text::Pen<'_>,
) -> u16 {
    let room = area.width.saturating_sub(2).max(1);
    let rows =
        text::wrap(text, room, usize::from(area.height - row).max(1), scene.look.glyphs.ellipsis);
    let mut last = row;
    for (at, line) in (0_u16..).zip(&rows) {
        if at > 0 {
            last += 1;
            pen.move_to(area, last);
            pen.skip(1);
        }
        pen.write(line, style);
    }
    last
}

fn draw_facts(scene: &Scene<'_>, action: &ActionCard, area: Rect, buffer: &mut Buffer) {
    let (text, muted) = (scene.style(Role::Text), scene.style(Role::Muted));
    let mut lines: Vec<review::Line> = Vec::new();
    let execution = scene.ui.stage().and_then(|stage| stage.execution.as_ref());
    match (&action.latest, execution) {
        (Some(attempt), Some(execution)) if action.category == Category::Source => {
            let revision = &execution.revision;
            lines.push(vec![(format!("commit {}", revision.id), scene.style(Role::Strong))]);
            let author = format!("{} <{}>", revision.author_name, revision.author_email);
            lines.push(vec![(format!("author {}", ansi::one_line(&author)), text)]);
            lines.push(vec![(format!("date   {}", revision.author_date), text)]);
            let trigger = format!("{} {}", execution.trigger.kind, execution.trigger.detail);
            lines.push(vec![(format!("start  {}", ansi::one_line(&trigger)), muted)]);
            lines.push(Vec::new());
            let message = revision
                .message
                .lines()
                .map(|line| vec![(format!("  {}", ansi::one_line(line)), text)]);
            lines.extend(message);
            if attempt.status == ActionStatus::InProgress {
                lines.push(vec![("fetching".to_owned(), muted)]);
            }
        }
        (Some(attempt), _) => {
            if let Some(decision) = &attempt.decision {
                let words = format!(
                    "{} by {} at {}",
                    decision.status,
                    decision.by,
                    clock::local_date(decision.at)
                );
                lines.push(vec![(words, scene.style(Role::Strong))]);
                lines.push(vec![(ansi::one_line(&decision.summary), text)]);
            } else if attempt.status == ActionStatus::InProgress {
                lines.push(vec![("no output yet".to_owned(), muted)]);
            } else {
                lines.push(vec![(ansi::one_line(&attempt.summary), text)]);
            }
        }
        (None, _) => {
            let (word, _) = stage_column::words(scene, action);
            lines.push(vec![(word, text)]);
        }
    }
    if let Some(commands) = action.latest.as_ref().map(|it| &it.commands) {
        lines.extend(commands.iter().map(|it| vec![(format!("$ {}", ansi::one_line(it)), muted)]));
    }
    review::draw(scene, &lines, 0, area, buffer);
}
