//! Whether a push starts an execution (CodePipeline user guide, "Filter triggers on code push"):
//! one filter that matches is enough, in a filter everything must match, excludes beat includes.
//!
//! CodePipeline looks at the first 100 changed files only, and not at all at those of a new branch;
//! here all of them count.

use crate::model::{Patterns, PushFilter, SourceRevision, glob::Glob};

/// The ref that has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed<'a> {
    Branch(&'a str),
    Tag(&'a str),
}

/// What each filter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub filters: Vec<FilterVerdict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The filter at this position matches, the first of them.
    Starts(usize),
    /// Only the changed files can tell.
    NeedsFiles,
    Declined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterVerdict {
    pub outcome: Outcome,
    pub pushed: Finding,
    /// Nothing if the files play no part: the filter names no paths, or the branch has decided.
    pub files: Option<Vec<Finding>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Matches,
    NeedsFiles,
    Fails,
}

/// One name, and what the patterns say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `branch main`, `tag v1`, or the path of a file.
    pub subject: String,
    pub judgement: Judgement,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Included {
        by: String,
    },
    /// No exclude matches it, and there are no includes.
    NotExcluded,
    Excluded {
        by: String,
    },
    NoInclude {
        includes: Vec<String>,
    },
    /// The filter asks for tags and this is a branch, or the other way round.
    AnotherKind {
        wanted: &'static str,
    },
}

impl<'a> Pushed<'a> {
    pub fn of(revision: &'a SourceRevision) -> Self {
        revision.tag.as_deref().map_or(Self::Branch(&revision.branch), Self::Tag)
    }
}

impl Verdict {
    /// Judges a push. Without `files`, filters that ask for them stay open.
    pub fn of(filters: &[PushFilter], pushed: Pushed<'_>, files: Option<&[String]>) -> Self {
        let filters = filters.iter().map(|filter| FilterVerdict::of(filter, pushed, files));
        Self { filters: filters.collect() }
    }

    pub fn decision(&self) -> Decision {
        let position = |wanted| self.filters.iter().position(|filter| filter.outcome == wanted);
        match (position(Outcome::Matches), position(Outcome::NeedsFiles)) {
            (Some(matching), _) => Decision::Starts(matching),
            (None, Some(_)) => Decision::NeedsFiles,
            (None, None) => Decision::Declined,
        }
    }

    /// Returns what every filter says in one line.
    pub fn sentence(&self) -> String {
        match self.decision() {
            Decision::Starts(at) => self.filters[at].sentence(at),
            Decision::NeedsFiles | Decision::Declined => {
                let filters = self.filters.iter().enumerate();
                filters.map(|(at, filter)| filter.sentence(at)).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

impl FilterVerdict {
    fn of(filter: &PushFilter, pushed: Pushed<'_>, files: Option<&[String]>) -> Self {
        let pushed = judge_pushed(filter, pushed);
        let (outcome, files) = match (&filter.file_paths, files) {
            _ if !pushed.judgement.counts() => (Outcome::Fails, None),
            (None, _) => (Outcome::Matches, None),
            (Some(_), None) => (Outcome::NeedsFiles, None),
            (Some(paths), Some(files)) => {
                let patterns = Compiled::of(paths);
                let judge = |file: &String| Finding {
                    subject: file.clone(),
                    judgement: patterns.judge(file),
                };
                let files: Vec<_> = files.iter().map(judge).collect();
                let counts = files.iter().any(|file| file.judgement.counts());
                (if counts { Outcome::Matches } else { Outcome::Fails }, Some(files))
            }
        };
        Self { outcome, pushed, files }
    }

    fn sentence(&self, at: usize) -> String {
        let files = match &self.files {
            None if self.outcome == Outcome::NeedsFiles => ", the changed files decide".to_owned(),
            None => String::new(),
            Some(files) => sentence_about(files),
        };
        format!("push filter {}: {}{files}", at + 1, self.pushed.sentence())
    }
}

fn sentence_about(files: &[Finding]) -> String {
    match (files.iter().find(|file| file.judgement.counts()), files) {
        (Some(file), _) => format!(", {}", file.sentence()),
        (None, []) => " but no file has changed".to_owned(),
        (None, [file]) => format!(" but {}", file.sentence()),
        (None, [file, ..]) => {
            let count = files.len();
            format!(" but none of {count} changed files counts: {}", file.sentence())
        }
    }
}

impl Finding {
    pub fn sentence(&self) -> String {
        format!("{} {}", self.subject, self.judgement.sentence())
    }
}

impl Judgement {
    pub fn counts(&self) -> bool {
        match self {
            Self::Included { .. } | Self::NotExcluded => true,
            Self::Excluded { .. } | Self::NoInclude { .. } | Self::AnotherKind { .. } => false,
        }
    }

    pub fn sentence(&self) -> String {
        match self {
            Self::Included { by } => format!("is included by {by}"),
            Self::NotExcluded => "is not excluded".to_owned(),
            Self::Excluded { by } => format!("is excluded by {by}"),
            Self::NoInclude { includes } => format!("is not included by {}", includes.join(", ")),
            Self::AnotherKind { wanted } => format!("is no match, the filter is for {wanted}"),
        }
    }
}

fn judge_pushed(filter: &PushFilter, pushed: Pushed<'_>) -> Finding {
    let (kind, name, patterns) = match pushed {
        Pushed::Branch(name) => ("branch", name, &filter.branches),
        Pushed::Tag(name) => ("tag", name, &filter.tags),
    };
    let judgement = match patterns {
        Some(patterns) => Compiled::of(patterns).judge(name),
        None if filter.tags.is_some() => Judgement::AnotherKind { wanted: "tags" },
        None => Judgement::AnotherKind { wanted: "branches" },
    };
    Finding { subject: format!("{kind} {name}"), judgement }
}

/// Patterns ready for many names. What is no glob matches nothing; validated files have none.
struct Compiled {
    includes: Vec<Glob>,
    excludes: Vec<Glob>,
}

impl Compiled {
    fn of(patterns: &Patterns) -> Self {
        let compile = |patterns: &[String]| patterns.iter().flat_map(|it| Glob::new(it)).collect();
        Self { includes: compile(&patterns.includes), excludes: compile(&patterns.excludes) }
    }

    fn judge(&self, name: &str) -> Judgement {
        let found = |globs: &[Glob]| {
            globs.iter().find(|glob| glob.matches(name)).map(|glob| glob.pattern().to_owned())
        };
        if let Some(by) = found(&self.excludes) {
            return Judgement::Excluded { by };
        }
        match found(&self.includes) {
            Some(by) => Judgement::Included { by },
            None if self.includes.is_empty() => Judgement::NotExcluded,
            None => {
                let includes = self.includes.iter().map(|glob| glob.pattern().to_owned()).collect();
                Judgement::NoInclude { includes }
            }
        }
    }
}
