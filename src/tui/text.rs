//! Text in cells: clipped at grapheme boundaries, wrapped, and written with a style.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::model::Span;

pub(super) fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Shortens `text` to `room` cells; what was cut shows as `ellipsis`.
pub(super) fn clip(text: &str, room: u16, ellipsis: &str) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let room = usize::from(room.saturating_sub(width(ellipsis)));
    let mut clipped = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used > room {
            break;
        }
        clipped.push_str(grapheme);
    }
    clipped + ellipsis
}

/// Returns `text` without its first `cells` cells.
pub(super) fn skip(text: &str, cells: u16) -> &str {
    let mut passed = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if passed >= usize::from(cells) {
            return &text[at..];
        }
        passed += grapheme.width();
    }
    ""
}

/// Breaks `text` into at most `lines` lines of `room` cells, at spaces where there are some.
pub(super) fn wrap(text: &str, room: u16, lines: usize, ellipsis: &str) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let needed = width(word) + u16::from(!line.is_empty());
        if width(&line) + needed > room && !line.is_empty() {
            wrapped.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    wrapped.push(line);
    if wrapped.len() > lines {
        let rest = wrapped.split_off(lines.saturating_sub(1)).join(" ");
        wrapped.push(rest);
    }
    wrapped.iter().take(lines).map(|line| clip(line, room, ellipsis)).collect()
}

/// Prints a length of time in its largest unit.
pub(super) fn coarse(span: Span) -> String {
    match span {
        span if span < Span::MINUTE => "<1m".to_owned(),
        span if span < Span::HOUR => format!("{}m", span.0 / Span::MINUTE.0),
        span if span < Span::DAY => {
            format!("{}h{:02}", span.0 / Span::HOUR.0, span.0 % Span::HOUR.0 / Span::MINUTE.0)
        }
        span => format!("{}d{:02}h", span.0 / Span::DAY.0, span.0 % Span::DAY.0 / Span::HOUR.0),
    }
}

/// Returns what a picture says, without the blanks at the ends of its lines.
pub(super) fn of_buffer(buffer: &Buffer) -> String {
    let row = |y: u16| {
        let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        cells.trim_end().to_owned()
    };
    (0..buffer.area.height).map(row).collect::<Vec<_>>().join("\n")
}

/// Writes along one line and keeps track of where it stands; nothing is written outside.
pub(super) struct Pen<'a> {
    buffer: &'a mut Buffer,
    x: u16,
    y: u16,
    end: u16,
    ellipsis: &'static str,
}

impl<'a> Pen<'a> {
    /// Starts at the beginning of line `row` of `area`.
    pub(super) fn on(buffer: &'a mut Buffer, area: Rect, row: u16, ellipsis: &'static str) -> Self {
        let area = area.intersection(buffer.area);
        let inside = row < area.height;
        let end = if inside { area.right() } else { area.left() };
        Self { buffer, x: area.left(), y: area.top().saturating_add(row), end, ellipsis }
    }

    /// Goes to the beginning of another line.
    pub(super) fn move_to(&mut self, area: Rect, row: u16) {
        let area = area.intersection(self.buffer.area);
        let end = if row < area.height { area.right() } else { area.left() };
        (self.x, self.y, self.end) = (area.left(), area.top().saturating_add(row), end);
    }

    pub(super) fn room(&self) -> u16 {
        self.end.saturating_sub(self.x)
    }

    pub(super) fn write(&mut self, text: &str, style: Style) -> &mut Self {
        let room = self.room();
        let style = exactly(style);
        if room > 0 {
            let text = clip(text, room, self.ellipsis);
            self.buffer.set_stringn(self.x, self.y, &text, usize::from(room), style);
            self.x = (self.x + width(&text)).min(self.end);
        }
        self
    }

    /// Returns the room that is left on the line.
    pub(super) fn rest(&self) -> Rect {
        Rect { x: self.x, y: self.y, width: self.room(), height: 1 }
    }

    pub(super) fn skip(&mut self, cells: u16) -> &mut Self {
        self.x = self.x.saturating_add(cells).min(self.end);
        self
    }

    /// Writes so that the text ends at the right edge and takes it out of the room that is left.
    pub(super) fn write_right(&mut self, text: &str, style: Style) -> &mut Self {
        let needed = width(text);
        if needed < self.room() {
            let start = self.end - needed;
            self.buffer.set_stringn(start, self.y, text, usize::from(needed), exactly(style));
            self.end = start.saturating_sub(1).max(self.x);
        }
        self
    }
}

/// Takes away what was drawn below: a dim rule must not dim the text on it.
fn exactly(style: Style) -> Style {
    let wanted = style.add_modifier;
    style.remove_modifier(Modifier::all()).add_modifier(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_whole_characters() {
        assert_eq!(clip("日本語テキスト", 7, "…"), "日本語…");
        assert_eq!(clip("日本語テキスト", 6, "…"), "日本…");
        assert_eq!(clip("plain", 5, "…"), "plain");
        assert_eq!(clip("plain", 1, "…"), "…");
    }

    #[test]
    fn long_sentences_wrap_and_end_with_an_ellipsis() {
        let lines = wrap("waits: 51c0ffe is in the stage, held at the gate go-no-go", 20, 2, "…");
        assert_eq!(lines, ["waits: 51c0ffe is in", "the stage, held at …"]);
    }

    #[test]
    fn a_pen_never_leaves_its_area() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        let area = Rect::new(6, 0, 50, 9);
        Pen::on(&mut buffer, area, 0, "…").write("abcdefgh", Style::default());
        Pen::on(&mut buffer, area, 5, "…").write("outside", Style::default());
        assert_eq!(buffer, Buffer::with_lines(["      abc…"]));
    }
}
