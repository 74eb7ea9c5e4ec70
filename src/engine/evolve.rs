//! Applies recorded facts to the state: live running and replay both come through here, so they
//! cannot differ. Total: it never fails, never decides and never asks the time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use litemap::LiteMap;

use super::{
    deadlines::Deadline,
    event::{Event, Fact},
    evolve_lanes::RECENT,
    state::{
        AwaitedChanges, Ended, Execution, Home, PipelineState, Place, Progress, Release,
        StageExecution, State, Success, Transition, TransitionPosition, WatchingPaused,
    },
};
use crate::model::{
    ActionName, ConditionStatus, ConditionType, ExecutionId, ExecutionStatus, Operator, Pipeline,
    PipelineName, RetryMode, StageName, StageStatus, Timestamp, variable::PIPELINE_NAMESPACE,
};

/// How many client request tokens a pipeline remembers.
const TOKENS: usize = 100;

impl State {
    #[expect(clippy::too_many_lines, reason = "one arm a fact, nothing else")]
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
            Fact::WatchingPaused { by } => {
                let paused = WatchingPaused { by: by.clone(), at };
                self.set_watching(&event.pipeline, Some(paused.into()));
            }
            Fact::WatchingResumed { .. } => self.set_watching(&event.pipeline, None),
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
            Fact::PipelineDeleted { .. } => self.delete_pipeline(&event.pipeline),
            Fact::ExecutionStarted { .. } => self.start(event),
            Fact::ExecutionSuperseded { execution, by, .. } => {
                self.with(*execution, |it| it.superseded_by = Some(*by));
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
            Fact::StopRequested { execution, request } => self.with(*execution, |it| {
                it.status = ExecutionStatus::Stopping;
                it.stop = Some(Box::new(request.clone()));
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
            Fact::StageSkipped { execution, stage, .. } => self.skip(*execution, stage, at),
            Fact::StageRetryScheduled { execution, stage, at: retry_at } => {
                self.with_stage(*execution, stage, |it| it.retry_at = Some(*retry_at));
            }
            Fact::StageRetried { execution, stage, mode, by } => {
                self.retry(*execution, stage, *mode, by.is_none(), at);
            }
            Fact::ConditionStarted { .. }
            | Fact::ConditionSucceeded { .. }
            | Fact::ConditionFailed { .. }
            | Fact::ConditionOverridden { .. }
            | Fact::RuleStarted { .. }
            | Fact::RuleWaits { .. }
            | Fact::RuleSucceeded { .. }
            | Fact::RuleFailed { .. }
            | Fact::RuleAbandoned { .. } => self.evolve_condition(&event.fact, at),
            Fact::ActionStarted { .. }
            | Fact::ApprovalDecided { .. }
            | Fact::ApprovalDeferred { .. }
            | Fact::ApprovalWithdrawn { .. }
            | Fact::ApprovalNoted { .. }
            | Fact::ApprovalGaveWay { .. }
            | Fact::ActionSucceeded { .. }
            | Fact::ActionFailed { .. }
            | Fact::ActionAbandoned { .. }
            | Fact::ActionRetryScheduled { .. } => self.evolve_action(&event.fact, at),
        }
    }

    fn define(&mut self, name: &PipelineName, version: u32, new: &Arc<Pipeline>, at: Timestamp) {
        self.deleted.remove(name);
        let pipeline = self.pipelines.entry(name.clone()).or_insert_with(|| PipelineState {
            version,
            definition: Arc::clone(new),
            created_at: at,
            updated_at: at,
            transitions: initial_transitions(new, at),
            sources: BTreeMap::new(),
            awaited_changes: BTreeMap::new(),
            lanes: BTreeMap::new(),
            watching_paused: None,
            client_request_tokens: VecDeque::new(),
        });
        // A source that now looks elsewhere, or at more, has not been seen yet.
        let old = Arc::clone(&pipeline.definition);
        pipeline.sources.retain(|action, _| {
            let looks_at = |definition: &Pipeline| {
                let source = definition.source_actions().find(|it| it.name == *action)?;
                let mut told = source.instructions.configuration.clone();
                // How often it is asked and how files are handed on change nothing about what it
                // says.
                told.remove("PollInterval");
                told.remove("OutputArtifactFormat");
                Some((told, definition.watched_refs(action)))
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

    fn set_watching(&mut self, name: &PipelineName, paused: Option<Box<WatchingPaused>>) {
        if let Some(pipeline) = self.pipelines.get_mut(name) {
            pipeline.watching_paused = paused;
        }
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
        let Fact::ExecutionStarted {
            execution,
            version,
            lane,
            trigger,
            revisions,
            variables,
            options,
        } = &event.fact
        else {
            return;
        };
        let Some(pipeline) = self.pipelines.get_mut(&event.pipeline) else { return };
        self.executions_started += 1;
        let definition = Arc::clone(&pipeline.definition);
        let rollback = options.rollback.as_deref();
        let first = match rollback {
            Some(rollback) => rollback.stage.clone(),
            None => definition.first_stage().name.clone(),
        };
        let stages = definition.stages.len();
        let (mut all_variables, artifacts) = rollback
            .map(|it| (it.release.variables.clone(), it.release.artifacts.clone()))
            .unwrap_or_default();
        if !variables.is_empty() {
            all_variables.insert(PIPELINE_NAMESPACE.into(), Arc::clone(variables));
        }
        if let Some(token) = &options.client_request_token {
            pipeline.client_request_tokens.push_back((token.clone(), *execution));
            if pipeline.client_request_tokens.len() > TOKENS {
                pipeline.client_request_tokens.pop_front();
            }
        }
        // One name for all, so that comparing it is quick.
        let lane = pipeline.lanes.get_key_value(lane).map_or(lane, |(known, _)| known).clone();
        let home = Home { pipeline: pipeline.definition.name.clone(), lane: lane.clone() };
        let state = pipeline.lanes.entry(lane).or_default();
        state.branch_deleted = false;
        state.executions.insert(self.executions_started, *execution);
        self.executions.insert(
            *execution,
            Box::new(Execution {
                id: *execution,
                number: self.executions_started,
                home,
                version: *version,
                definition,
                status: ExecutionStatus::InProgress,
                trigger: trigger.clone(),
                release: Arc::new(Release {
                    execution: *execution,
                    version: *version,
                    revisions: Arc::clone(revisions),
                    variables: all_variables,
                    artifacts,
                }),
                place: Place::Before { stage: first.clone(), since: event.at },
                stages: LiteMap::with_capacity(stages),
                stop: None,
                superseded_by: None,
                options: options.clone(),
                started_at: event.at,
                updated_at: event.at,
            }),
        );
        self.queue(*execution, &first);
    }

    fn delete_pipeline(&mut self, name: &PipelineName) {
        if let Some(deleted) = self.pipelines.remove(name) {
            self.deleted.insert(name.clone(), deleted.version);
        }
        self.deadlines.retain(|(_, deadline)| deadline.schedule_of(name).is_none());
        self.executions.retain(|_, it| it.home.pipeline != *name);
    }

    fn enter(&mut self, id: ExecutionId, stage: &StageName, at: Timestamp) {
        self.unqueue(id, stage);
        self.requeue(id, stage);
        self.occupy(id, stage, at);
        let before = self.slot_mut(id, stage).and_then(|slot| slot.latest.replace(id));
        self.with(id, |execution| {
            let actions = execution.definition.stage(stage).map_or(0, |it| it.actions.len());
            let entered = StageExecution {
                actions: LiteMap::with_capacity(actions),
                ..StageExecution::entered(at)
            };
            execution.stages.insert(stage.clone(), entered);
        });
        if let Some(before) = before {
            self.forget_if_unneeded(before);
        }
    }

    /// Gives an execution the stage and the lock that goes with it.
    pub(super) fn occupy(&mut self, id: ExecutionId, stage: &StageName, at: Timestamp) {
        let mut lock = None;
        if let Some(slot) = self.slot_mut(id, stage) {
            slot.occupant = Some(id);
        }
        self.with(id, |execution| {
            execution.place = Place::In { stage: stage.clone() };
            execution.updated_at = at;
            lock = execution.lock_of(stage).cloned();
        });
        if let Some(lock) = lock {
            self.locks.insert(lock, id);
        }
    }

    fn leave(&mut self, id: ExecutionId, stage: &StageName, status: StageStatus, at: Timestamp) {
        let (mut lock, mut next, mut succeeded) = (None, None, None);
        self.with(id, |execution| {
            if let Some(it) = execution.stages.get_mut(stage) {
                it.status = status;
                it.ended_at = Some(at);
                it.retry_at = None;
                let conditions = it.conditions.iter_mut().map(|(_, condition)| condition);
                for condition in conditions.filter(|it| it.ended_at.is_none()) {
                    condition.status = ConditionStatus::Abandoned;
                    condition.ended_at = Some(at);
                }
            }
            execution.updated_at = at;
            lock = execution.lock_of(stage).cloned();
            if status == StageStatus::Succeeded {
                succeeded = Some(success(execution, at));
            } else if status != StageStatus::Skipped {
                return;
            }
            next = execution.stage_after(stage).cloned();
            if let Some(next) = &next {
                execution.place = Place::Before { stage: next.clone(), since: at };
            }
        });
        if let Some(slot) = self.slot_mut(id, stage) {
            slot.occupant = slot.occupant.filter(|it| *it != id);
            slot.last_success = succeeded.or(slot.last_success.take());
        }
        if let Some(lock) = lock
            && self.locks.get(&lock) == Some(&id)
        {
            self.locks.remove(&lock);
        }
        if let Some(next) = next {
            self.queue(id, &next);
        }
    }

    /// Leaves a stage out, whether the execution stands before it or has entered it.
    fn skip(&mut self, id: ExecutionId, stage: &StageName, at: Timestamp) {
        self.unqueue(id, stage);
        self.with(id, |execution| {
            let entered = StageExecution::entered(at);
            execution.stages.entry(stage.clone()).or_insert(entered);
            // Without a next stage the execution counts as standing in this one until it ends.
            execution.place = Place::In { stage: stage.clone() };
        });
        self.leave(id, stage, StageStatus::Skipped, at);
    }

    fn retry(
        &mut self,
        id: ExecutionId,
        stage: &StageName,
        mode: RetryMode,
        automatic: bool,
        at: Timestamp,
    ) {
        self.reopen(id, stage, at);
        self.with_stage(id, stage, |it| {
            if automatic {
                it.automatic_retries += 1;
            } else {
                it.manual_retries += 1;
                it.automatic_retries = 0;
            }
            it.action_retries.clear();
            let StageExecution { actions, attempts, .. } = it;
            actions.retain(|name, action| {
                let stays = mode == RetryMode::FailedActions
                    && matches!(action.progress, Progress::Succeeded { .. });
                if !stays {
                    attempts.insert(name.clone(), action.attempt);
                }
                stays
            });
            it.conditions.retain(|kind, condition| {
                *kind == ConditionType::BeforeEntry
                    && mode == RetryMode::FailedActions
                    && matches!(
                        condition.status,
                        ConditionStatus::Succeeded | ConditionStatus::Overridden
                    )
            });
        });
    }

    /// Puts an execution back into the stage it ended in.
    pub(super) fn reopen(&mut self, id: ExecutionId, stage: &StageName, at: Timestamp) {
        self.occupy(id, stage, at);
        self.with(id, |execution| {
            execution.status = ExecutionStatus::InProgress;
            execution.stop = None;
            if let Some(it) = execution.stages.get_mut(stage) {
                it.status = StageStatus::InProgress;
                it.ended_at = None;
                it.retry_at = None;
            }
        });
        if let Some(lane) = self.home(id).cloned().and_then(|home| self.lane_mut(&home)) {
            lane.recent.retain(|ended| ended.execution != id);
        }
    }

    fn end(&mut self, id: ExecutionId, status: ExecutionStatus, at: Timestamp) {
        let before = self.execution(id).and_then(|it| match &it.place {
            Place::Before { stage, .. } => Some(stage.clone()),
            Place::In { .. } | Place::Ended => None,
        });
        if let Some(stage) = before {
            self.unqueue(id, &stage);
        }
        let mut ended = None;
        self.with(id, |execution| {
            execution.status = status;
            execution.place = Place::Ended;
            execution.updated_at = at;
            ended = Some(Ended {
                execution: id,
                status,
                revision: Arc::clone(execution.revision()),
                superseded_by: execution.superseded_by,
                started_at: execution.started_at,
                at,
            });
        });
        let Some(home) = self.home(id).cloned() else { return };
        if let (Some(lane), Some(ended)) = (self.lane_mut(&home), ended) {
            lane.recent.push_front(ended);
            lane.recent.truncate(RECENT);
        }
        self.forget_if_unneeded(id);
        self.drop_finished_lane(&home);
        self.drop_surplus_lanes(&home);
    }

    /// Changes an execution; one that has left is no matter. What it waits for afterwards is what
    /// stands in the list of deadlines.
    pub(super) fn with(&mut self, id: ExecutionId, change: impl FnOnce(&mut Execution)) {
        let Some(execution) = self.executions.get_mut(&id) else { return };
        let before = execution.deadlines();
        change(execution);
        let after = execution.deadlines();
        if before != after {
            for deadline in &before {
                self.deadlines.remove(deadline);
            }
            self.deadlines.extend(after);
        }
    }

    pub(super) fn with_stage(
        &mut self,
        id: ExecutionId,
        stage: &StageName,
        change: impl FnOnce(&mut StageExecution),
    ) {
        self.with(id, |execution| {
            if let Some(stage) = execution.stages.get_mut(stage) {
                change(stage);
            }
        });
    }
}

fn success(execution: &Execution, at: Timestamp) -> Success {
    let rollback = execution.options.rollback.as_ref();
    let release = Arc::clone(rollback.map_or(&execution.release, |it| &it.release));
    Success { execution: execution.id, revision: Arc::clone(execution.revision()), at, release }
}

fn initial_transitions(pipeline: &Pipeline, at: Timestamp) -> BTreeMap<StageName, Transition> {
    let disabled = pipeline.stages.iter().filter_map(|stage| {
        let reason = stage.transition_disabled.clone()?;
        let position = TransitionPosition::Disabled { reason };
        Some((stage.name.clone(), Transition { position, by: None, at }))
    });
    disabled.collect()
}
