//! Pipelines with their lanes: a pane on wide screens, a line on narrow ones, a greeting when
//! there is nothing yet.

use std::ops::Range;

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::{
    ansi,
    engine::board::{LaneCard, PipelineCard, Severity},
    model::{Lane, PipelineName, StageStatus},
    tui::{
        hit::{Hits, Target},
        look::Mark,
        text,
        theme::Role,
        ui::{Pane, selection::lane_rows},
    },
};

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    if area.height > 1 {
        draw_pane(scene, area, buffer, hits);
    } else {
        draw_line(scene, area, buffer, hits);
    }
}

/// A row of the pane before it is placed.
enum Row<'a> {
    Pipeline(&'a PipelineCard),
    Lane(&'a PipelineCard, &'a LaneCard),
    Notice(Severity, String),
}

fn draw_pane(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let title_role = if scene.ui.focus == Pane::Lanes { Role::Focus } else { Role::Muted };
    let rows = rows(scene, area.width);
    let mut pen = scene.pen(buffer, area, 0);
    let hidden = rows.len().saturating_sub(usize::from(area.height.saturating_sub(1)));
    if hidden > 0 {
        pen.write_right(&format!("{hidden} more"), scene.style(Role::Muted));
    }
    pen.skip(1).write("PIPELINES", scene.style(title_role));
    let selected = rows.iter().position(|row| is_selected(scene, row)).unwrap_or(0);
    let room = usize::from(area.height.saturating_sub(1));
    let first = (selected + 2).saturating_sub(room);
    for (at, row) in rows.iter().skip(first).take(room).enumerate() {
        let line = Rect { y: area.y + 1 + u16::try_from(at).unwrap_or(0), height: 1, ..area };
        draw_row(scene, row, line, buffer, hits);
    }
}

fn rows<'a>(scene: &Scene<'a>, width: u16) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for pipeline in &scene.ui.board.pipelines {
        rows.push(Row::Pipeline(pipeline));
        for notice in &pipeline.notices {
            let lines = text::wrap(
                &ansi::one_line(&notice.text),
                width.saturating_sub(3),
                3,
                scene.look.glyphs.ellipsis,
            );
            rows.extend(lines.into_iter().map(|line| Row::Notice(notice.severity, line)));
        }
        rows.extend(pipeline.lanes.iter().map(|lane| Row::Lane(pipeline, lane)));
    }
    for notice in &scene.ui.board.notices {
        let lines = text::wrap(
            &ansi::one_line(&notice.text),
            width.saturating_sub(3),
            4,
            scene.look.glyphs.ellipsis,
        );
        rows.extend(lines.into_iter().map(|line| Row::Notice(notice.severity, line)));
    }
    rows
}

fn is_selected(scene: &Scene<'_>, row: &Row<'_>) -> bool {
    let selection = &scene.ui.selection;
    match row {
        Row::Pipeline(it) => {
            selection.lane.is_none() && selection.pipeline.as_ref() == Some(&it.name)
        }
        Row::Lane(pipeline, lane) => {
            selection.pipeline.as_ref() == Some(&pipeline.name)
                && selection.lane.as_ref() == Some(&lane.lane)
        }
        Row::Notice(..) => false,
    }
}

fn draw_row(scene: &Scene<'_>, row: &Row<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let selected = is_selected(scene, row);
    match row {
        Row::Pipeline(pipeline) => {
            let target = Target::Lane { pipeline: pipeline.name.clone(), lane: None };
            hits.add(area, target);
            let role = if selected { Role::Focus } else { Role::Strong };
            scene.pen(buffer, area, 0).skip(1).write(pipeline.name.as_str(), scene.style(role));
        }
        Row::Notice(severity, line) => {
            let role = match severity {
                Severity::Problem => Role::Failed,
                Severity::Remark => Role::Muted,
            };
            scene.pen(buffer, area, 0).skip(2).write(line, scene.style(role));
        }
        Row::Lane(pipeline, lane) => {
            let lane_name = Some(lane.lane.clone());
            hits.add(area, Target::Lane { pipeline: pipeline.name.clone(), lane: lane_name });
            let mark = Mark::of_lane(lane);
            let marker = if selected { scene.look.glyphs.selected } else { " " };
            let newest = lane.newest().map_or("", |(revision, _)| revision.short());
            let mut pen = scene.pen(buffer, area, 0);
            pen.write_right(newest, scene.style(Role::Muted));
            pen.write(marker, scene.style(Role::Focus)).skip(1);
            pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role())).skip(1);
            let role = if selected { Role::Strong } else { Role::Text };
            pen.write(&ansi::one_line(lane.lane.label()), scene.style(role));
            // A gate that waits must not hide that something failed since.
            let failed = lane.stages.iter().any(|it| it.status == Some(StageStatus::Failed));
            if failed && mark != Mark::Failed {
                pen.skip(1).write(scene.look.glyphs.failed, scene.style(Role::Failed));
            }
            if selected && scene.ui.focus == Pane::Lanes {
                buffer.set_style(area.intersection(buffer.area), scene.look.style(Role::Selection));
            }
        }
    }
}

/// The narrow form: the selected lane with as many of its neighbours as there is room for.
fn draw_line(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let rows = lane_rows(&scene.ui.board);
    let places: Vec<_> =
        rows.iter().map(|(pipeline, lane)| place(scene, pipeline, lane.as_ref())).collect();
    let selected = places.iter().position(|it| it.chosen).unwrap_or(0);
    let widths: Vec<u16> = places.iter().map(|it| text::width(&it.words) + 2 + GAP).collect();
    // Behind the last one nothing follows.
    let room = area.width.saturating_sub(1) + GAP;
    let fit = |sides: u16| those_that_fit(&widths, selected, room.saturating_sub(sides * MORE));
    let hides = |it: &Range<usize>| u16::from(it.start > 0) + u16::from(it.end < widths.len());
    // To say what is left out at a side may leave more out, also at the other.
    let shown = (0..=2).map(|sides| (sides, fit(sides))).find(|(sides, it)| hides(it) <= *sides);
    let shown = shown.map_or_else(|| fit(2), |(_, it)| it);
    let hidden = |places: &[LanePlace]| {
        let marks = [Mark::Waiting, Mark::Failed];
        let role = marks.into_iter().find(|mark| places.iter().any(|it| it.mark == *mark));
        scene.style(role.map_or(Role::Muted, Mark::role))
    };
    if shown.end < places.len() {
        let words = format!("{} > ", places.len() - shown.end);
        scene.pen(buffer, area, 0).write_right(&words, hidden(&places[shown.end..]));
    }
    let mut x = area.x + 1;
    if shown.start > 0 {
        let words = format!(" < {} ", shown.start);
        scene.pen(buffer, area, 0).write(&words, hidden(&places[..shown.start]));
        x += MORE;
    }
    for (place, (pipeline, lane)) in places[shown.clone()].iter().zip(&rows[shown]) {
        let room = Rect { x, width: area.right().saturating_sub(x), ..area };
        let role = match (place.chosen, scene.ui.focus) {
            (true, Pane::Lanes) => Role::Selection,
            (true, _) => Role::Focus,
            (false, _) => Role::Muted,
        };
        let mut pen = scene.pen(buffer, room, 0);
        let mark = place.mark;
        pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role())).skip(1);
        pen.write(&place.words, scene.style(role));
        let used = room.width - pen.room();
        let target = Target::Lane { pipeline: pipeline.clone(), lane: lane.clone() };
        hits.add(Rect { width: used, ..room }, target);
        x += used + GAP;
    }
}

/// What is left out at either side takes so many cells to say.
const MORE: u16 = 5;
/// Between two lanes.
const GAP: u16 = 3;

/// A lane in the narrow form.
struct LanePlace {
    mark: Mark,
    words: String,
    chosen: bool,
}

fn place(scene: &Scene<'_>, pipeline: &PipelineName, lane: Option<&Lane>) -> LanePlace {
    let selection = &scene.ui.selection;
    let card = scene.ui.board.pipeline(pipeline);
    let lane_card = card.and_then(|it| it.lanes.iter().find(|it| Some(&it.lane) == lane));
    let several = scene.ui.board.pipelines.len() > 1;
    let words = match (several, lane.map_or("", Lane::label)) {
        (_, "") => pipeline.to_string(),
        (true, label) => format!("{pipeline}/{label}"),
        (false, label) => label.to_owned(),
    };
    LanePlace {
        mark: lane_card.map_or(Mark::NotStarted, Mark::of_lane),
        words: ansi::one_line(&words),
        chosen: Some(pipeline) == selection.pipeline.as_ref() && lane == selection.lane.as_ref(),
    }
}

/// Returns as many places around the selected one as fit, those after it last.
fn those_that_fit(widths: &[u16], selected: usize, room: u16) -> Range<usize> {
    let Some(mut used) = widths.get(selected).copied() else { return 0..0 };
    let mut shown = selected..selected + 1;
    let mut take = |width: Option<&u16>| {
        let more = width.map(|width| used.saturating_add(*width)).filter(|it| *it <= room);
        used = more.unwrap_or(used);
        more.is_some()
    };
    if take(widths.get(shown.end)) {
        shown.end += 1;
    }
    while shown.start > 0 && take(widths.get(shown.start - 1)) {
        shown.start -= 1;
    }
    while take(widths.get(shown.end)) {
        shown.end += 1;
    }
    shown
}

/// Says what is wrong where the lanes are but a line.
pub(super) fn draw_notice(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let Some(first) = scene.ui.notices().next().filter(|_| area.height > 0) else { return };
    let others = scene.ui.notices().count() - 1;
    let more = if others > 0 { format!(" (and {others} more: 7)") } else { String::new() };
    let role = match first.severity {
        Severity::Problem => Role::Failed,
        Severity::Remark => Role::Muted,
    };
    let words = ansi::one_line(&first.text) + &more;
    let lines = text::wrap(
        &words,
        area.width.saturating_sub(2),
        usize::from(area.height),
        scene.look.glyphs.ellipsis,
    );
    for (row, line) in (0..).zip(lines) {
        scene.pen(buffer, area, row).skip(1).write(&line, scene.style(role));
    }
}

/// What an empty state directory shows: what to do first.
pub(super) fn greet(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let offers = [
        ("i", "writes a pipeline for the repository you stand in (stagegate init)"),
        ("D", "shows everything on a throw-away repository (stagegate demo)"),
        ("q", "leaves; stagegate -f FILE opens a pipeline that lies elsewhere"),
    ];
    let rows = 8 + u16::try_from(scene.ui.board.notices.len()).unwrap_or(0);
    let box_area = super::centered(area, 72, rows);
    scene.pen(buffer, box_area, 0).write("Nothing here yet.", scene.style(Role::Title));
    for (row, (key, words)) in (2..).zip(offers) {
        let mut pen = scene.pen(buffer, box_area, row);
        pen.write(key, scene.style(Role::Key)).skip(2).write(words, scene.style(Role::Text));
    }
    let then = "Then commit: each commit on a watched branch walks through the stages.";
    scene.pen(buffer, box_area, 6).write(then, scene.style(Role::Muted));
    for (row, notice) in (8..).zip(&scene.ui.board.notices) {
        let words = ansi::one_line(&notice.text);
        scene.pen(buffer, box_area, row).write(&words, scene.style(Role::Failed));
    }
}

#[cfg(test)]
mod tests {
    use super::those_that_fit;

    #[test]
    fn as_many_lanes_as_fit_stand_around_the_selected_one() {
        let widths = [10, 12, 10, 10];
        assert_eq!(those_that_fit(&widths, 3, 42), 0..4, "none is left out where there is room");
        assert_eq!(those_that_fit(&widths, 3, 41), 1..4);
        assert_eq!(those_that_fit(&widths, 1, 25), 1..3, "the next one goes before those behind");
        assert_eq!(those_that_fit(&widths, 0, 5), 0..1, "the selected one always shows");
        assert_eq!(those_that_fit(&[], 0, 5), 0..0);
    }
}
