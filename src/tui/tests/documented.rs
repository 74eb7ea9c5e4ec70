//! The page about the dashboard names every key, theme and role there is.

use std::fmt::Write;

use crate::tui::{
    commands::{Command, Context},
    theme::{BUNDLED, Role},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dashboard.md");

/// The part of the page that is made from the table of commands.
fn keys() -> String {
    let mut text = String::new();
    let mut group = None;
    for command in Command::ALL {
        if group.replace(command.group()) != Some(command.group()) {
            let title = command.group().title();
            let space = if text.is_empty() { "" } else { "\n" };
            let _ =
                writeln!(text, "{space}**{title}**\n\n| command | keys | does |\n|---|---|---|");
        }
        let of = |context: Context| {
            let keys: Vec<_> =
                command.default_keys(context).map(|key| format!("`{key}`")).collect();
            keys.join(" ")
        };
        let places = [
            (of(Context::Main), ""),
            (of(Context::Detail), " in the detail pane"),
            (of(Context::Dialog), " in dialogs"),
        ];
        let places = places.iter().filter(|(keys, _)| !keys.is_empty());
        let places: Vec<_> = places.map(|(keys, place)| format!("{keys}{place}")).collect();
        let (name, doc) = (command.name(), command.doc());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{name}` | {} | {doc} |", places.join(", "));
    }
    text
}

#[test]
fn the_page_has_every_key_theme_and_role() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, _) = page.split_once("## Keys\n\n").unwrap();
    let expected = format!("{before}## Keys\n\n{}", keys());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &expected).unwrap();
        return;
    }
    assert!(page == expected, "UPDATE_DOCS=1 cargo test --lib documented writes the page anew");
    for (name, _) in BUNDLED {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    for role in Role::ALL {
        assert!(page.contains(&format!("`{}`", role.name())), "{}", role.name());
    }
}
