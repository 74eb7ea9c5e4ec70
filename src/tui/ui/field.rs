//! One line of text that is being typed, with the keys of a shell prompt.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextField {
    text: String,
    /// A byte offset at a grapheme boundary.
    cursor: usize,
}

impl TextField {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Takes pasted text; line breaks become spaces.
    pub(crate) fn insert(&mut self, text: &str) {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
    }

    /// Takes a key; `false` if the field has no use for it.
    pub(crate) fn handle(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.cursor = 0,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.cursor = self.text.len(),
            (KeyCode::Char('u'), true) => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            (KeyCode::Char('w'), true) => {
                let before = self.text[..self.cursor].trim_end();
                let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
                self.text.drain(start..self.cursor);
                self.cursor = start;
            }
            (KeyCode::Char(c), false) => self.insert(c.encode_utf8(&mut [0; 4])),
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) => {
                let start = self.previous();
                self.text.drain(start..self.cursor);
                self.cursor = start;
            }
            (KeyCode::Delete, _) => {
                let end = self.next();
                self.text.drain(self.cursor..end);
            }
            (KeyCode::Left, _) => self.cursor = self.previous(),
            (KeyCode::Right, _) => self.cursor = self.next(),
            _ => return false,
        }
        true
    }

    fn previous(&self) -> usize {
        let mut before = self.text[..self.cursor].grapheme_indices(true);
        before.next_back().map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        let after = self.text[self.cursor..].graphemes(true).next();
        self.cursor + after.map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_characters_are_deleted_and_words_too() {
        let mut field = TextField::default();
        field.insert("ship it 👩‍💻\nnow");
        assert_eq!(field.text(), "ship it 👩‍💻 now");
        field.handle(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        field.handle(KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE));
        field.handle(KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE));
        assert_eq!(field.text(), "ship it ");
    }
}
