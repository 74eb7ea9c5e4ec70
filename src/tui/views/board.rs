//! The stages of one lane, left to right, with the transitions between them.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, stage_column};
use crate::{
    ansi,
    engine::board::{LaneCard, StageCard},
    tui::{
        hit::{Hits, Target},
        text,
        theme::Role,
    },
};

/// A column narrower than this says too little.
const NARROWEST: u16 = 25;
/// A column wider than this only spreads.
const WIDEST: u16 = 44;
/// Space between columns: a blank, the arrow, a blank.
const GAP: u16 = 5;

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    if area.height == 0 || area.width < 8 {
        return;
    }
    let Some(lane) = scene.ui.lane() else {
        return draw_waiting_for_first(scene, area, buffer);
    };
    let selected =
        lane.stages.iter().position(|it| Some(&it.name) == scene.ui.selection.stage.as_ref());
    let window = Window::around(selected.unwrap_or(0), lane.stages.len(), area.width);
    let columns = draw_overflow(scene, lane, &window, area, buffer);
    let mut x = columns.x;
    for stage in &lane.stages[window.first..window.first + window.count] {
        if x > columns.x {
            draw_transition(
                scene,
                stage,
                Rect { x: x - GAP + 1, width: GAP - 1, ..columns },
                buffer,
            );
        }
        let column = Rect { x, width: window.width, ..columns };
        let column = column.intersection(columns);
        hits.add(column, Target::Action { stage: stage.name.clone(), action: None });
        stage_column::draw(scene, stage, column, buffer, hits);
        x += window.width + GAP;
    }
}

/// Which columns are shown, and how wide each is.
struct Window {
    first: usize,
    count: usize,
    width: u16,
}

impl Window {
    fn around(selected: usize, stages: usize, room: u16) -> Self {
        let fitting = usize::from(((room + GAP) / (NARROWEST + GAP)).max(1));
        let count = fitting.min(stages.max(1));
        // The selected column keeps a neighbour at its left where there is one.
        let last_first = stages.saturating_sub(count);
        let first = selected.saturating_sub(usize::from(count > 1)).min(last_first);
        let columns = u16::try_from(count).unwrap_or(1);
        let width = ((room + GAP) / columns).saturating_sub(GAP).min(WIDEST);
        Self { first, count, width }
    }
}

/// Says on the first line what does not fit, and returns the room below.
fn draw_overflow(
    scene: &Scene<'_>,
    lane: &LaneCard,
    window: &Window,
    area: Rect,
    buffer: &mut Buffer,
) -> Rect {
    let before = &lane.stages[..window.first];
    let after = &lane.stages[window.first + window.count..];
    if before.is_empty() && after.is_empty() {
        return area;
    }
    let mut pen = scene.pen(buffer, area, 0);
    if !after.is_empty() {
        pen.write_right(
            &format!("{} more: {} >", after.len(), names(after)),
            attention_style(scene, after),
        );
    }
    if !before.is_empty() {
        pen.write(
            &format!("< {} more: {}", before.len(), names(before)),
            attention_style(scene, before),
        );
    }
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

fn names(stages: &[StageCard]) -> String {
    stages.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A gate that waits or a failure outside the window still shows.
fn attention_style(scene: &Scene<'_>, stages: &[StageCard]) -> ratatui::style::Style {
    let role = if stages.iter().any(|it| it.open_gate().is_some()) {
        Role::Waiting
    } else if stages.iter().any(|it| it.status == Some(crate::model::StageStatus::Failed)) {
        Role::Failed
    } else {
        Role::Muted
    };
    scene.style(role)
}

fn draw_transition(scene: &Scene<'_>, stage: &StageCard, area: Rect, buffer: &mut Buffer) {
    let enabled = stage.transition.as_ref().is_none_or(|it| it.enabled);
    let (glyph, role) = if enabled {
        (scene.look.glyphs.arrow, Role::Border)
    } else {
        (scene.look.glyphs.blocked, Role::Failed)
    };
    scene.pen(buffer, area, 0).write(glyph, scene.style(role));
}

/// A pipeline that has run nothing yet says how to start it.
fn draw_waiting_for_first(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let Some(pipeline) = scene.ui.pipeline() else { return };
    let stages =
        pipeline.stages.iter().map(crate::model::ids::StageName::as_str).collect::<Vec<_>>();
    let path = stages.join(&format!(" {} ", scene.look.glyphs.to));
    let seen = match pipeline.branches_seen {
        None => "Looking at the repository.".to_owned(),
        Some(0) => "No branch to watch yet.".to_owned(),
        Some(1) => "Watching 1 branch; what is there now is the baseline.".to_owned(),
        Some(count) => format!("Watching {count} branches; what is there now is the baseline."),
    };
    let mut lines = vec![
        (pipeline.name.to_string(), Role::Title),
        (path, Role::Text),
        (String::new(), Role::Text),
        (seen, Role::Text),
    ];
    // A commit that comes before the first look is part of the baseline.
    if pipeline.is_watched && pipeline.watching_paused.is_none() {
        let words = "The next commit starts an execution; S starts one now.";
        lines.push((words.to_owned(), Role::Muted));
    }
    for notice in &pipeline.notices {
        let wrapped =
            text::wrap(&ansi::one_line(&notice.text), area.width, 3, scene.look.glyphs.ellipsis);
        lines.extend(wrapped.into_iter().map(|line| (line, Role::Failed)));
    }
    for (row, (line, role)) in (1..).zip(&lines) {
        scene.pen(buffer, area, row).write(line, scene.style(*role));
    }
}
