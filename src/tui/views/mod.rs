//! Views draw values. They decide nothing, keep nothing and cannot block.

mod board;
mod commands;
pub(super) mod detail;
mod dialog;
mod footer;
mod header;
mod lanes;
pub(super) mod layout;
mod log;
mod reader;
mod review;
mod stage_column;
mod table;
mod tabs;
mod themes;
mod timeline;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    hit::Hits,
    look::Look,
    text::{self, Pen},
    theme::Role,
    ui::{Overlay, Ui, View},
};
use crate::model::{Span, Timestamp};

/// Everything a view may look at.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub ui: &'a Ui,
    pub look: &'a Look,
    pub now: Timestamp,
    pub beat: u64,
}

impl Scene<'_> {
    fn style(&self, role: Role) -> Style {
        self.look.style(Role::Text).patch(self.look.style(role))
    }

    fn pen<'b>(&self, buffer: &'b mut Buffer, area: Rect, row: u16) -> Pen<'b> {
        Pen::on(buffer, area, row, self.look.glyphs.ellipsis)
    }

    /// Returns how long ago something was, to the minute: ages must not make us draw.
    fn age(&self, at: Timestamp) -> String {
        text::coarse(self.now.since(at))
    }

    fn fill(&self, area: Rect, buffer: &mut Buffer, role: Role) {
        let area = area.intersection(buffer.area);
        for position in area.positions() {
            buffer[position].reset();
        }
        buffer.set_style(area, self.style(role));
    }

    fn rule(&self, area: Rect, buffer: &mut Buffer, role: Role) {
        let line = self.look.glyphs.rule.repeat(usize::from(area.width));
        self.pen(buffer, area, 0).write(&line, self.style(role));
    }
}

/// Prints how long is left; the last minute is counted down.
fn left(span: Span) -> String {
    if span < Span::MINUTE { format!("{}s", (span.0 + 999) / 1000) } else { text::coarse(span) }
}

/// Prints a length of time that is only about right: the seconds of minutes do not matter.
fn about(span: Span) -> String {
    let seconds = span.0 / Span::SECOND.0;
    if seconds < 60 { format!("~{seconds}s") } else { format!("~{}", text::coarse(span)) }
}

/// Returns how many lines of a text fit over the whole screen.
pub(super) fn text_rows(area: Rect) -> u16 {
    area.height.saturating_sub(3)
}

/// Draws the whole screen.
pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let area = area.intersection(buffer.area);
    buffer.set_style(area, scene.look.style(Role::Text));
    let areas = layout::areas(area, scene.ui);
    header::draw(scene, areas.header, buffer, hits);
    if scene.ui.board.pipelines.is_empty() {
        lanes::greet(scene, areas.board, buffer);
    } else {
        lanes::draw(scene, areas.lanes, buffer, hits);
        lanes::draw_notice(scene, areas.notice, buffer);
        match scene.ui.view {
            View::Board => board::draw(scene, areas.board, buffer, hits),
            View::Timeline => timeline::draw(scene, areas.board, buffer, hits),
            View::Lanes | View::History | View::Events | View::Fleet | View::Attention => {
                table::draw(scene, areas.board, buffer, hits);
            }
        }
        detail::draw(scene, areas.detail, buffer, hits);
    }
    footer::draw(scene, areas.footer, buffer);
    for overlay in &scene.ui.overlays {
        match overlay {
            Overlay::Dialog(it) => dialog::draw(scene, it, area, buffer),
            Overlay::Commands(list) => commands::draw(scene, list, area, buffer),
            Overlay::Prompt(prompt) => footer::draw_prompt(scene, prompt, areas.footer, buffer),
            Overlay::Reader(reader) => reader::draw(scene, reader, area, buffer),
            Overlay::Themes(picker) => themes::draw(scene, picker, area, buffer),
        }
    }
}

/// Draws an empty box with a title and returns its inside.
fn draw_box(scene: &Scene<'_>, title: &str, area: Rect, buffer: &mut Buffer) -> Rect {
    let area = area.intersection(buffer.area);
    scene.fill(area, buffer, Role::Text);
    if area.width < 4 || area.height < 3 {
        return Rect::ZERO;
    }
    let glyphs = &scene.look.glyphs;
    let (border, across) =
        (scene.style(Role::Focus), glyphs.rule.repeat(usize::from(area.width - 2)));
    let [top_left, top_right, bottom_left, bottom_right] = glyphs.corners;
    scene
        .pen(buffer, area, 0)
        .write(top_left, border)
        .write(&across, border)
        .write(top_right, border);
    let bottom = area.height - 1;
    scene
        .pen(buffer, area, bottom)
        .write(bottom_left, border)
        .write(&across, border)
        .write(bottom_right, border);
    for row in 1..bottom {
        scene
            .pen(buffer, area, row)
            .write(glyphs.vertical, border)
            .skip(area.width - 2)
            .write(glyphs.vertical, border);
    }
    let titled = Rect { x: area.x + 2, width: area.width - 4, ..area };
    scene.pen(buffer, titled, 0).write(&format!(" {title} "), scene.style(Role::Title));
    Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 }
}

/// Returns a rectangle of at most the wanted size in the middle of `area`.
fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    Rect { x, y, width, height }
}
