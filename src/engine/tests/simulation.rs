//! Seeded simulation: every input in every order, with crashes at every point.
//!
//! `SIM_SEED=123 cargo test simulation` runs one seed; what fails prints it.

#![expect(
    clippy::cast_possible_truncation,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "picks are small, and every kind of turn has the same shape"
)]

use std::collections::{BTreeMap, BTreeSet};

use super::scene::{operator, pipeline, revision};
use crate::{
    engine::{
        Comparison, Effect, Engine, Event, Fact, Input, Refusal, Relation, Request,
        TransitionChange,
        rng::Rng,
        state::{ActionExecution, Place, Progress, State},
    },
    model::*,
};

const SEEDS: u64 = 2_000;
const TURNS: usize = 100;
/// Seeds that once found a bug.
const REGRESSIONS: [u64; 0] = [];

/// Where the process dies while it handles a step.
#[derive(Clone, Copy, Debug)]
enum CrashPoint {
    BeforeAppend,
    AfterAppend,
    DuringEffects,
    AfterEffects,
}

struct World {
    rng: Rng,
    engine: Engine,
    /// What the store has; the shadow is what these events alone make of the state.
    log: Vec<Event>,
    shadow: State,
    /// Jobs that processes are working on, and those that ended while no runtime looked.
    running: BTreeMap<ActionExecutionId, Job>,
    finished: BTreeMap<ActionExecutionId, JobReport>,
    started: BTreeSet<ActionExecutionId>,
    decided: BTreeSet<ApprovalToken>,
    /// Revisions whose changed files are being listed.
    asked: Vec<SourceRevision>,
    now: Timestamp,
    heads: BTreeMap<String, u64>,
    trail: Vec<String>,
    seen: BTreeSet<&'static str>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: Rng::new(u128::from(seed)),
            engine: Engine::new(State::default(), u128::from(seed) << 64 | 1, Timestamp(0)),
            log: Vec::new(),
            shadow: State::default(),
            running: BTreeMap::new(),
            finished: BTreeMap::new(),
            started: BTreeSet::new(),
            decided: BTreeSet::new(),
            asked: Vec::new(),
            now: Timestamp(1_000_000),
            heads: BTreeMap::from([("main".to_owned(), 0)]),
            trail: Vec::new(),
            seen: BTreeSet::new(),
        };
        world.load("Source > Test: lint, unit; pack > Deploy: !gate; ship");
        world.observe();
        world
    }

    fn pick(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below
    }

    fn pick_one<T>(&mut self, mut from: Vec<T>) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        let at = self.pick(from.len() as u64) as usize;
        Some(from.swap_remove(at))
    }

    fn load(&mut self, text: &str) {
        self.feed(Input::DefinitionLoaded(Box::new(pipeline("p", text))));
    }

    fn observe(&mut self) {
        let heads = self.heads.iter().map(|(branch, id)| revision(branch, &format!("{id:07}")));
        let heads = heads.collect();
        self.feed(Input::SourceObserved { pipeline: "p".into(), action: "app".into(), heads });
    }

    fn feed(&mut self, input: Input) {
        self.feed_and_crash(input, None);
    }

    fn feed_and_crash(&mut self, input: Input, crash: Option<CrashPoint>) {
        let words = match &input {
            Input::DefinitionLoaded(_) => "DefinitionLoaded".to_owned(),
            other => format!("{other:?}"),
        };
        self.trail.push(format!("{} {words} crash {crash:?}", self.now.0));
        let result = match &input {
            Input::JobReported { id, report } => Some((*id, report.clone())),
            _ => None,
        };
        match self.engine.apply(input, self.now) {
            Err(refusal) => {
                assert_eq!(self.engine.state(), &self.shadow, "refused ({refusal}) but changed");
                if crash.is_some() {
                    self.restart();
                }
            }
            Ok(step) => {
                if matches!(crash, Some(CrashPoint::BeforeAppend)) {
                    // The result itself is on disk; only our knowledge of it is lost.
                    self.finished.extend(result.inspect(|(id, _)| {
                        self.running.remove(id);
                    }));
                    return self.restart();
                }
                self.append(step.events);
                let performed = match crash {
                    Some(CrashPoint::BeforeAppend | CrashPoint::AfterAppend) => 0,
                    Some(CrashPoint::DuringEffects) => step.effects.len() / 2,
                    Some(CrashPoint::AfterEffects) | None => step.effects.len(),
                };
                let effects = step.effects.into_iter().take(performed);
                let recovered: Vec<_> = effects.filter_map(|effect| self.perform(effect)).collect();
                for input in recovered {
                    self.feed(input);
                }
                if crash.is_some() {
                    self.restart();
                }
            }
        }
        self.check();
    }

    fn append(&mut self, events: Vec<Event>) {
        for event in events {
            self.seen.insert(event.fact.kind());
            if let Some(last) = self.log.last() {
                assert!(last.at <= event.at, "time ran backwards");
            }
            if let Fact::ApprovalDecided { action, .. } = &event.fact {
                let token = self.token_of(action.id);
                assert!(self.decided.insert(token), "token {token} decided twice");
            }
            self.shadow.evolve(&event);
            self.log.push(event);
        }
    }

    fn token_of(&self, id: ActionExecutionId) -> ApprovalToken {
        let opened = self.log.iter().find_map(|event| match &event.fact {
            Fact::ActionStarted { action, approval: Some(approval), .. } if action.id == id => {
                Some(approval.token)
            }
            _ => None,
        });
        opened.expect("only opened gates are decided")
    }

    /// Does the work and returns what it leads to at once.
    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::StartJob(job) => {
                assert!(self.started.insert(job.id), "job {} started twice", job.id);
                self.running.insert(job.id, *job);
            }
            Effect::RecoverJob(job) => {
                if let Some(report) = self.finished.remove(&job.id) {
                    return Some(Input::JobReported { id: job.id, report });
                } else if self.started.insert(job.id) {
                    self.running.insert(job.id, *job);
                }
            }
            Effect::StopJob(id) => {
                self.running.remove(&id);
            }
            Effect::ListChanges { revision, .. } => self.asked.push(*revision),
        }
        None
    }

    /// The process dies: only the log is left, and the jobs go on without us.
    fn restart(&mut self) {
        let seed = u128::from(self.rng.next_u64());
        self.engine = Engine::replay(&self.log, seed);
        // Whoever lists files dies with the runtime.
        self.asked.clear();
        if self.pick(2) == 0 {
            self.finish_some_job_unseen();
        }
        self.feed(Input::RuntimeStarted);
    }

    fn finish_some_job_unseen(&mut self) {
        if let Some(id) = self.pick_one(self.running.keys().copied().collect()) {
            self.running.remove(&id);
            let report = self.report();
            self.finished.insert(id, report);
        }
    }

    fn report(&mut self) -> JobReport {
        match self.pick(3) {
            0 => JobReport::failed(FailureType::JobFailed, "exit code 1"),
            _ => JobReport::Succeeded(JobSuccess::default()),
        }
    }

    fn executions(&self) -> Vec<ExecutionId> {
        self.engine.state().homes.keys().copied().collect()
    }

    fn turn(&mut self) {
        let Some(input) = self.next_input() else { return };
        let crash = match self.pick(20) {
            0 => Some(CrashPoint::BeforeAppend),
            1 => Some(CrashPoint::AfterAppend),
            2 => Some(CrashPoint::DuringEffects),
            3 => Some(CrashPoint::AfterEffects),
            _ => None,
        };
        self.feed_and_crash(input, crash);
    }

    fn next_input(&mut self) -> Option<Input> {
        match self.pick(26) {
            0..=4 => {
                let branch = ["main", "topic"][self.pick(2) as usize].to_owned();
                let next = self.heads.values().max().copied().unwrap_or(0) + 1;
                self.heads.insert(branch, next);
                self.observation()
            }
            5 => {
                self.heads.remove("topic");
                self.observation()
            }
            6..=11 => {
                let id = self.pick_one(self.running.keys().copied().collect())?;
                // A duplicate report follows now and then: the job is reported and stays known.
                if self.pick(10) > 0 {
                    self.running.remove(&id);
                }
                Some(Input::JobReported { id, report: self.report() })
            }
            12 => {
                let id = ActionExecutionId::from_random_bytes(self.rng.bytes());
                Some(Input::JobReported { id, report: self.report() })
            }
            13..=16 => self.decision(),
            17 => {
                let stage = ["Source", "Test", "Deploy", "Nowhere"][self.pick(4) as usize].into();
                let change = match self.pick(3) {
                    0 => TransitionChange::Disable { reason: "freeze".into() },
                    _ => TransitionChange::Enable,
                };
                self.request(Request::SetStageTransition { pipeline: "p".into(), stage, change })
            }
            18 => {
                let execution = self.pick_one(self.executions())?;
                let mode = [StopMode::Wait, StopMode::Abandon][self.pick(2) as usize];
                let (pipeline, reason) = ("p".into(), "why not".into());
                self.request(Request::StopPipelineExecution { pipeline, execution, mode, reason })
            }
            19 | 20 => {
                let execution = self.pick_one(self.executions())?;
                let stage = ["Test", "Deploy"][self.pick(2) as usize].into();
                let mode = [RetryMode::FailedActions, RetryMode::AllActions][self.pick(2) as usize];
                let pipeline = "p".into();
                self.request(Request::RetryStageExecution { pipeline, stage, execution, mode })
            }
            21 => {
                let text = [
                    "Source > Test: lint, unit; pack > Deploy: !gate; ship",
                    "Source > Test: unit > Extra: more > Deploy: !gate, !other; ship",
                    "Source > Deploy: ship",
                ][self.pick(3) as usize];
                let triggers = self.triggers();
                let definition = Pipeline { triggers, ..pipeline("p", text) };
                Some(Input::DefinitionLoaded(Box::new(definition)))
            }
            22 => {
                self.now = match self.pick(3) {
                    0 => self.engine.next_deadline().unwrap_or(self.now),
                    1 => Timestamp(self.now.0 - 5_000),
                    _ => self.now + Span::HOUR,
                };
                Some(Input::DeadlinePassed)
            }
            23 | 24 => {
                let revision = self.pick_one(self.asked.clone())?;
                if self.pick(10) > 0 {
                    self.asked.retain(|it| *it != revision);
                }
                Some(self.listed(revision))
            }
            _ => {
                let revision = Box::new(revision("main", &format!("{:07}", self.heads["main"])));
                let (pipeline, variables) = ("p".into(), Vec::new());
                self.request(Request::StartPipelineExecution { pipeline, revision, variables })
            }
        }
    }

    fn triggers(&mut self) -> Vec<PipelineTrigger> {
        let all = Some(Patterns { includes: vec!["**".into()], excludes: Vec::new() });
        let some = Some(Patterns { includes: vec!["src/**".into()], excludes: Vec::new() });
        let filter = PushFilter { branches: all, tags: None, file_paths: some };
        let (cron, time_zone) = ("0 * * * *".into(), "Europe/Berlin".into());
        let schedule = Schedule { cron, time_zone, branch: Some("main".into()) };
        let (push, schedule) = match self.pick(6) {
            0..=1 => return Vec::new(),
            2..=3 => (vec![filter], None),
            4 => (Vec::new(), Some(schedule)),
            _ => (vec![filter], Some(schedule)),
        };
        vec![PipelineTrigger { source_action: "app".into(), push, schedule }]
    }

    fn listed(&mut self, revision: SourceRevision) -> Input {
        let files = match self.pick(3) {
            0 => Ok(vec!["docs/a".into()]),
            1 => Ok(vec!["docs/a".into(), "src/a".into()]),
            _ => Err("the commit is gone".into()),
        };
        let SourceRevision { action, branch, id: revision, .. } = revision;
        Input::ChangesListed { pipeline: "p".into(), action, branch, revision, files }
    }

    fn observation(&self) -> Option<Input> {
        let heads = self.heads.iter().map(|(branch, id)| revision(branch, &format!("{id:07}")));
        let (pipeline, action) = ("p".into(), "app".into());
        Some(Input::SourceObserved { pipeline, action, heads: heads.collect() })
    }

    fn request(&self, request: Request) -> Option<Input> {
        Some(Input::Operator { request, by: operator() })
    }

    fn decision(&mut self) -> Option<Input> {
        let board = self.engine.board();
        let gates: Vec<_> = board
            .open_gates()
            .map(|at| {
                let deployed = at.stage.last_success.as_ref().map(|it| it.revision.id.clone());
                (at.stage.name.clone(), at.action.name.clone(), at.gate.token, deployed)
            })
            .collect();
        let (stage, action, mut token, deployed) = self.pick_one(gates)?;
        if self.pick(8) == 0 {
            // A wrong token, or one that was answered already.
            let old = self.pick_one(self.decided.iter().copied().collect());
            token = old.unwrap_or(ApprovalToken::from_random_bytes([1; 16]));
        }
        let relation =
            [Relation::Newer, Relation::Newer, Relation::Downgrade][self.pick(3) as usize];
        let status = [ApprovalStatus::Approved, ApprovalStatus::Approved, ApprovalStatus::Rejected]
            [self.pick(3) as usize];
        self.request(Request::PutApprovalResult {
            pipeline: "p".into(),
            stage,
            action,
            token,
            status,
            summary: "ok".into(),
            if_revision: None,
            comparison: Comparison { deployed, relation },
        })
    }

    fn check(&self) {
        let state = self.engine.state();
        assert_eq!(state, &self.shadow, "the state differs from what the log says");
        for pipeline in state.pipelines.values() {
            for (name, lane) in &pipeline.lanes {
                let mut places: BTreeMap<ExecutionId, u32> = BTreeMap::new();
                for (stage, slot) in &lane.slots {
                    assert!(slot.waiting.len() <= 1, "two executions wait before {stage}");
                    for id in slot.waiting.iter().chain(&slot.occupant) {
                        *places.entry(*id).or_default() += 1;
                        assert!(lane.executions.contains_key(id), "a slot holds a lost execution");
                    }
                    let free = slot.occupant.is_none() && pipeline.is_enabled(stage);
                    assert!(!free || slot.waiting.is_empty(), "a free stage {stage} has a waiter");
                }
                for (id, execution) in &lane.executions {
                    let ended = execution.status.has_ended();
                    assert_eq!(ended, execution.place == Place::Ended, "{:?}", execution.status);
                    let times = places.get(id).copied().unwrap_or(0);
                    assert_eq!(times, u32::from(!ended), "{id} stands in {times} places");
                    assert_eq!(state.homes[id].lane, *name);
                    self.check_run_orders(id, execution);
                }
            }
        }
        for pipeline in state.pipelines.values() {
            for awaited in pipeline.awaited_changes.values().flat_map(BTreeMap::values) {
                assert!(self.asked.contains(&awaited.revision), "nobody lists {awaited:?}");
            }
        }
        for (id, action) in &state.running {
            let progress = state.action(action).map(|it| &it.progress);
            let works = matches!(progress, Some(Progress::Running));
            if works && !self.finished.contains_key(id) {
                assert!(self.started.contains(id), "{action:?} has no job");
            }
        }
    }

    /// No action starts whose predecessors have not succeeded.
    fn check_run_orders(&self, id: &ExecutionId, execution: &crate::engine::state::Execution) {
        for (name, entered) in &execution.stages {
            let declared = execution.definition.stage(name).expect("its own version has it");
            for action in
                declared.actions.iter().filter(|it| entered.actions.contains_key(&it.name))
            {
                for earlier in declared.actions.iter().filter(|it| it.run_order < action.run_order)
                {
                    let status = entered.actions.get(&earlier.name).map(ActionExecution::status);
                    let passed = status == Some(ActionStatus::Succeeded);
                    assert!(
                        passed,
                        "{id}: {} started before {} succeeded",
                        action.name, earlier.name
                    );
                }
            }
        }
    }

    /// Without faults and with every gate approved, everything comes to an end.
    fn drain(&mut self) {
        while let Some(revision) = self.asked.pop() {
            let input = self.listed(revision);
            self.feed(input);
        }
        let pipelines = self.engine.state().pipelines.values();
        assert_eq!(pipelines.map(|it| it.awaited_changes.len()).sum::<usize>(), 0);
        // A schedule would go on for ever.
        self.load("Source > Test: unit > Extra: more > Deploy: !gate, !other; ship");
        for stage in ["Test", "Extra", "Deploy"] {
            let change = TransitionChange::Enable;
            let request =
                Request::SetStageTransition { pipeline: "p".into(), stage: stage.into(), change };
            self.feed(Input::Operator { request, by: operator() });
        }
        for _ in 0..1_000 {
            if let Some(id) = self.running.keys().next().copied() {
                self.running.remove(&id);
                let report = JobReport::Succeeded(JobSuccess::default());
                self.feed(Input::JobReported { id, report });
            } else if let Some(deadline) = self.engine.next_deadline() {
                self.now = self.now.max(deadline);
                self.feed(Input::DeadlinePassed);
            } else {
                break;
            }
        }
        let alive: Vec<_> = self
            .engine
            .state()
            .pipelines
            .values()
            .flat_map(|pipeline| pipeline.lanes.values())
            .flat_map(|lane| lane.executions.values())
            .filter(|execution| !execution.status.has_ended())
            .collect();
        assert!(alive.is_empty(), "never ended: {alive:#?}");
        let replayed = Engine::replay(&self.log, 0);
        assert_eq!(replayed.state(), self.engine.state(), "replay differs");
    }
}

/// Prints how to see a failure again when a seed panics.
struct Reproduction<'a>(u64, &'a World);

fn run(seed: u64) -> BTreeSet<&'static str> {
    let mut world = World::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..TURNS {
            world.turn();
        }
        world.drain();
    }));
    if let Err(panic) = outcome {
        Reproduction(seed, &world).print();
        std::panic::resume_unwind(panic);
    }
    world.seen
}

impl Reproduction<'_> {
    #[expect(clippy::print_stderr, reason = "a failing test says how to run it again")]
    fn print(&self) {
        let trail = &self.1.trail;
        eprintln!("the last inputs:\n{}", trail[trail.len().saturating_sub(20)..].join("\n"));
        eprintln!("again: SIM_SEED={} cargo test simulation", self.0);
    }
}

#[test]
fn simulation() {
    let only = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds: Vec<u64> = match only {
        Some(seed) => vec![seed],
        None => REGRESSIONS.into_iter().chain(0..SEEDS).collect(),
    };
    let whole = seeds.len() > 1;
    let seen: BTreeSet<_> = seeds.into_iter().flat_map(run).collect();
    if whole {
        let never: Vec<_> = ALL_FACTS.iter().filter(|fact| !seen.contains(**fact)).collect();
        assert!(never.is_empty(), "no simulation reaches {never:?}");
    }
}

const ALL_FACTS: [&str; 26] = [
    "PipelineDefined",
    "BaselineTaken",
    "HeadMoved",
    "BranchDeleted",
    "ChangesAwaited",
    "ChangesListed",
    "StartDeclined",
    "ScheduleSet",
    "TransitionEnabled",
    "TransitionDisabled",
    "ExecutionStarted",
    "ExecutionSuperseded",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionStopped",
    "StopRequested",
    "StageEntered",
    "StageSucceeded",
    "StageFailed",
    "StageStopped",
    "StageRetried",
    "ActionStarted",
    "ApprovalDecided",
    "ActionSucceeded",
    "ActionFailed",
    "ActionAbandoned",
];

#[test]
fn a_refused_input_is_part_of_normal_life() {
    let mut engine = Engine::new(State::default(), 1, Timestamp(0));
    let id = ActionExecutionId::from_random_bytes([3; 16]);
    let report = JobReport::Succeeded(JobSuccess::default());
    let refusal = engine.apply(Input::JobReported { id, report }, Timestamp(1)).unwrap_err();
    assert_eq!(refusal, Refusal::JobNotRunning);
}
