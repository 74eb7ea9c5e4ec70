//! Looks secrets up at the last moment. Their values live in memory and in the environment of
//! the action, nowhere else.

use std::path::Path;

use crate::model::{EnvironmentVariable, EnvironmentVariableType};

/// Returns the value a variable has for the action.
pub(super) fn value_of(variable: &EnvironmentVariable, base: &Path) -> Result<String, String> {
    match variable.kind {
        EnvironmentVariableType::Plaintext => Ok(variable.value.clone()),
        EnvironmentVariableType::Secret => look_up(&variable.value, base)
            .map_err(|cause| format!("the secret {} is not there: {cause}", variable.name)),
    }
}

fn look_up(reference: &str, base: &Path) -> Result<String, String> {
    if let Some(name) = reference.strip_prefix("env:") {
        return std::env::var(name)
            .map_err(|_| format!("the runtime's environment has no variable {name}"));
    }
    if let Some(path) = reference.strip_prefix("file:") {
        let path = base.join(path);
        return std::fs::read_to_string(&path)
            .map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
            .map_err(|error| format!("{}: {error}", path.display()));
    }
    Err("it is neither env:NAME nor file:PATH".to_owned())
}
