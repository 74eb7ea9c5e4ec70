//! The lines of a log that fit, with what was searched, marked and selected.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::Scene;
use crate::{
    ansi,
    host::{
        clock,
        log_scan::{looks_like_error, looks_like_warning},
    },
    tui::{log_pane::Line, text, theme::Role},
};

/// Says where in the log the window stands, and what is looked for.
pub(super) fn position(scene: &Scene<'_>, room: u16) -> String {
    /// With less room the keys are left to the footer.
    const FOR_KEYS: u16 = 90;
    let log = &scene.ui.log;
    let (top, count) = log.position();
    let search = log.active_search().map_or_else(String::new, |search| {
        let at = search.current.map_or(0, |at| at + 1);
        let more = if search.goes_on() { "+" } else { "" };
        format!("/{} {at} of {}{more} ", search.wanted, search.matches().len())
    });
    let errors = log.active_errors().map_or_else(String::new, |errors| {
        let at = errors.current.map_or(0, |at| at + 1);
        let more = if errors.goes_on() { "+" } else { "" };
        format!("error {at} of {}{more} ", errors.matches().len())
    });
    let filter = log.active_filter().map_or_else(String::new, |it| format!("&{} ", it.wanted));
    let looked = format!("{errors}{search}{filter}");
    if log.has_selection() {
        return format!(" {looked}selecting: j k extend, y y copies ");
    }
    if log.follows() {
        let live = scene.ui.shown().is_some_and(|it| it.ended_at.is_none());
        return format!(" {looked}{count} lines{} ", if live { ", following" } else { "" });
    }
    if room < FOR_KEYS {
        let last = (top + log.window.len()).min(count);
        return format!(" {looked}line {last} of {count} ");
    }
    let last = (top + log.window.len()).min(count);
    let below = count - last;
    let more =
        if below > 0 { format!("{below} below, f follows") } else { "end, f follows".to_owned() };
    format!(" {looked}line {last} of {count}, {more} ")
}

pub(super) fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let log = &scene.ui.log;
    let mut row = 0;
    for line in &log.window {
        if row >= area.height {
            break;
        }
        let pieces = shifted(ansi::styled(&line.bytes), log.shift);
        let line_style = style(scene, line);
        let mut pen = scene.pen(buffer, area, row);
        if log.is_marked(line.number) {
            pen.write(scene.look.glyphs.selected, scene.style(Role::Badge));
        } else {
            pen.skip(1);
        }
        if log.timestamps {
            let time = line.at.map_or_else(|| "        ".to_owned(), clock::local_time);
            pen.write(&time, scene.style(Role::Muted)).skip(1);
        }
        if log.wrap {
            // A wrapped line is one text in the colour it begins with.
            let whole: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
            let first = pieces.first().map(|it| it.1).unwrap_or_default();
            row = write_wrapped(scene, &whole, line_style(first), area, row, &mut pen);
        } else {
            for (text, style) in &pieces {
                pen.write(text, line_style(*style));
            }
        }
        row += 1;
    }
}

/// Takes cells off the beginning of a line.
fn shifted(pieces: Vec<(String, Style)>, cells: u16) -> Vec<(String, Style)> {
    let mut left = cells;
    let rest = pieces.into_iter().filter_map(|(piece, style)| {
        let width = text::width(&piece);
        if width <= left {
            left -= width;
            return None;
        }
        let rest = text::skip(&piece, left);
        left = 0;
        Some((rest.to_owned(), style))
    });
    rest.collect()
}

/// Returns how the pieces of a line look: what was looked for beats what is an error or a
/// warning beats the colours that the line brings.
fn style<'a>(scene: &'a Scene<'_>, line: &Line) -> impl Fn(Style) -> Style + use<'a> {
    let log = &scene.ui.log;
    let searched = log.active_search();
    let is_match = searched.is_some_and(|it| it.matches().binary_search(&line.number).is_ok());
    let is_selected = log.is_selected(line.number);
    let speaks = if looks_like_error(&line.bytes) {
        Some(Role::LogError)
    } else if looks_like_warning(&line.bytes) {
        Some(Role::LogWarn)
    } else {
        None
    };
    let base = scene.look.style(Role::Text);
    move |own: Style| match speaks.filter(|_| own.fg.is_none()) {
        _ if is_selected => scene.style(Role::Selection),
        _ if is_match => scene.style(Role::LogMark),
        Some(role) => scene.style(role).patch(own),
        None => base.patch(own),
    }
}

/// Writes a long line over several rows; returns the last row used.
fn write_wrapped(
    scene: &Scene<'_>,
    text: &str,
    style: ratatui::style::Style,
    area: Rect,
    row: u16,
    pen: &mut text::Pen<'_>,
) -> u16 {
    let room = area.width.saturating_sub(2).max(1);
    let rows =
        text::wrap(text, room, usize::from(area.height - row).max(1), scene.look.glyphs.ellipsis);
    let mut last = row;
    for (at, line) in (0_u16..).zip(&rows) {
        if at > 0 {
            last += 1;
            pen.move_to(area, last);
            pen.skip(1);
        }
        pen.write(line, style);
    }
    last
}
