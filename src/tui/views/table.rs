//! A list that takes the whole room: history, events, fleet, lanes, what needs somebody.

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::tui::{
    hit::{Hits, Target},
    theme::Role,
    ui::table::{Row, Table, Width},
};

const GAP: u16 = 2;

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let table = scene.ui.table(scene.now);
    scene.pen(buffer, area, 0).skip(1).write(&table.title, scene.style(Role::Title));
    if table.rows.is_empty() {
        scene.pen(buffer, area, 2).skip(1).write(&table.empty, scene.style(Role::Muted));
        return;
    }
    let places = places(&table, area);
    let titled = table.columns.iter().any(|it| !it.title.is_empty());
    if titled {
        for (column, place) in table.columns.iter().zip(&places) {
            scene.pen(buffer, *place, 1).write(&column.title, scene.style(Role::Muted));
        }
    }
    let top = if titled { 2 } else { 1 };
    let room = area.height.saturating_sub(top);
    let selected = scene.ui.cursor_in(&table.rows);
    let first = (selected + 1).saturating_sub(usize::from(room).max(1));
    // The cursor stays away from the edge where there is more to see.
    let first = first
        .max(selected.saturating_sub(usize::from(room) * 2 / 3))
        .min(table.rows.len().saturating_sub(usize::from(room)));
    for (row, (at, line)) in (top..area.height).zip(table.rows.iter().enumerate().skip(first)) {
        draw_row(scene, line, &places, row, buffer);
        let area = Rect { y: area.y + row, height: 1, ..area };
        hits.add(area, Target::Row(at));
        if at == selected {
            scene.pen(buffer, area, 0).write(scene.look.glyphs.selected, scene.style(Role::Focus));
            buffer.set_style(area.intersection(buffer.area), scene.look.style(Role::Selection));
        }
    }
}

fn draw_row(scene: &Scene<'_>, row: &Row, places: &[Rect], line: u16, buffer: &mut Buffer) {
    for (cell, place) in row.cells.iter().zip(places) {
        let mut pen = scene.pen(buffer, *place, line);
        for mark in &cell.marks {
            pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role()));
        }
        if !cell.marks.is_empty() {
            pen.skip(1);
        }
        pen.write(&cell.text, scene.style(cell.role.unwrap_or(Role::Text)));
    }
}

/// Returns where each column stands. Where there is too little room columns shrink as far as they
/// can, and then those of the lowest rank are left out; nothing of a column left out is drawn.
fn places(table: &Table, area: Rect) -> Vec<Rect> {
    const FOR_THE_REST: u16 = 12;
    let least = |width: Width| match width {
        Width::Fixed(width) | Width::Between { least: width, .. } => width + GAP,
        Width::Rest => FOR_THE_REST,
    };
    let room = area.width.saturating_sub(2);
    let mut shown: Vec<bool> = vec![true; table.columns.len()];
    let needed = |shown: &[bool]| -> u16 {
        let columns = table.columns.iter().zip(shown).filter(|(_, shown)| **shown);
        columns.map(|(column, _)| least(column.width)).sum()
    };
    // The first says what a row is, and the last what it is about.
    let middle = 1..table.columns.len().saturating_sub(1);
    while needed(&shown) > room {
        let lowest = middle.clone().rev().filter(|at| shown[*at]);
        let Some(at) = lowest.min_by_key(|at| table.columns[*at].rank) else { break };
        shown[at] = false;
    }
    let growing = table
        .columns
        .iter()
        .zip(&shown)
        .filter(|(column, shown)| **shown && matches!(column.width, Width::Between { .. }));
    let growing = u16::try_from(growing.count()).unwrap_or(1).max(1);
    let growth = room.saturating_sub(needed(&shown)) / growing;
    let mut x = area.x + 2.min(area.width);
    let places = table.columns.iter().zip(&shown).map(|(column, shown)| {
        let left = area.right().saturating_sub(x);
        let width = match column.width {
            _ if !shown => return Rect { x, width: 0, ..area },
            Width::Fixed(width) => width.min(left),
            Width::Between { least, most } => (least + growth).min(most).min(left),
            Width::Rest => left,
        };
        let place = Rect { x, width, ..area };
        x = x.saturating_add(width + GAP).min(area.right());
        place
    });
    places.collect()
}
