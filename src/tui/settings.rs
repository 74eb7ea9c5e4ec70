//! The dashboard's part of `config.toml`: theme, keys, commands of the user's own, notifications.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    commands::{Command, Context},
    keymap::{self, Keymap, Preset},
    notice::Notify,
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A theme by name, a file, `base16:FILE`, or `auto` for the terminal's background.
    pub theme: Option<String>,
    pub preset: Preset,
    /// Key to the name of a command; `false` takes the key away.
    keys: BTreeMap<Spanned<String>, KeySetting>,
    /// Command lines of the user's own.
    command: Vec<UserCommand>,
    pub notify: Notify,
    /// A command line that is told what has happened, in `STAGEGATE_EVENT`.
    pub notify_command: Option<String>,
    pub mouse: Option<bool>,
    pub motion: Option<bool>,
    pub glyphs: Option<GlyphSet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GlyphSet {
    Unicode,
    Ascii,
    /// Needs a font with Nerd Font symbols.
    Nerd,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserCommand {
    key: Spanned<String>,
    run: String,
}

enum KeySetting {
    Command(String),
    Nothing,
}

impl<'de> Deserialize<'de> for KeySetting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(name) => Ok(Self::Command(name)),
            toml::Value::Boolean(false) => Ok(Self::Nothing),
            _ => Err(serde::de::Error::custom("a key is the name of a command, or false")),
        }
    }
}

/// Where settings lie, and how they are read; they may be read again whenever the file changes.
#[derive(Clone)]
pub struct SettingsFile {
    pub path: PathBuf,
    pub read: fn(&Path) -> Result<(Settings, String), String>,
}

impl SettingsFile {
    /// Reads the settings with the keys they lead to and what is odd about them.
    pub(super) fn load(&self) -> Result<Loaded, String> {
        // On the bottom line there is room for the name only.
        let folder = self.path.parent().map_or_else(String::new, |it| format!("{}/", it.display()));
        let (settings, text) =
            (self.read)(&self.path).map_err(|words| words.replace(&folder, ""))?;
        let (keymap, warnings) = settings.keymap(&text);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let warnings = warnings.into_iter().map(|it| format!("{name}:{it}")).collect();
        Ok(Loaded { settings, keymap, warnings })
    }
}

pub(super) struct Loaded {
    pub settings: Settings,
    pub keymap: Keymap,
    pub warnings: Vec<String>,
}

impl Settings {
    /// Builds the keys; what cannot be is left out and told with its line.
    fn keymap(&self, text: &str) -> (Keymap, Vec<String>) {
        let mut keymap = Keymap::preset(self.preset);
        let mut warnings = Vec::new();
        let line = |at: usize| text.get(..at).map_or(0, |it| it.matches('\n').count()) + 1;
        for (key, setting) in &self.keys {
            let (at, key) = (line(key.span().start), key.get_ref());
            match setting {
                KeySetting::Nothing if keymap.unbind(key) => {}
                KeySetting::Nothing => warnings.push(format!("{at}: {key} means nothing anyway")),
                KeySetting::Command(name) => {
                    if let Err(problem) = bind(&mut keymap, key, name, &mut |words| {
                        warnings.push(format!("{at}: {words}"));
                    }) {
                        warnings.push(format!("{at}: {problem}"));
                    }
                }
            }
        }
        for command in &self.command {
            let (at, key) = (line(command.key.span().start), command.key.get_ref());
            if !keymap::is_key(key) {
                warnings.push(format!("{at}: {}", no_key(key)));
                continue;
            }
            if let Some(before) = keymap.meaning(Context::Main, key) {
                warnings.push(format!("{at}: {key} was {before}"));
            }
            keymap.bind_user(key, &command.run);
        }
        (keymap, warnings)
    }
}

fn bind(
    keymap: &mut Keymap,
    key: &str,
    name: &str,
    warn: &mut impl FnMut(String),
) -> Result<(), String> {
    if !keymap::is_key(key) {
        return Err(no_key(key));
    }
    let Some(command) = Command::named(name) else {
        let distance = |it: &&Command| strsim::levenshtein(it.name(), name);
        let nearest = Command::ALL.iter().min_by_key(distance).map_or("", |it| it.name());
        return Err(format!("there is no command {name}; did you mean {nearest}?"));
    };
    for (context, _) in command.keys() {
        if let Some(before) = keymap.meaning(*context, key).filter(|it| it != name) {
            warn(format!("{key} was {before} and is {name} now"));
        }
        keymap.bind(*context, key, command);
    }
    Ok(())
}

fn no_key(key: &str) -> String {
    format!("{key} is no key; keys are written like a, G, ctrl+d, f5, enter, or g g")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> (Keymap, Vec<String>) {
        let settings: Settings = toml::from_str(text).unwrap();
        settings.keymap(text)
    }

    #[test]
    fn keys_can_be_moved_taken_away_and_given_to_own_commands() {
        let text = "preset = \"glab\"\n[keys]\n\"f5\" = \"retry\"\n\"x\" = false\n\
                    [[command]]\nkey = \"ctrl+o\"\nrun = \"gh pr view {lane}\"\n";
        let (keymap, warnings) = load(text);
        assert_eq!(warnings, [""; 0]);
        assert_eq!(keymap.meaning(Context::Main, "f5").unwrap(), "retry");
        assert_eq!(keymap.meaning(Context::Main, "x"), None);
        assert_eq!(keymap.meaning(Context::Main, "ctrl+o").unwrap(), "gh pr view {lane}");
        assert_eq!(keymap.meaning(Context::Main, "ctrl+p").unwrap(), "retry");
    }

    #[test]
    fn conflicts_and_mistakes_are_told_with_their_lines() {
        let text = "[keys]\n\"a\" = \"retry\"\n\"strg+x\" = \"quit\"\n\"f2\" = \"retyr\"\n";
        let (_, warnings) = load(text);
        assert_eq!(warnings[0], "2: a was review and is retry now");
        assert_eq!(warnings[1], "4: there is no command retyr; did you mean retry?");
        assert!(warnings[2].starts_with("3: strg+x is no key"), "{}", warnings[2]);
    }
}
