//! Text that came from elsewhere, made safe to show: colours stay, every other escape goes, so
//! that no log line or commit subject can move our cursor or fake a dialog.

use ratatui::style::{Color, Modifier, Style};
use vte::{Params, Parser, Perform};

const TAB: usize = 8;

/// Turns one line into pieces of one style each.
pub fn styled(line: &[u8]) -> Vec<(String, Style)> {
    let mut screen = Pieces::default();
    // The state of the parser must not leak into the next line.
    Parser::new().advance(&mut screen, line);
    screen.finish()
}

/// Turns one line into text without any escapes.
pub fn plain(line: &[u8]) -> String {
    styled(line).into_iter().map(|(text, _)| text).collect()
}

/// Makes a name or a message safe: one line, no control characters.
pub fn one_line(text: &str) -> String {
    plain(text.lines().next().unwrap_or_default().as_bytes())
}

#[derive(Default)]
struct Pieces {
    done: Vec<(String, Style)>,
    text: String,
    style: Style,
    column: usize,
    /// A carriage return came: what follows overwrites the line, unless nothing does.
    returned: bool,
}

impl Pieces {
    fn finish(mut self) -> Vec<(String, Style)> {
        self.close();
        self.done
    }

    fn close(&mut self) {
        if !self.text.is_empty() {
            self.done.push((std::mem::take(&mut self.text), self.style));
        }
    }

    fn restyle(&mut self, style: Style) {
        if style != self.style {
            self.close();
            self.style = style;
        }
    }
}

impl Perform for Pieces {
    fn print(&mut self, c: char) {
        if std::mem::take(&mut self.returned) {
            self.done.clear();
            self.text.clear();
            self.column = 0;
        }
        // Marks that turn the direction of text around could make a line read as another.
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if !turns && !c.is_control() {
            self.text.push(c);
            self.column += 1;
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.returned = true,
            b'\t' => {
                for _ in 0..TAB - self.column % TAB {
                    self.print(' ');
                }
            }
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _: bool, action: char) {
        if action == 'm' && intermediates.is_empty() {
            let style = graphics(self.style, params);
            self.restyle(style);
        }
    }
}

/// Applies "select graphic rendition".
fn graphics(mut style: Style, params: &Params) -> Style {
    let mut numbers = params.iter().flat_map(|it| it.iter().copied());
    while let Some(number) = numbers.next() {
        style = match number {
            0 => Style::default(),
            1 => style.add_modifier(Modifier::BOLD),
            2 => style.add_modifier(Modifier::DIM),
            3 => style.add_modifier(Modifier::ITALIC),
            4 => style.add_modifier(Modifier::UNDERLINED),
            7 => style.add_modifier(Modifier::REVERSED),
            9 => style.add_modifier(Modifier::CROSSED_OUT),
            22 => style.remove_modifier(Modifier::BOLD | Modifier::DIM),
            23 => style.remove_modifier(Modifier::ITALIC),
            24 => style.remove_modifier(Modifier::UNDERLINED),
            27 => style.remove_modifier(Modifier::REVERSED),
            30..=37 => style.fg(Color::Indexed(low(number - 30))),
            38 => extended(&mut numbers).map_or(style, |color| style.fg(color)),
            39 => Style { fg: None, ..style },
            40..=47 => style.bg(Color::Indexed(low(number - 40))),
            48 => extended(&mut numbers).map_or(style, |color| style.bg(color)),
            49 => Style { bg: None, ..style },
            90..=97 => style.fg(Color::Indexed(low(number - 90 + 8))),
            100..=107 => style.bg(Color::Indexed(low(number - 100 + 8))),
            _ => style,
        };
    }
    style
}

fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<Color> {
    match numbers.next()? {
        5 => Some(Color::Indexed(low(numbers.next()?))),
        2 => {
            let (red, green, blue) = (numbers.next()?, numbers.next()?, numbers.next()?);
            Some(Color::Rgb(low(red), low(green), low(blue)))
        }
        _ => None,
    }
}

fn low(number: u16) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_every_other_escape_goes() {
        let line = b"\x1b[2J\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[10;10Hplain\x1b[?1049l\x07\x08";
        let pieces = styled(line);
        assert_eq!(pieces[0], ("red".to_owned(), Style::default().fg(Color::Indexed(1))));
        assert_eq!(plain(line), "red plain");
    }

    #[test]
    fn a_progress_bar_shows_its_last_state() {
        assert_eq!(plain(b"10%\r50%\r100%"), "100%");
        assert_eq!(plain(b"windows line\r"), "windows line");
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        assert_eq!(plain(b"a\xffb\0c\td"), "a\u{fffd}bc    d");
        assert_eq!(one_line("subject \u{202e}evil\nbody"), "subject evil");
    }
}
