//! Admission beside a naive model of it: two pipelines in any modes, three branches each, and a
//! lock that their last stages share. Whatever happens, both put every execution into the same place.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::scene::{operator, pipeline, revision, with_mode, with_stage};
use crate::{
    engine::{
        Effect, Engine, Fact, Input, Request, TransitionChange,
        state::{Place, State},
    },
    model::*,
};

const STAGES: [&str; 2] = ["Build", "Deploy"];
const BRANCHES: [&str; 3] = ["main", "develop", "hotfix"];
/// The stage that is entered with the lock.
const LOCKED: usize = 1;

#[derive(Clone, Copy, Debug)]
enum Move {
    Commit { pipeline: usize, branch: usize },
    Finish { which: prop::sample::Index, succeeds: bool },
    Toggle { pipeline: usize, stage: usize },
    Stop { which: prop::sample::Index, abandon: bool },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let index = any::<prop::sample::Index>;
    prop::collection::vec(
        prop_oneof![
            4 => (0..2usize, 0..3usize)
                .prop_map(|(pipeline, branch)| Move::Commit { pipeline, branch }),
            5 => (index(), prop::bool::weighted(0.8))
                .prop_map(|(which, succeeds)| Move::Finish { which, succeeds }),
            1 => (0..2usize, 0..2usize).prop_map(|(pipeline, stage)| Move::Toggle { pipeline, stage }),
            1 => (index(), any::<bool>()).prop_map(|(which, abandon)| Move::Stop { which, abandon }),
        ],
        0..70,
    )
}

fn modes() -> impl Strategy<Value = ExecutionMode> {
    prop_oneof![
        Just(ExecutionMode::Superseded),
        Just(ExecutionMode::Queued),
        Just(ExecutionMode::Parallel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]
    #[test]
    fn admission_agrees_with_a_naive_model(modes in [modes(), modes()], moves in moves()) {
        let mut real = Real::new(modes);
        let mut naive = Naive::new(modes);
        for step in moves {
            match step {
                Move::Commit { pipeline, branch } => {
                    real.commit(pipeline, branch);
                    naive.commit(pipeline, branch);
                }
                Move::Finish { which, succeeds } => {
                    let working = naive.all(|it| matches!(it.at, At::In(_)));
                    if !working.is_empty() {
                        let number = *which.get(&working);
                        real.finish(number, succeeds);
                        naive.finish(number, succeeds);
                    }
                }
                Move::Toggle { pipeline, stage } => {
                    naive.disabled[pipeline][stage] ^= true;
                    real.toggle(pipeline, stage, naive.disabled[pipeline][stage]);
                }
                Move::Stop { which, abandon } => {
                    let alive = naive.all(|it| !it.stopping && !matches!(it.at, At::Ended(_)));
                    if !alive.is_empty() {
                        let number = *which.get(&alive);
                        real.stop(number, abandon);
                        naive.stop(number, abandon);
                    }
                }
            }
            naive.settle();
            prop_assert_eq!(real.places(), naive.places(), "after {:?} in {:?}", step, modes);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Before(usize),
    In(usize),
    Ended(ExecutionStatus),
}

/// A stage of a lane: pipeline, branch, the execution if it has a lane of its own, and the stage.
type Slot = (usize, usize, Option<usize>, usize);

struct Naive {
    modes: [ExecutionMode; 2],
    disabled: [[bool; 2]; 2],
    executions: Vec<NaiveExecution>,
    /// Who waits for a slot, in order of arrival, and since when the slot has waited for its turn.
    waiting: BTreeMap<Slot, (u64, Vec<usize>)>,
    turns: u64,
}

struct NaiveExecution {
    lane: (usize, usize, Option<usize>),
    at: At,
    stopping: bool,
}

impl Naive {
    fn new(modes: [ExecutionMode; 2]) -> Self {
        Self {
            modes,
            disabled: [[false; 2]; 2],
            executions: Vec::new(),
            waiting: BTreeMap::new(),
            turns: 0,
        }
    }

    fn all(&self, wanted: impl Fn(&NaiveExecution) -> bool) -> Vec<usize> {
        (0..self.executions.len()).filter(|it| wanted(&self.executions[*it])).collect()
    }

    fn places(&self) -> Vec<At> {
        self.executions.iter().map(|it| it.at).collect()
    }

    fn commit(&mut self, pipeline: usize, branch: usize) {
        let number = self.executions.len();
        let own = (self.modes[pipeline] == ExecutionMode::Parallel).then_some(number);
        let lane = (pipeline, branch, own);
        self.executions.push(NaiveExecution { lane, at: At::Before(0), stopping: false });
        self.arrive(number, 0);
    }

    fn slot(&self, number: usize, stage: usize) -> Slot {
        let (pipeline, branch, own) = self.executions[number].lane;
        (pipeline, branch, own, stage)
    }

    fn arrive(&mut self, number: usize, stage: usize) {
        self.executions[number].at = At::Before(stage);
        let turn = self.turns;
        self.turns += 1;
        let slot = self.slot(number, stage);
        self.waiting.entry(slot).or_insert((turn, Vec::new())).1.push(number);
    }

    fn end(&mut self, number: usize, status: ExecutionStatus) {
        self.executions[number].at = At::Ended(status);
        for (_, waiting) in self.waiting.values_mut() {
            waiting.retain(|it| *it != number);
        }
        self.waiting.retain(|_, (_, waiting)| !waiting.is_empty());
    }

    fn finish(&mut self, number: usize, succeeds: bool) {
        let At::In(stage) = self.executions[number].at else { panic!("it works nowhere") };
        if self.executions[number].stopping {
            self.end(number, ExecutionStatus::Stopped);
        } else if !succeeds {
            self.end(number, ExecutionStatus::Failed);
        } else if stage + 1 < STAGES.len() {
            self.arrive(number, stage + 1);
        } else {
            self.end(number, ExecutionStatus::Succeeded);
        }
    }

    fn stop(&mut self, number: usize, abandon: bool) {
        if abandon || matches!(self.executions[number].at, At::Before(_)) {
            self.end(number, ExecutionStatus::Stopped);
        }
        self.executions[number].stopping = true;
    }

    fn settle(&mut self) {
        while self.supersede() || self.enter() {}
    }

    fn supersede(&mut self) -> bool {
        let crowded = self.waiting.iter().find_map(|(slot, (_, waiting))| {
            let newest = waiting.iter().max()?;
            let older = waiting.iter().find(|it| *it < newest)?;
            (self.modes[slot.0] == ExecutionMode::Superseded).then_some(*older)
        });
        crowded.inspect(|older| self.end(*older, ExecutionStatus::Superseded)).is_some()
    }

    fn enter(&mut self) -> bool {
        let works_in = |wanted: &dyn Fn(Slot) -> bool| {
            let mut numbers = 0..self.executions.len();
            numbers.any(|it| match self.executions[it].at {
                At::In(stage) => wanted(self.slot(it, stage)),
                At::Before(_) | At::Ended(_) => false,
            })
        };
        let lock_is_taken = works_in(&|slot| slot.3 == LOCKED);
        let open = self.waiting.iter().filter(|(slot, _)| {
            let disabled = self.disabled[slot.0][slot.3];
            let occupied = works_in(&|other| other == **slot);
            let locked = slot.3 == LOCKED && lock_is_taken;
            !(disabled || occupied || locked)
        });
        // Only the lock has a queue; among other slots the order does not matter.
        let first = open.min_by_key(|(_, (turn, _))| *turn).map(|(slot, _)| *slot);
        let Some(slot) = first else { return false };
        let (_, mut others) = self.waiting.remove(&slot).expect("somebody waits there");
        self.executions[others.remove(0)].at = At::In(slot.3);
        if !others.is_empty() {
            self.waiting.insert(slot, (self.turns, others));
            self.turns += 1;
        }
        true
    }
}

struct Real {
    engine: Engine,
    now: Timestamp,
    heads: BTreeMap<(usize, usize), SourceRevision>,
    /// In the order in which they started.
    executions: Vec<ExecutionId>,
    jobs: BTreeMap<ExecutionId, ActionExecutionId>,
    ended: BTreeMap<ExecutionId, ExecutionStatus>,
}

fn name(pipeline: usize) -> PipelineName {
    ["p", "q"][pipeline].into()
}

impl Real {
    fn new(modes: [ExecutionMode; 2]) -> Self {
        let mut real = Self {
            engine: Engine::new(State::default(), 1, Timestamp(0)),
            now: Timestamp(0),
            heads: BTreeMap::new(),
            executions: Vec::new(),
            jobs: BTreeMap::new(),
            ended: BTreeMap::new(),
        };
        for (at, mode) in modes.into_iter().enumerate() {
            let text = "Source > Build: make > Deploy: ship";
            let definition = with_mode(pipeline(name(at).as_str(), text), mode);
            let definition = with_stage(definition, STAGES[LOCKED], |stage| {
                stage.lock = Some("production".into());
            });
            real.apply(Input::DefinitionLoaded(Box::new(definition)));
            real.observe(at);
        }
        real
    }

    fn apply(&mut self, input: Input) {
        self.now = self.now + Span::SECOND;
        let step = self.engine.apply(input, self.now).expect("the naive model allows it");
        for effect in step.effects {
            if let Effect::StartJob(job) = effect {
                self.jobs.insert(job.execution, job.id);
            }
        }
        for event in step.events {
            let (execution, status) = match event.fact {
                Fact::ExecutionStarted { execution, .. } => {
                    self.executions.push(execution);
                    continue;
                }
                Fact::ExecutionSucceeded { execution } => (execution, ExecutionStatus::Succeeded),
                Fact::ExecutionFailed { execution, .. } => (execution, ExecutionStatus::Failed),
                Fact::ExecutionStopped { execution } => (execution, ExecutionStatus::Stopped),
                Fact::ExecutionSuperseded { execution, .. } => {
                    (execution, ExecutionStatus::Superseded)
                }
                _ => continue,
            };
            assert_eq!(self.ended.insert(execution, status), None, "an execution ends once");
        }
    }

    fn observe(&mut self, pipeline: usize) {
        let heads = self.heads.iter().filter(|((of, _), _)| *of == pipeline);
        let heads = heads.map(|(_, revision)| Arc::new(revision.clone())).collect();
        self.apply(Input::SourceObserved { pipeline: name(pipeline), action: "app".into(), heads });
    }

    fn commit(&mut self, pipeline: usize, branch: usize) {
        let id = format!("commit-{}", self.executions.len());
        self.heads.insert((pipeline, branch), revision(BRANCHES[branch], &id));
        self.observe(pipeline);
    }

    fn finish(&mut self, number: usize, succeeds: bool) {
        let id = self.jobs[&self.executions[number]];
        let report = if succeeds {
            JobReport::Succeeded(JobSuccess::default())
        } else {
            JobReport::failed(FailureType::JobFailed, "exit code 1")
        };
        self.apply(Input::JobReported { id, report });
    }

    fn toggle(&mut self, pipeline: usize, stage: usize, disable: bool) {
        let change = if disable {
            TransitionChange::Disable { reason: "freeze".into() }
        } else {
            TransitionChange::Enable
        };
        let (pipeline, stage) = (name(pipeline), STAGES[stage].into());
        let request = Request::SetStageTransition { pipeline, stage, change };
        self.apply(Input::Operator { request, by: operator() });
    }

    fn stop(&mut self, number: usize, abandon: bool) {
        let execution = self.executions[number];
        let home = &self.engine.state().executions[&execution].home;
        let request = Request::StopPipelineExecution {
            pipeline: home.pipeline.clone(),
            execution,
            mode: if abandon { StopMode::Abandon } else { StopMode::Wait },
            reason: "enough".into(),
        };
        self.apply(Input::Operator { request, by: operator() });
    }

    fn places(&self) -> Vec<At> {
        let stage = |name: &StageName| {
            STAGES.iter().position(|it| *it == name.as_str()).expect("nobody stays in Source")
        };
        let place = |id: &ExecutionId| match self.ended.get(id) {
            Some(status) => At::Ended(*status),
            None => match &self.engine.state().execution(*id).expect("it is alive").place {
                Place::Before { stage: name, .. } => At::Before(stage(name)),
                Place::In { stage: name } => At::In(stage(name)),
                Place::Ended => panic!("{id} has ended without a fact"),
            },
        };
        self.executions.iter().map(place).collect()
    }
}
