//! A text to read over everything else: a patch, a difference, the files of an artifact.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Opens, Overlay, Ui, Wish, input::PAGE, prompt::PromptKind};
use crate::{
    model::Timestamp,
    runtime::lookup::{Question, TextQuestion, Told},
};

pub(crate) struct Reader {
    pub title: String,
    pub question: TextQuestion,
    /// The first line shown; in a list of files the line that is selected.
    pub at: usize,
    pub search: Option<String>,
}

impl Reader {
    pub(crate) fn new(title: String, question: TextQuestion) -> Self {
        Self { title, question, at: 0, search: None }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.question, TextQuestion::Files { .. })
    }
}

impl Ui {
    /// Returns the lines of a reader, once they are known, or why there are none.
    pub(crate) fn text_of(&self, reader: &Reader) -> Result<&[String], &str> {
        match self.knowledge.get(&Question::Text(reader.question.clone())) {
            Some(Told::Text(lines)) => Ok(lines),
            Some(Told::Nothing(why)) => Err(why),
            _ => Err("reading"),
        }
    }

    /// Returns what the selected line of a list of files leads to.
    pub(super) fn opened_file(&self, reader: &Reader) -> Option<Opens> {
        let TextQuestion::Files { git_dir, tree } = &reader.question else { return None };
        let line = self.text_of(reader).ok()?.get(reader.at)?;
        let path = line.trim_start().split_once(' ')?.1.to_owned();
        let title = format!("{}: {path}", reader.title);
        let question = TextQuestion::File { git_dir: git_dir.clone(), tree: tree.clone(), path };
        Some(Opens::Text { title, question })
    }

    pub(super) fn key_in_reader(&mut self, key: KeyEvent, now: Timestamp) -> Vec<Wish> {
        let Some(Overlay::Reader(reader)) = self.overlays.last() else { return Vec::new() };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let step = match key.code {
            KeyCode::Char('j') | KeyCode::Down => 1,
            KeyCode::Char('k') | KeyCode::Up => -1,
            KeyCode::Char('d') if control => PAGE,
            KeyCode::Char('u') if control => -PAGE,
            KeyCode::PageDown | KeyCode::Char(' ') => 2 * PAGE,
            KeyCode::PageUp => -2 * PAGE,
            KeyCode::Char('G') | KeyCode::End => isize::MAX / 2,
            KeyCode::Char('g') | KeyCode::Home => isize::MIN / 2,
            KeyCode::Esc | KeyCode::Char('q') => {
                self.overlays.pop();
                return Vec::new();
            }
            KeyCode::Enter => {
                let opens = self.opened_file(reader);
                self.show(opens);
                return Vec::new();
            }
            KeyCode::Char('/') => {
                self.ask(PromptKind::Text);
                return Vec::new();
            }
            KeyCode::Char('n') => {
                self.next_in_text(true, now);
                return Vec::new();
            }
            KeyCode::Char('N') => {
                self.next_in_text(false, now);
                return Vec::new();
            }
            KeyCode::Char('o') => {
                return self.text_of(reader).map_or_else(
                    |_| Vec::new(),
                    |lines| vec![Wish::Pager(super::Paged::Text(lines.join("\n")))],
                );
            }
            _ => return Vec::new(),
        };
        self.scroll_text(step);
        Vec::new()
    }

    /// Moves through the lines of the text, in a list of files from line to line.
    pub(super) fn scroll_text(&mut self, step: isize) {
        let Some(Overlay::Reader(reader)) = self.overlays.last() else { return };
        let lines = self.text_of(reader).map_or(0, <[String]>::len);
        let room = if reader.is_list() { 1 } else { self.text_rows.max(1) };
        let last = lines.saturating_sub(room);
        if let Some(Overlay::Reader(reader)) = self.overlays.last_mut() {
            reader.at = reader.at.min(last).saturating_add_signed(step).min(last);
        }
    }

    /// Opens what a line leads to.
    pub(super) fn show(&mut self, opens: Option<Opens>) {
        match opens {
            Some(Opens::Text { title, question }) => {
                self.overlays.push(Overlay::Reader(Reader::new(title, question)));
            }
            Some(Opens::Execution(execution)) => self.open_execution(execution),
            None => {}
        }
    }
}
