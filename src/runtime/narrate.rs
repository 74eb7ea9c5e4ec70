//! Events in words, a sentence each.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    ansi,
    engine::{Event, Fact, event::SkipReason},
    host::clock,
    model::{RevisionId, SourceRevision},
};

/// More heads than this are counted, not listed.
const LISTED: usize = 8;

/// Returns the event as a sentence, or nothing where a person would not miss it.
#[expect(clippy::too_many_lines, reason = "one arm a fact, nothing else")]
pub fn sentence(event: &Event) -> Option<String> {
    let pipeline = &event.pipeline;
    let text = match &event.fact {
        Fact::BaselineTaken { heads, .. } => {
            let heads = baseline(heads);
            format!("{pipeline}: watching from {heads}; the next commit starts an execution")
        }
        Fact::PipelineDefined { version, .. } => format!("{pipeline}: version {version} loaded"),
        Fact::HeadMoved { .. }
        | Fact::ChangesAwaited { .. }
        | Fact::ChangesListed { .. }
        | Fact::ConditionStarted { .. }
        | Fact::RuleStarted { .. }
        | Fact::RuleAbandoned { .. } => return None,
        Fact::StartDeclined { action, branch, revision, reason } => format!(
            "{pipeline}: {action} starts nothing for {} on {}: {}",
            revision.as_ref().map_or("its schedule", RevisionId::short),
            ansi::one_line(branch),
            ansi::one_line(reason)
        ),
        Fact::ScheduleSet { action, next: Some(next) } => {
            format!("{pipeline}: the schedule of {action} comes {}", clock::local_date(*next))
        }
        Fact::ScheduleSet { action, next: None } => {
            format!("{pipeline}: the schedule of {action} never comes again")
        }
        Fact::WatchingPaused { by } => format!("{pipeline}: watching paused by {by}"),
        Fact::WatchingResumed { by } => format!("{pipeline}: watching resumed by {by}"),
        Fact::BranchDeleted { branch, .. } => {
            format!("{pipeline}: branch {} is gone", ansi::one_line(branch))
        }
        Fact::TransitionEnabled { stage, by } => {
            format!("{pipeline}/{stage}: transition enabled by {by}")
        }
        Fact::TransitionDisabled { stage, reason, by } => {
            format!("{pipeline}/{stage}: transition disabled by {by}: {}", ansi::one_line(reason))
        }
        Fact::ExecutionStarted { execution, lane, revisions, trigger, .. } => {
            let revision = revisions.first();
            let commit = revision.map_or("", |it| it.id.short());
            let subject = ansi::one_line(revision.map_or("", |it| it.subject()));
            let lane = ansi::one_line(lane.label());
            let how = trigger.kind;
            format!(
                "{pipeline}: {} started by {how} on {lane}: {commit} {subject}",
                execution.short()
            )
        }
        Fact::ExecutionSuperseded { execution, by, stage } => {
            format!("{pipeline}: {} superseded before {stage} by {}", execution.short(), by.short())
        }
        Fact::ExecutionSucceeded { execution } => {
            format!("{pipeline}: {} Succeeded", execution.short())
        }
        Fact::ExecutionFailed { execution, stage } => {
            format!("{pipeline}: {} Failed in {stage}", execution.short())
        }
        Fact::ExecutionStopped { execution } => {
            format!("{pipeline}: {} Stopped", execution.short())
        }
        Fact::StopRequested { execution, request } => format!(
            "{pipeline}: {} Stopping, asked by {}: {}",
            execution.short(),
            request.by,
            ansi::one_line(&request.reason)
        ),
        Fact::StageEntered { execution, stage } => {
            format!("{pipeline}/{stage}: {} entered", execution.short())
        }
        Fact::StageSucceeded { execution, stage } => {
            format!("{pipeline}/{stage}: {} Succeeded", execution.short())
        }
        Fact::StageFailed { execution, stage } => {
            format!("{pipeline}/{stage}: {} Failed", execution.short())
        }
        Fact::StageStopped { execution, stage } => {
            format!("{pipeline}/{stage}: {} Stopped", execution.short())
        }
        Fact::StageRetried { execution, stage, by, .. } => {
            let by = by.as_ref().map_or("itself".to_owned(), ToString::to_string);
            format!("{pipeline}/{stage}: {} retried by {by}", execution.short())
        }
        Fact::StageSkipped { execution, stage, reason } => {
            format!("{pipeline}/{stage}: {} Skipped{}", execution.short(), skipped(*reason))
        }
        Fact::StageRetryScheduled { execution, stage, at } => format!(
            "{pipeline}/{stage}: {} failed, tried again at {}",
            execution.short(),
            clock::local_time(*at)
        ),
        Fact::PipelineDeleted { by } => format!("{pipeline}: deleted by {by}; its history stays"),
        Fact::ConditionSucceeded { stage, condition, .. } => {
            format!("{pipeline}/{stage}: {condition} Succeeded")
        }
        Fact::ConditionFailed { stage, condition, .. } => {
            format!("{pipeline}/{stage}: {condition} Failed")
        }
        Fact::ConditionOverridden { stage, condition, by, reason, .. } => format!(
            "{pipeline}/{stage}: {condition} Overridden by {by}: {}",
            ansi::one_line(reason)
        ),
        Fact::RuleWaits { rule, opens, .. } => {
            format!("{pipeline}/{}/{}: waits for the window: opens {opens}", rule.stage, rule.rule)
        }
        Fact::RuleSucceeded { rule, summary } => format!(
            "{pipeline}/{}/{}: Succeeded {}",
            rule.stage,
            rule.rule,
            ansi::one_line(summary)
        ),
        Fact::RuleFailed { rule, error } => format!(
            "{pipeline}/{}/{}: Failed: {}",
            rule.stage,
            rule.rule,
            ansi::one_line(&error.message)
        ),
        Fact::ActionStarted { action, approval: Some(approval), .. } => format!(
            "{pipeline}/{}/{}: {} waits for approval until {} (token {})",
            action.stage,
            action.action,
            action.execution.short(),
            clock::local_date(approval.expires_at),
            approval.token
        ),
        Fact::ActionStarted { action, attempt, approval: None, .. } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            format!("{pipeline}/{}/{}: InProgress{again}", action.stage, action.action)
        }
        Fact::ApprovalDecided { action, decision } => format!(
            "{pipeline}/{}/{}: {} by {}: {}",
            action.stage,
            action.action,
            decision.status,
            decision.by,
            ansi::one_line(&decision.summary)
        ),
        Fact::ApprovalDeferred { action, decision, effective_at } => format!(
            "{pipeline}/{}/{}: {} by {} with effect from {}",
            action.stage,
            action.action,
            decision.status,
            decision.by,
            clock::local_date(*effective_at)
        ),
        Fact::ApprovalWithdrawn { action, by } => {
            format!(
                "{pipeline}/{}/{}: the decision was taken back by {by}",
                action.stage, action.action
            )
        }
        Fact::ApprovalNoted { action, text, by } => format!(
            "{pipeline}/{}/{}: note by {by}: {}",
            action.stage,
            action.action,
            ansi::one_line(text)
        ),
        Fact::ApprovalGaveWay { action, to, by } => format!(
            "{pipeline}/{}/{}: gives way to {}, asked by {by}",
            action.stage,
            action.action,
            to.short()
        ),
        Fact::ActionRetryScheduled { action, at, error } => format!(
            "{pipeline}/{}/{}: Failed: {}; tried again at {}",
            action.stage,
            action.action,
            ansi::one_line(&error.message),
            clock::local_time(*at)
        ),
        Fact::ActionSucceeded { action, success } => format!(
            "{pipeline}/{}/{}: Succeeded {}",
            action.stage,
            action.action,
            ansi::one_line(&success.summary)
        ),
        Fact::ActionFailed { action, error } => format!(
            "{pipeline}/{}/{}: Failed: {}",
            action.stage,
            action.action,
            ansi::one_line(&error.message)
        ),
        Fact::ActionAbandoned { action } => {
            format!("{pipeline}/{}/{}: Abandoned", action.stage, action.action)
        }
    };
    Some(text.trim_end().to_owned())
}

fn skipped(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Condition => " by its entry condition",
        SkipReason::Operator => ", as was asked at the start",
        SkipReason::ApprovalTimeout => ", because its gate timed out",
    }
}

fn baseline(heads: &BTreeMap<Arc<str>, Arc<SourceRevision>>) -> String {
    let listed = heads.iter().take(LISTED);
    let mut words: Vec<_> =
        listed.map(|(branch, head)| format!("{branch} {}", head.id.short())).collect();
    if heads.len() > LISTED {
        words.push(format!("{} more", heads.len() - LISTED));
    }
    if words.is_empty() { "no branch yet".to_owned() } else { words.join(", ") }
}
