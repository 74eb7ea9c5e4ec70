//! From key events to commands. Pure: the pending first half of a chord is the only memory.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::commands::{Command, Context};

/// What a key has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    Command(Command),
    /// The first half of a chord: the next key decides.
    Pending,
    Nothing,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Keymap {
    pending: Option<String>,
}

impl Keymap {
    pub(super) fn resolve(&mut self, context: Context, event: KeyEvent) -> Resolved {
        let Some(key) = name(event) else { return Resolved::Nothing };
        let typed = match self.pending.take() {
            Some(first) => format!("{first} {key}"),
            None => key,
        };
        let mut begins_chord = false;
        for command in Command::ALL {
            for known in command.keys_in(context) {
                if known == typed {
                    return Resolved::Command(*command);
                }
                begins_chord |=
                    known.strip_prefix(typed.as_str()).is_some_and(|it| it.starts_with(' '));
            }
        }
        if begins_chord {
            self.pending = Some(typed);
            return Resolved::Pending;
        }
        Resolved::Nothing
    }
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
        for context in [Context::Main, Context::Detail, Context::Dialog] {
            let mut taken: BTreeMap<&str, Command> = BTreeMap::new();
            for command in Command::ALL {
                for key in command.keys_in(context) {
                    if let Some(other) = taken.insert(key, *command) {
                        panic!("{key} is {other:?} and {command:?} in {context:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> =
            Command::ALL.iter().map(|it| it.name()).collect();
        assert_eq!(names.len(), Command::ALL.len());
    }

    #[test]
    fn the_key_that_confirms_is_not_one_that_opens() {
        let confirming: Vec<_> = Command::Confirm.keys_in(Context::Dialog).collect();
        for command in [Command::Review, Command::SayNo, Command::Retry, Command::Start] {
            assert!(command.keys_in(Context::Main).all(|key| !confirming.contains(&key)));
        }
        assert!(!confirming.contains(&"enter"));
    }

    #[test]
    fn chords_wait_for_their_second_key() {
        let mut keymap = Keymap::default();
        assert_eq!(press(&mut keymap, Context::Main, 'g'), Resolved::Pending);
        assert_eq!(press(&mut keymap, Context::Main, 'g'), Resolved::Command(Command::First));
        assert_eq!(press(&mut keymap, Context::Main, 'g'), Resolved::Pending);
        assert_eq!(press(&mut keymap, Context::Main, 'j'), Resolved::Nothing);
        assert_eq!(press(&mut keymap, Context::Main, 'j'), Resolved::Command(Command::Down));
    }
}
