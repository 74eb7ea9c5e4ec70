use std::path::Path;

use super::{FileProblems, parse};
use crate::model::{
    Category, ConditionResult, ExecutionMode, LaneMode, OnFailure, Pipeline, RetryMode, Span,
};

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
    assert_eq!(source.namespace, Some("app".into()));
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
fn a_stage_without_actions_is_told_apart_from_one_whose_action_is_wrong() {
    let last = format!("{MINIMAL}[[stage]]\nname = \"Last\"\n");
    let action = "[[stage.action]]\nname = \"a\"\ncommands = [\"true\"]\n";
    let remedy = "add a [[stage.action]] below it";
    assert_eq!(problems(&last), [format!("19:8 stage `Last` has no action ({remedy})")]);
    assert_eq!(problems(&format!("{last}{action}")), ["20:1 `category` is missing"]);
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
        (
            "\".\"",
            "\"https://me:hunter2@example.org/a.git\"",
            "what logs in does not belong into this file",
        ),
        (
            "\".\"",
            "\"https://ghp_token@example.org/a.git\"",
            "what logs in does not belong into this file",
        ),
        (
            "BranchName",
            "OutputArtifactFormat = \"ZIP\", BranchName",
            "`ZIP` does not fit `OutputArtifactFormat`",
        ),
        ("BranchName", "PollInterval = \"0s\", BranchName", "`0s` does not fit `PollInterval`"),
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
        ("timeout = \"20m\"", "image = \"-it\"", "`-it` is no image"),
        ("timeout = \"20m\"", "runner = \"ssh\"", "`runner` is not available in this version"),
        (
            "name = \"unit\"",
            "name = \"a\"\ncategory = \"Test\"\ncommands = [\"x\"]\nnamespace = \"n\"\n\
             [[stage.action]]\nname = \"unit\"\nnamespace = \"n\"",
            "namespace `n` is used more than once",
        ),
        (
            "commands = [\"cargo test\"]\ntimeout",
            "provider = \"Directory\"\ntimeout",
            "Provider: 'Directory', Owner: 'AWS', Version: '1') in action 'unit' is not available",
        ),
        (
            "category = \"Test\"\ncommands",
            "category = \"Deploy\"\nprovider = \"Directory\"\ncommands",
            "is missing required configuration 'TargetPath'",
        ),
        (
            "RepositoryPath",
            "RepositryPath",
            "Git has no configuration key `RepositryPath` (did you mean `RepositoryPath`?)",
        ),
        (
            "timeout",
            "output_artifacts = [{ name = \"app\", files = [\"x\"] }]\ntimeout",
            "Output artifact name 'app' is used more than once",
        ),
    ] {
        assert_problem(from, to, message);
    }
}

#[test]
fn a_pipeline_has_two_to_fifty_stages_with_actions_of_names_of_their_own() {
    let stage = |name: &str| {
        format!(
            "[[stage]]\nname = \"{name}\"\n[[stage.action]]\nname = \"a\"\ncategory = \"Test\"\ncommands = [\"x\"]\n"
        )
    };
    let (only_source, _) = MINIMAL.split_at(MINIMAL.rfind("[[stage]]").unwrap());
    assert!(problems(only_source)[0].contains("at least two stages"));
    let many = |count: usize| {
        (2..=count).fold(only_source.to_owned(), |text, it| text + &stage(&format!("s{it}")))
    };
    assert!(toml(&many(50)).is_ok());
    assert!(problems(&many(51))[0].contains("up to 50 stages"));
    let twice = format!(
        "{MINIMAL}[[stage.action]]\nname = \"unit\"\ncategory = \"Test\"\ncommands = [\"x\"]\n"
    );
    assert!(problems(&twice)[0].contains("Action name 'unit' is used more than once"));
    let variable = "[[variable]]\nname = \"v\"\n";
    let found = problems(&format!("{MINIMAL}{variable}{variable}"));
    assert!(found[0].contains("Variable names must be unique"), "{found:?}");
}

#[test]
fn conditions_retries_and_locks_are_read() {
    let text = MINIMAL.replace(
        "name = \"Test\"",
        r#"name = "Test"
lock = "production"
max_concurrent_actions = 2
before_entry = { conditions = [{ result = "FAIL", rules = [
  { name = "hours", provider = "DeploymentWindow", configuration = { Cron = "0 0 9-17 ? * MON-FRI", TimeZone = "Europe/Berlin" } },
] }] }
on_failure = { result = "RETRY", retry_configuration = { retry_mode = "ALL_ACTIONS", attempts = 3, delay = "10s", backoff = 2 } }"#,
    );
    let pipeline = toml(&text).unwrap();
    let stage = &pipeline.stages[1];
    assert_eq!(stage.lock, Some("production".into()));
    assert_eq!(stage.max_concurrent_actions, Some(2));
    assert_eq!(stage.before_entry.as_ref().unwrap().rules[0].provider, "DeploymentWindow");
    let Some(OnFailure::Retry(retry)) = stage.on_failure else { panic!("{:?}", stage.on_failure) };
    assert_eq!((retry.mode, retry.attempts, retry.backoff), (RetryMode::AllActions, 3, 2));
    assert_eq!(retry.delay_before(3), Span(40_000));
}

#[test]
fn conditions_as_get_pipeline_prints_them_are_the_same() {
    let json = r##"{ "name": "shop", "executionMode": "QUEUED", "stages": [
        { "name": "Source", "actions": [ { "name": "app",
          "actionTypeId": { "category": "Source", "owner": "AWS", "provider": "Git", "version": "1" },
          "configuration": { "BranchName": "main" } } ] },
        { "name": "Test", "actions": [ { "name": "unit", "commands": [ "true" ],
          "actionTypeId": { "category": "Test", "owner": "AWS", "provider": "Commands", "version": "1" } } ],
          "onSuccess": { "conditions": [ { "result": "ROLLBACK", "rules": [ { "name": "check",
            "ruleTypeId": { "category": "Rule", "owner": "AWS", "provider": "VariableCheck", "version": "1" },
            "configuration": { "Variable": "#{app.BranchName}", "Operator": "EQ", "Value": "main" } } ] } ] },
          "onFailure": { "result": "RETRY", "retryConfiguration": { "retryMode": "FAILED_ACTIONS" } } } ] }"##;
    let pipeline = parse(Path::new("/repo/stagegate.json"), json).unwrap();
    assert_eq!(pipeline.execution_mode, ExecutionMode::Queued);
    let stage = &pipeline.stages[1];
    assert_eq!(stage.on_success.as_ref().unwrap().result, ConditionResult::Rollback);
    let Some(OnFailure::Retry(retry)) = stage.on_failure else { panic!("{:?}", stage.on_failure) };
    assert_eq!(retry.attempts, 1, "CodePipeline tries once");
}

#[test]
fn each_rule_about_conditions_has_its_message() {
    let check = r#"{ name = "a", provider = "VariableCheck", configuration = { Variable = "x", Operator = "EQ", Value = "x" } }"#;
    let entry = |rest: &str| format!("name = \"Test\"\nbefore_entry = {rest}");
    let rules = |result: &str, rules: &str| {
        entry(&format!("{{ conditions = [{{ result = \"{result}\", rules = [{rules}] }}] }}"))
    };
    for (text, message) in [
        (rules("ROLLBACK", check), "ROLLBACK is no result of an entry condition"),
        (rules("FAIL", ""), "a condition has 1 to 5 rules, this one has 0"),
        (rules("FAIL", &format!("{check}, {check}")), "Rule name 'a' is used more than once"),
        (entry("{ conditions = [] }"), "`before_entry` has exactly one condition"),
        (
            rules("FAIL", &check.replace("VariableCheck", "VariableChek")),
            "there is no rule provider `VariableChek`",
        ),
        (
            rules("FAIL", &check.replace("VariableCheck", "LambdaInvoke")),
            "LambdaInvoke rules are not available in this version",
        ),
        (rules("FAIL", &check.replace("\"EQ\"", "\"IS\"")), "`IS` is no operator"),
        (
            rules("FAIL", &check.replace("\"x\", O", "\"#{bild.X}\", O")),
            "no earlier action has the namespace `bild`",
        ),
        (
            rules("SKIP", r#"{ name = "c", provider = "Commands", commands = ["true"] }"#),
            "a condition that skips takes VariableCheck rules, not Commands",
        ),
        (
            rules("FAIL", r#"{ name = "w", provider = "DeploymentWindow", configuration = { Cron = "9 to 5" } }"#),
            "`9 to 5` is no window",
        ),
        (
            rules("FAIL", r#"{ name = "w", provider = "DeploymentWindow", configuration = { Cron = "0 0 9 ? * *", TimeZone = "Mars" } }"#),
            "there is no time zone `Mars`",
        ),
        (
            "name = \"Test\"\non_failure = { result = \"SKIP\" }".to_owned(),
            "SKIP is no result of a failure",
        ),
        (
            "name = \"Test\"\non_failure = { }".to_owned(),
            "`on_failure` has neither a result nor a condition",
        ),
        (
            "name = \"Test\"\non_failure = { result = \"FAIL\", retry_configuration = { attempts = 2 } }".to_owned(),
            "`retry_configuration` belongs to `result = \"RETRY\"`",
        ),
        (
            format!("name = \"Test\"\non_failure = {{ result = \"FAIL\", conditions = [{{ result = \"ROLLBACK\", rules = [{check}] }}] }}"),
            "cannot have a failure exit gate configured with both",
        ),
        ("name = \"Test\"\nmax_concurrent_actions = 0".to_owned(), "is a number from 1"),
    ] {
        assert_problem("name = \"Test\"", &text, message);
    }
    let parallel = "name = \"shop\"\nexecution_mode = \"PARALLEL\"";
    let text = MINIMAL
        .replace("name = \"shop\"", parallel)
        .replace("name = \"Test\"", "name = \"Test\"\non_failure = { result = \"ROLLBACK\" }");
    let found = problems(&text);
    assert!(found[0].contains("cannot be added to a PARALLEL pipeline"), "{found:?}");
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
