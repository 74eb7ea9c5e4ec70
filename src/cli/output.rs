//! The only place that prints.

#![expect(clippy::print_stderr, reason = "this module is the printer")]

use std::io::{IsTerminal, Write};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};

use super::Failure;
use crate::definition::FileProblems;

/// Prints a line of data. A reader that has gone away ends the program quietly.
pub(super) fn line(text: impl AsRef<str>) {
    bytes(format!("{}\n", text.as_ref()).as_bytes());
}

pub(super) fn bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

pub(super) fn json(value: &serde_json::Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints a line of chatter.
pub(super) fn say(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Prints a question without a line end.
pub(super) fn ask(text: &str) {
    eprint!("{text}");
    let _ = std::io::stderr().flush();
}

pub(super) fn failure(failure: &Failure) {
    for file in &failure.files {
        problems(file);
    }
    eprintln!("stagegate: {}", failure.message);
    for cause in &failure.causes {
        eprintln!("  caused by: {cause}");
    }
    if let Some(hint) = &failure.hint {
        eprintln!("  hint: {hint}");
    }
}

/// Prints every problem of a file with its excerpt.
pub(super) fn problems(file: &FileProblems) {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty())
        || !std::io::stderr().is_terminal();
    let theme = if plain { GraphicalTheme::unicode_nocolor() } else { GraphicalTheme::unicode() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    let name = file.path.display().to_string();
    for problem in &file.problems {
        let length =
            problem.span.len().max(1).min(file.text.len().saturating_sub(problem.span.start));
        let label = LabeledSpan::at(problem.span.start..problem.span.start + length, "here");
        let mut diagnostic = MietteDiagnostic::new(problem.message.clone()).with_label(label);
        if let Some(remedy) = &problem.remedy {
            diagnostic = diagnostic.with_help(remedy.clone());
        }
        let source = NamedSource::new(&name, file.text.clone());
        let report = Report::new(diagnostic).with_source_code(source);
        let mut text = String::new();
        if handler.render_report(&mut text, report.as_ref()).is_ok() {
            eprintln!("{}", text.trim_end());
            eprintln!();
        }
    }
}
