//! The top line: where we are, what needs somebody, what time it is.

use ratatui::{buffer::Buffer, layout::Rect};

use super::Scene;
use crate::{ansi, host::clock, tui::theme::Role};

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area.intersection(buffer.area), scene.style(Role::Bar));
    let bar = scene.look.style(Role::Bar);
    let style = |role| scene.style(role).patch(bar).patch(scene.look.style(role));
    let time = clock::local_time(scene.now);
    let (waiting, failed) = scene.ui.attention;
    let mut pen = scene.pen(buffer, area, 0);
    pen.skip(1).write_right(&format!("{} ", time.get(..5).unwrap_or_default()), style(Role::Muted));
    if scene.ui.disconnected {
        pen.write_right("  runtime gone  ", style(Role::Failed));
    }
    if failed > 0 {
        let words = format!("{} {failed} failed ", scene.look.glyphs.failed);
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
    }
}
