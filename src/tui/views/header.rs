//! The top line: where we are, what needs somebody, what time it is.

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::{
    ansi,
    engine::board::Severity,
    host::clock,
    model::Span,
    tui::{
        hit::{Hits, Target},
        text,
        theme::Role,
        ui::View,
    },
    words,
};

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    buffer.set_style(area.intersection(buffer.area), scene.style(Role::Bar));
    let bar = scene.look.style(Role::Bar);
    let style = |role| scene.style(role).patch(bar).patch(scene.look.style(role));
    let time = clock::local_time(scene.now);
    let (waiting, failed) = scene.ui.attention;
    let mut pen = scene.pen(buffer, area, 0);
    pen.skip(1).write_right(&format!("{} ", time.get(..5).unwrap_or_default()), style(Role::Muted));
    if let Some(past) = &scene.ui.past {
        let at = clock::local_date(scene.now);
        let words = format!("  PAST {} of {}, {at}  ", past.at + 1, past.count());
        pen.write_right(&words, style(Role::LogMark));
    }
    if scene.ui.read_only {
        pen.write_right(" reads only ", style(Role::Badge));
    }
    if scene.ui.disconnected {
        pen.write_right("  runtime gone, looking for another  ", style(Role::Failed));
    }
    if scene.ui.pipeline().is_some_and(|it| it.watching_paused.is_some()) {
        pen.write_right(" paused ", style(Role::Badge));
    }
    if failed > 0 {
        let words = format!("{} {failed} failed ", scene.look.glyphs.failed);
        pen.write_right(&words, style(Role::Failed));
    }
    let notices = scene.ui.board.pipelines.iter().flat_map(|it| &it.notices);
    let problems = notices.chain(&scene.ui.board.notices);
    let problems = problems.filter(|it| it.severity == Severity::Problem).count();
    if problems > 0 {
        let words = format!("{} {} ", scene.look.glyphs.failed, words::count(problems, "problem"));
        pen.write_right(&words, style(Role::Failed));
    }
    if waiting > 0 {
        let words = format!("{} {waiting} waiting ", scene.look.glyphs.waiting);
        pen.write_right(&words, style(Role::Waiting));
    }
    pen.write("stagegate", style(Role::Title)).skip(2);
    if let Some(pipeline) = scene.ui.pipeline() {
        pen.write(pipeline.name.as_str(), style(Role::Strong));
        if let Some(lane) = scene.ui.lane() {
            let lane = ansi::one_line(lane.lane.label());
            pen.write(" / ", style(Role::Muted)).write(&lane, style(Role::Strong));
        }
        let live = scene.ui.lane().filter(|_| scene.ui.past.is_none());
        let left = live.and_then(|lane| scene.ui.lane_left(lane, scene.now));
        if let Some(left) = left.filter(|it| *it > Span(0)) {
            pen.write(&format!("  {} left", super::about(left)), style(Role::Muted));
        }
    }
    draw_views(scene, pen.rest(), buffer, hits);
}

/// Writes the names of the views with their numbers, where there is room; else that of the one
/// that is shown.
fn draw_views(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let bar = scene.look.style(Role::Bar);
    let style = |role| scene.style(role).patch(bar).patch(scene.look.style(role));
    let words = |(at, view): (usize, View)| (view, format!("{} {}", at + 1, view.name()));
    let names: Vec<_> = View::ALL.into_iter().enumerate().map(words).collect();
    let all: u16 = names.iter().map(|(_, name)| text::width(name) + 2).sum();
    let mut x = area.x + 3;
    for (view, name) in names {
        let chosen = view == scene.ui.view;
        if area.width < all + 3 && !chosen {
            continue;
        }
        let place = Rect { x, width: text::width(&name), height: 1, ..area };
        let place = place.intersection(area);
        let role = if chosen { Role::Focus } else { Role::Muted };
        scene.pen(buffer, place, 0).write(&name, style(role));
        hits.add(place, Target::View(view));
        x += place.width + 2;
    }
}
