//! The pictures in the README: real screens of the demo, as SVG.
//!
//! `STAGEGATE_PICTURES=docs cargo test --test suite pictures` makes them anew.

use std::{fmt::Write, path::Path};

use ratatui::style::{Color, Modifier, Style};

use crate::{
    dashboard::{Terminal, has_tmux},
    support::{Home, PROGRAM},
};

const CELL: (f64, f64) = (8.4, 18.0);
const BACKGROUND: &str = "#16181d";
const TEXT: &str = "#d3d8e2";

#[test]
fn the_pictures_are_made_of_real_screens() {
    if !has_tmux() {
        return;
    }
    let home = Home::new();
    let terminal = Terminal::open(&home, 120, 34);
    terminal.line(&format!("COLORTERM=truecolor {PROGRAM} demo --theme midnight --no-motion"));
    // The demo's script has come to its end when both gates of the shop wait.
    terminal.wait_for("3 waiting");
    let go_to_the_shop = || {
        terminal.keys(&["!"]);
        terminal.screen().contains("web-shop / main").then_some(())
    };
    crate::support::eventually("the shop's gate", go_to_the_shop);
    terminal.wait_for("Ship version");
    keep("board", &svg(&terminal.colours()));
    terminal.keys(&["a"]);
    terminal.wait_for("reject instead");
    keep("gate", &svg(&terminal.colours()));
    terminal.escape("reject instead");
    terminal.keys(&["4"]);
    terminal.wait_for("critical path");
    keep("timeline", &svg(&terminal.colours()));
    terminal.keys(&["C-c"]);
    terminal.wait_for("ready>");
}

fn keep(name: &str, picture: &str) {
    assert!(picture.contains("web-shop"), "{picture}");
    if let Some(folder) = std::env::var_os("STAGEGATE_PICTURES") {
        std::fs::write(Path::new(&folder).join(format!("{name}.svg")), picture).unwrap();
    }
}

/// Draws lines with escape sequences for colours.
fn svg(screen: &str) -> String {
    let lines: Vec<_> = screen.lines().map(|it| stagegate::ansi::styled(it.as_bytes())).collect();
    let columns = lines.iter().map(|it| cells(it)).max().unwrap_or(0);
    let (width, height) = (at(columns, CELL.0) + 16.0, at(lines.len(), CELL.1) + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let mut column = 0;
        for (text, style) in line {
            let (x, y) = (8.0 + at(column, CELL.0), 8.0 + at(row, CELL.1));
            let length = text.chars().count();
            let width = at(length, CELL.0);
            let (text_colour, fill) = colours(*style);
            if let Some(fill) = fill {
                let height = CELL.1;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" \
                     fill=\"{fill}\"/>"
                );
            }
            if !text.trim().is_empty() {
                let bold = style.add_modifier.contains(Modifier::BOLD);
                let weight = if bold { " font-weight=\"bold\"" } else { "" };
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{text_colour}\"{weight} \
                     textLength=\"{width:.1}\" xml:space=\"preserve\">{}</text>",
                    y + 13.5,
                    escaped(text)
                );
            }
            column += length;
        }
    }
    svg + "</svg>\n"
}

#[expect(clippy::cast_precision_loss, reason = "screens are small")]
fn at(cells: usize, size: f64) -> f64 {
    cells as f64 * size
}

fn cells(line: &[(String, Style)]) -> usize {
    line.iter().map(|(text, _)| text.chars().count()).sum()
}

fn colours(style: Style) -> (String, Option<String>) {
    let hex = |color: Option<Color>| match color {
        Some(Color::Rgb(red, green, blue)) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
        _ => None,
    };
    let (text, fill) = (hex(style.fg), hex(style.bg));
    if style.add_modifier.contains(Modifier::REVERSED) {
        let fill = text.unwrap_or_else(|| TEXT.to_owned());
        return (BACKGROUND.to_owned(), Some(fill));
    }
    (text.unwrap_or_else(|| TEXT.to_owned()), fill.filter(|it| it != BACKGROUND))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
