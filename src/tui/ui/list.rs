//! Help and palette: the command table, filtered by what is typed.

use super::field::TextField;
use crate::tui::commands::{Command, Context};

pub(crate) struct CommandList {
    pub title: &'static str,
    pub filter: TextField,
    pub selected: usize,
    pub context: Context,
    /// Help lists what has a key here, the palette everything.
    only_keys: bool,
}

impl CommandList {
    pub(crate) fn help(context: Context) -> Self {
        Self { title: "Keys", filter: TextField::default(), selected: 0, context, only_keys: true }
    }

    pub(crate) fn palette(context: Context) -> Self {
        let title = "Commands";
        Self { title, filter: TextField::default(), selected: 0, context, only_keys: false }
    }

    /// Returns the commands that fit what was typed.
    pub(crate) fn matching(&self) -> Vec<Command> {
        let wanted = self.filter.text().to_lowercase();
        let fits = |command: &Command| {
            let has_key = command.first_key(self.context).is_some();
            let text = format!("{} {}", command.name(), command.doc()).to_lowercase();
            (has_key || !self.only_keys)
                && wanted.split_whitespace().all(|word| text.contains(word))
        };
        Command::ALL.iter().copied().filter(fits).collect()
    }

    pub(crate) fn move_by(&mut self, step: isize) {
        let last = self.matching().len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(step).min(last);
    }

    pub(crate) fn chosen(&self) -> Option<Command> {
        self.matching().get(self.selected).copied()
    }
}
