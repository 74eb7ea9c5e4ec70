//! Test reports that actions leave: `JUnit` XML, which every test runner can write (`CTest` too, with
//! `--output-junit`).

use std::{
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobSetBuilder};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use crate::supervisor::mask::Masker;

/// The folder of a job that holds its reports.
pub const FOLDER: &str = "reports";
const MOST_FILES: usize = 1_000;
/// More bytes than this are no reports that anybody reads.
const ALL_TOGETHER: u64 = 64 << 20;

/// The tests of one attempt of an action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reports {
    pub cases: Vec<Case>,
    /// Files that are no reports, each with the reason.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub suite: String,
    pub name: String,
    pub milliseconds: u64,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Skipped,
    Failed { message: String },
}

impl Reports {
    /// Reads whatever reports lie in the directory of a job.
    pub fn read(job: &Path) -> Self {
        let mut reports = Self::default();
        let Ok(folder) = std::fs::read_dir(job.join(FOLDER)) else { return reports };
        let mut files: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files {
            let parsed = std::fs::read_to_string(&file)
                .map_err(|error| error.to_string())
                .and_then(|text| parse(&text));
            match parsed {
                Ok(cases) => reports.cases.extend(cases),
                Err(problem) => {
                    let name = file.file_name().unwrap_or_default().to_string_lossy();
                    reports.problems.push(format!("{name}: {problem}"));
                }
            }
        }
        reports
    }

    pub fn failed(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|it| matches!(it.outcome, Outcome::Failed { .. }))
    }

    pub fn skipped(&self) -> usize {
        self.cases.iter().filter(|it| it.outcome == Outcome::Skipped).count()
    }

    pub fn passed(&self) -> usize {
        self.cases.iter().filter(|it| it.outcome == Outcome::Passed).count()
    }
}

/// Copies the reports that match out of a workspace, without any secret in them; returns the names
/// of those that are too large or cannot be read.
pub fn collect(
    workspace: &Path,
    patterns: &[String],
    job: &Path,
    secrets: &[String],
) -> io::Result<Vec<String>> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let folder = job.join(FOLDER);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    // In XML a value is written with entities.
    let in_xml = secrets.iter().map(|it| quick_xml::escape::escape(it.as_str()).into_owned());
    let secrets: Vec<String> = secrets.iter().cloned().chain(in_xml).collect();
    let mut left = ALL_TOGETHER;
    let mut left_out = Vec::new();
    for (number, file) in matching(workspace, patterns).into_iter().take(MOST_FILES).enumerate() {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let size = file.metadata().map_or(u64::MAX, |it| it.len());
        let text = (size <= left).then(|| std::fs::read(&file)).transpose();
        let Ok(Some(text)) = text else {
            left_out.push(name);
            continue;
        };
        left -= size;
        let clear = Masker::whole(&secrets, &text);
        std::fs::write(folder.join(format!("{number:04}-{name}")), clear)?;
    }
    Ok(left_out)
}

fn matching(workspace: &Path, patterns: &[String]) -> Vec<PathBuf> {
    let mut wanted = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        // Validation has read the patterns before.
        wanted = glob.into_iter().fold(wanted, |mut all, glob| {
            all.add(glob);
            all
        });
    }
    let Ok(wanted) = wanted.build() else { return Vec::new() };
    let walk = walkdir::WalkDir::new(workspace).sort_by_file_name().into_iter();
    let files = walk.filter_entry(|it| it.file_name() != ".git").flatten();
    let files = files.filter(|it| it.file_type().is_file()).map(walkdir::DirEntry::into_path);
    let fits = |file: &PathBuf| file.strip_prefix(workspace).is_ok_and(|it| wanted.is_match(it));
    files.filter(fits).collect()
}

/// Reads the cases of one `JUnit` file.
///
/// # Errors
///
/// Says in words what is no XML.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut reader = Reader::from_str(text);
    let (mut cases, mut suites) = (Vec::new(), Vec::new());
    let mut open: Option<Case> = None;
    // The text below a failure, while it is being read.
    let mut words: Option<String> = None;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => match tag.name().as_ref() {
                "testsuite" => suites.push(attribute(&tag, "name")),
                "testcase" => open = Some(case(&tag, suites.last())),
                "failure" | "error" => {
                    words = Some(String::new());
                    fail(open.as_mut(), &attribute(&tag, "message"));
                }
                "skipped" => skip(open.as_mut()),
                _ => {}
            },
            Event::Empty(tag) => match tag.name().as_ref() {
                "testcase" => cases.push(case(&tag, suites.last())),
                "failure" | "error" => fail(open.as_mut(), &attribute(&tag, "message")),
                "skipped" => skip(open.as_mut()),
                _ => {}
            },
            Event::Text(text) => append(&mut words, &text),
            Event::CData(text) => append(&mut words, &text),
            Event::GeneralRef(name) => {
                let character = quick_xml::escape::resolve_predefined_entity(&name);
                append(&mut words, character.unwrap_or_default());
            }
            Event::End(tag) => match tag.name().as_ref() {
                "testsuite" => drop(suites.pop()),
                "testcase" => cases.extend(open.take()),
                "failure" | "error" => {
                    more_about_failure(open.as_mut(), &words.take().unwrap_or_default());
                }
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    if cases.is_empty() && !text.contains("testsuite") {
        return Err("this is no JUnit report".to_owned());
    }
    Ok(cases)
}

/// Adds to the text below a failure; outside of failures nobody reads text.
fn append(words: &mut Option<String>, text: &str) {
    if let Some(words) = words {
        words.push_str(text);
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> String {
    let found = tag.try_get_attribute(name).ok().flatten();
    let value = found.and_then(|it| {
        it.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
    });
    value.unwrap_or_default()
}

fn case(tag: &BytesStart<'_>, suite: Option<&String>) -> Case {
    let class = attribute(tag, "classname");
    let seconds: f64 = attribute(tag, "time").replace(',', "").parse().unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no test takes longer than a u64 of milliseconds"
    )]
    let milliseconds = (seconds.max(0.0) * 1000.0) as u64;
    Case {
        suite: if class.is_empty() { suite.cloned().unwrap_or_default() } else { class },
        name: attribute(tag, "name"),
        milliseconds,
        // What says nothing has passed.
        outcome: match attribute(tag, "status").as_str() {
            "notrun" | "disabled" => Outcome::Skipped,
            _ => Outcome::Passed,
        },
    }
}

fn fail(case: Option<&mut Case>, message: &str) {
    if let Some(case) = case {
        case.outcome = Outcome::Failed { message: message.to_owned() };
    }
}

fn skip(case: Option<&mut Case>) {
    if let Some(case) = case {
        case.outcome = Outcome::Skipped;
    }
}

fn more_about_failure(case: Option<&mut Case>, words: &str) {
    if let Some(Case { outcome: Outcome::Failed { message }, .. }) = case {
        let words = words.trim();
        if !words.is_empty() && !message.contains(words) {
            message.push_str(if message.is_empty() { "" } else { "\n" });
            message.push_str(words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_junit_report_is_read_with_its_failures() {
        let text = r#"<?xml version="1.0"?>
            <testsuites><testsuite name="shop">
              <testcase name="adds" classname="cart" time="0.25"/>
              <testcase name="rounds" time="1,002.5"><failure message="1 &lt; 2"><![CDATA[at cart.rs:7]]> a &lt; b</failure></testcase>
              <testcase name="later"><skipped/></testcase>
            </testsuite></testsuites>"#;
        let cases = parse(text).unwrap();
        assert_eq!(cases.len(), 3);
        assert_eq!((cases[0].suite.as_str(), cases[0].milliseconds), ("cart", 250));
        let message = "1 < 2\nat cart.rs:7 a < b".to_owned();
        assert_eq!(cases[1].outcome, Outcome::Failed { message });
        assert_eq!(cases[1].suite, "shop");
        assert_eq!(cases[2].outcome, Outcome::Skipped);
    }

    #[test]
    fn what_is_no_report_is_said() {
        assert!(parse("<html></html>").unwrap_err().contains("no JUnit report"));
        assert!(parse("<testsuite><testcase").is_err());
    }
}
