//! Help and palette: the command table, filtered by what is typed.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::field::TextField;
use crate::tui::{
    commands::{Command, Context},
    keymap::Keymap,
};

pub(crate) enum Line<'a> {
    Group(&'static str),
    Command { at: usize, command: Command, keys: &'a str },
}

pub(crate) struct CommandList {
    pub title: &'static str,
    pub filter: TextField,
    pub selected: usize,
    /// Whether the commands stand below what they are there for.
    is_grouped: bool,
    /// The commands that can be chosen, with their keys here.
    offered: Vec<(Command, String)>,
}

impl CommandList {
    /// What has a key here.
    pub(crate) fn help(context: Context, keymap: &Keymap) -> Self {
        let offered = Command::ALL.iter().map(|it| (*it, keymap.keys_in_words(*it, context)));
        let offered = offered.filter(|(_, keys)| !keys.is_empty()).collect();
        Self { title: "Keys", filter: TextField::default(), selected: 0, is_grouped: true, offered }
    }

    /// Everything, what was used last first.
    pub(crate) fn palette(context: Context, keymap: &Keymap, recent: &[Command]) -> Self {
        let others = Command::ALL.iter().filter(|it| !recent.contains(it));
        let all = recent.iter().chain(others);
        let offered = all.map(|it| (*it, keymap.keys_in_words(*it, context))).collect();
        Self {
            title: "Commands",
            filter: TextField::default(),
            selected: 0,
            is_grouped: false,
            offered,
        }
    }

    /// Returns the commands that fit what was typed, the best first.
    pub(crate) fn matching(&self) -> Vec<&(Command, String)> {
        let typed = self.filter.text();
        // A whole name may have an argument behind it.
        let named = |(command, _): &&(Command, String)| command.name() == first_word(typed);
        if let Some(exact) = self.offered.iter().find(named).filter(|_| typed.contains(' ')) {
            return vec![exact];
        }
        if typed.trim().is_empty() {
            return self.offered.iter().collect();
        }
        let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut found: Vec<_> = self
            .offered
            .iter()
            .filter_map(|it| {
                let mut score =
                    |text: &str| pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher);
                // The name counts more than what is said about it.
                let name = score(it.0.name()).map(|score| score * 2);
                let best = name.max(score(it.0.doc()))?;
                Some((best, it))
            })
            .collect();
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, it)| it).collect()
    }

    /// Returns what is shown: the commands that fit, each with its position, below their groups as
    /// long as nothing was typed.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let grouped = self.is_grouped && self.filter.text().is_empty();
        let mut group = None;
        let mut lines = Vec::new();
        for (at, (command, keys)) in self.matching().into_iter().enumerate() {
            if grouped && group.replace(command.group()) != Some(command.group()) {
                lines.push(Line::Group(command.group().title()));
            }
            lines.push(Line::Command { at, command: *command, keys });
        }
        lines
    }

    pub(crate) fn move_by(&mut self, step: isize) {
        let last = self.matching().len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(step).min(last);
    }

    pub(crate) fn chosen(&self) -> Option<Command> {
        self.matching().get(self.selected).map(|(command, _)| *command)
    }

    /// Returns what was typed behind the name of the chosen command.
    pub(crate) fn argument(&self) -> String {
        let typed = self.filter.text();
        let name = self.chosen().map_or("", Command::name);
        let rest = typed.strip_prefix(name).filter(|_| first_word(typed) == name);
        rest.unwrap_or_default().trim().to_owned()
    }
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}
