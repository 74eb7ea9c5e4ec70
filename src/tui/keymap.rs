//! From key events to commands. Pure: the pending first half of a chord is the only memory.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::commands::{Command, Context};

/// What a key has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    Command(Command),
    /// A command line of the user's own, as it is written in the settings.
    User(String),
    /// The first half of a chord: the next key decides.
    Pending,
    Nothing,
}

/// A set of keys to begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    #[default]
    Default,
    /// Arrows move and no single letter changes anything: that is what the palette is for.
    ArrowsOnly,
    /// Adds the keys of glab's pipeline view.
    Glab,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bound {
    Command(Command),
    User(String),
}

#[derive(Clone, Debug)]
pub(super) struct Keymap {
    bound: BTreeMap<Context, BTreeMap<String, Bound>>,
    pending: Option<String>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::preset(Preset::Default)
    }
}

impl Keymap {
    pub(super) fn preset(preset: Preset) -> Self {
        let mut bound: BTreeMap<Context, BTreeMap<String, Bound>> = BTreeMap::new();
        for context in Context::ALL {
            let keys = bound.entry(context).or_default();
            for command in Command::ALL {
                let is_letter = |key: &str| key.chars().count() == 1;
                let moves =
                    matches!(command, Command::Left | Command::Right | Command::Up | Command::Down);
                let spared = |key: &&str| {
                    preset == Preset::ArrowsOnly
                        && context == Context::Main
                        && is_letter(key)
                        && (moves || command.changes_something())
                };
                let defaults = command.default_keys(context).filter(|key| !spared(key));
                keys.extend(defaults.map(|key| (key.to_owned(), Bound::Command(*command))));
            }
        }
        let mut keymap = Self { bound, pending: None };
        if preset == Preset::Glab {
            for (key, command) in [
                ("ctrl+p", Command::Retry),
                ("ctrl+d", Command::SayNo),
                ("ctrl+q", Command::Quit),
                ("ctrl+space", Command::Stream),
            ] {
                keymap.bind(Context::Main, key, command);
            }
        }
        keymap
    }

    pub(super) fn bind(&mut self, context: Context, key: &str, command: Command) {
        self.insert(context, key, Bound::Command(command));
    }

    pub(super) fn bind_user(&mut self, key: &str, words: &str) {
        self.insert(Context::Main, key, Bound::User(words.to_owned()));
    }

    fn insert(&mut self, context: Context, key: &str, bound: Bound) {
        self.bound.entry(context).or_default().insert(key.to_owned(), bound);
    }

    pub(super) fn unbind(&mut self, key: &str) -> bool {
        // Every context is asked, not only the first that has the key.
        let removed = self.bound.values_mut().map(|keys| keys.remove(key).is_some());
        removed.fold(false, |any, it| any | it)
    }

    /// Tells what a key means in a context, in words.
    pub(super) fn meaning(&self, context: Context, key: &str) -> Option<String> {
        Some(match self.bound.get(&context)?.get(key)? {
            Bound::Command(command) => command.name().to_owned(),
            Bound::User(words) => words.clone(),
        })
    }

    pub(super) fn resolve(&mut self, context: Context, event: KeyEvent) -> Resolved {
        let Some(key) = name(event) else { return Resolved::Nothing };
        let typed = match self.pending.take() {
            Some(first) => format!("{first} {key}"),
            None => key,
        };
        let mut begins_chord = false;
        for keys in context.layers().filter_map(|it| self.bound.get(&it)) {
            match keys.get(&typed) {
                Some(Bound::Command(command)) => return Resolved::Command(*command),
                Some(Bound::User(words)) => return Resolved::User(words.clone()),
                None => {}
            }
            let chord = format!("{typed} ");
            begins_chord |=
                keys.range(chord.clone()..).next().is_some_and(|it| it.0.starts_with(&chord));
        }
        if begins_chord {
            self.pending = Some(typed);
            return Resolved::Pending;
        }
        // A second key that fits no chord means what it means alone.
        if typed.contains(' ') { self.resolve(context, event) } else { Resolved::Nothing }
    }

    /// Returns what may follow the first half of a chord, while one has been pressed.
    pub(super) fn choices(&self, context: Context) -> Option<Vec<(String, String)>> {
        let chord = format!("{} ", self.pending.as_ref()?);
        let keys = context.layers().filter_map(|it| self.bound.get(&it)).flatten();
        let choices = keys.filter_map(|(key, bound)| {
            let key = key.strip_prefix(&chord)?.to_owned();
            Some((
                key,
                match bound {
                    Bound::Command(command) => command.name().to_owned(),
                    Bound::User(words) => words.clone(),
                },
            ))
        });
        Some(choices.collect())
    }

    /// Returns the keys of a command, the context's own before the general ones.
    fn keys_of(&self, command: Command, context: Context) -> impl Iterator<Item = &str> {
        let layers = context.layers().filter_map(|it| self.bound.get(&it));
        layers
            .flatten()
            .filter(move |(_, bound)| **bound == Bound::Command(command))
            .map(|it| it.0.as_str())
    }

    /// Returns the key people are told about: the one the table names first, if it still holds.
    pub(super) fn first_key(&self, command: Command, context: Context) -> Option<&str> {
        let known = context.layers().flat_map(|it| command.default_keys(it));
        let mut known =
            known.filter_map(|key| self.keys_of(command, context).find(|it| *it == key));
        known.next().or_else(|| self.keys_of(command, context).next())
    }

    pub(super) fn keys_in_words(&self, command: Command, context: Context) -> String {
        let first = self.first_key(command, context);
        let others = self.keys_of(command, context).filter(|it| Some(*it) != first);
        first.into_iter().chain(others).collect::<Vec<_>>().join("  ")
    }
}

impl Context {
    pub(super) const ALL: [Context; 3] = [Self::Main, Self::Detail, Self::Dialog];

    /// Returns the contexts whose keys act here, the nearest first.
    fn layers(self) -> impl Iterator<Item = Context> {
        let general = (self == Self::Detail).then_some(Self::Main);
        [self].into_iter().chain(general)
    }
}

/// Tells whether a key is written the way the table writes keys.
pub(super) fn is_key(text: &str) -> bool {
    const NAMED: [&str; 14] = [
        "enter",
        "esc",
        "tab",
        "shift+tab",
        "left",
        "right",
        "up",
        "down",
        "home",
        "end",
        "pageup",
        "pagedown",
        "space",
        "backspace",
    ];
    text.split(' ').all(|key| {
        let base = key.strip_prefix("ctrl+").unwrap_or(key);
        let function = base.strip_prefix('f').and_then(|it| it.parse::<u8>().ok());
        base.chars().count() == 1 || NAMED.contains(&base) || function.is_some()
    })
}

/// Returns a key the way the table writes it: `ctrl+d`, `G`, `shift+tab`.
fn name(event: KeyEvent) -> Option<String> {
    let base = match event.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::BackTab => return Some("shift+tab".to_owned()),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        KeyCode::PageUp => "pageup".to_owned(),
        KeyCode::PageDown => "pagedown".to_owned(),
        KeyCode::F(number) => format!("f{number}"),
        _ => return None,
    };
    // A capital letter says shift by itself.
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    match (control, alt) {
        (true, false) => Some(format!("ctrl+{}", base.to_lowercase())),
        (false, false) => Some(base),
        (_, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn press(keymap: &mut Keymap, context: Context, c: char) -> Resolved {
        keymap.resolve(context, KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
    }

    #[test]
    fn no_key_means_two_things_in_one_context() {
        for context in Context::ALL {
            let mut taken: BTreeMap<&str, Command> = BTreeMap::new();
            for command in Command::ALL {
                for key in command.default_keys(context) {
                    if let Some(other) = taken.insert(key, *command) {
                        panic!("{key} is {other:?} and {command:?} in {context:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_detail_pane_takes_no_key_from_what_changes_something() {
        for changing in Command::ALL.iter().filter(|it| it.changes_something()) {
            for key in changing.default_keys(Context::Main) {
                let shadowing = Command::ALL
                    .iter()
                    .find(|it| it.default_keys(Context::Detail).any(|other| other == key));
                assert_eq!(shadowing, None, "{key} is {changing:?}");
            }
        }
    }

    #[test]
    fn every_key_of_the_table_can_be_pressed_and_written() {
        for command in Command::ALL {
            for key in Context::ALL.into_iter().flat_map(|it| command.default_keys(it)) {
                assert!(is_key(key), "{key}");
            }
        }
        assert!(!is_key("strg+x"));
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> =
            Command::ALL.iter().map(|it| it.name()).collect();
        assert_eq!(names.len(), Command::ALL.len());
    }

    #[test]
    fn the_key_that_confirms_is_not_one_that_opens() {
        let confirming: Vec<_> = Command::Confirm.default_keys(Context::Dialog).collect();
        for command in [Command::Review, Command::SayNo, Command::Retry, Command::Start] {
            assert!(command.default_keys(Context::Main).all(|key| !confirming.contains(&key)));
        }
        assert!(!confirming.contains(&"enter"));
    }

    #[test]
    fn chords_wait_for_their_second_key() {
        let mut keymap = Keymap::default();
        assert_eq!(press(&mut keymap, Context::Main, 'g'), Resolved::Pending);
        assert_eq!(press(&mut keymap, Context::Main, 'g'), Resolved::Command(Command::First));
        assert_eq!(press(&mut keymap, Context::Main, 'g'), Resolved::Pending);
        assert_eq!(keymap.choices(Context::Main).unwrap()[0].1, "first");
        assert_eq!(press(&mut keymap, Context::Main, 'j'), Resolved::Command(Command::Down));
        assert!(keymap.choices(Context::Main).is_none());
    }

    #[test]
    fn with_arrows_only_no_letter_changes_anything() {
        let mut keymap = Keymap::preset(Preset::ArrowsOnly);
        for command in Command::ALL.iter().filter(|it| it.changes_something()) {
            for key in command.default_keys(Context::Main).filter(|it| it.chars().count() == 1) {
                let pressed = press(&mut keymap, Context::Main, key.chars().next().unwrap());
                assert_ne!(pressed, Resolved::Command(*command), "{key}");
            }
        }
        let down = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
        assert_eq!(keymap.resolve(Context::Main, down), Resolved::Command(Command::Down));
    }
}
