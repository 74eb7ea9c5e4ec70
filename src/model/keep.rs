//! How much of the past is kept. Decisions are, always.

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, de::Error};

use super::Span;

/// What the user's settings say in `[keep]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Of the log of one action: the beginning and the end.
    pub log: ByteSize,
    /// Logs of executions that ended longer ago go.
    #[serde(deserialize_with = "span")]
    pub logs: Span,
    /// Executions that ended longer ago leave the history, with their logs and artifacts.
    #[serde(deserialize_with = "span")]
    pub history: Span,
    /// Artifacts of executions that ended longer ago go.
    #[serde(deserialize_with = "span")]
    pub artifacts: Span,
    /// Of the artifacts in between, the newest stay up to this.
    pub artifacts_size: ByteSize,
    /// Workspaces, with what is cached in them, that were not used for longer go.
    #[serde(deserialize_with = "span")]
    pub workspaces: Span,
    /// Of the workspaces in between, those used last stay up to this.
    pub workspaces_size: ByteSize,
}

impl Default for Keep {
    fn default() -> Self {
        let days = |count: i64| Span(Span::DAY.0 * count);
        Self {
            log: ByteSize::gib(2),
            logs: days(90),
            history: days(365),
            artifacts: days(30),
            artifacts_size: ByteSize::gib(20),
            workspaces: days(14),
            workspaces_size: ByteSize::gib(20),
        }
    }
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let text = String::deserialize(deserializer)?;
    let words = || format!("`{text}` is no length of time, like 12h or 90d");
    Span::parse(&text).ok_or_else(|| D::Error::custom(words()))
}
