//! What is wrong in a file: where, what, and what would be right.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the text.
    pub span: Range<usize>,
    pub message: String,
    pub remedy: Option<String>,
}

impl Problem {
    pub(super) fn new(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self { span: span.clone(), message: message.into(), remedy: None }
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// All problems of one file, with its text for excerpts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblems {
    pub path: PathBuf,
    pub text: String,
    pub problems: Vec<Problem>,
}

impl FileProblems {
    pub(super) fn new(path: &Path, text: &str, problems: Vec<Problem>) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), problems }
    }

    /// Returns line and column of a problem, both counted from one, the column in characters.
    pub fn position(&self, problem: &Problem) -> (usize, usize) {
        let before = self.text.get(..problem.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Returns one line that says where to look first.
    pub fn summary(&self) -> String {
        let Some(first) = self.problems.first() else { return String::new() };
        let (line, column) = self.position(first);
        let more = match self.problems.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).display();
        format!("{name}:{line}:{column}: {}{more}", first.message)
    }
}

impl fmt::Display for FileProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}
