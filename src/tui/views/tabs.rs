//! The tabs of the detail pane besides the log.

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::tui::{theme::Role, ui::Pane};

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let lines = scene.ui.tab_lines();
    let room = usize::from(area.height);
    let at = scene.ui.tab_at.min(lines.len().saturating_sub(1));
    let first = (at + 1).saturating_sub(room);
    for (row, (number, line)) in (0..area.height).zip(lines.iter().enumerate().skip(first)) {
        let mut pen = scene.pen(buffer, area, row);
        if let Some(mark) = line.mark {
            pen.write(mark.glyph(scene.look, scene.beat), scene.style(mark.role())).skip(1);
        }
        for (text, role) in &line.pieces {
            pen.write(text, scene.style(*role));
        }
        if number == at && scene.ui.focus == Pane::Detail {
            let line = Rect { y: area.y + row, height: 1, ..area };
            buffer.set_style(line.intersection(buffer.area), scene.look.style(Role::Selection));
        }
    }
}
