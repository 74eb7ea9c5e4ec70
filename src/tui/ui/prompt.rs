//! A line of text for something that is looked for.

use super::{Overlay, Pane, Ui, field::TextField};
use crate::{engine::board::Severity, model::Timestamp};

pub(crate) struct Prompt {
    pub kind: PromptKind,
    pub field: TextField,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromptKind {
    /// Search in the log.
    Search,
    /// Lines of the log that are shown.
    Lines,
    /// Rows of the list that are shown.
    Rows,
    /// Search in the text that is read.
    Text,
}

impl PromptKind {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Search | Self::Rows | Self::Text => "/",
            Self::Lines => "&",
        }
    }
}

impl Ui {
    pub(super) fn ask(&mut self, kind: PromptKind) {
        self.overlays.push(Overlay::Prompt(Prompt { kind, field: TextField::default() }));
    }

    pub(super) fn prompted(&mut self, kind: PromptKind, words: String, now: Timestamp) {
        match kind {
            PromptKind::Search => {
                self.log.search(&words);
                self.focus = Pane::Detail;
            }
            PromptKind::Lines => self.log.filter(&words),
            PromptKind::Rows => self.filter_rows(&words),
            PromptKind::Text => self.search_text(&words, now),
        }
    }

    pub(super) fn filter_rows(&mut self, words: &str) {
        if words.trim().is_empty() {
            self.filters.remove(&self.view);
        } else {
            self.filters.insert(self.view, words.to_owned());
        }
    }

    fn search_text(&mut self, words: &str, now: Timestamp) {
        if let Some(Overlay::Reader(reader)) = self.overlays.last_mut() {
            reader.search = Some(words.to_lowercase()).filter(|it| !it.is_empty());
        }
        self.next_in_text(true, now);
    }

    /// Goes to the next line of the text with the words in it, or to the one before.
    pub(super) fn next_in_text(&mut self, forward: bool, now: Timestamp) {
        let Some(Overlay::Reader(reader)) = self.overlays.last() else { return };
        let (Some(wanted), Ok(lines)) = (reader.search.clone(), self.text_of(reader)) else {
            return;
        };
        let fits = |at: &usize| lines[*at].to_lowercase().contains(&wanted);
        let (here, count) = (reader.at.min(lines.len()), lines.len());
        let found = if forward {
            (here + 1..count).chain(0..count.min(here + 1)).find(fits)
        } else {
            (0..here).rev().chain((here..count).rev()).find(fits)
        };
        match (found, self.overlays.last_mut()) {
            (Some(at), Some(Overlay::Reader(reader))) => reader.at = at,
            _ => self.say(Severity::Remark, format!("{wanted} is not in this text"), now),
        }
    }
}
