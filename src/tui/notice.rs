//! Tells somebody who looks elsewhere that they are needed.

use std::{collections::BTreeSet, io::Write};

use serde::Deserialize;

use super::ui::selection::{Place, attention};
use crate::engine::Board;

/// How the terminal is asked to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    /// By the escape sequence the terminal is known to understand, else by its bell.
    #[default]
    Auto,
    Bell,
    Off,
}

const BELL: &str = "\x07";

/// Remembers what needed somebody, to tell what is new.
pub(super) struct Notices {
    known: BTreeSet<String>,
}

impl Notices {
    /// What is there when the dashboard opens is on its screen.
    pub(super) fn of(board: &Board) -> Self {
        Self { known: attention(board).iter().map(|it| key(board, it)).collect() }
    }

    /// Returns what has come to need somebody since the last board, in one sentence.
    pub(super) fn news(&mut self, board: &Board) -> Option<String> {
        let places = attention(board);
        let keys: Vec<String> = places.iter().map(|it| key(board, it)).collect();
        let new = places.iter().zip(&keys).filter(|(_, key)| !self.known.contains(*key));
        let new: Vec<&Place> = new.map(|(place, _)| place).collect();
        let words = match new.as_slice() {
            [] => None,
            [place] => Some(sentence(place)),
            places => {
                let gates = places.iter().filter(|it| it.is_gate).count();
                let failed = places.len() - gates;
                Some(format!("{gates} gates wait for you, {failed} stages failed"))
            }
        };
        self.known = keys.into_iter().collect();
        words
    }
}

/// Names what needs somebody: the next execution at the same gate is something new.
fn key(board: &Board, place: &Place) -> String {
    let at = &place.selection;
    let attempt = at.action_card(board).and_then(|it| it.latest.as_ref()).map(|it| it.id);
    format!("{at:?} {attempt:?}")
}

fn sentence(place: &Place) -> String {
    let at = &place.selection;
    let name = |it: Option<String>| it.unwrap_or_default();
    let pipeline = name(at.pipeline.as_ref().map(ToString::to_string));
    let lane = name(at.lane.as_ref().map(|it| crate::ansi::one_line(it.label())));
    let stage = name(at.stage.as_ref().map(ToString::to_string));
    let what = if place.is_gate { "waits for you" } else { "failed" };
    format!("{pipeline} / {lane}: {stage} {what}")
}

/// Asks the terminal to tell.
pub(super) fn tell(notify: Notify, words: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(sequence(notify, words, |name| std::env::var(name).ok()).as_bytes())?;
    stdout.flush()
}

/// Chooses by what the terminal says of itself. A multiplexer between us and the terminal passes
/// the bell on and nothing else.
fn sequence(notify: Notify, words: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let terminal = variable("TERM_PROGRAM").unwrap_or_default();
    let term = variable("TERM").unwrap_or_default();
    let in_multiplexer = variable("TMUX").is_some() || variable("STY").is_some();
    match notify {
        Notify::Off => String::new(),
        Notify::Auto if in_multiplexer => BELL.to_owned(),
        Notify::Auto if term.contains("kitty") => format!("\x1b]99;;{words}\x1b\\"),
        Notify::Auto if ["iTerm.app", "WezTerm", "ghostty"].contains(&terminal.as_str()) => {
            format!("\x1b]9;{words}\x1b\\")
        }
        Notify::Auto if ["foot", "rxvt"].iter().any(|it| term.starts_with(it)) => {
            format!("\x1b]777;notify;stagegate;{words}\x1b\\")
        }
        Notify::Auto | Notify::Bell => BELL.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_terminal_is_told_in_its_own_way() {
        let told = |pairs: &[(&str, &str)]| {
            sequence(Notify::Auto, "hello", |name| {
                pairs.iter().find(|it| it.0 == name).map(|it| it.1.to_owned())
            })
        };
        assert_eq!(told(&[("TERM", "xterm-kitty")]), "\x1b]99;;hello\x1b\\");
        assert_eq!(told(&[("TERM", "foot")]), "\x1b]777;notify;stagegate;hello\x1b\\");
        assert_eq!(told(&[("TERM_PROGRAM", "WezTerm")]), "\x1b]9;hello\x1b\\");
        assert_eq!(told(&[("TERM_PROGRAM", "WezTerm"), ("TMUX", "1")]), "\x07");
        assert_eq!(told(&[("TERM", "xterm")]), "\x07");
    }
}
