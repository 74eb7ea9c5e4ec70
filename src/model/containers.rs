//! How actions with an `image` run.

use serde::Deserialize;

/// What the user's settings say in `[containers]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Containers {
    /// The engine's program and what comes before its verb; podman or docker, if empty.
    pub engine: Vec<String>,
    /// What `run` is given besides.
    pub arguments: Vec<String>,
}
