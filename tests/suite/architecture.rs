//! Layers: who may know whom. A crate boundary would say it too; this also says why.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What a layer must never name, with the reason.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "src/model",
        &[
            "crate::engine",
            "crate::host",
            "crate::store",
            "crate::runtime",
            "crate::tui",
            "crate::cli",
            "tokio::",
            "ratatui::",
            "rusqlite::",
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
        ],
        "nouns know nothing else",
    ),
    (
        "src/definition",
        &[
            "crate::engine",
            "crate::host",
            "crate::store",
            "crate::runtime",
            "crate::tui",
            "crate::cli",
            "tokio::",
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
        ],
        "text in, pipeline out",
    ),
    (
        "src/engine",
        &[
            "crate::host",
            "crate::store",
            "crate::runtime",
            "crate::providers",
            "crate::tui",
            "crate::cli",
            "tokio::",
            "ratatui::",
            "rusqlite::",
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "SystemTime",
            "Instant",
            "HashMap",
            "HashSet",
        ],
        "the engine is pure and deterministic",
    ),
    (
        "src/providers",
        &["crate::engine", "crate::store", "crate::runtime", "crate::tui", "crate::cli"],
        "a provider sees a job and returns a report",
    ),
    (
        "src/host",
        &[
            "crate::engine",
            "crate::store",
            "crate::runtime",
            "crate::providers",
            "crate::tui",
            "crate::cli",
        ],
        "mechanisms know no policy",
    ),
    (
        "src/store",
        &["crate::runtime", "crate::providers", "crate::host", "crate::tui", "crate::cli"],
        "the store decides nothing",
    ),
    ("src/supervisor", &["crate::", "tokio::"], "the supervisor is small and stands alone"),
    (
        "src/tui",
        &[
            "crate::store",
            "crate::providers",
            "crate::cli",
            "engine::state",
            "engine::event",
            "std::process",
        ],
        "views ask through the handle",
    ),
    (
        "src/cli",
        &["crate::store", "crate::providers", "engine::state"],
        "verbs ask and act through the handle",
    ),
    ("src/runtime", &["crate::tui", "crate::cli", "ratatui::"], "the runtime has no screen"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten() {
        let is_rust = entry.path().extension().is_some_and(|it| it == "rs");
        let is_test = entry
            .path()
            .components()
            .any(|it| it.as_os_str().to_string_lossy().starts_with("tests"));
        if is_rust && !is_test {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let product =
                text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            found.push((entry.path().to_owned(), product));
        }
    }
    assert!(!found.is_empty(), "{} holds sources", folder.display());
    found
}

/// Joins `use` groups to one line, so that `crate::{engine, store}` is seen too.
fn names(text: &str) -> String {
    let mut expanded = String::new();
    for line in text.split_inclusive(';') {
        let flat = line.split_whitespace().collect::<Vec<_>>().join(" ");
        expanded.push_str(&flat);
        if let Some((_, group)) = flat.split_once("use crate::{") {
            for part in group.split([',', '{', '}', ' ']) {
                expanded.extend([" crate::", part, " "]);
            }
        }
        expanded.push('\n');
    }
    expanded
}

#[test]
fn layers_keep_their_direction() {
    let mut broken = Vec::new();
    for (layer, forbidden, reason) in FORBIDDEN {
        for (path, text) in sources(&root().join(layer)) {
            let text = names(&text);
            for name in *forbidden {
                let own = layer.strip_prefix("src/").unwrap_or(layer);
                let allowed = *name == "crate::"
                    && !text.replace(&format!("crate::{own}"), "").contains(name);
                if text.contains(name) && !allowed {
                    broken.push(format!("{} names {name}: {reason}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let unfinished = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "FIXME"];
    for (path, text) in sources(&root().join("src")) {
        for word in unfinished {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn only_the_theme_knows_colours() {
    for (path, text) in sources(&root().join("src/tui")) {
        let is_theme = path.ends_with("theme.rs");
        assert!(is_theme || !text.contains("Color::"), "{} names a colour", path.display());
    }
}

#[test]
fn the_architecture_document_names_only_what_is_there() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
    assert!(text.contains("src/engine"), "ARCHITECTURE.md maps the code");
    for word in text.split(['`', ' ', '\n', '(', ')', ',']) {
        let is_path = ["src/", "tests/", "themes/", "sample-pipelines/", "benches/"]
            .iter()
            .any(|folder| word.starts_with(folder));
        if is_path && !word.contains('*') {
            assert!(root().join(word).exists(), "ARCHITECTURE.md names {word}");
        }
    }
}

/// The names of all tests: functions below `#[test]` and those proptest makes.
fn tests() -> BTreeSet<String> {
    let folders = ["src", "tests"].map(|folder| walkdir::WalkDir::new(root().join(folder)));
    let files = folders.into_iter().flatten().flatten().filter(|it| it.file_type().is_file());
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            match name.and_then(|it| it.split('(').next()) {
                Some(name) if is_test => drop(found.insert(name.to_owned())),
                _ => {}
            }
            let attribute = line.starts_with("#[") || line.starts_with("///");
            is_test = line.starts_with("#[test]")
                || line.starts_with("#[tokio::test")
                || attribute && is_test;
        }
    }
    found
}

#[test]
fn every_rule_and_promise_is_shown_by_a_test_there_is() {
    let tests = tests();
    let mut count = 0;
    for page in ["docs/execution-model.md", "docs/reliability.md"] {
        let page = std::fs::read_to_string(root().join(page)).unwrap();
        let is_row = |line: &&str| line.starts_with("| ") && !line.contains(" | shown by |");
        for row in page.lines().filter(is_row) {
            count += 1;
            let shown = row.rsplit(" | ").next().unwrap();
            let mut named = shown.split('`').skip(1).step_by(2).peekable();
            assert!(named.peek().is_some() || shown.starts_with('—'), "nothing shows: {row}");
            for name in named {
                assert!(tests.contains(name), "there is no test {name}: {row}");
            }
        }
    }
    assert!(count > 120, "the pages have their rows: {count}");
}
