use std::path::Path;

use super::{FileProblems, parse};
use crate::model::{Category, LaneMode, Pipeline, Span};

const MINIMAL: &str = r#"
name = "shop"

[[stage]]
name = "Source"
[[stage.action]]
name = "app"
category = "Source"
configuration = { RepositoryPath = ".", BranchName = "main" }

[[stage]]
name = "Test"
[[stage.action]]
name = "unit"
category = "Test"
commands = ["cargo test"]
timeout = "20m"
"#;

fn toml(text: &str) -> Result<Pipeline, FileProblems> {
    parse(Path::new("/repo/stagegate.toml"), text)
}

/// Returns the problems as `line:column message (remedy)`.
fn problems(text: &str) -> Vec<String> {
    let found = toml(text).expect_err("the file is wrong");
    let describe = |problem| {
        let (line, column) = found.position(problem);
        let remedy = problem.remedy.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
        format!("{line}:{column} {}{remedy}", problem.message)
    };
    found.problems.iter().map(describe).collect()
}

#[test]
fn a_short_file_gets_its_defaults() {
    let pipeline = toml(MINIMAL).unwrap();
    assert_eq!(pipeline.lane, LaneMode::Branch);
    let source = pipeline.primary_source();
    assert_eq!(source.action_type.provider, "Git");
    assert_eq!(source.output_artifacts[0].name.as_str(), "app");
    assert_eq!(source.namespace.as_deref(), Some("app"));
    let unit = &pipeline.stages[1].actions[0];
    assert_eq!((unit.action_type.category, unit.run_order), (Category::Test, 1));
    assert_eq!(unit.action_type.provider, "Commands");
    assert_eq!(unit.input_artifacts[0].as_str(), "app");
    assert_eq!(unit.timeout, Some(Span::minutes(20)));
}

#[test]
fn json_as_get_pipeline_prints_it_is_the_same_model() {
    let json = r#"{ "pipeline": { "name": "shop", "roleArn": "arn:x", "version": 3,
        "artifactStore": { "type": "S3", "location": "b" },
        "stages": [
          { "name": "Source", "actions": [ { "name": "app", "runOrder": 1,
            "actionTypeId": { "category": "Source", "owner": "AWS", "provider": "Git", "version": "1" },
            "configuration": { "RepositoryPath": ".", "BranchName": "main" },
            "outputArtifacts": [ { "name": "app" } ], "inputArtifacts": [] } ] },
          { "name": "Test", "actions": [ { "name": "unit",
            "actionTypeId": { "category": "Test", "owner": "AWS", "provider": "Commands", "version": "1" },
            "commands": [ "cargo test" ], "timeoutInMinutes": 20,
            "inputArtifacts": [ { "name": "app" } ] } ] } ] },
        "metadata": { "pipelineArn": "arn:y" } }"#;
    let from_json = parse(Path::new("/repo/stagegate.toml").with_extension("json").as_path(), json);
    let mut from_json = from_json.unwrap();
    from_json.file = "/repo/stagegate.toml".into();
    assert_eq!(from_json, toml(MINIMAL).unwrap());
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let text = MINIMAL
        .replace("name = \"Test\"", "nam = \"Test\"")
        .replace("BranchName", "BranchNam")
        .replace("\"20m\"", "\"20 minutes\"");
    assert_eq!(
        problems(&text),
        [
            "1:1 a pipeline has at least two stages (begin with a stage of source actions, then add one that does something)",
            "7:8 Action configuration for action 'app' is missing required configuration 'BranchName'",
            "9:41 Git has no configuration key `BranchNam` (did you mean `BranchName`?)",
            "11:1 `name` is missing",
            "12:1 unknown key `nam` (did you mean `name`?)",
            "17:11 `20 minutes` is not a length of time (write it like 90s, 20m, 1h30m or 7d)",
        ]
    );
}

#[test]
fn syntax_errors_are_reported_once_per_line() {
    let found = problems("name = \n[[stage]\nname = \"x\"\n");
    assert!(found.len() >= 2, "{found:?}");
    assert!(found[0].starts_with("1:"), "{found:?}");
    assert!(found[1].starts_with("2:"), "{found:?}");
}

/// A change to the minimal file and the message it must lead to.
fn assert_problem(from: &str, to: &str, message: &str) {
    assert!(MINIMAL.contains(from), "{from} stands in the minimal file");
    let found = problems(&MINIMAL.replacen(from, to, 1));
    assert!(found.iter().any(|it| it.contains(message)), "{message} not in {found:#?}");
}

#[test]
fn each_structural_rule_has_its_message() {
    for (from, to, message) in [
        (
            "category = \"Source\"",
            "category = \"Build\"\ncommands=[\"x\"]",
            "should start with a stage that only",
        ),
        (
            "category = \"Test\"",
            "category = \"Source\"",
            "Source actions can only be included in the first",
        ),
        ("category = \"Test\"", "category = \"Tset\"", "`Tset` is none of"),
        ("name = \"Test\"", "name = \"Source\"", "Stage name 'Source' is used more than once"),
        ("name = \"unit\"", "name = \"un it\"", "`un it` is no action name"),
        (
            "commands",
            "provider = \"S3\"\ncommands",
            "Provider: 'S3', Owner: 'AWS', Version: '1') in action 'unit' is not available",
        ),
        ("commands = [\"cargo test\"]", "", "has no commands"),
        ("timeout", "input_artifacts = [\"dist\"]\ntimeout", "no action makes the artifact `dist`"),
        (
            "cargo test",
            "echo #{ap.CommitId}",
            "no earlier action has the namespace `ap` (did you mean #{app.CommitId}?)",
        ),
        (
            "cargo test",
            "echo #{app.Commit}",
            "`app` has no variable `Commit` (did you mean #{app.CommitId}?)",
        ),
        ("cargo test", "echo #{variables.target}", "`variables` has no variable `target`"),
        ("timeout", "namespace = \"variables\"\ntimeout", "the namespace `variables` is reserved"),
        ("\"main\"", "\"ma[in\"", "`ma[in` is no glob"),
        ("timeout", "cache = [\"../x\"]\ntimeout", "leads out of the workspace"),
        ("timeout", "run_order = 0\ntimeout", "`run_order` is a number from 1 to 999"),
        (
            "timeout",
            "environment_variables = [{ name = \"T\", value = \"hunter2\", type = \"SECRET\" }]\ntimeout",
            "the secret T stands in the file itself",
        ),
        (
            "timeout",
            "environment_variables = [{ name = \"T-x\", value = \"1\" }]\ntimeout",
            "no name a shell could use",
        ),
        (
            "name = \"shop\"",
            "name = \"shop\"\nexecution_mode = \"QUEUE\"",
            "`QUEUE` is none of SUPERSEDED, QUEUED, PARALLEL",
        ),
        ("name = \"shop\"", "name = 5", "`name` is a string, not a number"),
        ("[\"cargo test\"]", "\"cargo test\"", "`commands` is a list, not a string"),
        (
            "name = \"Test\"",
            "name = \"Test\"\nlock = \"x\"",
            "`lock` is not available in this version",
        ),
    ] {
        assert_problem(from, to, message);
    }
}

#[test]
fn an_output_can_be_used_only_after_it_is_made() {
    let text = format!(
        "{MINIMAL}output_artifacts = [{{ name = \"dist\", files = [\"a\"] }}]\n\
         [[stage.action]]\nname = \"use\"\ncategory = \"Build\"\ncommands = [\"x\"]\n\
         input_artifacts = [\"dist\"]\n"
    );
    let found = problems(&text);
    assert!(found[0].contains("does not come before `use`"), "{found:?}");
    assert!(toml(&format!("{text}run_order = 2\n")).is_ok());
}

#[test]
fn files_in_a_dot_stagegate_folder_speak_about_the_repository_around_it() {
    let pipeline = parse(Path::new("/repo/.stagegate/app.toml"), MINIMAL).unwrap();
    assert_eq!(pipeline.base_directory(), Path::new("/repo"));
}
