//! CodePipeline's response shapes, with a `lane` member where it helps.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    engine::board::{ActionCard, InboundCard, LaneCard, PipelineCard, StageCard},
    model::{
        Action, ApprovalDecision, ConditionType, ErrorDetails, ExecutionMode, Pipeline,
        SourceRevision, Timestamp,
    },
    runtime::lookup::{ActionRecord, DecisionRecord, ExecutionRecord},
};

/// Leaves out what is not there, as AWS does.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let there = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(there.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

/// `GetPipelineState`.
pub(super) fn pipeline_state(
    card: &PipelineCard,
    wanted: impl Fn(&&LaneCard) -> bool,
    now: Timestamp,
) -> Value {
    let stages = card
        .lanes
        .iter()
        .filter(wanted)
        .flat_map(|lane| lane.stages.iter().map(move |stage| stage_state(lane, stage, now)));
    json!({
        "pipelineName": card.name,
        "pipelineVersion": card.version,
        "created": card.created_at.epoch_seconds(),
        "updated": card.updated_at.epoch_seconds(),
        "stageStates": stages.collect::<Vec<_>>(),
    })
}

fn stage_state(lane: &LaneCard, stage: &StageCard, now: Timestamp) -> Value {
    let inbound: Vec<_> = stage.inbound.iter().map(|it| inbound_execution(it, now)).collect();
    object([
        ("stageName", json!(stage.name)),
        ("lane", json!(lane.lane)),
        ("inboundExecution", inbound.first().cloned().unwrap_or_default()),
        ("inboundExecutions", if inbound.is_empty() { Value::Null } else { Value::Array(inbound) }),
        (
            "inboundTransitionState",
            stage.transition.as_ref().map_or(Value::Null, |it| {
                object([
                    ("enabled", json!(it.enabled)),
                    ("lastChangedBy", json!(it.by.as_ref().map(ToString::to_string))),
                    ("lastChangedAt", json!(it.at.map(Timestamp::epoch_seconds))),
                    ("disabledReason", json!(it.reason)),
                ])
            }),
        ),
        ("actionStates", stage.actions.iter().map(|it| action_state(stage, it)).collect()),
        (
            "latestExecution",
            stage.execution.as_ref().map_or(Value::Null, |it| {
                object([
                    ("pipelineExecutionId", json!(it.id)),
                    ("status", json!(stage.status)),
                    ("type", json!(execution_type(it.rollback_of.is_some()))),
                ])
            }),
        ),
        ("waitReason", json!(stage.waits.as_ref().map(|it| it.sentence(now)))),
        ("beforeEntryConditionState", condition_state(stage, ConditionType::BeforeEntry)),
        ("onSuccessConditionState", condition_state(stage, ConditionType::OnSuccess)),
        ("onFailureConditionState", condition_state(stage, ConditionType::OnFailure)),
        ("retryStageMetadata", retry_metadata(stage)),
    ])
}

fn execution_type(is_rollback: bool) -> &'static str {
    if is_rollback { "ROLLBACK" } else { "STANDARD" }
}

fn retry_metadata(stage: &StageCard) -> Value {
    let (automatic, by_hand) = (stage.automatic_retries, stage.manual_retries);
    if automatic + by_hand == 0 {
        return Value::Null;
    }
    let latest = if automatic > 0 { "AutomatedStageRetry" } else { "ManualStageRetry" };
    json!({
        "autoStageRetryAttempt": automatic,
        "manualStageRetryAttempt": by_hand,
        "latestRetryTrigger": latest,
    })
}

/// One `StageConditionState`, with its rules.
fn condition_state(stage: &StageCard, kind: ConditionType) -> Value {
    let Some(condition) = stage.conditions.iter().find(|it| it.kind == kind) else {
        return Value::Null;
    };
    let rules = condition.rules.iter().map(|rule| {
        object([
            ("ruleName", json!(rule.name)),
            (
                "latestExecution",
                object([
                    ("ruleExecutionId", json!(rule.id)),
                    ("status", json!(rule.status)),
                    ("summary", json!(Some(&rule.summary).filter(|it| !it.is_empty()))),
                ]),
            ),
        ])
    });
    let status = json!(condition.status);
    let overridden = condition.overridden.as_ref();
    let summary = json!(overridden.map(|it| format!("{}: {}", it.by, it.reason)));
    object([
        ("latestExecution", object([("status", status.clone()), ("summary", summary)])),
        (
            "conditionStates",
            json!([object([
                ("latestExecution", object([("status", status)])),
                ("ruleStates", rules.collect()),
            ])]),
        ),
    ])
}

fn inbound_execution(inbound: &InboundCard, now: Timestamp) -> Value {
    json!({
        "pipelineExecutionId": inbound.execution.id,
        "status": inbound.execution.status,
        "type": execution_type(inbound.execution.rollback_of.is_some()),
        "waitReason": inbound.reason.sentence(now),
    })
}

fn action_state(stage: &StageCard, action: &ActionCard) -> Value {
    let revision =
        stage.execution.as_ref().map(|it| &it.revision).filter(|it| it.action == action.name);
    object([
        ("actionName", json!(action.name)),
        (
            "currentRevision",
            revision.map_or(Value::Null, |it| {
                object([("revisionId", json!(it.id)), ("created", json!(it.author_date))])
            }),
        ),
        (
            "latestExecution",
            action.latest.as_ref().map_or(Value::Null, |it| {
                object([
                    ("actionExecutionId", json!(it.id)),
                    ("status", json!(it.status)),
                    ("summary", summary(&it.summary, it.decision.as_deref())),
                    (
                        "lastStatusChange",
                        json!(it.ended_at.unwrap_or(it.started_at).epoch_seconds()),
                    ),
                    ("token", json!(it.gate.as_ref().map(|gate| gate.token))),
                    ("lastUpdatedBy", json!(it.decision.as_ref().map(|it| it.by.to_string()))),
                    ("errorDetails", error_details(it.error.as_ref())),
                ])
            }),
        ),
    ])
}

fn summary(summary: &str, decision: Option<&ApprovalDecision>) -> Value {
    match decision {
        Some(decision) => json!(decision.summary),
        None if summary.is_empty() => Value::Null,
        None => json!(summary),
    }
}

fn error_details(error: Option<&ErrorDetails>) -> Value {
    error.map_or(Value::Null, |it| json!({ "code": it.code, "message": it.message }))
}

/// `ListPipelineExecutions`.
pub(super) fn execution_summaries(
    executions: &[ExecutionRecord],
    modes: &BTreeMap<u32, ExecutionMode>,
) -> Value {
    let summaries = executions.iter().map(|it| {
        object([
            ("pipelineExecutionId", json!(it.id)),
            ("lane", json!(it.lane)),
            ("status", json!(it.status)),
            ("statusSummary", status_summary(it)),
            ("startTime", json!(it.started_at.epoch_seconds())),
            ("lastUpdateTime", json!(it.updated_at.epoch_seconds())),
            ("sourceRevisions", it.revisions.iter().map(source_revision).collect()),
            ("trigger", json!(it.trigger)),
            (
                "stopTrigger",
                it.stop_reason.as_ref().map_or(Value::Null, |it| json!({ "reason": it })),
            ),
            ("executionMode", json!(modes.get(&it.version))),
            ("executionType", json!(execution_type(it.rollback_target.is_some()))),
            ("rollbackMetadata", rollback_metadata(it)),
        ])
    });
    json!({ "pipelineExecutionSummaries": summaries.collect::<Vec<_>>() })
}

fn rollback_metadata(it: &ExecutionRecord) -> Value {
    it.rollback_target
        .as_ref()
        .map_or(Value::Null, |target| json!({ "rollbackTargetPipelineExecutionId": target }))
}

fn status_summary(it: &ExecutionRecord) -> Value {
    it.superseded_by.as_ref().map_or(Value::Null, |by| json!(format!("superseded by {by}")))
}

fn source_revision(it: &SourceRevision) -> Value {
    json!({ "actionName": it.action, "revisionId": it.id, "revisionSummary": it.message.trim_end() })
}

/// `GetPipelineExecution`, and the action executions as `ListActionExecutions` prints them.
pub(super) fn execution(
    it: &ExecutionRecord,
    actions: &[ActionRecord],
    definition: Option<&Pipeline>,
) -> Value {
    let revisions = it.revisions.iter().map(|revision| {
        json!({
            "name": revision.action, "revisionId": revision.id,
            "revisionSummary": revision.message.trim_end(), "created": revision.author_date,
        })
    });
    let variables =
        it.variables.iter().map(|(name, value)| json!({ "name": name, "resolvedValue": value }));
    json!({
        "pipelineExecution": object([
            ("pipelineName", json!(it.pipeline)),
            ("pipelineVersion", json!(it.version)),
            ("pipelineExecutionId", json!(it.id)),
            ("lane", json!(it.lane)),
            ("status", json!(it.status)),
            ("statusSummary", status_summary(it)),
            ("artifactRevisions", revisions.collect()),
            ("variables", variables.collect()),
            ("trigger", json!(it.trigger)),
            ("executionMode", json!(definition.map(|it| it.execution_mode))),
            ("executionType", json!(execution_type(it.rollback_target.is_some()))),
            ("rollbackMetadata", rollback_metadata(it)),
        ]),
        "actionExecutionDetails":
            actions.iter().map(|action| action_detail(it, action, definition)).collect::<Vec<_>>(),
    })
}

fn action_detail(
    execution: &ExecutionRecord,
    it: &ActionRecord,
    definition: Option<&Pipeline>,
) -> Value {
    let declared = definition
        .and_then(|pipeline| pipeline.stage(&it.stage.as_str().into()))
        .and_then(|stage| stage.action(&it.action.as_str().into()));
    let success = it.success.as_ref();
    let outputs = success
        .map(|it| it.artifacts.keys().map(|name| json!({ "name": name })).collect::<Vec<_>>());
    object([
        ("pipelineExecutionId", json!(execution.id)),
        ("actionExecutionId", json!(it.id)),
        ("pipelineVersion", json!(execution.version)),
        ("stageName", json!(it.stage)),
        ("actionName", json!(it.action)),
        ("attempt", json!(it.attempt)),
        ("startTime", json!(it.started_at.epoch_seconds())),
        ("lastUpdateTime", json!(it.updated_at.epoch_seconds())),
        ("updatedBy", json!(it.decision.as_ref().map(|it| it.by.to_string()))),
        ("status", json!(it.status)),
        (
            "input",
            object([
                ("actionTypeId", declared.map_or(Value::Null, |it| action_type(it))),
                (
                    "configuration",
                    declared.map_or(Value::Null, |it| json!(it.instructions.configuration)),
                ),
                ("resolvedConfiguration", json!(it.resolved.configuration)),
                (
                    "commands",
                    declared.map_or(Value::Null, |it| commands(&it.instructions.commands)),
                ),
                ("resolvedCommands", commands(&it.resolved.commands)),
                ("image", json!(it.resolved.image)),
                (
                    "inputArtifacts",
                    declared.map_or(Value::Null, |it| {
                        it.input_artifacts.iter().map(|name| json!({ "name": name })).collect()
                    }),
                ),
                ("namespace", declared.map_or(Value::Null, |it| json!(it.namespace))),
            ]),
        ),
        (
            "output",
            object([
                ("outputArtifacts", json!(outputs)),
                (
                    "executionResult",
                    object([
                        (
                            "externalExecutionSummary",
                            summary(
                                success.map_or("", |it| it.summary.as_str()),
                                it.decision.as_ref(),
                            ),
                        ),
                        ("errorDetails", error_details(it.error.as_ref())),
                    ]),
                ),
                ("outputVariables", json!(success.map(|it| &it.variables))),
            ]),
        ),
    ])
}

fn action_type(action: &Action) -> Value {
    json!({
        "category": action.action_type.category.as_str(),
        "owner": action.action_type.owner,
        "provider": action.action_type.provider,
        "version": action.action_type.version,
    })
}

fn commands(commands: &[String]) -> Value {
    if commands.is_empty() { Value::Null } else { json!(commands) }
}

/// What operators have decided; CodePipeline has no such list.
pub(super) fn decisions(decisions: &[DecisionRecord]) -> Value {
    let decisions = decisions.iter().map(|it| {
        let revisions = it.revisions.iter().map(|revision| {
            json!({
                "actionName": revision.action, "revisionId": revision.id,
                "revisionSummary": revision.subject(),
            })
        });
        object([
            ("at", json!(it.at.epoch_seconds())),
            ("decision", json!(it.kind)),
            ("pipelineName", json!(it.pipeline)),
            ("stageName", json!(it.stage)),
            ("subject", json!(it.subject)),
            ("pipelineExecutionId", json!(it.execution)),
            ("lane", json!(it.lane)),
            ("sourceRevisions", revisions.collect()),
            ("summary", json!(it.reason)),
            ("by", json!(it.by)),
        ])
    });
    json!({ "decisions": decisions.collect::<Vec<_>>() })
}
