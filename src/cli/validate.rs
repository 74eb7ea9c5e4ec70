//! `validate`: every problem of every file.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{Exit, Failure, args::Validate, output};
use crate::{
    definition::{self, FileProblems},
    model::PipelineName,
    runtime::DefinitionFiles,
    words,
};

pub(super) fn validate(arguments: &Validate) -> Result<Exit, Failure> {
    let files = DefinitionFiles::new(arguments.paths.clone()).files();
    if files.is_empty() {
        return Err(Failure::usage("there is no .toml or .json file in there"));
    }
    let (mut wrong, mut unusable) = (Vec::new(), Vec::new());
    let mut names: BTreeMap<PipelineName, &Path> = BTreeMap::new();
    for path in &files {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                unusable.push((path.as_path(), format!("cannot be read: {error}")));
                continue;
            }
        };
        match definition::parse(path, &text) {
            Ok(pipeline) if names.contains_key(&pipeline.name) => {
                let (name, first) = (&pipeline.name, names[&pipeline.name].display());
                unusable.push((path, format!("pipeline {name} is already defined by {first}")));
            }
            Ok(pipeline) if !arguments.json => {
                names.insert(pipeline.name.clone(), path);
                let stages = pipeline.stages.len();
                output::line(format!(
                    "{}: {} with {stages} stages is valid",
                    path.display(),
                    pipeline.name
                ));
            }
            Ok(pipeline) => drop(names.insert(pipeline.name, path)),
            Err(problems) => wrong.push(problems),
        }
    }
    if arguments.json {
        let whole = unusable.iter().map(|(path, words)| {
            json!({ "file": path, "line": null, "column": null, "message": words, "remedy": null })
        });
        output::json(&Value::Array(wrong.iter().flat_map(problems_json).chain(whole).collect()));
    } else {
        wrong.iter().for_each(output::problems);
        for (path, words) in &unusable {
            output::say(format!("{}: {words}", path.display()));
        }
    }
    if wrong.is_empty() && unusable.is_empty() {
        return Ok(Exit::Done);
    }
    let count = wrong.iter().map(|file| file.problems.len()).sum::<usize>() + unusable.len();
    let files = wrong.len() + unusable.len();
    let (problems, files) = (words::count(count, "problem"), words::count(files, "file"));
    Err(Failure::usage(format!("{problems} in {files}")))
}

fn problems_json(file: &FileProblems) -> Vec<Value> {
    let problem = |problem: &definition::Problem| {
        let (line, column) = file.position(problem);
        json!({
            "file": file.path, "line": line, "column": column,
            "message": problem.message, "remedy": problem.remedy,
        })
    };
    file.problems.iter().map(problem).collect()
}
