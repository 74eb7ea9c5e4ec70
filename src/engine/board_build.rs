//! Builds the board from the state, one pipeline at a time, so that only what changed is rebuilt.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Engine,
    board::{
        ActionCard, Attempt, Board, ConditionCard, ExecutionCard, InboundCard, LaneCard, LockCard,
        LockHolder, NextAction, OpenGate, PipelineCard, RecentCard, RuleCard, StageCard,
        SuccessCard, TransitionCard, WaitReason,
    },
    state::{
        ActionExecution, Execution, Home, LaneState, PipelineState, Place, Progress, RuleExecution,
        RuleProgress, Slot, StageExecution, TransitionPosition,
    },
};
use crate::model::{
    Action, ActionName, ActionStatus, Condition, ConditionType, ExecutionStatus, Lane, LockName,
    PipelineName, RuleStatus, SourceRevision, Stage, StageStatus,
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
            lanes: self.lanes_in_order(name, pipeline),
            branches_seen: pipeline.sources.values().map(count_branches).max(),
            is_watched: false,
            watching_paused: pipeline.watching_paused.clone(),
            notices: Vec::new(),
        })
    }

    /// Lanes stay where they are: the branches people call main first, then by name; of PARALLEL
    /// executions the newest first.
    fn lanes_in_order(&self, name: &PipelineName, pipeline: &PipelineState) -> Vec<LaneCard> {
        let mut lanes: Vec<_> = pipeline.lanes.iter().collect();
        let rank = |lane: &Lane| match lane.branch().unwrap_or_default() {
            "main" | "master" | "trunk" => 0,
            "develop" => 1,
            name if name.contains('/') => 3,
            _ => 2,
        };
        let number = |state: &LaneState| std::cmp::Reverse(state.executions.keys().max().copied());
        lanes.sort_by(|(a, x), (b, y)| {
            let newest = |lane: &Lane, state| lane.is_of_one().then(|| number(state));
            (rank(a), a.branch(), newest(a, x), a).cmp(&(rank(b), b.branch(), newest(b, y), b))
        });
        lanes
            .into_iter()
            .map(|(lane, state)| {
                let home = Home { pipeline: name.clone(), lane: lane.clone() };
                InLane { engine: self, pipeline, home: &home, lane: state }.card()
            })
            .collect()
    }
}

fn count_branches(heads: &BTreeMap<Arc<str>, Arc<SourceRevision>>) -> usize {
    heads.values().filter(|head| head.tag.is_none()).count()
}

/// A lane, and everything a card may have to say about it.
struct InLane<'a> {
    engine: &'a Engine,
    pipeline: &'a PipelineState,
    home: &'a Home,
    lane: &'a LaneState,
}

impl InLane<'_> {
    fn card(&self) -> LaneCard {
        let newest_first = self.executions().rev();
        let alive = newest_first.filter(|it| !it.status.has_ended());
        LaneCard {
            lane: self.home.lane.clone(),
            branch_deleted: self.lane.branch_deleted,
            stages: self
                .stages_shown()
                .into_iter()
                .enumerate()
                .map(|(position, stage)| self.stage_card(stage, position == 0))
                .collect(),
            alive: alive.map(execution_card).collect(),
            recent: self
                .lane
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

    /// The oldest first.
    fn executions(&self) -> impl DoubleEndedIterator<Item = &Execution> {
        self.engine.state.executions_in(self.lane)
    }

    /// The stages of the current version, and those of older ones where an execution still stands.
    fn stages_shown(&self) -> Vec<&Stage> {
        let mut shown: Vec<&Stage> = self.pipeline.definition.stages.iter().collect();
        for execution in self.executions() {
            let (Place::Before { stage, .. } | Place::In { stage }) = &execution.place else {
                continue;
            };
            if shown.iter().all(|it| it.name != *stage) {
                shown.extend(execution.definition.stage(stage));
            }
        }
        shown
    }

    fn stage_card(&self, stage: &Stage, is_first: bool) -> StageCard {
        let empty = Slot::default();
        let slot = self.lane.slots.get(&stage.name).unwrap_or(&empty);
        let shown = slot.occupant.or(slot.latest);
        let execution = shown.and_then(|id| self.engine.state.execution(id));
        // Of a stage that was left out, the execution that did so is the one to show.
        let skipping = || self.executions().rev().find(|it| it.stages.contains_key(&stage.name));
        let execution = execution.or_else(skipping);
        let entered = execution.and_then(|it| it.stages.get(&stage.name));
        // An execution under way shows the actions of the definition it started with.
        let declared = execution
            .filter(|_| slot.occupant.is_some())
            .and_then(|it| it.definition.stage(&stage.name))
            .unwrap_or(stage);
        let occupant = execution.filter(|it| slot.occupant == Some(it.id));
        StageCard {
            name: stage.name.clone(),
            transition: (!is_first).then(|| transition_card(self.pipeline, stage)),
            inbound: slot
                .waiting
                .iter()
                .filter_map(|id| self.engine.state.execution(*id))
                .filter_map(|it| self.inbound_card(slot, stage, it))
                .collect(),
            execution: execution.map(execution_card),
            status: entered.map(|it| it.status),
            started_at: entered.map(|it| it.started_at),
            ended_at: entered.and_then(|it| it.ended_at),
            actions: declared
                .actions
                .iter()
                .map(|action| self.action_card(declared, action, execution, entered))
                .collect(),
            conditions: conditions(declared, entered),
            lock: declared
                .lock
                .clone()
                .map(|name| LockCard { holder: self.engine.state.locks.get(&name).copied(), name }),
            waits: occupant.zip(entered).and_then(|(_, entered)| stage_waits(entered)),
            automatic_retries: entered.map_or(0, |it| it.automatic_retries),
            manual_retries: entered.map_or(0, |it| it.manual_retries),
            last_success: self.engine.state.last_success(self.home, &stage.name).map(|it| {
                SuccessCard {
                    execution: it.execution,
                    release_of: it.release.execution,
                    revision: it.revision.clone(),
                    at: it.at,
                }
            }),
        }
    }

    fn inbound_card(
        &self,
        slot: &Slot,
        stage: &Stage,
        execution: &Execution,
    ) -> Option<InboundCard> {
        let Place::Before { since, .. } = execution.place else { return None };
        let transition = self.pipeline.transitions.get(&stage.name);
        let disabled = transition.and_then(|it| match &it.position {
            TransitionPosition::Enabled => None,
            TransitionPosition::Disabled { reason } => {
                Some(WaitReason::TransitionDisabled { reason: reason.clone(), by: it.by.clone() })
            }
        });
        let ahead = slot.waiting.iter().position(|id| *id == execution.id).unwrap_or(0);
        let next = slot.waiting.front().and_then(|id| self.engine.state.execution(*id));
        let queued = next
            .filter(|_| ahead > 0)
            .map(|it| WaitReason::Queue { behind: it.revision().id.clone(), ahead });
        let occupant = slot.occupant.and_then(|id| self.engine.state.execution(id));
        let occupied = occupant.map(|holder| {
            let gate = holder.stages.get(&stage.name).and_then(|it| {
                it.actions
                    .iter()
                    .find(|(_, action)| matches!(action.progress, Progress::AwaitingApproval(_)))
                    .map(|(name, _)| name.clone())
            });
            let by = holder.revision().id.clone();
            WaitReason::StageOccupied { is_its_own: by == execution.revision().id, by, gate }
        });
        let locked = || {
            let lock = execution.lock_of(&stage.name)?.clone();
            Some(WaitReason::Lock { holder: self.engine.lock_holder(&lock), lock })
        };
        Some(InboundCard {
            execution: execution_card(execution),
            since,
            reason: disabled
                .or(queued)
                .or(occupied)
                .or_else(locked)
                .unwrap_or(WaitReason::NoRuntime),
        })
    }

    fn action_card(
        &self,
        stage: &Stage,
        action: &Action,
        execution: Option<&Execution>,
        entered: Option<&StageExecution>,
    ) -> ActionCard {
        let attempt = entered.and_then(|it| it.actions.get(&action.name));
        let waits = match (attempt, execution, entered) {
            (None, Some(execution), Some(entered)) => {
                self.wait_reason(stage, action, execution, entered)
            }
            (Some(attempt), _, Some(entered)) => match &attempt.progress {
                Progress::WaitingToRetry { at, .. } => Some(WaitReason::Retry {
                    at: *at,
                    number: entered.action_retries.get(&action.name).copied().unwrap_or(1),
                }),
                _ => None,
            },
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
        &self,
        stage: &Stage,
        action: &Action,
        execution: &Execution,
        entered: &StageExecution,
    ) -> Option<WaitReason> {
        let with_status = |status: ActionStatus| -> Vec<ActionName> {
            let these = entered.actions.iter().filter(|(_, it)| it.status() == status);
            these.map(|(name, _)| name.clone()).collect()
        };
        if entered.status == StageStatus::Skipped {
            return None;
        }
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
        if let Some(waits) = stage_waits(entered) {
            return Some(waits);
        }
        let earlier = stage.actions.iter().filter(|it| it.run_order < action.run_order);
        let names: Vec<ActionName> = earlier
            .filter(|it| {
                entered.actions.get(&it.name).map(ActionExecution::status)
                    != Some(ActionStatus::Succeeded)
            })
            .map(|it| it.name.clone())
            .collect();
        if !names.is_empty() {
            return Some(WaitReason::EarlierActions { names });
        }
        let pipeline = &self.home.pipeline;
        let limit = self.engine.limit_in_the_way(pipeline, execution.id, stage, action);
        Some(limit.map_or(WaitReason::NoRuntime, |it| WaitReason::ConcurrencyLimit {
            scope: it.scope.to_owned(),
            limit: it.limit,
        }))
    }
}

impl Engine {
    fn lock_holder(&self, lock: &LockName) -> Option<LockHolder> {
        let id = *self.state.locks.get(lock)?;
        let home = self.state.home(id)?;
        let revision = self.state.execution(id)?.revision().id.clone();
        Some(LockHolder { pipeline: home.pipeline.clone(), lane: home.lane.clone(), revision })
    }
}

/// Returns what the stage itself waits for: a rule, a window, the time of its retry.
fn stage_waits(entered: &StageExecution) -> Option<WaitReason> {
    if let Some(at) = entered.retry_at {
        return Some(WaitReason::Retry { at, number: entered.automatic_retries + 1 });
    }
    let rules = || entered.conditions.values().flat_map(|it| &it.rules);
    let window = rules().find_map(|(_, rule)| match &rule.progress {
        RuleProgress::Waiting { opens, .. } => Some(WaitReason::Window { opens: opens.clone() }),
        _ => None,
    });
    let running = rules().filter(|(_, it)| it.status() == RuleStatus::InProgress);
    let names: Vec<_> = running.map(|(name, _)| name.clone()).collect();
    window.or((!names.is_empty()).then_some(WaitReason::Rules { names }))
}

fn conditions(stage: &Stage, entered: Option<&StageExecution>) -> Vec<ConditionCard> {
    let kinds = [ConditionType::BeforeEntry, ConditionType::OnSuccess, ConditionType::OnFailure];
    let declared = kinds.into_iter().filter_map(|kind| Some((kind, stage.condition(kind)?)));
    let card = |(kind, condition): (ConditionType, &Condition)| {
        let state = entered.and_then(|it| it.conditions.get(&kind));
        let rules = condition.rules.iter().map(|rule| {
            let state = state.and_then(|it| it.rules.get(&rule.name));
            RuleCard {
                name: rule.name.clone(),
                provider: rule.provider.clone(),
                id: state.map(|it| it.id),
                status: state.map(RuleExecution::status),
                summary: state.map_or_else(String::new, |it| match &it.progress {
                    RuleProgress::Running | RuleProgress::Abandoned { .. } => String::new(),
                    RuleProgress::Waiting { opens, .. } => format!("opens {opens}"),
                    RuleProgress::Succeeded { summary, .. } => summary.clone(),
                    RuleProgress::Failed { error, .. } => error.message.clone(),
                }),
            }
        });
        ConditionCard {
            kind,
            result: condition.result,
            status: state.map(|it| it.status),
            overridden: state.and_then(|it| it.overridden.clone()),
            rules: rules.collect(),
        }
    };
    declared.map(card).collect()
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

fn execution_card(execution: &Execution) -> ExecutionCard {
    ExecutionCard {
        id: execution.id,
        status: execution.status,
        version: execution.version,
        trigger: execution.trigger.clone(),
        revision: execution.revision().clone(),
        rollback_of: execution.options.rollback.as_ref().map(|it| it.release.execution),
        started_at: execution.started_at,
        updated_at: execution.updated_at,
    }
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
                deferred: approval.deferred.clone(),
                note: approval.note.clone().filter(|it| !it.text.is_empty()),
                next: next_actions(stage, action, execution),
            };
            (String::new(), None, Some(gate))
        }
        Progress::Succeeded { summary, .. } => (summary.clone(), None, None),
        Progress::Failed { error, .. } | Progress::WaitingToRetry { error, .. } => {
            (String::new(), Some(error.clone()), None)
        }
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
    let written = &action.instructions;
    let value_of = |namespace: &str, key: &str| execution.release.variable(namespace, key);
    let resolved = written.resolve(&value_of).unwrap_or_else(|_| written.clone());
    let lines = if resolved.commands.is_empty() {
        resolved.configuration.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    } else {
        resolved.commands.clone()
    };
    let environment = resolved.environment_variables.iter();
    let provider = &action.action_type.provider;
    NextAction {
        stage: stage.name.clone(),
        name: action.name.clone(),
        runs: match &resolved.image {
            Some(image) => format!("{provider} in {image}"),
            None => provider.clone(),
        },
        lines,
        environment: environment.map(|it| (it.name.clone(), it.kind)).collect(),
    }
}
