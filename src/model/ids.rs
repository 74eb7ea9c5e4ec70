//! Names and ids, each a type of its own so that two strings side by side cannot be swapped.

use std::{
    cmp::Ordering,
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is compared much more often than read. Its beginning lies beside the pointer: that
/// alone tells most names apart, and its address tells that a name has met itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
struct Name {
    /// The first bytes; as a number they are in the order of the texts.
    beginning: u64,
    text: Arc<str>,
}

impl From<Arc<str>> for Name {
    fn from(text: Arc<str>) -> Self {
        let mut beginning = [0; 8];
        beginning.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
        Self { beginning: u64::from_be_bytes(beginning), text }
    }
}

impl From<Name> for Arc<str> {
    fn from(name: Name) -> Self {
        name.text
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.beginning == other.beginning
            && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.beginning.cmp(&other.beginning) {
            Ordering::Equal if Arc::ptr_eq(&self.text, &other.text) => Ordering::Equal,
            Ordering::Equal => self.text.cmp(&other.text),
            different => different,
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

macro_rules! name_types {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Name);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0.text
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::<str>::from(text).into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::<str>::from(text).into())
            }
        }

        impl From<$name> for Arc<str> {
            fn from(name: $name) -> Self {
                name.0.text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0.text
            }
        }
    )+};
}

name_types! {
    PipelineName,
    /// Unique in its pipeline.
    StageName,
    /// Unique in its stage.
    ActionName,
    /// Unique in its condition.
    RuleName,
    /// Unique in its pipeline.
    ArtifactName,
    /// Unique in its pipeline: where the variables of an action are found.
    NamespaceName,
    /// What identifies a source revision: a commit id for Git.
    RevisionId,
    /// What stages of several lanes and pipelines may share.
    LockName,
    /// The executions of one branch; see [`Lane::WHOLE_PIPELINE`] for pipelines without lanes.
    Lane,
}

/// Git allows no space in the name of a branch.
const OF_ONE: char = ' ';

impl Lane {
    /// The text of the only lane of a pipeline that says `lane = "pipeline"`.
    pub const WHOLE_PIPELINE: &'static str = "";

    /// The one lane of all executions that a tag has started. A tag is made once: with a lane for
    /// each, no release would ever supersede the one before it, and lanes would pile up.
    pub const TAGS: &'static str = "refs/tags";

    /// Returns the lane that one execution has to itself, as in PARALLEL mode.
    pub fn of_one(&self, execution: ExecutionId) -> Self {
        format!("{}{OF_ONE}{}", self.as_str(), execution.short()).into()
    }

    /// Tells whether one execution has this lane to itself.
    pub fn is_of_one(&self) -> bool {
        self.as_str().contains(OF_ONE)
    }

    /// Returns the branch, or nothing when all branches, or all tags, share the lane.
    pub fn branch(&self) -> Option<&str> {
        let branch = self.as_str().split(OF_ONE).next().unwrap_or_default();
        (![Self::WHOLE_PIPELINE, Self::TAGS].contains(&branch)).then_some(branch)
    }

    /// Returns the lane in words that fit a list.
    pub fn label(&self) -> &str {
        match self.as_str() {
            Self::WHOLE_PIPELINE => "all branches",
            Self::TAGS => "tags",
            branch => branch,
        }
    }
}

impl RevisionId {
    /// Returns the seven characters by which people call a commit.
    pub fn short(&self) -> &str {
        let text = self.as_str();
        text.get(..7).unwrap_or(text)
    }
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a lowercase version 4 UUID, as CodePipeline's ids are.
            pub fn from_random_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// Returns the first block of the id, enough to tell executions apart on a screen.
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    )+};
}

/// What is looked up by a random id. It hashes alike in every process, and its order means nothing:
/// no decision may depend on it.
pub type ById<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

id_types! {
    /// One walk of source revisions through a pipeline.
    ExecutionId,
    /// One attempt of one action in one execution; it also names the job that does the work.
    ActionExecutionId,
    /// What a decision at a gate must present.
    ApprovalToken,
}

impl ApprovalToken {
    /// Returns the token of the gate that an attempt opens.
    pub fn of(attempt: ActionExecutionId) -> Self {
        Self(attempt.0)
    }

    /// Returns the attempt that opens the gate of this token.
    pub fn attempt(self) -> ActionExecutionId {
        ActionExecutionId(self.0)
    }
}
