//! The user's settings: `config.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Failure, args::Global};
use crate::model::Keep;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    keep: Keep,
}

/// Reads how much of the past is kept: from the file that was named, else from the user's.
pub(super) fn keep(global: &Global) -> Result<Keep, Failure> {
    let Some(path) = global
        .config
        .clone()
        .or_else(standard)
        .filter(|path| global.config.is_some() || path.exists())
    else {
        return Ok(Keep::default());
    };
    read(&path).map(|config| config.keep)
}

fn read(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("{}: {error}", path.display()))
            .hint("`[keep]` has log, logs, history, artifacts, artifacts_size, workspaces, workspaces_size")
    })
}

fn standard() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let base =
        variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|it| it.join(".config")));
    base.map(|base| base.join("stagegate/config.toml"))
}
