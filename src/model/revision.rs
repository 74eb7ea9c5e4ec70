//! The source revision an execution carries from stage to stage.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

use super::{ActionName, ArtifactContent, RevisionId, variable::Values};

/// What the ref of every tag begins with.
pub const TAG_PREFIX: &str = "refs/tags/";

/// What an execution carries, the primary source's revision first.
pub type Revisions = Arc<[Arc<SourceRevision>]>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRevision {
    pub action: ActionName,
    pub id: RevisionId,
    /// The branch, or `refs/tags/NAME` for a tag: no branch a script could mistake it for.
    pub branch: Arc<str>,
    /// The tag's name, if a tag brought the revision here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Arc<str>>,
    /// The repository's common git directory.
    pub git_dir: Arc<Path>,
    pub tree: Arc<str>,
    pub message: Arc<str>,
    pub author_name: Arc<str>,
    pub author_email: Arc<str>,
    /// RFC 3339, with the author's own offset.
    pub author_date: Arc<str>,
}

impl SourceRevision {
    /// Returns the first line of the commit message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    pub fn content(&self) -> Arc<ArtifactContent> {
        Arc::new(ArtifactContent::Commit {
            git_dir: Arc::clone(&self.git_dir),
            commit: self.id.clone(),
            tree: Arc::clone(&self.tree),
        })
    }

    /// Returns the output variables of CodePipeline's connection source action, and `TagName` if
    /// there is a tag.
    pub fn variables(&self) -> Values {
        static NAMES: LazyLock<[Arc<str>; 7]> = LazyLock::new(|| {
            [
                "AuthorDate",
                "AuthorDisplayName",
                "AuthorEmail",
                "BranchName",
                "CommitId",
                "CommitMessage",
                "TagName",
            ]
            .map(Arc::from)
        });
        let message = match self.message.trim_end() {
            whole if whole.len() == self.message.len() => Arc::clone(&self.message),
            trimmed => trimmed.into(),
        };
        let values = [
            Some(Arc::clone(&self.author_date)),
            Some(Arc::clone(&self.author_name)),
            Some(Arc::clone(&self.author_email)),
            Some(Arc::clone(&self.branch)),
            Some(self.id.clone().into()),
            Some(message),
            self.tag.clone(),
        ];
        let named = NAMES.iter().cloned().zip(values);
        named.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
