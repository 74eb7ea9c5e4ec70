//! `triggers`: whether a commit would start an execution, filter by filter and file by file.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Exit, Failure,
    args::{Global, Triggers},
    output,
    serve::pipeline_files,
    target,
};
use crate::{
    ansi, definition,
    engine::push_filters::{FilterVerdict, Finding, Outcome},
    host::{StateDir, clock},
    model::{Pipeline, PipelineName},
    runtime::DeclinedRecord,
    runtime::{
        DefinitionFiles, RuntimeHandle,
        explain::{Explanation, Push, Ruling, Since, explain},
    },
    words,
};

/// More files than this are counted, not listed; those that count come first.
const LISTED: usize = 20;

pub(super) async fn triggers(
    state_dir: StateDir,
    global: &Global,
    arguments: Triggers,
) -> Result<Exit, Failure> {
    let name: PipelineName = arguments.pipeline.as_str().into();
    let mirrors = state_dir.repositories();
    let handle = super::open(state_dir).await?;
    let definition = find_definition(&handle, global, &name).await?;
    let push = Push {
        commit: arguments.commit,
        branch: arguments.branch,
        tag: arguments.tag,
        since: arguments.since,
    };
    let explanations = explain(&definition, &push, &mirrors).await.map_err(Failure::usage)?;
    let declined = declined(&handle, &name, &explanations)?;
    if arguments.json {
        output::json(&in_json(&name, &explanations, &declined));
    } else {
        explanations.iter().for_each(print);
        let board = handle.board();
        if board.borrow().pipeline(&name).is_some_and(|it| it.watching_paused.is_some()) {
            output::line(format!(
                "watching is paused: nothing starts until `stagegate resume {name}`"
            ));
        }
        for it in &declined {
            output::line(format!(
                "recorded {}: on {} it started nothing: {}",
                clock::local_date(it.at),
                ansi::one_line(&it.branch),
                ansi::one_line(&it.reason)
            ));
        }
    }
    Ok(Exit::Done)
}

/// Takes the definition that was loaded last; a file that is named, or that no runtime has loaded
/// yet, can be asked too.
async fn find_definition(
    handle: &RuntimeHandle,
    global: &Global,
    name: &PipelineName,
) -> Result<Arc<Pipeline>, Failure> {
    let version = handle.board().borrow().pipeline(name).map(|card| card.version);
    if global.files.is_empty()
        && let Some(version) = version
        && let Some(definition) = handle.history()?.definition(name, version)?
    {
        return Ok(definition);
    }
    for path in DefinitionFiles::new(pipeline_files(global).await?).files() {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
        match definition::parse(&path, &text) {
            Ok(pipeline) if pipeline.name == *name => return Ok(Arc::new(pipeline)),
            Err(problems) if version.is_none() || !global.files.is_empty() => {
                let failure = Failure::usage(format!("{} has problems", path.display()));
                return Err(Failure { files: vec![problems], ..failure });
            }
            Ok(_) | Err(_) => {}
        }
    }
    target::pipeline(&handle.board().borrow(), name)?;
    Err(Failure::usage(format!("no file that is named defines the pipeline {name}")))
}

fn declined(
    handle: &RuntimeHandle,
    name: &PipelineName,
    explanations: &[Explanation],
) -> Result<Vec<DeclinedRecord>, Failure> {
    let Some(first) = explanations.first().filter(|_| handle.state_dir().exists()) else {
        return Ok(Vec::new());
    };
    Ok(handle.history()?.declined(name, &first.revision.id)?)
}

fn print(it: &Explanation) {
    let revision = &it.revision;
    let to = revision
        .tag
        .as_ref()
        .map_or_else(|| format!("branch {}", revision.branch), |tag| format!("tag {tag}"));
    output::line(format!(
        "{} {}  pushed to {} of {}",
        revision.id.short(),
        ansi::one_line(revision.subject()),
        ansi::one_line(&to),
        it.action
    ));
    match &it.ruling {
        Ruling::BranchName { branch_name, matches } => {
            let matches = if *matches { "is" } else { "is not" };
            output::line(format!(
                "  no trigger names {}: every new commit on {branch_name} starts, and this {matches} one",
                it.action
            ));
        }
        Ruling::ScheduleOnly(schedule) => output::line(format!(
            "  the trigger of {} has only a schedule ({schedule}): no commit starts",
            it.action
        )),
        Ruling::PushFilters { verdict, since } => {
            if let Some(since) = since {
                output::line(format!("  {}", compared(since)));
            }
            for (at, filter) in verdict.filters.iter().enumerate() {
                print_filter(at, filter);
            }
        }
    }
    if let Some(name) = &it.required_variable {
        output::line(format!(
            "  the variable {name} has no default value: executions are started by hand only"
        ));
    }
    let result = if it.starts() { "an execution starts" } else { "nothing starts" };
    output::line(format!("  → {result}"));
}

fn compared(since: &Since) -> String {
    match since {
        Since::Given(since) => format!("compared with {}, as --since says", since.short()),
        Since::FirstParent(since) => format!(
            "compared with its first parent {}; a push of several commits is compared with where \
             the branch stood, see --since",
            since.short()
        ),
        Since::Nothing => "it has no parent: all of its files are new".to_owned(),
    }
}

fn print_filter(at: usize, filter: &FilterVerdict) {
    output::line(format!("  push filter {} {}", at + 1, outcome(filter.outcome)));
    output::line(format!("    {}", words(&filter.pushed)));
    let Some(files) = &filter.files else { return };
    if files.is_empty() {
        output::line("    no file has changed");
    }
    let counting = files.iter().filter(|it| it.judgement.counts());
    let others = files.iter().filter(|it| !it.judgement.counts());
    for file in counting.chain(others).take(LISTED) {
        output::line(format!("    {}", words(file)));
    }
    if files.len() > LISTED {
        let more = words::count(files.len() - LISTED, "more file");
        output::line(format!("    and {more}: --json has them all"));
    }
}

fn words(finding: &Finding) -> String {
    let mark = if finding.judgement.counts() { '+' } else { '-' };
    format!("{mark} {}", ansi::one_line(&finding.sentence()))
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Matches => "matches",
        Outcome::Fails => "does not match",
        Outcome::NeedsFiles => "depends on the changed files",
    }
}

fn in_json(
    name: &PipelineName,
    explanations: &[Explanation],
    declined: &[DeclinedRecord],
) -> Value {
    json!({
        "pipelineName": name,
        "starts": explanations.iter().any(Explanation::starts),
        "explanations": explanations.iter().map(explanation).collect::<Vec<_>>(),
        "recorded": declined
            .iter()
            .map(|it| json!({
                "timestamp": it.at.epoch_seconds(), "branchName": it.branch, "reason": it.reason,
            }))
            .collect::<Vec<_>>(),
    })
}

fn explanation(it: &Explanation) -> Value {
    let mut value = json!({
        "sourceActionName": it.action,
        "revisionId": it.revision.id,
        "branchName": it.revision.branch,
        "starts": it.starts(),
    });
    if let Some(tag) = &it.revision.tag {
        value["tagName"] = json!(tag);
    }
    if let Some(name) = &it.required_variable {
        value["requiredVariable"] = json!(name);
    }
    match &it.ruling {
        Ruling::BranchName { branch_name, .. } => {
            value["decidedBy"] = json!("BranchName");
            value["configuredBranchName"] = json!(branch_name);
        }
        Ruling::ScheduleOnly(schedule) => {
            value["decidedBy"] = json!("schedule");
            value["schedule"] = json!(schedule.to_string());
        }
        Ruling::PushFilters { verdict, since } => {
            value["decidedBy"] = json!("push");
            match since {
                Some(Since::Given(since)) => value["since"] = json!(since),
                Some(Since::FirstParent(since)) => value["sinceFirstParent"] = json!(since),
                Some(Since::Nothing) | None => {}
            }
            value["push"] = verdict.filters.iter().map(filter_json).collect();
        }
    }
    value
}

fn filter_json(filter: &FilterVerdict) -> Value {
    let finding = |it: &Finding| {
        json!({
            "subject": it.subject,
            "counts": it.judgement.counts(),
            "reason": it.judgement.sentence(),
        })
    };
    json!({
        "matches": filter.outcome == Outcome::Matches,
        "pushed": finding(&filter.pushed),
        "filePaths": filter.files.iter().flatten().map(finding).collect::<Vec<_>>(),
    })
}
