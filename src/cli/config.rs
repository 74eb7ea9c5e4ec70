//! The user's settings: `config.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Failure, args::Global};
use crate::{
    host::environment,
    model::{Containers, Keep},
    tui,
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    keep: Keep,
    containers: Containers,
    dashboard: tui::Settings,
}

/// Reads what the runtime is told: from the file that was named, else from the user's.
pub(super) fn runtime(global: &Global) -> Result<(Keep, Containers), Failure> {
    let Some(path) = file(global) else { return Ok(Default::default()) };
    read(&path).map(|config| (config.keep, config.containers)).map_err(|words| {
        Failure::usage(words).hint(
            "`[keep]` has log, logs, history, artifacts, artifacts_size, workspaces, \
             workspaces_size; `[containers]` has engine, arguments; `[dashboard]` has theme, \
             preset, keys, command, notify and more",
        )
    })
}

/// Returns where the settings lie, and how the dashboard reads its part of them.
pub(super) fn dashboard(global: &Global) -> Option<tui::SettingsFile> {
    let path = global.config.clone().or_else(standard)?;
    let read = |path: &Path| {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // No file yet is no mistake, and it may come while the dashboard is open.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let config = parse(path, &text)?;
        Ok((config.dashboard, text))
    };
    Some(tui::SettingsFile { path, read })
}

fn file(global: &Global) -> Option<PathBuf> {
    let standard = || standard().filter(|path| path.exists());
    global.config.clone().or_else(standard)
}

fn read(path: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Config, String> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|it| text.get(..it.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}: {}", path.display(), error.message().replace('\n', ", "))
    })
}

fn standard() -> Option<PathBuf> {
    environment::configuration().map(|folder| folder.join("config.toml"))
}
