//! Turns the text of a pipeline file into a [`Pipeline`], or into everything that is wrong with it.
//!
//! TOML and CodePipeline's JSON come through the same reader, so neither can say what the other
//! cannot. This module reads no files: text goes in.

mod catalog;
mod conditions;
mod decode;
mod draft;
mod node;
mod problem;
mod reader;
pub mod schema;
mod trigger_rules;
mod triggers;
mod validate;
mod validate_conditions;

use std::path::Path;

pub use problem::{FileProblems, Problem};

use crate::model::Pipeline;

/// Reads a pipeline file's text; all of its problems come back at once.
pub fn parse(path: &Path, text: &str) -> Result<Pipeline, FileProblems> {
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let problems = reader::Problems::default();
    let root = if is_json { node::from_json(text) } else { node::from_toml(text) };
    let draft = match root {
        Ok(root) => {
            let draft = decode::decode(&root, &problems);
            validate::validate(&draft, &problems);
            Some(draft)
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    let mut problems = problems.into_inner();
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    match draft {
        Some(draft) if problems.is_empty() => Ok(draft.into_pipeline(path)),
        Some(_) | None => Err(FileProblems::new(path, text, problems)),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trigger_tests;
