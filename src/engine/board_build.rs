//! Builds the board from the state, one pipeline at a time, so that only what changed is rebuilt.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Engine,
    board::{
        ActionCard, Attempt, Board, ExecutionCard, InboundCard, LaneCard, NextAction, OpenGate,
        PipelineCard, RecentCard, StageCard, SuccessCard, TransitionCard, WaitReason,
    },
    settle::{as_written, resolve},
    state::{
        ActionExecution, Execution, LaneState, PipelineState, Place, Progress, Slot,
        StageExecution, TransitionPosition,
    },
};
use crate::model::{
    Action, ActionName, ActionStatus, ExecutionStatus, Lane, PipelineName, SourceRevision, Stage,
};

impl Engine {
    pub fn board(&self) -> Board {
        let cards = self.state.pipelines.keys().filter_map(|name| self.pipeline_card(name));
        Board { pipelines: cards.map(Arc::new).collect(), notices: Vec::new() }
    }

    /// Returns the card of one pipeline, without the notices, which the shell adds.
    pub fn pipeline_card(&self, name: &PipelineName) -> Option<PipelineCard> {
        let pipeline = self.state.pipelines.get(name)?;
        Some(PipelineCard {
            name: name.clone(),
            version: pipeline.version,
            mode: pipeline.definition.execution_mode,
            file: pipeline.definition.file.clone(),
            created_at: pipeline.created_at,
            updated_at: pipeline.updated_at,
            stages: pipeline.definition.stages.iter().map(|it| it.name.clone()).collect(),
            lanes: lanes_by_activity(pipeline),
            branches_seen: pipeline.sources.values().map(count_branches).max(),
            is_watched: false,
            notices: Vec::new(),
        })
    }
}

fn count_branches(heads: &BTreeMap<String, SourceRevision>) -> usize {
    heads.values().filter(|head| head.tag.is_none()).count()
}

/// Lanes stay where they are: the branches people call main first, then by name.
fn lanes_by_activity(pipeline: &PipelineState) -> Vec<LaneCard> {
    let mut lanes: Vec<_> = pipeline.lanes.iter().collect();
    let rank = |lane: &Lane| match lane.as_str() {
        "main" | "master" | "trunk" => 0,
        "develop" => 1,
        name if name.contains('/') => 3,
        _ => 2,
    };
    lanes.sort_by(|(a, _), (b, _)| (rank(a), a).cmp(&(rank(b), b)));
    lanes.into_iter().map(|(lane, state)| lane_card(pipeline, lane, state)).collect()
}

fn lane_card(pipeline: &PipelineState, lane: &Lane, state: &LaneState) -> LaneCard {
    let mut alive: Vec<&Execution> =
        state.executions.values().filter(|it| !it.status.has_ended()).collect();
    alive.sort_by_key(|it| std::cmp::Reverse(it.number));
    LaneCard {
        lane: lane.clone(),
        branch_deleted: state.branch_deleted,
        stages: stages_shown(pipeline, state)
            .into_iter()
            .enumerate()
            .map(|(position, stage)| stage_card(pipeline, state, stage, position == 0))
            .collect(),
        alive: alive.into_iter().map(execution_card).collect(),
        recent: state
            .recent
            .iter()
            .map(|it| RecentCard {
                id: it.execution,
                status: it.status,
                revision: it.revision.id.clone(),
                subject: it.revision.subject().to_owned(),
                superseded_by: it.superseded_by,
                started_at: it.started_at,
                ended_at: it.at,
            })
            .collect(),
    }
}

/// The stages of the current version, and those of older ones where an execution still stands.
fn stages_shown<'a>(pipeline: &'a PipelineState, lane: &'a LaneState) -> Vec<&'a Stage> {
    let mut shown: Vec<&Stage> = pipeline.definition.stages.iter().collect();
    for execution in lane.executions.values() {
        let (Place::Before { stage, .. } | Place::In { stage }) = &execution.place else {
            continue;
        };
        if shown.iter().all(|it| it.name != *stage) {
            shown.extend(execution.definition.stage(stage));
        }
    }
    shown
}

fn stage_card(
    pipeline: &PipelineState,
    lane: &LaneState,
    stage: &Stage,
    is_first: bool,
) -> StageCard {
    let empty = Slot::default();
    let slot = lane.slots.get(&stage.name).unwrap_or(&empty);
    let execution = slot.occupant.or(slot.latest).and_then(|id| lane.executions.get(&id));
    let entered = execution.and_then(|it| it.stages.get(&stage.name));
    // An execution under way shows the actions of the definition it started with.
    let declared = execution
        .filter(|_| slot.occupant.is_some())
        .and_then(|it| it.definition.stage(&stage.name))
        .unwrap_or(stage);
    StageCard {
        name: stage.name.clone(),
        transition: (!is_first).then(|| transition_card(pipeline, stage)),
        inbound: slot
            .waiting
            .iter()
            .filter_map(|id| lane.executions.get(id))
            .filter_map(|it| inbound_card(pipeline, lane, slot, stage, it))
            .collect(),
        execution: execution.map(execution_card),
        status: entered.map(|it| it.status),
        started_at: entered.map(|it| it.started_at),
        ended_at: entered.and_then(|it| it.ended_at),
        actions: declared
            .actions
            .iter()
            .map(|action| action_card(declared, action, execution, entered))
            .collect(),
        last_success: slot.last_success.as_ref().map(|it| SuccessCard {
            execution: it.execution,
            revision: it.revision.clone(),
            at: it.at,
        }),
    }
}

fn transition_card(pipeline: &PipelineState, stage: &Stage) -> TransitionCard {
    let transition = pipeline.transitions.get(&stage.name);
    TransitionCard {
        enabled: pipeline.is_enabled(&stage.name),
        reason: transition.and_then(|it| match &it.position {
            TransitionPosition::Enabled => None,
            TransitionPosition::Disabled { reason } => Some(reason.clone()),
        }),
        by: transition.and_then(|it| it.by.clone()),
        at: transition.map(|it| it.at),
    }
}

fn inbound_card(
    pipeline: &PipelineState,
    lane: &LaneState,
    slot: &Slot,
    stage: &Stage,
    execution: &Execution,
) -> Option<InboundCard> {
    let Place::Before { since, .. } = execution.place else { return None };
    let occupant = slot.occupant.and_then(|id| lane.executions.get(&id));
    let transition = pipeline.transitions.get(&stage.name);
    let disabled = transition.and_then(|it| match &it.position {
        TransitionPosition::Enabled => None,
        TransitionPosition::Disabled { reason } => {
            Some(WaitReason::TransitionDisabled { reason: reason.clone(), by: it.by.clone() })
        }
    });
    let occupied = occupant.map(|holder| {
        let gate = holder.stages.get(&stage.name).and_then(|it| {
            it.actions
                .iter()
                .find(|(_, action)| matches!(action.progress, Progress::AwaitingApproval(_)))
                .map(|(name, _)| name.clone())
        });
        WaitReason::StageOccupied { by: holder.revision().id.clone(), gate }
    });
    Some(InboundCard {
        execution: execution_card(execution),
        since,
        reason: disabled.or(occupied).unwrap_or(WaitReason::NoRuntime),
    })
}

fn execution_card(execution: &Execution) -> ExecutionCard {
    ExecutionCard {
        id: execution.id,
        status: execution.status,
        version: execution.version,
        trigger: execution.trigger.clone(),
        revision: execution.revision().clone(),
        started_at: execution.started_at,
        updated_at: execution.updated_at,
    }
}

fn action_card(
    stage: &Stage,
    action: &Action,
    execution: Option<&Execution>,
    entered: Option<&StageExecution>,
) -> ActionCard {
    let attempt = entered.and_then(|it| it.actions.get(&action.name));
    let waits = match (attempt, execution, entered) {
        (None, Some(execution), Some(entered)) => wait_reason(stage, action, execution, entered),
        _ => None,
    };
    ActionCard {
        name: action.name.clone(),
        category: action.action_type.category,
        provider: action.action_type.provider.clone(),
        run_order: action.run_order,
        latest: attempt
            .zip(execution)
            .map(|(attempt, execution)| attempt_card(stage, action, attempt, execution)),
        waits,
    }
}

fn wait_reason(
    stage: &Stage,
    action: &Action,
    execution: &Execution,
    entered: &StageExecution,
) -> Option<WaitReason> {
    let with_status = |status: ActionStatus| -> Vec<ActionName> {
        let these = entered.actions.iter().filter(|(_, it)| it.status() == status);
        these.map(|(name, _)| name.clone()).collect()
    };
    let failed = with_status(ActionStatus::Failed);
    if !failed.is_empty() {
        return Some(WaitReason::SiblingFailed { names: failed });
    }
    match execution.status {
        ExecutionStatus::InProgress => {}
        ExecutionStatus::Stopping | ExecutionStatus::Stopped => {
            return Some(WaitReason::Stopping { names: with_status(ActionStatus::InProgress) });
        }
        ExecutionStatus::Succeeded
        | ExecutionStatus::Failed
        | ExecutionStatus::Superseded
        | ExecutionStatus::Cancelled => return None,
    }
    let earlier = stage.actions.iter().filter(|it| it.run_order < action.run_order);
    let names: Vec<ActionName> = earlier
        .filter(|it| {
            entered.actions.get(&it.name).map(ActionExecution::status)
                != Some(ActionStatus::Succeeded)
        })
        .map(|it| it.name.clone())
        .collect();
    Some(if names.is_empty() {
        WaitReason::NoRuntime
    } else {
        WaitReason::EarlierActions { names }
    })
}

fn attempt_card(
    stage: &Stage,
    action: &Action,
    attempt: &ActionExecution,
    execution: &Execution,
) -> Attempt {
    let configuration = |key: &str| attempt.resolved.configuration.get(key).cloned();
    let (summary, error, gate) = match &attempt.progress {
        Progress::Running | Progress::Decided(_) | Progress::Abandoned { .. } => {
            (String::new(), None, None)
        }
        Progress::AwaitingApproval(approval) => {
            let gate = OpenGate {
                token: approval.token,
                expires_at: approval.expires_at,
                custom_data: configuration("CustomData"),
                external_entity_link: configuration("ExternalEntityLink"),
                next: next_actions(stage, action, execution),
            };
            (String::new(), None, Some(gate))
        }
        Progress::Succeeded { summary, .. } => (summary.clone(), None, None),
        Progress::Failed { error, .. } => (String::new(), Some(error.clone()), None),
    };
    Attempt {
        id: attempt.id,
        number: attempt.attempt,
        status: attempt.status(),
        started_at: attempt.started_at,
        ended_at: attempt.ended_at(),
        summary,
        error,
        decision: attempt.decision().cloned(),
        gate,
        commands: attempt.resolved.commands.clone(),
    }
}

/// Returns what a gate lets go on: the rest of its stage, or else the stage after it.
fn next_actions(stage: &Stage, gate: &Action, execution: &Execution) -> Vec<NextAction> {
    let mut next: Vec<_> =
        stage.actions.iter().filter(|it| it.run_order > gate.run_order).collect();
    let mut stage = stage;
    if next.is_empty()
        && let Some(after) = execution.definition.stage_after(&stage.name)
    {
        next.extend(&after.actions);
        stage = after;
    }
    next.sort_by_key(|action| action.run_order);
    next.into_iter().map(|action| next_action(stage, action, execution)).collect()
}

fn next_action(stage: &Stage, action: &Action, execution: &Execution) -> NextAction {
    // What an action before it has yet to set stays as it is written.
    let resolved = resolve(action, execution).unwrap_or_else(|_| as_written(action));
    let lines = if resolved.commands.is_empty() {
        resolved.configuration.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    } else {
        resolved.commands
    };
    let environment = action.environment_variables.iter();
    NextAction {
        stage: stage.name.clone(),
        name: action.name.clone(),
        provider: action.action_type.provider.clone(),
        lines,
        environment: environment.map(|it| (it.name.clone(), it.kind)).collect(),
    }
}
