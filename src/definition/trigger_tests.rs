use std::path::Path;

use super::parse;
use crate::model::{Patterns, Pipeline, PipelineTrigger, PushFilter, Schedule, WatchedRefs};

const PIPELINE: &str = r#"
name = "shop"
[[stage]]
name = "Source"
[[stage.action]]
name = "app"
category = "Source"
configuration = { BranchName = "main" }
[[stage.action]]
name = "config"
category = "Source"
configuration = { BranchName = "{main,release/*}" }
[[stage]]
name = "Test"
[[stage.action]]
name = "unit"
category = "Test"
commands = ["cargo test"]
"#;

/// Returns the problems of the pipeline with `triggers` below it, as `text message (remedy)` where
/// `text` is what the problem points at.
fn problems(triggers: &str) -> Vec<String> {
    let text = format!("{PIPELINE}{triggers}");
    let found = parse(Path::new("/repo/stagegate.toml"), &text).expect_err("the file is wrong");
    let problems = found.problems.iter().map(|problem| {
        let at = &text[problem.span.clone()];
        let remedy = problem.remedy.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
        format!("{at} {}{remedy}", problem.message)
    });
    problems.collect()
}

fn pipeline(triggers: &str) -> Pipeline {
    let text = format!("{PIPELINE}{triggers}");
    parse(Path::new("/repo/stagegate.toml"), &text).unwrap()
}

#[track_caller]
fn assert_problem(triggers: &str, message: &str) {
    let found = problems(triggers);
    assert!(found.iter().any(|it| it.contains(message)), "{message} not in {found:#?}");
}

fn push(filters: &str) -> String {
    format!("[[trigger]]\nsource_action = \"app\"\n{filters}")
}

fn schedule(text: &str) -> String {
    format!("[[trigger]]\nsource_action = \"app\"\n[trigger.schedule]\n{text}\n")
}

#[test]
fn a_trigger_has_push_filters_and_a_schedule() {
    let found = pipeline(
        r#"
[[trigger]]
source_action = "app"
[[trigger.push]]
branches = { includes = ["main", "release/*"], excludes = ["release/old"] }
file_paths = { includes = ["services/**"] }
[[trigger.push]]
tags = { includes = ["v*"] }
[trigger.schedule]
cron = "0 3 * * MON-FRI"
time_zone = "Europe/Berlin"
"#,
    );
    let patterns = |includes: &[&str], excludes: &[&str]| {
        let texts = |them: &[&str]| them.iter().map(|it| (*it).to_owned()).collect();
        Some(Patterns { includes: texts(includes), excludes: texts(excludes) })
    };
    let expected = PipelineTrigger {
        source_action: "app".into(),
        push: vec![
            PushFilter {
                branches: patterns(&["main", "release/*"], &["release/old"]),
                tags: None,
                file_paths: patterns(&["services/**"], &[]),
            },
            PushFilter { tags: patterns(&["v*"], &[]), ..PushFilter::default() },
        ],
        schedule: Some(Schedule {
            cron: "0 3 * * MON-FRI".into(),
            time_zone: "Europe/Berlin".into(),
            branch: None,
        }),
    };
    assert_eq!(found.triggers, [expected]);
    assert_eq!(found.watched_refs(&"app".into()), WatchedRefs::AllBranchesAndTags);
    assert_eq!(found.watched_refs(&"config".into()), WatchedRefs::BranchName);
}

#[test]
fn a_schedule_is_meant_in_utc_unless_it_says_otherwise() {
    let found = pipeline(&schedule("cron = \"@daily\""));
    assert_eq!(found.triggers[0].schedule.as_ref().unwrap().time_zone, "UTC");
}

#[test]
fn json_as_get_pipeline_prints_it_is_the_same_model() {
    let toml = pipeline(&push(
        "[[trigger.push]]\nbranches = { includes = [\"main\"] }\n\
         file_paths = { includes = [\"a/**\"], excludes = [\"**/README.md\"] }\n",
    ));
    let json = r#"{ "pipeline": { "name": "shop", "stages": [
        { "name": "Source", "actions": [ { "name": "app",
          "actionTypeId": { "category": "Source", "owner": "AWS", "provider": "Git", "version": "1" },
          "configuration": { "BranchName": "main" } } ] },
        { "name": "Test", "actions": [ { "name": "unit", "commands": [ "x" ],
          "actionTypeId": { "category": "Test", "owner": "AWS", "provider": "Commands", "version": "1" } } ] } ],
        "triggers": [ { "providerType": "CodeStarSourceConnection", "gitConfiguration": {
          "sourceActionName": "app", "push": [ { "branches": { "includes": [ "main" ] },
            "filePaths": { "includes": [ "a/**" ], "excludes": [ "**/README.md" ] } } ] } } ] } }"#;
    let from_json = parse(Path::new("/repo/stagegate.json"), json).unwrap();
    assert_eq!(from_json.triggers, toml.triggers);
}

#[test]
fn pull_requests_are_refused_with_the_reason() {
    let found = problems(&push("[[trigger.pull_request]]\nbranches = { includes = [\"main\"] }\n"));
    assert!(
        found.iter().any(|it| it.contains("there are no pull requests in a local repository")),
        "{found:?}"
    );
}

#[test]
fn a_trigger_names_a_source_action_and_only_once() {
    let filter = "[[trigger.push]]\nbranches = { includes = [\"main\"] }\n";
    assert_eq!(
        problems(&push(filter).replace("\"app\"", "\"ap\"")),
        ["\"ap\" there is no source action `ap` (did you mean `app`?)"]
    );
    assert_problem(&push(filter).replace("\"app\"", "\"unit\""), "there is app, config");
    assert_problem(&format!("{}{}", push(filter), push(filter)), "has another trigger");
}

#[test]
fn a_trigger_has_push_filters_or_a_schedule() {
    assert_problem(&push(""), "\"app\" nothing would ever start `app`");
}

#[test]
fn a_trigger_has_at_most_three_push_filters() {
    let filter =
        |name: &str| format!("[[trigger.push]]\nbranches = {{ includes = [\"{name}\"] }}\n");
    let filters = |names: &[&str]| push(&names.iter().map(|it| filter(it)).collect::<String>());
    assert_eq!(pipeline(&filters(&["a", "b", "c"])).triggers[0].push.len(), 3);
    assert_problem(&filters(&["a", "b", "c", "d"]), "at most 3 push filters");
}

#[test]
fn a_pipeline_has_at_most_fifty_triggers() {
    let trigger = push("[[trigger.push]]\nbranches = { includes = [\"a\"] }\n");
    assert_problem(&trigger.repeat(51), "at most 50 triggers");
}

#[test]
fn tags_stand_alone_and_file_paths_go_with_branches() {
    let lists = "{ includes = [\"a\"] }";
    assert_problem(
        &push(&format!("[[trigger.push]]\ntags = {lists}\nbranches = {lists}\n")),
        "`tags` stand alone",
    );
    assert_problem(
        &push(&format!("[[trigger.push]]\ntags = {lists}\nfile_paths = {lists}\n")),
        "`tags` stand alone",
    );
    assert_problem(
        &push(&format!("[[trigger.push]]\nfile_paths = {lists}\n")),
        "`file_paths` go with `branches`",
    );
    assert_problem(&push("[[trigger.push]]\n"), "a push filter names `branches` or `tags`");
}

#[test]
fn a_list_has_one_to_eight_patterns_of_up_to_255_characters() {
    let filter = |includes: &str| {
        push(&format!("[[trigger.push]]\nbranches = {{ includes = [{includes}] }}\n"))
    };
    let many =
        |count: usize| (0..count).map(|it| format!("\"b{it}\"")).collect::<Vec<_>>().join(", ");
    assert_eq!(pipeline(&filter(&many(8))).triggers.len(), 1);
    assert_problem(&filter(&many(9)), "\"b8\" `includes` has 1 to 8 patterns");
    assert_problem(&filter(""), "[] `includes` has 1 to 8 patterns");
    assert_problem(&filter("\"\""), "\"\" a pattern has 1 to 255 characters");
    assert_problem(&filter(&format!("\"{}\"", "x".repeat(256))), "1 to 255 characters");
    assert_eq!(pipeline(&filter(&format!("\"{}\"", "x".repeat(255)))).triggers.len(), 1);
    assert_problem(&push("[[trigger.push]]\nbranches = {}\n"), "`branches` has `includes` or");
}

#[test]
fn a_pattern_is_a_glob() {
    let filter = "[[trigger.push]]\nbranches = { excludes = [\"ok\", \"ma[in\"] }\n";
    assert_problem(&push(filter), "\"ma[in\" `ma[in` is no glob: unclosed");
}

#[test]
fn a_filter_stands_only_once_in_a_trigger() {
    let filter = "[[trigger.push]]\nbranches = { includes = [\"main\"] }\n";
    assert_problem(&push(&filter.repeat(2)), "the same push filter stands above");
}

#[test]
fn a_schedule_has_a_cron_expression_and_a_time_zone_there_are() {
    assert_problem(&schedule("cron = \"0 3 * *\""), "\"0 3 * *\" `0 3 * *` is no cron expression");
    assert_problem(&schedule("cron = \"61 3 * * *\""), "is no cron expression");
    assert_problem(&schedule("cron = \"0 0 30 2 *\""), "never comes");
    assert_problem(
        &schedule("cron = \"0 3 * * *\"\ntime_zone = \"Europe/Berlim\""),
        "\"Europe/Berlim\" `Europe/Berlim` is no time zone (did you mean `Europe/Berlin`?)",
    );
    assert_problem(&schedule("time_zone = \"UTC\""), "`cron` is missing");
}

#[test]
fn a_schedule_says_which_branch_where_the_source_has_several() {
    let config = |text: &str| schedule(text).replace("\"app\"", "\"config\"");
    assert_problem(
        &config("cron = \"@daily\""),
        "which branch? `{main,release/*}` matches several",
    );
    assert!(!pipeline(&config("cron = \"@daily\"\nbranch = \"release/1\"")).triggers.is_empty());
    assert_problem(
        &config("cron = \"@daily\"\nbranch = \"topic\""),
        "\"topic\" `config` watches `{main,release/*}`, not `topic`",
    );
    assert_problem(
        &schedule("cron = \"@daily\"\nbranch = \"topic\""),
        "watches `main`, not `topic`",
    );
}

#[test]
fn every_problem_of_the_triggers_is_reported_at_once() {
    let found = problems(
        "[[trigger]]\nsource_action = \"ap\"\n[[trigger.push]]\ntags = { includes = [\"a{\"] }\n\
         [trigger.schedule]\ncron = \"x\"\ntime_zone = \"Mars\"\n[[trigger]]\nsourc = \"app\"\n",
    );
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn the_name_of_a_tag_is_a_variable_where_tags_start_executions() {
    let text = PIPELINE.replace("cargo test", "echo #{app.TagName}");
    let read = |triggers: &str| parse(Path::new("/p.toml"), &format!("{text}{triggers}"));
    assert!(read("").is_err());
    assert!(read(&push("[[trigger.push]]\ntags = { includes = [\"v*\"] }\n")).is_ok());
}
