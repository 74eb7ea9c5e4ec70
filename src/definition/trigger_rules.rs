//! The rules of `triggers` (CodePipeline user guide, "Automate starting pipelines using triggers
//! and filtering" and "Quotas"), and of our schedules.

use std::{collections::BTreeSet, ops::Range};

use super::{
    draft::{Draft, DraftAction},
    problem::Problem,
    reader::{Located, Problems, nearest},
    triggers::{DraftPatterns, DraftPushFilter, DraftSchedule, DraftTrigger},
};
use crate::model::{
    Category, Schedule, Timestamp,
    glob::Glob,
    pipeline::GLOB_CHARACTERS,
    schedule::{check_cron, is_time_zone, time_zones},
};

const MOST_TRIGGERS: usize = 50;
const MOST_FILTERS: usize = 3;
const MOST_PATTERNS: usize = 8;
const LONGEST_PATTERN: usize = 255;

pub(super) fn validate(draft: &Draft, problems: &Problems) {
    if let Some(beyond) = draft.triggers.get(MOST_TRIGGERS) {
        let message = format!("a pipeline has at most {MOST_TRIGGERS} triggers");
        problems.push(Problem::new(&beyond.source_action.span, message));
    }
    source_actions(draft, problems);
    for trigger in &draft.triggers {
        push_or_schedule(trigger, problems);
        for filter in &trigger.push {
            parts_of_a_filter(filter, problems);
            filter.parts().for_each(|(part, patterns)| lists(part, patterns, problems));
        }
        no_filter_twice(trigger, problems);
        if let Some(schedule) = &trigger.schedule {
            times(schedule, problems);
            branch_of_a_schedule(draft, trigger, schedule, problems);
        }
    }
}

fn sources(draft: &Draft) -> impl Iterator<Item = &DraftAction> {
    let actions = draft.stages.iter().flat_map(|stage| &stage.actions);
    actions.filter(|action| action.category == Category::Source)
}

fn source_actions(draft: &Draft, problems: &Problems) {
    let mut seen = BTreeSet::new();
    for name in draft.triggers.iter().map(|trigger| &trigger.source_action) {
        let known = || sources(draft).map(|action| action.name.value.as_str());
        if !known().any(|it| it == name.value) {
            let message = format!("there is no source action `{}`", name.value);
            let problem = Problem::new(&name.span, message);
            problems.push(match nearest(&name.value, known()) {
                Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                None => {
                    problem.remedy(format!("there is {}", known().collect::<Vec<_>>().join(", ")))
                }
            });
        } else if !seen.insert(&name.value) {
            let message = format!("the source action `{}` has another trigger", name.value);
            let problem = Problem::new(&name.span, message);
            problems.push(problem.remedy("put all of its push filters into one trigger"));
        }
    }
}

fn push_or_schedule(trigger: &DraftTrigger, problems: &Problems) {
    if trigger.push.is_empty() && trigger.schedule.is_none() {
        let message = format!("nothing would ever start `{}`", trigger.source_action.value);
        let remedy = "add push filters or a schedule, or remove the trigger: without one every \
                      new commit on BranchName starts an execution";
        problems.push(Problem::new(&trigger.source_action.span, message).remedy(remedy));
    }
    if let Some(beyond) = trigger.push.get(MOST_FILTERS) {
        let message = format!("a trigger has at most {MOST_FILTERS} push filters");
        problems.push(Problem::new(&start(&beyond.span), message));
    }
}

fn parts_of_a_filter(filter: &DraftPushFilter, problems: &Problems) {
    let with_tags = filter.branches.is_some() || filter.file_paths.is_some();
    if let Some(tags) = &filter.tags
        && with_tags
    {
        let message = "`tags` stand alone in a push filter";
        let problem = Problem::new(&start(&tags.span), message);
        problems.push(problem.remedy("give the tags a push filter of their own"));
    } else if let Some(paths) = &filter.file_paths
        && filter.branches.is_none()
    {
        let message = "`file_paths` go with `branches`";
        let remedy = "add branches = { includes = [\"**\"] } for all branches";
        problems.push(Problem::new(&start(&paths.span), message).remedy(remedy));
    }
    if filter.parts().next().is_none() {
        let message = "a push filter names `branches` or `tags`";
        problems.push(Problem::new(&start(&filter.span), message));
    }
}

fn lists(part: &str, patterns: &DraftPatterns, problems: &Problems) {
    if patterns.lists().next().is_none() {
        let message = format!("`{part}` has `includes` or `excludes`");
        problems.push(Problem::new(&start(&patterns.span), message));
    }
    for (list, found) in patterns.lists() {
        if !(1..=MOST_PATTERNS).contains(&found.value.len()) {
            let beyond = found.value.get(MOST_PATTERNS).map_or(&found.span, |it| &it.span);
            let message = format!("`{list}` has 1 to {MOST_PATTERNS} patterns");
            problems.push(Problem::new(beyond, message));
        }
        found.value.iter().for_each(|it| pattern(it, problems));
    }
}

fn pattern(pattern: &Located<String>, problems: &Problems) {
    if !(1..=LONGEST_PATTERN).contains(&pattern.value.chars().count()) {
        let message = format!("a pattern has 1 to {LONGEST_PATTERN} characters");
        problems.push(Problem::new(&pattern.span, message));
    } else if let Err(error) = Glob::new(&pattern.value) {
        let message = format!("`{}` is no glob: {error}", pattern.value);
        problems.push(Problem::new(&pattern.span, message));
    }
}

fn no_filter_twice(trigger: &DraftTrigger, problems: &Problems) {
    let filters: Vec<_> = trigger.push.iter().map(DraftPushFilter::filter).collect();
    for (at, draft) in trigger.push.iter().enumerate() {
        if filters[..at].contains(&filters[at]) {
            let message = "the same push filter stands above";
            problems.push(Problem::new(&start(&draft.span), message).remedy("remove one of them"));
        }
    }
}

fn times(schedule: &DraftSchedule, problems: &Problems) {
    let cron = &schedule.cron;
    let never = || {
        let schedule = Schedule {
            cron: cron.value.clone(),
            time_zone: Schedule::DEFAULT_TIME_ZONE.to_owned(),
            branch: None,
        };
        schedule.next_after(Timestamp(0)).is_none()
    };
    let remedy = "five fields, as in \"0 3 * * MON-FRI\": minute, hour, day of month, month, \
                  day of week";
    if let Err(error) = check_cron(&cron.value) {
        let message = format!("`{}` is no cron expression: {error}", cron.value);
        problems.push(Problem::new(&cron.span, message).remedy(remedy));
    } else if never() {
        let message = format!("`{}` never comes", cron.value);
        problems.push(Problem::new(&cron.span, message));
    }
    if let Some(zone) = &schedule.time_zone
        && !is_time_zone(&zone.value)
    {
        let message = format!("`{}` is no time zone", zone.value);
        let problem = Problem::new(&zone.span, message);
        problems.push(match nearest(&zone.value, time_zones()) {
            Some(near) => problem.remedy(format!("did you mean `{near}`?")),
            None => problem.remedy("a name of the IANA database, as in \"Europe/Berlin\""),
        });
    }
}

/// A schedule releases the head of one branch, which must be one that is watched.
fn branch_of_a_schedule(
    draft: &Draft,
    trigger: &DraftTrigger,
    schedule: &DraftSchedule,
    problems: &Problems,
) {
    let source = sources(draft).find(|it| it.name.value == trigger.source_action.value);
    let configuration = source.map(|it| &it.configuration).into_iter().flatten();
    let mut named =
        configuration.filter(|(key, _)| key.value == "BranchName").map(|(_, value)| value);
    let Some(named) = named.next_back().map(|it| it.value.as_str()) else { return };
    let is_glob = named.contains(GLOB_CHARACTERS);
    match &schedule.branch {
        None if is_glob => {
            let message = format!("which branch? `{named}` matches several");
            let problem = Problem::new(&start(&schedule.span), message);
            problems.push(problem.remedy("add branch = \"…\" to the schedule"));
        }
        Some(branch) if trigger.push.is_empty() => {
            let is_watched = if is_glob {
                Glob::new(named).is_ok_and(|it| it.matches(&branch.value))
            } else {
                branch.value == named
            };
            if !is_watched {
                let name = &trigger.source_action.value;
                let message = format!("`{name}` watches `{named}`, not `{}`", branch.value);
                problems.push(Problem::new(&branch.span, message));
            }
        }
        None | Some(_) => {}
    }
}

fn start(span: &Range<usize>) -> Range<usize> {
    span.start..span.start
}
