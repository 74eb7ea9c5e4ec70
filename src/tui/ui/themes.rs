//! The theme picker: what is selected is what is seen.

use crossterm::event::{KeyCode, KeyEvent};

use super::{Overlay, Ui, Wish};
use crate::tui::theme::{BUNDLED, own_themes};

pub(crate) struct ThemePicker {
    pub names: Vec<String>,
    pub at: usize,
    /// What was there before, for whoever changes their mind.
    before: String,
}

impl ThemePicker {
    fn new(current: &str) -> Self {
        let mut names: Vec<String> = BUNDLED.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(own_themes());
        if !names.iter().any(|it| it == current) {
            names.push(current.to_owned());
        }
        let at = names.iter().position(|it| it == current).unwrap_or(0);
        Self { names, at, before: current.to_owned() }
    }
}

impl Ui {
    pub(super) fn pick_theme(&mut self) {
        let picker = ThemePicker::new(&self.theme);
        self.overlays.push(Overlay::Themes(picker));
    }

    pub(super) fn key_in_themes(&mut self, key: KeyEvent) -> Vec<Wish> {
        let Some(Overlay::Themes(picker)) = self.overlays.last_mut() else { return Vec::new() };
        let last = picker.names.len().saturating_sub(1);
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => picker.at = (picker.at + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => picker.at = picker.at.saturating_sub(1),
            KeyCode::Enter => {
                self.overlays.pop();
                return vec![Wish::KeepTheme];
            }
            KeyCode::Esc | KeyCode::Char('q') => {
                let before = picker.before.clone();
                self.overlays.pop();
                return self.wear(before);
            }
            _ => return Vec::new(),
        }
        let name = picker.names[picker.at].clone();
        self.wear(name)
    }

    pub(super) fn wear(&mut self, name: String) -> Vec<Wish> {
        self.theme.clone_from(&name);
        vec![Wish::Theme(name)]
    }
}
