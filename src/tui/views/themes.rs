//! The theme picker: what is selected is what is seen.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, centered, draw_box};
use crate::tui::{look::Mark, theme::Role, ui::themes::ThemePicker};

pub(super) fn draw(scene: &Scene<'_>, picker: &ThemePicker, area: Rect, buffer: &mut Buffer) {
    let rows = u16::try_from(picker.names.len()).unwrap_or(u16::MAX).saturating_add(5);
    // At the right, so that the board stays to be judged.
    let outer = Rect { x: area.right().saturating_sub(42), width: 42.min(area.width), ..area };
    let inside = draw_box(scene, "Theme", centered(outer, 40, rows), buffer);
    if inside.height < 4 {
        return;
    }
    let room = usize::from(inside.height - 3);
    let first = (picker.at + 1).saturating_sub(room);
    for (row, (at, name)) in (0..).zip(picker.names.iter().enumerate().skip(first).take(room)) {
        let selected = at == picker.at;
        let mut pen = scene.pen(buffer, inside, row);
        let marker = if selected { scene.look.glyphs.selected } else { " " };
        pen.write(marker, scene.style(Role::Focus)).skip(1);
        let role = if selected { Role::Strong } else { Role::Text };
        pen.write(name, scene.style(role));
    }
    let mut pen = scene.pen(buffer, inside, inside.height - 2);
    for mark in [Mark::Running, Mark::Waiting, Mark::Succeeded, Mark::Failed, Mark::Stopped] {
        pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role())).skip(1);
        pen.write(mark.role().name().trim_start_matches("status."), scene.style(mark.role()));
        pen.skip(1);
    }
    let mut pen = scene.pen(buffer, inside, inside.height - 1);
    for (key, word) in [("j k", "look"), ("Enter", "keep"), ("Esc", "as before")] {
        pen.write(key, scene.style(Role::Key)).skip(1);
        pen.write(word, scene.style(Role::Muted)).skip(2);
    }
}
