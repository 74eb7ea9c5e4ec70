//! `validate`: every problem of every file.

use serde_json::{Value, json};

use super::{Exit, Failure, args::Validate, output};
use crate::{
    definition::{self, FileProblems},
    runtime::DefinitionFiles,
};

pub(super) fn validate(arguments: &Validate) -> Result<Exit, Failure> {
    let files = DefinitionFiles::new(arguments.paths.clone()).files();
    if files.is_empty() {
        return Err(Failure::usage("there is no .toml or .json file in there"));
    }
    let mut wrong = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
        match definition::parse(path, &text) {
            Ok(pipeline) if !arguments.json => {
                let stages = pipeline.stages.len();
                output::line(format!(
                    "{}: {} with {stages} stages is valid",
                    path.display(),
                    pipeline.name
                ));
            }
            Ok(_) => {}
            Err(problems) => wrong.push(problems),
        }
    }
    if arguments.json {
        output::json(&Value::Array(wrong.iter().flat_map(problems_json).collect()));
    } else {
        wrong.iter().for_each(output::problems);
    }
    if wrong.is_empty() {
        return Ok(Exit::Done);
    }
    let count: usize = wrong.iter().map(|file| file.problems.len()).sum();
    let (problems, files) = (plural(count, "problem"), plural(wrong.len(), "file"));
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

pub(super) fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
