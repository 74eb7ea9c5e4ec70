//! What an artifact holds. Artifacts never change: they are named by their content.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::ArtifactName;

pub type Artifacts = BTreeMap<ArtifactName, ArtifactContent>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArtifactContent {
    /// The tree of a commit in a repository of the user's; nothing is copied until it is needed.
    Commit { git_dir: PathBuf, commit: String, tree: String },
    /// Files that an action left, kept in the state directory's own object store.
    Tree { tree: String, files: u64, bytes: u64 },
}
