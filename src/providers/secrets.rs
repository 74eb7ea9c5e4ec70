//! Looks secrets up at the last moment. Their values live in memory and in the environment of
//! the action, nowhere else.

use std::{collections::BTreeMap, path::Path};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    host::secret_tool,
    model::{EnvironmentVariable, EnvironmentVariableType},
};

/// Shorter values have encodings that stand in any text by chance.
const SHORTEST_ENCODED: usize = 6;
/// Lines of a secret that are as long as this are secrets of their own, as those of a key.
const SHORTEST_LINE: usize = 12;

/// What stands for itself in a URL stays.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The secrets of one action.
#[derive(Default)]
pub(super) struct Secrets {
    by_name: BTreeMap<String, String>,
}

impl Secrets {
    pub(super) async fn look_up(
        variables: &[EnvironmentVariable],
        base: &Path,
    ) -> Result<Self, String> {
        let mut by_name = BTreeMap::new();
        for it in variables.iter().filter(|it| it.kind == EnvironmentVariableType::Secret) {
            let value = find(&it.value, base)
                .await
                .map_err(|cause| format!("the secret {} is not there: {cause}", it.name))?;
            by_name.insert(it.name.clone(), value);
        }
        Ok(Self { by_name })
    }

    /// Returns the value a variable has for the action.
    pub(super) fn value_of(&self, variable: &EnvironmentVariable) -> String {
        self.by_name.get(&variable.name).unwrap_or(&variable.value).clone()
    }

    /// Returns everything that gives a secret away: the values, and what they look like encoded.
    pub(super) fn to_mask(&self) -> Vec<String> {
        let mut found: Vec<String> = self.by_name.values().flat_map(|value| forms(value)).collect();
        found.sort();
        found.dedup();
        found
    }
}

/// Returns the value, its longer lines, and both in base64 and as part of a URL.
fn forms(value: &str) -> Vec<String> {
    if value.is_empty() {
        return Vec::new();
    }
    let lines = value.lines().filter(|line| *line != value && line.len() >= SHORTEST_LINE);
    let mut found = Vec::new();
    for plain in std::iter::once(value).chain(lines) {
        found.push(plain.to_owned());
        if plain.len() >= SHORTEST_ENCODED {
            let escaped = utf8_percent_encode(plain, ESCAPED).to_string();
            found.push(escaped.replace("%20", "+"));
            found.push(escaped);
            found.extend(in_base64(plain.as_bytes()));
        }
    }
    found
}

/// Returns what of `value` stands in the base64 of any text around it. Three bytes are four
/// letters, so there are three ways it can lie; letters that it shares with its neighbours tell
/// nothing and are left out.
fn in_base64(value: &[u8]) -> impl Iterator<Item = String> {
    let engines = [STANDARD_NO_PAD, URL_SAFE_NO_PAD];
    engines.into_iter().flat_map(move |engine| {
        [0, 1, 2].map(|before| {
            let around = [&[0; 2][..before], value].concat();
            let letters = engine.encode(&around);
            let from = (before * 8).div_ceil(6);
            let to = around.len() * 8 / 6;
            letters[from..to].to_owned()
        })
    })
}

async fn find(reference: &str, base: &Path) -> Result<String, String> {
    let trimmed = |text: String| text.trim_end_matches(['\n', '\r']).to_owned();
    if let Some(name) = reference.strip_prefix("env:") {
        return std::env::var(name)
            .map_err(|_| format!("the runtime's environment has no variable {name}"));
    }
    if let Some(path) = reference.strip_prefix("file:") {
        let path = base.join(path);
        return std::fs::read_to_string(&path)
            .map(trimmed)
            .map_err(|error| format!("{}: {error}", path.display()));
    }
    if let Some(command) = reference.strip_prefix("command:") {
        return secret_tool::output_of("sh", &["-c", command], base).await.map(trimmed);
    }
    if let Some(entry) = reference.strip_prefix("keyring:") {
        let (service, account) = entry.split_once('/').unwrap_or((entry, ""));
        let mut arguments = vec!["lookup", "service", service];
        if !account.is_empty() {
            arguments.extend(["account", account]);
        }
        return secret_tool::output_of("secret-tool", &arguments, base).await.map(trimmed);
    }
    Err("it begins with none of env:, file:, command:, keyring:".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_in_base64_wherever_it_stands() {
        let secret = "hunter2-and-more?>";
        let forms = forms(secret);
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            for text in ["", "a", "ab", "abc", "user:"] {
                for rest in ["", "x", "xy", "xyz"] {
                    let encoded = engine.encode(format!("{text}{secret}{rest}"));
                    let found = forms.iter().any(|it| encoded.contains(it.as_str()));
                    assert!(found, "{text}..{rest}: {encoded} in none of {forms:?}");
                }
            }
        }
    }

    #[test]
    fn a_secret_is_known_in_a_url() {
        let forms = forms("p@ss/a-word or two");
        assert!(forms.contains(&"p%40ss%2Fa-word%20or%20two".to_owned()), "{forms:?}");
        assert!(forms.contains(&"p%40ss%2Fa-word+or+two".to_owned()), "{forms:?}");
    }

    #[test]
    fn the_lines_of_a_key_are_secrets_too() {
        let key = "-----BEGIN-----\nMIIEvQIBADANBgkq\nshort\n";
        let forms = forms(key);
        assert!(forms.contains(&"MIIEvQIBADANBgkq".to_owned()));
        assert!(!forms.contains(&"short".to_owned()));
    }

    #[test]
    fn short_secrets_are_not_looked_for_in_what_they_might_be_part_of() {
        assert_eq!(forms("abc"), ["abc"]);
        assert!(forms("").is_empty());
    }
}
