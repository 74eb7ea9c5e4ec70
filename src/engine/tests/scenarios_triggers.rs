//! Push filters, tags and several sources.

use super::pushes::{Pushes, branches, paths, patterns, tags, trigger, with_sources};
use crate::{
    engine::{Effect, Engine, Input},
    model::*,
};

#[test]
fn without_a_trigger_every_new_commit_on_the_branch_starts_an_execution() {
    let mut pushes = Pushes::on(with_sources(&[("app", "main")], Vec::new()));
    pushes.push("main", "a1");
    assert_eq!(pushes.started(), ["main a1"]);
    assert_eq!(pushes.last_trigger(), (TriggerType::Webhook, "main in /repo/.git".to_owned()));
}

#[test]
fn with_push_filters_they_decide_and_the_branch_name_does_not() {
    let mut pushes = Pushes::filtered(vec![branches(&["release/*"])]);
    pushes.push("main", "a1");
    pushes.push("release/1", "b2");
    assert_eq!(pushes.started(), ["release/1 b2"]);
    let detail =
        "release/1 in /repo/.git: push filter 1: branch release/1 is included by release/*";
    assert_eq!(pushes.last_trigger(), (TriggerType::WebhookV2, detail.to_owned()));
    assert_eq!(
        pushes.declined(),
        ["main a1: push filter 1: branch main is not included by release/*"]
    );
}

#[test]
fn one_of_several_push_filters_is_enough() {
    let mut pushes = Pushes::filtered(vec![branches(&["main"]), branches(&["release/*"])]);
    pushes.push("release/1", "a1");
    pushes.push("topic", "b2");
    assert_eq!(pushes.started(), ["release/1 a1"]);
    assert!(
        pushes.declined()[0].contains("push filter 1: branch topic"),
        "{:?}",
        pushes.declined()
    );
    assert!(
        pushes.declined()[0].contains("push filter 2: branch topic"),
        "{:?}",
        pushes.declined()
    );
}

#[test]
fn a_filter_that_matches_without_files_asks_for_none() {
    let filters = vec![paths(&["main"], &["src/**"], &[]), branches(&["main"])];
    let mut pushes = Pushes::filtered(filters);
    pushes.push("main", "a1");
    assert_eq!((pushes.started(), pushes.asked()), (vec!["main a1".to_owned()], Vec::new()));
}

#[test]
fn in_one_filter_branches_and_file_paths_must_both_match() {
    let mut pushes = Pushes::filtered(vec![paths(&["main"], &["src/**"], &[])]);
    pushes.push("topic", "a1");
    assert!(pushes.asked().is_empty(), "the branch alone has decided");
    pushes.push("main", "b2");
    pushes.files("main", "b2", &["docs/a.md"]);
    assert!(pushes.started().is_empty());
    assert_eq!(
        pushes.declined()[1],
        "main b2: push filter 1: branch main is included by main but docs/a.md is not \
         included by src/**"
    );
    pushes.push("main", "c3");
    pushes.files("main", "c3", &["docs/a.md", "src/a.rs"]);
    assert_eq!(pushes.started(), ["main c3"]);
    let (_, detail) = pushes.last_trigger();
    assert!(detail.ends_with("src/a.rs is included by src/**"), "{detail}");
}

#[test]
fn excludes_beat_includes() {
    let filter = PushFilter {
        branches: Some(patterns(&["release/*", "main"], &["release/old", "main"])),
        ..PushFilter::default()
    };
    let mut pushes = Pushes::filtered(vec![filter]);
    for branch in ["release/old", "main", "release/new"] {
        pushes.push(branch, "a1");
    }
    assert_eq!(pushes.started(), ["release/new a1"]);
    assert!(pushes.declined()[0].ends_with("is excluded by release/old"));
}

#[test]
fn without_includes_everything_that_is_not_excluded_matches() {
    let filter = PushFilter { branches: Some(patterns(&[], &["wip/**"])), ..PushFilter::default() };
    let mut pushes = Pushes::filtered(vec![filter]);
    pushes.push("wip/a/b", "a1");
    pushes.push("topic", "b2");
    assert_eq!(pushes.started(), ["topic b2"]);
}

#[test]
fn each_file_is_judged_alone_and_one_that_counts_is_enough() {
    let mut pushes = Pushes::filtered(vec![paths(&["**"], &["src/**"], &["**/README.md"])]);
    pushes.push("main", "a1");
    pushes.files("main", "a1", &["src/README.md", "README.md"]);
    assert!(pushes.started().is_empty(), "what is excluded does not count");
    pushes.push("main", "b2");
    pushes.files("main", "b2", &["src/README.md", "src/a.rs"]);
    assert_eq!(pushes.started(), ["main b2"]);
}

#[test]
fn the_hundred_and_first_changed_file_counts() {
    let mut pushes = Pushes::filtered(vec![paths(&["main"], &["src/**"], &[])]);
    pushes.push("main", "a1");
    let mut files: Vec<String> = (0..100).map(|it| format!("docs/{it}.md")).collect();
    files.push("src/a.rs".to_owned());
    pushes.answer("main", "a1", Ok(files));
    assert_eq!(pushes.started(), ["main a1"]);
}

#[test]
fn a_new_branch_starts_an_execution_by_its_file_paths() {
    let mut pushes = Pushes::filtered(vec![paths(&["**"], &["src/**"], &[])]);
    pushes.push("topic", "a1");
    assert_eq!(pushes.asked(), ["topic ..a1"], "the shell knows where it left the default branch");
    pushes.files("topic", "a1", &["src/a.rs"]);
    assert_eq!(pushes.started(), ["topic a1"]);
}

#[test]
fn a_branch_that_moved_is_compared_with_where_it_stood() {
    let mut pushes = Pushes::filtered(vec![paths(&["main"], &["src/**"], &[])]);
    pushes.push("main", "a1");
    pushes.files("main", "a1", &[]);
    pushes.push("main", "b2");
    assert_eq!(pushes.asked()[1], "main a1..b2");
    assert!(pushes.declined()[0].ends_with("but no file has changed"));
}

#[test]
fn when_the_files_cannot_be_listed_the_execution_starts_and_says_so() {
    let mut pushes = Pushes::filtered(vec![paths(&["main"], &["src/**"], &[])]);
    pushes.push("main", "a1");
    pushes.answer("main", "a1", Err("the commit is gone".to_owned()));
    assert_eq!(pushes.started(), ["main a1"]);
    let (_, detail) = pushes.last_trigger();
    assert!(detail.contains("cannot be listed (the commit is gone), so it starts"), "{detail}");
}

#[test]
fn a_commit_that_comes_while_files_are_listed_takes_over_the_changes_before_it() {
    let mut pushes = Pushes::filtered(vec![paths(&["main"], &["src/**"], &[])]);
    pushes.push("main", "a1");
    pushes.files("main", "a1", &["src/a.rs"]);
    pushes.push("main", "b2");
    pushes.push("main", "c3");
    assert_eq!(pushes.asked()[1..], ["main a1..b2", "main a1..c3"]);
    pushes.files("main", "b2", &["src/a.rs"]);
    assert_eq!(pushes.started(), ["main a1"], "nobody waits for this answer any more");
    pushes.files("main", "c3", &["src/a.rs"]);
    assert_eq!(pushes.started(), ["main a1", "main c3"]);
    assert_eq!(pushes.declined(), ["main b2: c3 came while its files were being listed"]);
}

#[test]
fn a_branch_that_is_deleted_while_its_files_are_listed_starts_nothing() {
    let mut pushes = Pushes::filtered(vec![paths(&["**"], &["src/**"], &[])]);
    pushes.push("topic", "a1");
    pushes.delete("topic");
    pushes.files("topic", "a1", &["src/a.rs"]);
    assert!(pushes.started().is_empty());
}

#[test]
fn a_runtime_that_takes_over_asks_again_for_what_nobody_has_listed() {
    let mut pushes = Pushes::filtered(vec![paths(&["main"], &["src/**"], &[])]);
    pushes.push("main", "a1");
    let mut engine = Engine::replay(pushes.events(), 1);
    let step = engine.apply(Input::RuntimeStarted, pushes.scene.now).unwrap();
    let [Effect::ListChanges { revision, since: None, .. }] = &step.effects[..] else {
        panic!("one question, not {:?}", step.effects);
    };
    assert_eq!(revision.id.as_str(), "a1");
}

#[test]
fn tags_start_executions_in_one_lane_where_they_supersede_each_other() {
    let mut pushes = Pushes::filtered(vec![tags(&["v*"])]);
    for (tag, id) in [("v1", "a1"), ("v2", "b2"), ("v3", "c3"), ("nightly", "d4")] {
        pushes.tag(tag, id);
    }
    assert_eq!(pushes.started(), ["tags a1", "tags b2", "tags c3"]);
    let lane = &pushes.scene.engine.state().pipelines["p"].lanes[Lane::TAGS];
    assert_eq!(lane.recent[0].status, ExecutionStatus::Superseded);
    assert!(
        pushes.scene.jobs.values().any(|job| job.instructions.commands == ["make refs/tags/v1"])
    );
    assert!(pushes.declined()[0].contains("tag nightly is not included by v*"));
}

#[test]
fn the_name_of_a_tag_is_a_variable() {
    let mut definition = with_sources(&[("app", "main")], vec![trigger(vec![tags(&["v*"])])]);
    super::scene::told(&mut definition.stages[1].actions[0]).commands =
        vec!["make #{app.TagName}".to_owned()];
    let mut pushes = Pushes::on(definition);
    pushes.tag("v1", "a1");
    assert!(pushes.scene.jobs.values().any(|job| job.instructions.commands == ["make v1"]));
}

#[test]
fn a_filter_for_tags_is_none_for_branches_and_the_other_way_round() {
    let mut pushes = Pushes::filtered(vec![tags(&["**"])]);
    pushes.push("main", "a1");
    assert!(pushes.declined()[0].ends_with("branch main is no match, the filter is for tags"));
    let mut pushes = Pushes::filtered(vec![branches(&["**"]), tags(&["v*"])]);
    pushes.tag("nightly", "a1");
    assert!(pushes.declined()[0].contains("tag nightly is no match, the filter is for branches"));
}

#[test]
fn two_tags_on_one_commit_are_two_executions() {
    let mut pushes = Pushes::filtered(vec![tags(&["**"])]);
    pushes.tag("v1", "a1");
    pushes.tag("latest", "a1");
    assert_eq!(pushes.started(), ["tags a1", "tags a1"]);
}

#[test]
fn filters_that_are_new_take_a_new_baseline_and_start_nothing() {
    let plain = with_sources(&[("app", "main")], Vec::new());
    let mut pushes = Pushes::on(plain.clone());
    pushes.push("main", "a1");
    let triggers = vec![trigger(vec![branches(&["**"])])];
    pushes.define(Pipeline { triggers, ..plain.clone() });
    pushes.push("old-topic", "b2");
    assert_eq!(pushes.started(), ["main a1"], "the first sight of all branches");
    let triggers = vec![trigger(vec![branches(&["**"]), branches(&["x"])])];
    pushes.define(Pipeline { triggers, ..plain });
    pushes.push("topic", "c3");
    assert_eq!(pushes.started(), ["main a1", "topic c3"], "other patterns, the same branches");
}

#[test]
fn a_required_variable_keeps_commits_from_starting_and_says_so() {
    let mut definition = with_sources(&[("app", "main")], Vec::new());
    definition.variables =
        vec![PipelineVariable { name: "target".into(), default_value: None, description: None }];
    let mut pushes = Pushes::on(definition);
    pushes.push("main", "a1");
    assert!(pushes.started().is_empty());
    assert!(pushes.declined()[0].contains("variable target has no default value"));
}

#[test]
fn a_change_of_the_primary_source_takes_what_is_known_of_the_others() {
    let mut pushes = Pushes::on(with_sources(&[("app", "main"), ("config", "live")], Vec::new()));
    pushes.push("main", "a1");
    assert_eq!(pushes.started(), ["main a1"], "the other source will fetch its head itself");
    pushes.push_to("config", "live", "b2");
    pushes.push("main", "c3");
    assert_eq!(pushes.started()[2], "main c3,b2");
}

#[test]
fn a_change_of_another_source_runs_with_the_newest_head_of_the_primary_source() {
    let mut pushes = Pushes::on(with_sources(&[("app", "main"), ("config", "live")], Vec::new()));
    pushes.push("main", "a1");
    pushes.push_to("config", "live", "b2");
    assert_eq!(pushes.started(), ["main a1", "main a1,b2"]);
}

#[test]
fn a_change_of_another_source_runs_in_each_lane_that_exists() {
    let mut pushes = Pushes::on(with_sources(&[("app", "*"), ("config", "live")], Vec::new()));
    pushes.push_to("config", "live", "a1");
    assert!(pushes.declined()[0].contains("no lane yet"), "{:?}", pushes.declined());
    pushes.push("main", "b2");
    pushes.push("topic", "c3");
    pushes.push_to("config", "live", "d4");
    assert_eq!(pushes.started()[2..], ["main b2,d4", "topic c3,d4"]);
}

#[test]
fn a_trigger_on_another_source_decides_over_that_source_only() {
    let config =
        PipelineTrigger { source_action: "config".into(), ..trigger(vec![branches(&["live"])]) };
    let mut pushes = Pushes::on(with_sources(&[("app", "main"), ("config", "live")], vec![config]));
    pushes.push("main", "a1");
    pushes.push_to("config", "draft", "b2");
    assert_eq!(pushes.started(), ["main a1"]);
    pushes.push_to("config", "live", "c3");
    assert_eq!(pushes.started(), ["main a1", "main a1,c3"]);
}
