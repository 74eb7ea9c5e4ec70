//! Applies recorded facts to the state: live running and replay both come through here, so they
//! cannot differ. Total: it never fails, never decides and never asks the time.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    deadlines::Deadline,
    event::{ActionRef, Event, Fact},
    state::{
        ActionExecution, Approval, AwaitedChanges, Ended, Execution, Home, LaneState,
        PipelineState, Place, Progress, ResolvedAction, StageExecution, State, Success, Transition,
        TransitionPosition,
    },
};
use crate::model::{
    ActionName, ApprovalDecision, ErrorDetails, ExecutionId, ExecutionStatus, JobSuccess, Operator,
    Pipeline, PipelineName, RetryMode, StageName, StageStatus, Timestamp,
    variable::{PIPELINE_NAMESPACE, RESERVED_NAMESPACE},
};

/// How many ended executions a lane shows.
const RECENT: usize = 8;

impl State {
    pub fn evolve(&mut self, event: &Event) {
        let at = event.at;
        match &event.fact {
            Fact::PipelineDefined { version, definition } => {
                self.define(&event.pipeline, *version, definition, at);
            }
            Fact::BaselineTaken { action, heads } => {
                if let Some(pipeline) = self.pipelines.get_mut(&event.pipeline) {
                    pipeline.sources.insert(action.clone(), heads.clone());
                }
            }
            Fact::HeadMoved { action, branch, revision } => {
                if let Some(pipeline) = self.pipelines.get_mut(&event.pipeline) {
                    let heads = pipeline.sources.entry(action.clone()).or_default();
                    heads.insert(branch.clone(), revision.clone());
                }
            }
            Fact::BranchDeleted { action, branch } => {
                self.delete_branch(&event.pipeline, action, branch);
            }
            Fact::ChangesAwaited { revision, since } => {
                if let Some(pipeline) = self.pipelines.get_mut(&event.pipeline) {
                    let awaited = pipeline.awaited_changes.entry(revision.action.clone());
                    let (revision, since) = (revision.clone(), since.clone());
                    let branch = revision.branch.clone();
                    awaited.or_default().insert(branch, AwaitedChanges { revision, since });
                }
            }
            Fact::ChangesListed { action, branch, .. } => {
                self.stop_awaiting(&event.pipeline, action, branch);
            }
            // Recorded to be explained; nothing is different now.
            Fact::StartDeclined { .. } => {}
            Fact::ScheduleSet { action, next } => {
                self.set_schedule(&event.pipeline, action, *next);
            }
            Fact::TransitionEnabled { stage, by } => {
                self.set_transition(event, stage, TransitionPosition::Enabled, by);
            }
            Fact::TransitionDisabled { stage, reason, by } => {
                let position = TransitionPosition::Disabled { reason: reason.clone() };
                self.set_transition(event, stage, position, by);
            }
            Fact::ExecutionStarted { .. } => self.start(event),
            Fact::ExecutionSuperseded { execution, by, .. } => {
                self.with(*execution, |it, _| it.superseded_by = Some(*by));
                self.end(*execution, ExecutionStatus::Superseded, at);
            }
            Fact::ExecutionSucceeded { execution } => {
                self.end(*execution, ExecutionStatus::Succeeded, at);
            }
            Fact::ExecutionFailed { execution, .. } => {
                self.end(*execution, ExecutionStatus::Failed, at);
            }
            Fact::ExecutionStopped { execution } => {
                self.end(*execution, ExecutionStatus::Stopped, at);
            }
            Fact::StopRequested { execution, request } => self.with(*execution, |it, _| {
                it.status = ExecutionStatus::Stopping;
                it.stop = Some(request.clone());
                if let Place::In { stage } = &it.place
                    && let Some(stage) = it.stages.get_mut(stage)
                {
                    stage.status = StageStatus::Stopping;
                }
            }),
            Fact::StageEntered { execution, stage } => self.enter(*execution, stage, at),
            Fact::StageSucceeded { execution, stage } => {
                self.leave(*execution, stage, StageStatus::Succeeded, at);
            }
            Fact::StageFailed { execution, stage } => {
                self.leave(*execution, stage, StageStatus::Failed, at);
            }
            Fact::StageStopped { execution, stage } => {
                self.leave(*execution, stage, StageStatus::Stopped, at);
            }
            Fact::StageRetried { execution, stage, mode, .. } => {
                self.retry(*execution, stage, *mode, at);
            }
            Fact::ActionStarted { action, attempt, resolved, approval } => {
                self.start_action(action, *attempt, resolved, approval.as_ref(), at);
            }
            Fact::ApprovalDecided { action, decision } => self.decide(action, decision),
            Fact::ActionSucceeded { action, success } => self.succeed(action, success, at),
            Fact::ActionFailed { action, error } => self.fail(action, error, at),
            Fact::ActionAbandoned { action } => {
                self.finish(action, at, |_| Progress::Abandoned { at });
            }
        }
    }

    fn define(&mut self, name: &PipelineName, version: u32, new: &Arc<Pipeline>, at: Timestamp) {
        let pipeline = self.pipelines.entry(name.clone()).or_insert_with(|| PipelineState {
            version,
            definition: Arc::clone(new),
            created_at: at,
            updated_at: at,
            transitions: initial_transitions(new, at),
            sources: BTreeMap::new(),
            awaited_changes: BTreeMap::new(),
            lanes: BTreeMap::new(),
        });
        // A source that now looks elsewhere, or at more, has not been seen yet.
        let old = Arc::clone(&pipeline.definition);
        pipeline.sources.retain(|action, _| {
            let looks_at = |definition: &Pipeline| {
                let source = definition.source_actions().find(|it| it.name == *action)?;
                Some((source.configuration.clone(), definition.watched_refs(action)))
            };
            looks_at(&old) == looks_at(new)
        });
        if old.lane != new.lane {
            pipeline.sources.clear();
        }
        let seen = &pipeline.sources;
        pipeline.awaited_changes.retain(|action, _| seen.contains_key(action));
        pipeline.version = version;
        pipeline.definition = Arc::clone(new);
        pipeline.updated_at = at;
        self.deadlines.retain(|(_, deadline)| {
            let Some(action) = deadline.schedule_of(name) else { return true };
            let schedule = |definition: &Pipeline| {
                definition.trigger_of(action).and_then(|it| it.schedule.clone())
            };
            schedule(&old) == schedule(new)
        });
    }

    fn set_schedule(&mut self, name: &PipelineName, action: &ActionName, next: Option<Timestamp>) {
        self.deadlines.retain(|(_, deadline)| deadline.schedule_of(name) != Some(action));
        let deadline = Deadline::Schedule { pipeline: name.clone(), action: action.clone() };
        self.deadlines.extend(next.map(|at| (at, deadline)));
    }

    fn stop_awaiting(&mut self, name: &PipelineName, action: &ActionName, branch: &str) {
        let Some(pipeline) = self.pipelines.get_mut(name) else { return };
        if let Some(awaited) = pipeline.awaited_changes.get_mut(action) {
            awaited.remove(branch);
            if awaited.is_empty() {
                pipeline.awaited_changes.remove(action);
            }
        }
    }

    fn delete_branch(&mut self, name: &PipelineName, action: &ActionName, branch: &str) {
        self.stop_awaiting(name, action, branch);
        let Some(pipeline) = self.pipelines.get_mut(name) else { return };
        if let Some(heads) = pipeline.sources.get_mut(action) {
            heads.remove(branch);
        }
        let lane = pipeline.definition.lane_of(branch);
        if lane.branch().is_none() || pipeline.definition.primary_source().name != *action {
            return;
        }
        if let Some(state) = pipeline.lanes.get_mut(&lane) {
            state.branch_deleted = true;
            self.drop_finished_lane(&Home { pipeline: name.clone(), lane });
        }
    }

    fn set_transition(
        &mut self,
        event: &Event,
        stage: &StageName,
        position: TransitionPosition,
        by: &Operator,
    ) {
        if let Some(pipeline) = self.pipelines.get_mut(&event.pipeline) {
            let transition = Transition { position, by: Some(by.clone()), at: event.at };
            pipeline.transitions.insert(stage.clone(), transition);
        }
    }

    fn start(&mut self, event: &Event) {
        let Fact::ExecutionStarted { execution, version, lane, trigger, revisions, variables } =
            &event.fact
        else {
            return;
        };
        let Some(pipeline) = self.pipelines.get_mut(&event.pipeline) else { return };
        self.executions_started += 1;
        let definition = Arc::clone(&pipeline.definition);
        let first = definition.first_stage().name.clone();
        let reserved = BTreeMap::from([("PipelineExecutionId".to_owned(), execution.to_string())]);
        let state = pipeline.lanes.entry(lane.clone()).or_default();
        state.branch_deleted = false;
        state.slots.entry(first.clone()).or_default().waiting.push_back(*execution);
        state.executions.insert(
            *execution,
            Execution {
                id: *execution,
                number: self.executions_started,
                version: *version,
                definition,
                status: ExecutionStatus::InProgress,
                trigger: trigger.clone(),
                revisions: revisions.clone(),
                variables: BTreeMap::from([
                    (PIPELINE_NAMESPACE.to_owned(), variables.clone()),
                    (RESERVED_NAMESPACE.to_owned(), reserved),
                ]),
                artifacts: BTreeMap::new(),
                place: Place::Before { stage: first, since: event.at },
                stages: BTreeMap::new(),
                stop: None,
                superseded_by: None,
                started_at: event.at,
                updated_at: event.at,
            },
        );
        let home = Home { pipeline: event.pipeline.clone(), lane: lane.clone() };
        self.homes.insert(*execution, home);
    }

    fn enter(&mut self, id: ExecutionId, stage: &StageName, at: Timestamp) {
        self.with(id, |execution, slots| {
            let slot = slots.entry(stage.clone()).or_default();
            slot.waiting.retain(|waiting| *waiting != id);
            slot.occupant = Some(id);
            slot.latest = Some(id);
            execution.place = Place::In { stage: stage.clone() };
            execution.updated_at = at;
            execution.stages.insert(
                stage.clone(),
                StageExecution {
                    status: StageStatus::InProgress,
                    started_at: at,
                    ended_at: None,
                    actions: BTreeMap::new(),
                    attempts: BTreeMap::new(),
                },
            );
        });
        self.forget_unneeded(id);
    }

    fn leave(&mut self, id: ExecutionId, stage: &StageName, status: StageStatus, at: Timestamp) {
        self.with(id, |execution, slots| {
            if let Some(it) = execution.stages.get_mut(stage) {
                it.status = status;
                it.ended_at = Some(at);
            }
            execution.updated_at = at;
            let slot = slots.entry(stage.clone()).or_default();
            slot.occupant = None;
            if status != StageStatus::Succeeded {
                return;
            }
            slot.last_success =
                Some(Success { execution: id, revision: execution.revision().clone(), at });
            if let Some(next) = execution.definition.stage_after(stage) {
                slots.entry(next.name.clone()).or_default().waiting.push_back(id);
                execution.place = Place::Before { stage: next.name.clone(), since: at };
            }
        });
    }

    fn retry(&mut self, id: ExecutionId, stage: &StageName, mode: RetryMode, at: Timestamp) {
        self.with(id, |execution, slots| {
            slots.entry(stage.clone()).or_default().occupant = Some(id);
            execution.place = Place::In { stage: stage.clone() };
            execution.status = ExecutionStatus::InProgress;
            execution.stop = None;
            execution.updated_at = at;
            if let Some(it) = execution.stages.get_mut(stage) {
                it.status = StageStatus::InProgress;
                it.ended_at = None;
                it.actions.retain(|_, action| match mode {
                    RetryMode::AllActions => false,
                    RetryMode::FailedActions => {
                        matches!(action.progress, Progress::Succeeded { .. })
                    }
                });
            }
        });
        if let Some(lane) = self.homes.get(&id).cloned().and_then(|home| self.lane_mut(&home)) {
            lane.recent.retain(|ended| ended.execution != id);
        }
    }

    fn start_action(
        &mut self,
        action: &ActionRef,
        attempt: u32,
        resolved: &ResolvedAction,
        approval: Option<&Approval>,
        at: Timestamp,
    ) {
        self.running.insert(action.id, action.clone());
        if let Some(approval) = approval {
            self.deadlines.insert((approval.expires_at, Deadline::Approval(action.id)));
        }
        let started = ActionExecution {
            id: action.id,
            attempt,
            started_at: at,
            resolved: resolved.clone(),
            progress: approval
                .map_or(Progress::Running, |approval| Progress::AwaitingApproval(approval.clone())),
        };
        self.with(action.execution, |execution, _| {
            execution.updated_at = at;
            if let Some(stage) = execution.stages.get_mut(&action.stage) {
                stage.attempts.insert(action.action.clone(), attempt);
                stage.actions.insert(action.action.clone(), started);
            }
        });
    }

    fn decide(&mut self, action: &ActionRef, decision: &ApprovalDecision) {
        let mut answered = None;
        self.with(action.execution, |execution, _| {
            let stage = execution.stages.get_mut(&action.stage);
            if let Some(it) = stage.and_then(|stage| stage.actions.get_mut(&action.action)) {
                if let Progress::AwaitingApproval(approval) = &it.progress {
                    answered = Some((approval.expires_at, Deadline::Approval(action.id)));
                }
                it.progress = Progress::Decided(decision.clone());
            }
        });
        if let Some(deadline) = answered {
            self.deadlines.remove(&deadline);
        }
    }

    fn succeed(&mut self, action: &ActionRef, success: &JobSuccess, at: Timestamp) {
        self.finish(action, at, |before| Progress::Succeeded {
            at,
            summary: success.summary.clone(),
            decision: before.decision().cloned(),
        });
        self.with(action.execution, |execution, _| {
            let definition = Arc::clone(&execution.definition);
            let declared =
                definition.stage(&action.stage).and_then(|stage| stage.action(&action.action));
            if let Some(namespace) = declared.and_then(|it| it.namespace.clone()) {
                execution.variables.insert(namespace, success.variables.clone());
            }
            execution.artifacts.extend(success.artifacts.clone());
            if let Some(revision) = &success.revision
                && !execution.revisions.iter().any(|known| known.action == revision.action)
            {
                execution.revisions.push(revision.clone());
            }
        });
    }

    fn fail(&mut self, action: &ActionRef, error: &ErrorDetails, at: Timestamp) {
        self.finish(action, at, |before| Progress::Failed {
            at,
            error: error.clone(),
            decision: before.decision().cloned(),
        });
    }

    fn finish(
        &mut self,
        action: &ActionRef,
        at: Timestamp,
        progress: impl FnOnce(&ActionExecution) -> Progress,
    ) {
        self.running.remove(&action.id);
        let mut expired = None;
        self.with(action.execution, |execution, _| {
            execution.updated_at = at;
            let stage = execution.stages.get_mut(&action.stage);
            if let Some(it) = stage.and_then(|stage| stage.actions.get_mut(&action.action)) {
                if let Progress::AwaitingApproval(approval) = &it.progress {
                    expired = Some((approval.expires_at, Deadline::Approval(action.id)));
                }
                it.progress = progress(it);
            }
        });
        if let Some(deadline) = expired {
            self.deadlines.remove(&deadline);
        }
    }

    fn end(&mut self, id: ExecutionId, status: ExecutionStatus, at: Timestamp) {
        let mut ended = None;
        self.with(id, |execution, slots| {
            if let Place::Before { stage, .. } = &execution.place
                && let Some(slot) = slots.get_mut(stage)
            {
                slot.waiting.retain(|waiting| *waiting != id);
            }
            execution.status = status;
            execution.place = Place::Ended;
            execution.updated_at = at;
            ended = Some(Ended {
                execution: id,
                status,
                revision: execution.revision().clone(),
                superseded_by: execution.superseded_by,
                started_at: execution.started_at,
                at,
            });
        });
        let Some(home) = self.homes.get(&id).cloned() else { return };
        if let (Some(lane), Some(ended)) = (self.lane_mut(&home), ended) {
            lane.recent.push_front(ended);
            lane.recent.truncate(RECENT);
        }
        self.forget_unneeded(id);
        self.drop_finished_lane(&home);
    }

    /// Drops the ended executions of a lane that no stage shows or could retry.
    fn forget_unneeded(&mut self, neighbour: ExecutionId) {
        let Some(home) = self.homes.get(&neighbour).cloned() else { return };
        let Some(lane) = self.lane_mut(&home) else { return };
        let mut dropped = Vec::new();
        let slots = &lane.slots;
        lane.executions.retain(|id, execution| {
            let needed = !execution.status.has_ended()
                || slots.values().any(|slot| slot.latest == Some(*id));
            if !needed {
                dropped.push(*id);
            }
            needed
        });
        for id in dropped {
            self.homes.remove(&id);
        }
    }

    fn drop_finished_lane(&mut self, home: &Home) {
        let Some(pipeline) = self.pipelines.get_mut(&home.pipeline) else { return };
        let finished = pipeline.lanes.get(&home.lane).is_some_and(|lane| {
            lane.branch_deleted && lane.executions.values().all(|it| it.status.has_ended())
        });
        if finished && let Some(lane) = pipeline.lanes.remove(&home.lane) {
            for id in lane.executions.keys() {
                self.homes.remove(id);
            }
        }
    }

    fn lane_mut(&mut self, home: &Home) -> Option<&mut LaneState> {
        self.pipelines.get_mut(&home.pipeline)?.lanes.get_mut(&home.lane)
    }

    /// Changes an execution and the slots of its lane; an execution that has left is no matter.
    fn with(
        &mut self,
        id: ExecutionId,
        change: impl FnOnce(&mut Execution, &mut BTreeMap<StageName, super::state::Slot>),
    ) {
        let Some(home) = self.homes.get(&id).cloned() else { return };
        let Some(lane) = self.lane_mut(&home) else { return };
        if let Some(execution) = lane.executions.get_mut(&id) {
            change(execution, &mut lane.slots);
        }
    }
}

fn initial_transitions(pipeline: &Pipeline, at: Timestamp) -> BTreeMap<StageName, Transition> {
    let disabled = pipeline.stages.iter().filter_map(|stage| {
        let reason = stage.transition_disabled.clone()?;
        let position = TransitionPosition::Disabled { reason };
        Some((stage.name.clone(), Transition { position, by: None, at }))
    });
    disabled.collect()
}
