//! The source revision an execution carries from stage to stage.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{ActionName, ArtifactContent, RevisionId};

/// What the ref of every tag begins with.
pub const TAG_PREFIX: &str = "refs/tags/";

/// What an execution carries, the primary source's revision first.
pub type Revisions = Arc<[Arc<SourceRevision>]>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRevision {
    pub action: ActionName,
    pub id: RevisionId,
    /// The branch, or `refs/tags/NAME` for a tag: no branch a script could mistake it for.
    pub branch: String,
    /// The tag's name, if a tag brought the revision here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The repository's common git directory.
    pub git_dir: PathBuf,
    pub tree: String,
    pub message: String,
    pub author_name: String,
    pub author_email: String,
    /// RFC 3339, with the author's own offset.
    pub author_date: String,
}

impl SourceRevision {
    /// Returns the first line of the commit message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    pub fn content(&self) -> ArtifactContent {
        ArtifactContent::Commit {
            git_dir: self.git_dir.clone(),
            commit: self.id.to_string(),
            tree: self.tree.clone(),
        }
    }

    /// Returns the output variables of CodePipeline's connection source action, and `TagName` if
    /// there is a tag.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        [
            ("CommitId", self.id.as_str()),
            ("BranchName", &self.branch),
            ("CommitMessage", self.message.trim_end()),
            ("AuthorDisplayName", &self.author_name),
            ("AuthorEmail", &self.author_email),
            ("AuthorDate", &self.author_date),
        ]
        .into_iter()
        .chain(self.tag.as_deref().map(|tag| ("TagName", tag)))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
    }
}
