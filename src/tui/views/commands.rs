//! Help and palette: what can be chosen, with its keys.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, centered, draw_box, footer::draw_field};
use crate::tui::{
    theme::Role,
    ui::list::{CommandList, Line},
};

pub(super) fn draw(scene: &Scene<'_>, list: &CommandList, area: Rect, buffer: &mut Buffer) {
    let lines = list.lines();
    let height = area.height.saturating_sub(2).max(6);
    let outer = centered(area, 130, height);
    let inside = draw_box(scene, list.title, outer, buffer);
    if inside.height < 3 {
        return;
    }
    let mut pen = scene.pen(buffer, inside, 0);
    pen.write_right("Enter runs it, Esc closes", scene.style(Role::Muted));
    pen.write("find: ", scene.style(Role::Focus));
    draw_field(scene, &list.filter, &mut pen);
    let rows = usize::from(inside.height - 2);
    let is_selected =
        |line: &Line<'_>| matches!(line, Line::Offer { at, .. } if *at == list.selected);
    let cursor = lines.iter().position(is_selected).unwrap_or(0);
    let first = (cursor + 1).saturating_sub(rows);
    for (row, line) in (2..).zip(lines.iter().skip(first).take(rows)) {
        let area = Rect { y: inside.y + row, height: 1, ..inside };
        let mut pen = scene.pen(buffer, area, 0);
        match line {
            Line::Group(title) => {
                pen.write(title, scene.style(Role::Title));
            }
            Line::Offer { offer, .. } => {
                pen.write(&format!("{:<18}", offer.keys), scene.style(Role::Key)).skip(1);
                pen.write(&format!("{:<20}", offer.name), scene.style(Role::Strong)).skip(1);
                pen.write(offer.doc, scene.style(Role::Muted));
            }
        }
        if is_selected(line) {
            buffer.set_style(area.intersection(buffer.area), scene.look.style(Role::Selection));
        }
    }
    if lines.is_empty() {
        scene.pen(buffer, inside, 2).write("nothing fits", scene.style(Role::Muted));
    }
}
