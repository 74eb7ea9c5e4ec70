//! One execution as a chart: what stood before a stage, what waited for somebody and what worked,
//! with the path that decided how long it took.

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::{
    ansi,
    model::{Span, Timestamp},
    runtime::lookup::{Bar, BarKind, Question, Story, Told},
    tui::{
        hit::{Hits, Target},
        look::Mark,
        theme::Role,
    },
};

const LABEL: u16 = 28;
const FIGURES: u16 = 10;

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let told = scene.ui.execution().map(Question::Story);
    let told = told.and_then(|it| scene.ui.knowledge.get(&it));
    let muted = scene.style(Role::Muted);
    match told {
        Some(Told::Story(story)) => draw_story(scene, story, area, buffer, hits),
        Some(Told::Nothing(why)) => {
            scene.pen(buffer, area, 0).skip(1).write(why, muted);
        }
        Some(_) => {}
        None if scene.ui.execution().is_none() => {
            let words = "nothing was executed in this lane yet";
            scene.pen(buffer, area, 0).skip(1).write(words, muted);
        }
        None => {
            scene.pen(buffer, area, 0).skip(1).write("reading the history", muted);
        }
    }
}

fn draw_story(scene: &Scene<'_>, story: &Story, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    draw_title(scene, story, area, buffer);
    let (from, to) = bounds(story, scene.now);
    let room = usize::from(area.height.saturating_sub(2));
    let selected = scene.ui.bar_at(story.bars.len());
    let first = (selected + 1).saturating_sub(room);
    let mut stage = None;
    for (row, (at, bar)) in (2..area.height).zip(story.bars.iter().enumerate().skip(first)) {
        let line = Rect { y: area.y + row, height: 1, ..area };
        hits.add(line, Target::Row(at));
        let is_new = stage.replace(&bar.stage) != Some(&bar.stage);
        draw_label(scene, bar, is_new, line, buffer);
        draw_bar(scene, bar, (from, to), line, buffer);
        if at == selected {
            scene.pen(buffer, line, 0).write(scene.look.glyphs.selected, scene.style(Role::Focus));
            buffer.set_style(line.intersection(buffer.area), scene.look.style(Role::Selection));
        }
    }
}

fn draw_title(scene: &Scene<'_>, story: &Story, area: Rect, buffer: &mut Buffer) {
    let execution = &story.execution;
    let mark = Mark::of_execution(execution.status);
    let mut pen = scene.pen(buffer, area, 0);
    pen.skip(1).write(mark.glyph(scene.look, scene.beat), scene.style(mark.role())).skip(1);
    if let Some(revision) = execution.revisions.first() {
        pen.write(revision.id.short(), scene.style(Role::Strong)).skip(1);
        pen.write(&ansi::one_line(revision.subject()), scene.style(Role::Text)).skip(2);
    }
    pen.write(execution.status.as_str(), scene.style(mark.role())).skip(2);
    pen.write(&execution.id.short(), scene.style(Role::Muted));
    let sum = |wanted: fn(&BarKind) -> bool| {
        let spans = story.bars.iter().filter(|it| wanted(&it.kind));
        Span(spans.map(|it| it.to.unwrap_or(scene.now).since(it.from).0).sum())
    };
    let (from, to) = bounds(story, scene.now);
    let muted = scene.style(Role::Muted);
    let mut pen = scene.pen(buffer, area, 1);
    pen.skip(1).write("took ", muted);
    pen.write(&exact(to.since(from)), scene.style(Role::Strong)).write(": worked ", muted);
    let work = sum(|it| matches!(it, BarKind::Action { .. }));
    pen.write(&exact(work), scene.style(Role::Running));
    let gates = sum(|it| matches!(it, BarKind::Gate { .. }));
    let queued = sum(|it| matches!(it, BarKind::Queue));
    for (words, span, role) in
        [(", waited for somebody ", gates, Role::Waiting), (", queued ", queued, Role::Queued)]
    {
        if span > Span(0) {
            pen.write(words, muted).write(&exact(span), scene.style(role));
        }
    }
    pen.skip(3);
    pen.write(scene.look.glyphs.critical, scene.style(Role::Strong)).skip(1);
    pen.write("critical path", muted);
}

fn bounds(story: &Story, now: Timestamp) -> (Timestamp, Timestamp) {
    let from = story.execution.started_at;
    let open = story.bars.iter().any(|it| it.to.is_none());
    let last = story.bars.iter().filter_map(|it| it.to).max().unwrap_or(from);
    (from, if open { now.max(last) } else { last })
}

/// Prints a length of time; where seconds say too little, with milliseconds.
fn exact(span: Span) -> String {
    if span < Span(10_000) {
        format!("{}.{:02}s", span.0 / 1000, span.0 % 1000 / 10)
    } else {
        span.to_string()
    }
}

fn draw_label(scene: &Scene<'_>, bar: &Bar, with_stage: bool, line: Rect, buffer: &mut Buffer) {
    let place = Rect { width: LABEL.min(line.width.saturating_sub(FIGURES)), ..line };
    let mut pen = scene.pen(buffer, place, 0);
    pen.skip(1);
    let critical = if bar.critical { scene.look.glyphs.critical } else { " " };
    pen.write(critical, scene.style(Role::Strong)).skip(1);
    let stage = if with_stage { bar.stage.as_str() } else { "" };
    pen.write(&format!("{stage:<9.9}"), scene.style(Role::Title)).skip(1);
    match &bar.kind {
        BarKind::Queue => pen.write("before the stage", scene.style(Role::Muted)),
        BarKind::Gate { name, .. } => pen.write(name.as_str(), scene.style(Role::Waiting)),
        BarKind::Action { name, attempt: 1, .. } => {
            pen.write(name.as_str(), scene.style(Role::Text))
        }
        BarKind::Action { name, attempt, .. } => {
            pen.write(&format!("{name} #{attempt}"), scene.style(Role::Text))
        }
    };
}

fn draw_bar(
    scene: &Scene<'_>,
    bar: &Bar,
    (from, to): (Timestamp, Timestamp),
    line: Rect,
    buffer: &mut Buffer,
) {
    let end = bar.to.unwrap_or(scene.now);
    let figures = Rect { x: line.right().saturating_sub(FIGURES), width: FIGURES, ..line };
    let figures = figures.intersection(line);
    let took = exact(end.since(bar.from));
    scene.pen(buffer, figures, 0).skip(1).write(&took, scene.style(Role::Muted));
    let width = line.width.saturating_sub(LABEL + FIGURES);
    if width == 0 {
        return;
    }
    let whole = to.since(from).0.max(1);
    let cell = |at: Timestamp| {
        let cells = at.since(from).0.saturating_mul(i64::from(width)) / whole;
        u16::try_from(cells).unwrap_or(width).min(width)
    };
    let (start, stop) = (cell(bar.from).min(width - 1), cell(end));
    let length = stop.saturating_sub(start).max(1);
    let glyphs = &scene.look.glyphs;
    let (glyph, role) = match &bar.kind {
        BarKind::Queue => (glyphs.bar_queue, Role::Queued),
        BarKind::Gate { .. } => (glyphs.bar_wait, Role::Waiting),
        BarKind::Action { status, .. } => (glyphs.bar_full, Mark::of_action(*status).role()),
    };
    let place = Rect { x: line.x + LABEL + start, width: length, ..line };
    let text = glyph.repeat(usize::from(length));
    scene.pen(buffer, place, 0).write(&text, scene.style(role));
}
