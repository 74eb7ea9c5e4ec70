//! Decides everything: which execution enters which stage, which action starts, who waits.
//!
//! Pure, synchronous and deterministic: no clock, no files, no processes. An [`Input`] goes in, a
//! [`Step`] comes out: events, which are facts to be stored, and effects, which are work for the
//! shell. State moves only through `State::evolve`, so a replay of the events gives the same state.

mod actions;
mod admission;
mod agenda;
mod approvals;
pub mod board;
mod board_build;
mod board_change;
mod conditions;
mod controls;
pub mod deadlines;
pub mod effect;
pub mod event;
mod evolve;
mod evolve_actions;
mod evolve_conditions;
mod evolve_lanes;
mod failure;
pub mod input;
mod invoke;
mod limits;
mod progress;
pub mod push_filters;
pub mod refusal;
pub mod rng;
mod schedule;
mod settle;
mod sources;
pub mod state;
#[cfg(test)]
mod tests;
mod triggers;
mod watching;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use agenda::Agenda;
pub use board::Board;
pub use board_change::BoardChange;
pub use effect::Effect;
pub use event::{ActionRef, Event, Fact};
pub use input::{Comparison, Input, Relation, Request, TransitionChange, WatchingChange};
pub use refusal::{Refusal, RefusalKind};
use rng::Rng;
use state::{Home, State};

use crate::model::{
    ActionName, ApprovalDecision, ExecutionId, Operator, PipelineName, SourceRevision, StopRequest,
    Timestamp,
};

pub struct Engine {
    state: State,
    rng: Rng,
    /// The greatest time seen: a clock that steps back cannot un-expire anything.
    now: Timestamp,
    most_actions: Option<usize>,
    /// The actions that count under that limit now; counted only where there is one.
    working: usize,
    /// Executions with an action that a limit holds back, by number.
    held: BTreeSet<(u64, ExecutionId)>,
    room_was_made: bool,
    /// Lanes in which somebody may be able to enter a stage now.
    to_admit: Agenda<Home>,
    /// Executions that may be able to go on in their stage now, by number.
    to_advance: Agenda<(u64, ExecutionId)>,
    /// Sources whose heads were observed since this engine began; no part of what is stored.
    looked_at: BTreeSet<(PipelineName, ActionName)>,
    /// What sources showed last while watching was paused.
    unseen: BTreeMap<(PipelineName, ActionName), Vec<Arc<SourceRevision>>>,
}

/// What came of one input.
#[derive(Debug, Default)]
pub struct Step {
    /// To be stored before anything else happens.
    pub events: Vec<Event>,
    /// To be performed once the events are stored.
    pub effects: Vec<Effect>,
    at: Timestamp,
    /// The execution that an earlier call with the same client request token has started.
    pub started_before: Option<ExecutionId>,
}

impl Engine {
    pub fn new(state: State, seed: u128, now: Timestamp) -> Self {
        let (rng, held) = (Rng::new(seed), BTreeSet::new());
        Self {
            state,
            rng,
            now,
            most_actions: None,
            working: 0,
            held,
            room_was_made: false,
            looked_at: BTreeSet::new(),
            unseen: BTreeMap::new(),
            to_admit: Agenda::default(),
            to_advance: Agenda::default(),
        }
    }

    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>, seed: u128) -> Self {
        let mut engine = Self::new(State::default(), seed, Timestamp::default());
        events.into_iter().for_each(|event| engine.follow(event));
        engine
    }

    /// Takes a recorded event in, as a replay does.
    pub fn follow(&mut self, event: &Event) {
        self.take_in(event);
        self.now = self.now.max(event.at);
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes one input and everything that follows from it. A refusal changes nothing.
    pub fn apply(&mut self, input: Input, now: Timestamp) -> Result<Step, Refusal> {
        let mut step = self.decide(input, now)?;
        self.settle(&mut step);
        Ok(step)
    }

    /// Takes an input without acting on it, for a front end that finds no runtime: the decision
    /// is recorded, what follows from it happens when a runtime starts.
    pub fn apply_decision_only(&mut self, input: Input, now: Timestamp) -> Result<Step, Refusal> {
        let mut step = self.decide(input, now)?;
        step.effects.clear();
        Ok(step)
    }

    /// Returns the pipelines whose sentences about waiting speak of other pipelines.
    pub fn waiting_for_others(&self) -> BTreeSet<PipelineName> {
        let locks = self.state.lock_queues.values().flat_map(|queue| queue.values());
        let held = self.held.iter().filter_map(|(_, id)| self.state.home(*id));
        locks.map(|key| &key.home).chain(held).map(|home| home.pipeline.clone()).collect()
    }

    /// Returns the executions for which a job runs.
    pub fn executions_at_work(&self) -> BTreeSet<(PipelineName, ExecutionId)> {
        let actions = self.state.running.values().filter(|it| self.job_of(it).is_some());
        let actions = actions.map(|action| action.execution);
        let rules = self.state.running_rules.values().filter(|it| self.job_of_rule(it).is_some());
        let executions = actions.chain(rules.map(|rule| rule.execution));
        executions.filter_map(|id| Some((self.state.home(id)?.pipeline.clone(), id))).collect()
    }

    fn decide(&mut self, input: Input, now: Timestamp) -> Result<Step, Refusal> {
        self.now = self.now.max(now);
        self.to_admit.clear();
        self.to_advance.clear();
        let mut step = Step { at: self.now, ..Step::default() };
        match input {
            Input::DefinitionLoaded(definition) => self.load(&mut step, *definition)?,
            Input::SourceObserved { pipeline, action, heads } => {
                self.observe(&mut step, &pipeline, &action, heads);
            }
            Input::SourcesLeft { pipeline } => self.looked_at.retain(|(name, _)| *name != pipeline),
            Input::ChangesListed { pipeline, action, branch, revision, files } => {
                self.changes_listed(&mut step, &pipeline, (&action, &branch), &revision, files);
            }
            Input::JobReported { id, report } => self.report(&mut step, id, report)?,
            Input::Operator { request, by } => self.request(&mut step, request, by)?,
            Input::RuntimeStarted => self.take_over(&mut step),
            Input::DeadlinePassed => self.pass_deadlines(&mut step),
        }
        Ok(step)
    }

    fn request(&mut self, step: &mut Step, request: Request, by: Operator) -> Result<(), Refusal> {
        match request {
            Request::StartPipelineExecution {
                pipeline,
                revision,
                variables,
                skip,
                from,
                client_request_token,
            } => {
                let wish = sources::StartWish { skip, from, client_request_token };
                self.start_by_hand(step, &pipeline, *revision, variables, wish, &by)
            }
            Request::StopPipelineExecution { pipeline, execution, mode, reason } => {
                self.stop(step, &pipeline, execution, StopRequest { mode, reason, by })
            }
            Request::RetryStageExecution { pipeline, stage, execution, mode } => {
                self.retry(step, &pipeline, stage, execution, mode, by)
            }
            Request::PutApprovalResult {
                gate,
                status,
                summary,
                if_revision,
                comparison,
                effective_at,
            } => {
                let decision = ApprovalDecision { status, summary, by, at: step.at };
                let (revision, comparison) = (if_revision, &comparison);
                self.put_approval_result(step, &gate, decision, revision, comparison, effective_at)
            }
            Request::WithdrawApproval { gate } => self.withdraw_approval(step, &gate, by),
            Request::NoteApproval { gate, text } => self.note_approval(step, &gate, text, by),
            Request::GiveWay { gate } => self.give_way(step, &gate, by),
            Request::RollbackStage { pipeline, lane, stage, release } => {
                self.roll_back(step, &pipeline, lane, stage, *release, &by).map(drop)
            }
            Request::OverrideStageCondition { pipeline, stage, execution, condition, reason } => {
                let why = (reason, by);
                self.override_condition(step, &pipeline, stage, execution, condition, why)
            }
            Request::DeletePipeline { pipeline } => self.delete_pipeline(step, &pipeline, by),
            Request::SetWatching { pipeline, change } => {
                self.set_watching(step, &pipeline, change, by)
            }
            Request::SetStageTransition { pipeline, stage, change } => {
                self.set_transition(step, &pipeline, stage, change, by)
            }
        }
    }

    /// Everything can move again, and jobs that were running must be looked for.
    fn take_over(&mut self, step: &mut Step) {
        let executions = self.state.executions.values();
        self.to_advance.extend(executions.map(|it| (it.number, it.id)));
        for (name, pipeline) in &self.state.pipelines {
            self.to_admit.extend(pipeline.lanes_of(name));
        }
        self.ask_for_changes_again(step);
        let actions = self.state.running.values().filter_map(|it| self.job_of(it));
        let rules = self.state.running_rules.values().filter_map(|it| self.job_of_rule(it));
        let jobs = actions.chain(rules).map(Box::new).map(Effect::RecoverJob);
        step.effects.extend(jobs);
    }

    /// The only way an event comes into being.
    fn record(&mut self, step: &mut Step, pipeline: &PipelineName, fact: Fact) {
        let execution = fact.execution();
        let place = |state: &State| {
            let execution = state.execution(execution?)?;
            Some((execution.home.clone(), (execution.number, execution.id)))
        };
        let before = place(&self.state);
        let event = Event { at: step.at, pipeline: pipeline.clone(), fact };
        self.take_in(&event);
        self.room_was_made |= !self.held.is_empty() && event.fact.makes_room();
        // The fact may bring the execution or take it away.
        if let Some((home, execution)) = before.or_else(|| place(&self.state)) {
            self.to_admit.insert(home);
            self.to_advance.insert(execution);
        }
        step.events.push(event);
    }

    fn mint_execution(&mut self) -> ExecutionId {
        ExecutionId::from_random_bytes(self.rng.bytes())
    }
}
