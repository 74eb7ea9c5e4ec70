//! What an artifact holds. Artifacts never change: they are named by their content.

use std::{path::Path, sync::Arc};

use litemap::LiteMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{ArtifactName, RevisionId};

pub type Artifacts = LiteMap<ArtifactName, Arc<ArtifactContent>>;

/// Writes artifacts as a map also where there are none, which `LiteMap` would write as a list.
pub(super) fn as_map<S: Serializer>(artifacts: &Artifacts, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(artifacts)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArtifactContent {
    /// The tree of a commit in a repository of the user's; nothing is copied until it is needed.
    Commit { git_dir: Arc<Path>, commit: RevisionId, tree: Arc<str> },
    /// Files that an action left, kept in the state directory's own object store.
    Tree { tree: Arc<str>, files: u64, bytes: u64 },
}
