//! Help and palette: the command table and the lanes to go to, filtered by what is typed.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::field::TextField;
use crate::{
    ansi,
    model::{Lane, PipelineName},
    tui::{
        commands::{Command, Context},
        keymap::Keymap,
    },
};

pub(crate) enum Line<'a> {
    Group(&'static str),
    Offer { at: usize, offer: &'a Offer },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Command(Command),
    Lane(PipelineName, Option<Lane>),
}

pub(crate) struct Offer {
    choice: Choice,
    pub keys: String,
    pub name: String,
    pub doc: &'static str,
}

impl Offer {
    fn command(command: Command, context: Context, keymap: &Keymap) -> Self {
        let (name, doc) = (command.name().to_owned(), command.doc());
        let keys = keymap.keys_in_words(command, context);
        Self { choice: Choice::Command(command), keys, name, doc }
    }

    fn lane((pipeline, lane): (PipelineName, Option<Lane>)) -> Self {
        let name = match &lane {
            Some(lane) => format!("{pipeline} / {}", ansi::one_line(lane.label())),
            None => pipeline.to_string(),
        };
        let choice = Choice::Lane(pipeline, lane);
        Self { choice, keys: String::new(), name, doc: "Go there" }
    }
}

pub(crate) struct CommandList {
    pub title: &'static str,
    pub filter: TextField,
    pub selected: usize,
    /// Whether the commands stand below what they are there for.
    is_grouped: bool,
    offered: Vec<Offer>,
}

impl CommandList {
    /// What has a key here.
    pub(crate) fn help(context: Context, keymap: &Keymap) -> Self {
        let offered = Command::ALL.iter().map(|it| Offer::command(*it, context, keymap));
        let offered = offered.filter(|it| !it.keys.is_empty()).collect();
        Self { title: "Keys", filter: TextField::default(), selected: 0, is_grouped: true, offered }
    }

    /// Every command, what was used last first, and every lane there is.
    pub(crate) fn palette(
        context: Context,
        keymap: &Keymap,
        recent: &[Command],
        lanes: Vec<(PipelineName, Option<Lane>)>,
    ) -> Self {
        let others = Command::ALL.iter().filter(|it| !recent.contains(it));
        let commands = recent.iter().chain(others);
        let commands = commands.map(|it| Offer::command(*it, context, keymap));
        Self {
            title: "Commands",
            filter: TextField::default(),
            selected: 0,
            is_grouped: false,
            offered: commands.chain(lanes.into_iter().map(Offer::lane)).collect(),
        }
    }

    /// Returns what fits what was typed, the best first.
    pub(crate) fn matching(&self) -> Vec<&Offer> {
        let typed = self.filter.text();
        // A whole name may have an argument behind it.
        let named = |it: &&Offer| it.name == first_word(typed);
        if let Some(exact) = self.offered.iter().find(named).filter(|_| typed.contains(' ')) {
            return vec![exact];
        }
        if typed.trim().is_empty() {
            return self.offered.iter().collect();
        }
        let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let words = typed.trim().to_lowercase();
        let mut found: Vec<_> = self
            .offered
            .iter()
            .filter_map(|it| {
                let name = pattern.score(Utf32Str::new(&it.name, &mut buffer), &mut matcher);
                // Letters that lie scattered in a whole sentence say nothing.
                let told = it.doc.to_lowercase().contains(&words).then_some(0);
                Some((name.or(told)?, it))
            })
            .collect();
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, it)| it).collect()
    }

    /// Returns what is shown: what fits, each with its position, commands below their groups as long
    /// as nothing was typed.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let grouped = self.is_grouped && self.filter.text().is_empty();
        let mut group = None;
        let mut lines = Vec::new();
        for (at, offer) in self.matching().into_iter().enumerate() {
            if let Choice::Command(command) = &offer.choice
                && grouped
                && group.replace(command.group()) != Some(command.group())
            {
                lines.push(Line::Group(command.group().title()));
            }
            lines.push(Line::Offer { at, offer });
        }
        lines
    }

    pub(crate) fn move_by(&mut self, step: isize) {
        let last = self.matching().len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(step).min(last);
    }

    pub(crate) fn chosen(&self) -> Option<Choice> {
        self.matching().get(self.selected).map(|it| it.choice.clone())
    }

    /// Returns what was typed behind the name of the chosen command.
    pub(crate) fn argument(&self) -> String {
        let typed = self.filter.text();
        let matching = self.matching();
        let name = matching.get(self.selected).map_or("", |it| it.name.as_str());
        let rest = typed.strip_prefix(name).filter(|_| first_word(typed) == name);
        rest.unwrap_or_default().trim().to_owned()
    }
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}
