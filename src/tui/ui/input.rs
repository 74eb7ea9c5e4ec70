//! Keys, paste and mouse into commands and text.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    Overlay, Pane, Ui, View, Wish,
    dialog::Dialog,
    list::Choice,
    prompt::{Prompt, PromptKind},
    table::Cursor,
};
use crate::{
    model::Timestamp,
    tui::{Leave, hit::Target, keymap::Resolved},
};

pub(super) const PAGE: isize = 10;

impl Ui {
    pub(crate) fn key(&mut self, key: KeyEvent, now: Timestamp) -> Vec<Wish> {
        // Whoever goes on has read what was said.
        self.toast = None;
        let takes_text = match self.overlays.last() {
            Some(Overlay::Dialog(dialog)) => dialog.has_active_field(),
            Some(
                Overlay::Commands(_) | Overlay::Prompt(_) | Overlay::Reader(_) | Overlay::Themes(_),
            ) => true,
            None => false,
        };
        if takes_text && is_leave(key) {
            return vec![Wish::Quit(Leave::Close)];
        }
        match self.overlays.last_mut() {
            Some(Overlay::Commands(_)) => self.key_in_list(key, now),
            Some(Overlay::Prompt(_)) => self.key_in_prompt(key, now),
            Some(Overlay::Reader(_)) => self.key_in_reader(key, now),
            Some(Overlay::Themes(_)) => self.key_in_themes(key),
            Some(Overlay::Dialog(dialog)) if dialog.has_active_field() => {
                key_in_field(dialog, key);
                Vec::new()
            }
            Some(Overlay::Dialog(_)) | None => {
                let context = self.context();
                match self.keymap.resolve(context, key) {
                    Resolved::Command(command) => self.command(command, now),
                    Resolved::User(words) => self.user_command(&words),
                    Resolved::Nothing if key.code == KeyCode::Tab => {
                        if let Some(Overlay::Dialog(dialog)) = self.overlays.last_mut() {
                            dialog.next_field();
                        }
                        Vec::new()
                    }
                    Resolved::Pending | Resolved::Nothing => Vec::new(),
                }
            }
        }
    }

    pub(crate) fn paste(&mut self, text: &str) {
        match self.overlays.last_mut() {
            Some(Overlay::Dialog(dialog)) => {
                if let Some(field) = dialog.active_field() {
                    field.input.insert(text);
                }
            }
            Some(Overlay::Commands(list)) => list.filter.insert(text),
            Some(Overlay::Prompt(prompt)) => prompt.field.insert(text),
            Some(Overlay::Reader(_) | Overlay::Themes(_)) | None => {}
        }
    }

    pub(crate) fn click(&mut self, target: Target, now: Timestamp) {
        if !self.overlays.is_empty() {
            return;
        }
        match target {
            Target::Lane { pipeline, lane } => {
                let board = std::sync::Arc::clone(&self.board);
                self.selection.go_to_lane(&pipeline, lane.as_ref(), &board);
                self.opened = None;
                self.focus = Pane::Lanes;
            }
            Target::Action { stage, action } => {
                (self.selection.stage, self.selection.action) = (Some(stage), action);
                self.selection.repair(&self.board);
                self.focus = Pane::Board;
            }
            Target::Divider => self.drags = true,
            Target::Detail => self.focus = Pane::Detail,
            Target::Row(at) => self.click_row(at, now),
            Target::Tab(tab) => self.show_tab(tab),
            Target::View(view) => self.go_to(view),
        }
    }

    /// Selects a row; a second click on it goes where it leads.
    fn click_row(&mut self, at: usize, now: Timestamp) {
        self.focus = Pane::Board;
        if self.view == View::Timeline {
            self.cursors.insert(View::Timeline, Cursor { key: String::new(), at });
            return;
        }
        let table = self.table(now);
        if self.cursor_in(&table.rows) == at {
            self.open_row(now);
        } else if let Some(row) = table.rows.get(at) {
            self.cursors.insert(self.view, Cursor { key: row.key.clone(), at });
        }
    }

    /// Scrolls what lies under the pointer.
    pub(crate) fn wheel(&mut self, target: Option<&Target>, lines: isize, now: Timestamp) {
        match (self.overlays.last_mut(), target) {
            (Some(Overlay::Dialog(dialog)), _) => dialog.scroll_by(lines),
            (Some(Overlay::Commands(list)), _) => list.move_by(lines.signum()),
            (Some(Overlay::Reader(_)), _) => self.scroll_text(lines),
            (Some(Overlay::Prompt(_) | Overlay::Themes(_)), _) => {}
            (None, Some(Target::Lane { .. })) => {
                self.selection.move_lane(&self.board, lines.signum());
                self.opened = None;
            }
            (None, Some(Target::Action { .. })) => {
                self.selection.move_action(&self.board, lines.signum());
            }
            (None, Some(Target::Row(_))) => self.move_row(lines, now),
            (
                None,
                Some(Target::Detail | Target::Divider | Target::Tab(_) | Target::View(_)) | None,
            ) => {
                self.scroll_detail(lines);
            }
        }
    }

    fn key_in_list(&mut self, key: KeyEvent, now: Timestamp) -> Vec<Wish> {
        let Some(Overlay::Commands(list)) = self.overlays.last_mut() else { return Vec::new() };
        match key.code {
            KeyCode::Esc => {
                self.overlays.pop();
            }
            KeyCode::Down => list.move_by(1),
            KeyCode::Up => list.move_by(-1),
            KeyCode::PageDown => list.move_by(PAGE),
            KeyCode::PageUp => list.move_by(-PAGE),
            KeyCode::Enter => {
                let (chosen, argument) = (list.chosen(), list.argument());
                self.overlays.pop();
                match chosen {
                    Some(Choice::Command(command)) => {
                        self.recent_commands.retain(|it| *it != command);
                        self.recent_commands.insert(0, command);
                        return self.command_with(command, &argument, now);
                    }
                    Some(Choice::Lane(pipeline, lane)) => {
                        self.selection.go_to_lane(&pipeline, lane.as_ref(), &self.board);
                        self.go_to(View::Board);
                    }
                    None => {}
                }
            }
            _ => {
                list.filter.handle(key);
                list.selected = 0;
            }
        }
        Vec::new()
    }

    fn key_in_prompt(&mut self, key: KeyEvent, now: Timestamp) -> Vec<Wish> {
        let Some(Overlay::Prompt(prompt)) = self.overlays.last_mut() else { return Vec::new() };
        match key.code {
            KeyCode::Esc => {
                self.overlays.pop();
            }
            KeyCode::Enter => {
                let Some(Overlay::Prompt(Prompt { kind, field })) = self.overlays.pop() else {
                    return Vec::new();
                };
                self.prompted(kind, field.text().to_owned(), now);
            }
            _ => {
                prompt.field.handle(key);
                if prompt.kind == PromptKind::Rows {
                    // A list shows at once what fits.
                    let words = prompt.field.text().to_owned();
                    self.filter_rows(&words);
                }
            }
        }
        Vec::new()
    }

    pub(super) fn move_row(&mut self, step: isize, now: Timestamp) {
        if self.view == View::Timeline {
            let count = self.bars().len();
            let at = self.bar_at(count).saturating_add_signed(step);
            let at = at.min(count.saturating_sub(1));
            self.cursors.insert(View::Timeline, Cursor { key: String::new(), at });
        } else {
            self.move_cursor(step, now);
        }
    }
}

fn key_in_field(dialog: &mut Dialog, key: KeyEvent) {
    match key.code {
        KeyCode::Tab => dialog.next_field(),
        KeyCode::Enter | KeyCode::Esc => dialog.leave_fields(),
        _ => {
            if let Some(field) = dialog.active_field() {
                field.input.handle(key);
            }
        }
    }
}

fn is_leave(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}
