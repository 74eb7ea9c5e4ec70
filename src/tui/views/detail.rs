//! The detail pane: the log of what is selected, the change at a gate, or one of the other tabs.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, log, review, stage_column, tabs};
use crate::{
    ansi,
    engine::board::ActionCard,
    host::clock,
    model::{ActionStatus, Category},
    tui::{
        hit::{Hits, Target},
        text,
        theme::Role,
        ui::{Pane, Tab, Ui, View, shown::Shown},
    },
};

/// Returns how many lines of the log fit below what stands above them.
pub(crate) fn log_rows(area: Rect, ui: &Ui) -> u16 {
    let digest =
        if ui.shown().is_some_and(|it| it.error.is_some()) { digest_rows(area) } else { 0 };
    area.height.saturating_sub(1 + digest)
}

/// Small panes say in one line what failed, larger ones since when too.
fn digest_rows(area: Rect) -> u16 {
    if area.height > 6 { 2 } else { 1 }
}

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    if area.height == 0 {
        return;
    }
    hits.add(area, Target::Detail);
    hits.add(Rect { height: 1, ..area }, Target::Divider);
    let shown = scene.ui.shown();
    draw_title(scene, shown.as_ref(), area, buffer, hits);
    let mut body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if scene.ui.tab != Tab::Log {
        return tabs::draw(scene, indented(body), buffer);
    }
    if scene.ui.view == View::Board
        && let Some(at) = scene.ui.selected_gate()
    {
        let known = scene.ui.reviews.get(&at.gate.token).map(AsRef::as_ref);
        let lines = review::lines(scene, at, known, None);
        review::draw(scene, &lines, 0, indented(body), buffer);
        return;
    }
    if let Some(words) = shown.as_ref().and_then(|it| it.error.as_deref()) {
        let rows = digest_rows(area);
        draw_digest(scene, words, Rect { height: rows.min(body.height), ..body }, buffer);
        body = Rect { y: body.y + rows, height: body.height.saturating_sub(rows), ..body };
    }
    if scene.ui.log.has_lines() {
        log::draw(scene, body, buffer);
    } else if let (View::Board, Some(action)) = (scene.ui.view, scene.ui.action()) {
        draw_facts(scene, action, indented(body), buffer);
    } else if shown.is_some() {
        let words = "no log: it is a gate or a source, or the log is not kept any more";
        scene.pen(buffer, indented(body), 0).write(words, scene.style(Role::Muted));
    }
}

/// What failed, since when, and what to do about it.
fn draw_digest(scene: &Scene<'_>, words: &str, area: Rect, buffer: &mut Buffer) {
    let mut pen = scene.pen(buffer, area, 0);
    pen.skip(1).write(scene.look.glyphs.failed, scene.style(Role::Failed)).skip(1);
    pen.write(&ansi::one_line(words), scene.style(Role::Failed)).skip(2);
    if scene.ui.past.is_some() {
        return;
    }
    let waits = scene.ui.action().and_then(|it| it.waits.as_ref()).map(|it| it.sentence(scene.now));
    let next = waits.as_deref().unwrap_or("r runs the failed actions again");
    pen.write(next, scene.style(Role::Muted));
    if area.height < 2 {
        return;
    }
    let since = match scene.ui.details() {
        None => String::new(),
        Some(details) => match details.failing_since() {
            Some(since) if since.runs == 0 => {
                let good = since.last_good.map_or("", |it| it.id.short());
                format!("new: it succeeded the last time, with {good}; b lists the commits since")
            }
            Some(since) => {
                let good = since.last_good.map_or_else(
                    || "never green as far as is kept".to_owned(),
                    |it| format!("last green with {}; b lists the commits since", it.id.short()),
                );
                format!("failing for {} runs now, {good}", since.runs + 1)
            }
            None => "the first run of this action in this lane".to_owned(),
        },
    };
    let mut pen = scene.pen(buffer, area, 1);
    pen.skip(3).write(&since, scene.style(Role::Muted));
}

fn indented(area: Rect) -> Rect {
    Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(2), ..area }
}

fn draw_title(
    scene: &Scene<'_>,
    shown: Option<&Shown>,
    area: Rect,
    buffer: &mut Buffer,
    hits: &mut Hits,
) {
    let focused = scene.ui.focus == Pane::Detail;
    let border = if focused { Role::Focus } else { Role::Border };
    let glyphs = &scene.look.glyphs;
    scene.rule(area, buffer, border);
    let area = draw_tab_names(scene, area, buffer, hits);
    let mut pen = scene.pen(buffer, area, 0);
    if scene.ui.tab == Tab::Log && scene.ui.log.has_lines() {
        let role = if focused { Role::Focus } else { Role::Muted };
        pen.write_right(&log::position(scene, area.width), scene.style(role));
    }
    let held = scene.ui.held().is_some();
    let action = (scene.ui.view == View::Board && !held).then(|| scene.ui.action()).flatten();
    let name = action.map(|it| it.name.as_str()).or(shown.map(|it| it.name.as_str()));
    let Some(name) = name else { return };
    let mark = action.map(stage_column::action_mark).or(shown.map(|it| it.mark));
    pen.write(glyphs.rule, scene.style(border));
    pen.write(" ", scene.style(Role::Text));
    if let Some(mark) = mark {
        pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role()));
    }
    if let Some(stage) = scene.ui.stage().filter(|_| scene.ui.merged.is_some()) {
        let words = format!(" all of {} {} ", stage.name, glyphs.separator);
        pen.write(&words, scene.style(Role::Title));
        pen.write("* shows one action again ", scene.style(Role::Muted));
        return;
    }
    pen.write(&format!(" {name} "), scene.style(Role::Title));
    if held {
        pen.write("f goes on to a newer execution ", scene.style(Role::Waiting));
    }
    let kind = action.map(|it| format!("{} {}", it.category, it.provider));
    let kind = kind.or(shown.map(|it| it.kind.clone())).unwrap_or_default();
    let status = match shown {
        Some(it) if it.is_gate => gate_status(scene),
        Some(it) => {
            let elapsed = it.ended_at.unwrap_or(scene.now).since(it.started_at);
            let number =
                if it.number > 1 { format!(", attempt {}", it.number) } else { String::new() };
            format!("{} {elapsed}{number}", it.status)
        }
        None => "not started".to_owned(),
    };
    pen.write(&format!("{kind} {} {status} ", glyphs.separator), scene.style(Role::Muted));
}

fn gate_status(scene: &Scene<'_>) -> String {
    let gate = scene.ui.selected_gate().map(|at| at.gate);
    match gate.and_then(|it| it.deferred.as_ref()) {
        Some(it) => format!(
            "{} by {}, takes effect {}: u takes it back",
            it.decision.status,
            it.decision.by.user,
            clock::local_moment(it.effective_at, scene.now)
        ),
        None => "waits for you".to_owned(),
    }
}

/// Writes the names of the tabs at the right, as far as there is room, and returns what is left.
fn draw_tab_names(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) -> Rect {
    const FOR_THE_TITLE: u16 = 34;
    let names = Tab::ALL.map(|tab| (tab, tab.name()));
    let all: u16 = names.iter().map(|(_, name)| text::width(name) + 2).sum();
    if area.width < all + FOR_THE_TITLE {
        if area.width < FOR_THE_TITLE + 20 {
            return area;
        }
        let words = format!(" [ {} ] ", scene.ui.tab.name());
        let width = text::width(&words).min(area.width);
        let place = Rect { x: area.right() - width, width, ..area };
        scene.pen(buffer, place, 0).write(&words, scene.style(Role::Focus));
        return Rect { width: area.width - width, ..area };
    }
    let mut x = area.right() - all - 1;
    let left = Rect { width: x - area.x, ..area };
    for (tab, name) in names {
        let place = Rect { x, width: text::width(name) + 2, height: 1, ..area };
        let chosen = tab == scene.ui.tab;
        let role = if chosen { Role::Focus } else { Role::Muted };
        scene.pen(buffer, place, 0).write(&format!(" {name} "), scene.style(role));
        hits.add(place, Target::Tab(tab));
        x += place.width;
    }
    left
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
