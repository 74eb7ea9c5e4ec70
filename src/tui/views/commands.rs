//! Help and palette: the command table with its keys.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, centered, draw_box, footer::draw_field};
use crate::tui::{theme::Role, ui::list::CommandList};

pub(super) fn draw(scene: &Scene<'_>, list: &CommandList, area: Rect, buffer: &mut Buffer) {
    let matching = list.matching();
    let height = area.height.saturating_sub(2).max(6);
    let outer = centered(area, 84, height);
    let inside = draw_box(scene, list.title, outer, buffer);
    if inside.height < 3 {
        return;
    }
    let mut pen = scene.pen(buffer, inside, 0);
    pen.write_right("Enter runs it, Esc closes", scene.style(Role::Muted));
    pen.write("find: ", scene.style(Role::Focus));
    draw_field(scene, &list.filter, &mut pen);
    let rows = inside.height - 2;
    let first = (list.selected + 1).saturating_sub(usize::from(rows));
    for (row, (at, (command, keys))) in
        (2..).zip(matching.iter().enumerate().skip(first).take(usize::from(rows)))
    {
        let line = Rect { y: inside.y + row, height: 1, ..inside };
        let mut pen = scene.pen(buffer, line, 0);
        pen.write(&format!("{keys:<18}"), scene.style(Role::Key)).skip(1);
        pen.write(&format!("{:<20}", command.name()), scene.style(Role::Strong)).skip(1);
        pen.write(command.doc(), scene.style(Role::Muted));
        if at == list.selected {
            buffer.set_style(line.intersection(buffer.area), scene.look.style(Role::Selection));
        }
    }
    if matching.is_empty() {
        scene.pen(buffer, inside, 2).write("no command fits", scene.style(Role::Muted));
    }
}
