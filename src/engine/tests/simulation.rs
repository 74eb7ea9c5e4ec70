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

use super::{
    plan,
    scene::{operator, revision},
};
use crate::{
    engine::{
        Comparison, Effect, Engine, Event, Fact, Input, Refusal, Relation, Request,
        TransitionChange, WatchingChange,
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
    now: Timestamp,
    heads: BTreeMap<String, u64>,
    /// Heads whose changed files the engine wants to know.
    asked: Vec<SourceRevision>,
    /// How many actions may run at a time.
    limit: Option<usize>,
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
            now: Timestamp(1_000_000),
            heads: BTreeMap::from([("main".to_owned(), 0)]),
            asked: Vec::new(),
            limit: seed.is_multiple_of(3).then_some(2),
            trail: Vec::new(),
            seen: BTreeSet::new(),
        };
        world.engine.limit_actions(world.limit);
        for name in NAMES {
            let definition = plan::definition(&mut world.rng, name);
            world.feed(Input::DefinitionLoaded(Box::new(definition)));
            let observation = world.observation(name);
            world.feed(observation);
        }
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
            Effect::ListChanges { revision, .. } => self.asked.push((*revision).clone()),
        }
        None
    }

    /// A snapshot gives back what was kept, whatever the state holds.
    fn keep_and_restore(&self) {
        let kept = serde_json::to_string(self.engine.state()).unwrap();
        let restored: State = serde_json::from_str(&kept).unwrap();
        assert_eq!(&restored, self.engine.state());
    }

    /// The process dies: only the log is left, and the jobs go on without us.
    fn restart(&mut self) {
        let seed = u128::from(self.rng.next_u64());
        self.engine = Engine::replay(&self.log, seed);
        self.engine.limit_actions(self.limit);
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
        self.engine.state().executions.keys().copied().collect()
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

    /// Says which files a head has changed: some that its pipeline looks at, or others.
    fn answer(&mut self, revision: SourceRevision) -> Input {
        let files = match self.pick(4) {
            0 => Err("git is gone".to_owned()),
            1 => Ok(vec!["docs/readme".to_owned()]),
            _ => Ok(vec!["docs/readme".to_owned(), "src/main".to_owned()]),
        };
        let (action, branch) = (revision.action, revision.branch);
        let pipeline = NAMES[self.pick(2) as usize].into();
        Input::ChangesListed { pipeline, action, branch, revision: revision.id, files }
    }

    fn next_input(&mut self) -> Option<Input> {
        if !self.asked.is_empty() && self.pick(3) == 0 {
            let revision = self.asked.swap_remove(0);
            return Some(self.answer(revision));
        }
        let name = NAMES[self.pick(2) as usize];
        match self.pick(33) {
            0..=4 => {
                let branch = ["main", "topic"][self.pick(2) as usize].to_owned();
                let next = self.heads.values().max().copied().unwrap_or(0) + 1;
                self.heads.insert(branch, next);
                Some(self.observation(name))
            }
            5 => {
                self.heads.remove("topic");
                Some(self.observation(name))
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
                self.request(Request::SetStageTransition { pipeline: name.into(), stage, change })
            }
            18 => {
                let execution = self.pick_one(self.executions())?;
                let mode = [StopMode::Wait, StopMode::Abandon][self.pick(2) as usize];
                let (pipeline, reason) = (name.into(), "why not".into());
                self.request(Request::StopPipelineExecution { pipeline, execution, mode, reason })
            }
            19 | 20 => {
                let execution = self.pick_one(self.executions())?;
                let stage = ["Test", "Deploy"][self.pick(2) as usize].into();
                let mode = [RetryMode::FailedActions, RetryMode::AllActions][self.pick(2) as usize];
                let pipeline = name.into();
                self.request(Request::RetryStageExecution { pipeline, stage, execution, mode })
            }
            21 => {
                let definition = plan::definition(&mut self.rng, name);
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
            32 => {
                let change =
                    [WatchingChange::Pause, WatchingChange::Resume, WatchingChange::Resume]
                        [self.pick(3) as usize];
                self.request(Request::SetWatching { pipeline: name.into(), change })
            }
            23 | 24 => {
                let revision = Box::new(revision("main", &format!("{:07}", self.heads["main"])));
                let (pipeline, variables) = (name.into(), Vec::new());
                let skip = if self.pick(3) == 0 { vec!["Test".into()] } else { Vec::new() };
                let from = (self.pick(4) == 0).then(|| "Deploy".into());
                let token = (self.pick(4) == 0).then(|| format!("{}", self.heads["main"]));
                self.request(Request::StartPipelineExecution {
                    pipeline,
                    revision,
                    variables,
                    skip,
                    from,
                    client_request_token: token,
                })
            }
            25 | 26 => self.roll_back(name),
            27 | 28 => self.override_something(),
            29 | 30 => self.at_gate(),
            _ => self.request(Request::DeletePipeline { pipeline: name.into() }),
        }
    }

    fn observation(&self, name: &str) -> Input {
        let heads =
            self.heads.iter().map(|(branch, id)| revision(branch, &format!("{id:07}")).into());
        let (pipeline, action) = (name.into(), "app".into());
        Input::SourceObserved { pipeline, action, heads: heads.collect() }
    }

    fn roll_back(&mut self, name: &str) -> Option<Input> {
        let pipeline = self.engine.state().pipelines.get(name)?;
        let lanes = pipeline.lanes.iter();
        let successes = lanes.flat_map(|(lane, state)| {
            let slots = state.slots.iter();
            slots.filter_map(move |(stage, slot)| {
                Some((lane.clone(), stage.clone(), slot.last_success.as_ref()?.release.clone()))
            })
        });
        let (lane, stage, release) = self.pick_one(successes.collect())?;
        let release = Box::new((*release).clone());
        self.request(Request::RollbackStage { pipeline: name.into(), lane, stage, release })
    }

    fn override_something(&mut self) -> Option<Input> {
        let state = self.engine.state();
        let mut conditions = Vec::new();
        for (id, execution) in &state.executions {
            for (stage, entered) in &execution.stages {
                let kinds = entered.conditions.keys();
                let pipeline = &execution.home.pipeline;
                conditions.extend(kinds.map(|kind| (pipeline.clone(), *id, stage.clone(), *kind)));
            }
        }
        let (pipeline, execution, stage, condition) = self.pick_one(conditions)?;
        let reason = "we looked".to_owned();
        self.request(Request::OverrideStageCondition {
            pipeline,
            stage,
            execution,
            condition,
            reason,
        })
    }

    fn at_gate(&mut self) -> Option<Input> {
        let board = self.engine.board();
        let gate = self.pick_one(board.open_gates().map(|at| at.reference()).collect())?;
        let what = self.pick(3);
        self.request(match what {
            0 => Request::WithdrawApproval { gate },
            1 => Request::GiveWay { gate },
            _ => {
                let text = "looking".to_owned();
                Request::NoteApproval { gate, text }
            }
        })
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
                (at.reference(), deployed)
            })
            .collect();
        let (mut gate, deployed) = self.pick_one(gates)?;
        if self.pick(8) == 0 {
            // A wrong token, or one that was answered already.
            let old = self.pick_one(self.decided.iter().copied().collect());
            gate.token = old.unwrap_or(ApprovalToken::from_random_bytes([1; 16]));
        }
        let relation =
            [Relation::Newer, Relation::Newer, Relation::Downgrade][self.pick(3) as usize];
        let status = [ApprovalStatus::Approved, ApprovalStatus::Approved, ApprovalStatus::Rejected]
            [self.pick(3) as usize];
        let effective_at = (self.pick(4) == 0).then(|| self.now + Span::HOUR);
        self.request(Request::PutApprovalResult {
            gate,
            status,
            summary: "ok".into(),
            if_revision: None,
            effective_at,
            comparison: Comparison { deployed, relation },
        })
    }

    fn check(&self) {
        let state = self.engine.state();
        assert_eq!(state, &self.shadow, "the state differs from what the log says");
        self.check_locks();
        for pipeline in state.pipelines.values() {
            for (name, lane) in &pipeline.lanes {
                let mut places: BTreeMap<ExecutionId, u32> = BTreeMap::new();
                for (stage, slot) in &lane.slots {
                    let waiting = || slot.waiting.iter().map(|id| &state.executions[id]);
                    let newest = waiting().filter(|it| !it.is_rollback()).map(|it| it.number).max();
                    let outlived = waiting().find(|it| {
                        it.definition.execution_mode == ExecutionMode::Superseded
                            && !it.is_rollback()
                            && Some(it.number) != newest
                    });
                    assert!(outlived.is_none(), "{outlived:?} should be superseded before {stage}");
                    for id in slot.waiting.iter().chain(&slot.occupant) {
                        *places.entry(*id).or_default() += 1;
                        assert!(state.executions.contains_key(id), "a slot holds a lost execution");
                    }
                    let free = slot.occupant.is_none();
                    let first = waiting().next().filter(|_| pipeline.is_enabled(stage));
                    let next = waiting().find(|it| it.is_rollback()).or(first);
                    let locked = next.and_then(|it| it.lock_of(stage));
                    let locked = locked.is_some_and(|lock| state.locks.contains_key(lock));
                    let stays_out = next.is_none() || locked;
                    assert!(!free || stays_out, "a free stage {stage} has a waiter");
                }
                for (number, id) in &lane.executions {
                    let execution = &state.executions[id];
                    assert_eq!(execution.number, *number);
                    let ended = execution.status.has_ended();
                    assert_eq!(ended, execution.place == Place::Ended, "{:?}", execution.status);
                    let times = places.get(id).copied().unwrap_or(0);
                    assert_eq!(times, u32::from(!ended), "{id} stands in {times} places");
                    assert_eq!(execution.home.lane, *name);
                    self.check_run_orders(id, execution);
                }
            }
        }
        for (id, action) in &state.running {
            let progress = state.action(action).map(|it| &it.progress);
            let works = matches!(progress, Some(Progress::Running));
            let declared = state
                .execution(action.execution)
                .and_then(|it| it.definition.stage(&action.stage)?.action(&action.action).cloned());
            let works = works && !declared.is_some_and(|it| it.is_invoke_of_pipeline());
            if works && !self.finished.contains_key(id) {
                assert!(self.started.contains(id), "{action:?} has no job");
            }
        }
    }

    /// Whoever holds a lock stands in a stage that wants it.
    fn check_locks(&self) {
        let state = self.engine.state();
        for (lock, holder) in &state.locks {
            let execution = state.execution(*holder).expect("a lock is held by somebody known");
            let (stage, _) = execution.current_stage().expect("who holds a lock is in a stage");
            assert_eq!(execution.lock_of(stage), Some(lock));
        }
        let counted: usize = state.executions.values().map(|it| it.working()).sum();
        let is_counted = self.limit.is_none() || self.engine.working == counted;
        assert!(is_counted, "the count of working actions is off");
        let working = self.running.len() <= self.limit.unwrap_or(usize::MAX);
        let rules = state.running_rules.len();
        assert!(working || rules > 0 || self.is_behind(), "more actions run than may");
    }

    /// Jobs that nobody wants any more may still be dying.
    fn is_behind(&self) -> bool {
        let state = self.engine.state();
        self.running.keys().any(|id| !state.running.contains_key(id))
    }

    /// No action starts whose predecessors, or whose entry condition, have not succeeded.
    fn check_run_orders(&self, id: &ExecutionId, execution: &crate::engine::state::Execution) {
        for (name, entered) in &execution.stages {
            let declared = execution.definition.stage(name).expect("its own version has it");
            if declared.before_entry.is_some() && !entered.actions.is_empty() {
                let status =
                    entered.conditions.get(&ConditionType::BeforeEntry).map(|it| it.status);
                let passed = [Some(ConditionStatus::Succeeded), Some(ConditionStatus::Overridden)];
                assert!(passed.contains(&status), "{name} started before its condition was met");
            }
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
        for (name, stage) in
            NAMES.into_iter().flat_map(|name| ["Test", "Extra", "Deploy"].map(|it| (name, it)))
        {
            let change = TransitionChange::Enable;
            let request =
                Request::SetStageTransition { pipeline: name.into(), stage: stage.into(), change };
            self.feed(Input::Operator { request, by: operator() });
        }
        for _ in 0..5_000 {
            while let Some(revision) = self.asked.pop() {
                for pipeline in NAMES {
                    let (action, branch) = (revision.action.clone(), revision.branch.clone());
                    let (pipeline, revision) = (pipeline.into(), revision.id.clone());
                    let files = Ok(vec!["src/main".to_owned()]);
                    self.feed(Input::ChangesListed { pipeline, action, branch, revision, files });
                }
            }
            if let Some(id) = self.running.keys().next().copied() {
                self.running.remove(&id);
                let report = JobReport::Succeeded(JobSuccess::default());
                self.feed(Input::JobReported { id, report });
            } else if let Some(deadline) = self.engine.next_deadline() {
                self.now = self.now.max(deadline);
                self.feed(Input::DeadlinePassed);
                let next = self.engine.next_deadline();
                assert!(next.is_none_or(|next| next > self.now), "a deadline stays");
            } else {
                break;
            }
        }
        let alive: Vec<_> = self
            .engine
            .state()
            .executions
            .values()
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
        world.keep_and_restore();
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
    let (one, other) = seeds.split_at(seeds.len() / 2);
    let all = |seeds: &[u64]| seeds.iter().copied().flat_map(run).collect::<BTreeSet<_>>();
    let (mut seen, others) = std::thread::scope(|scope| {
        let helper = scope.spawn(|| all(one));
        let here = all(other);
        (here, helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    seen.extend(others);
    if whole {
        let never: Vec<_> = ALL_FACTS.iter().filter(|fact| !seen.contains(**fact)).collect();
        assert!(never.is_empty(), "no simulation reaches {never:?}");
    }
}

const NAMES: [&str; 2] = ["p", "q"];

const ALL_FACTS: [&str; 45] = [
    "PipelineDefined",
    "BaselineTaken",
    "HeadMoved",
    "BranchDeleted",
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
    "PipelineDeleted",
    "StageSkipped",
    "StageRetryScheduled",
    "ConditionStarted",
    "ConditionSucceeded",
    "ConditionFailed",
    "ConditionOverridden",
    "RuleStarted",
    "RuleWaits",
    "RuleSucceeded",
    "RuleFailed",
    "RuleAbandoned",
    "ApprovalDeferred",
    "ApprovalWithdrawn",
    "ApprovalNoted",
    "ApprovalGaveWay",
    "ActionRetryScheduled",
    "ChangesAwaited",
    "ChangesListed",
    "StartDeclined",
    "WatchingPaused",
    "WatchingResumed",
    "StageStopped",
];

#[test]
fn a_refused_input_is_part_of_normal_life() {
    let mut engine = Engine::new(State::default(), 1, Timestamp(0));
    let id = ActionExecutionId::from_random_bytes([3; 16]);
    let report = JobReport::Succeeded(JobSuccess::default());
    let refusal = engine.apply(Input::JobReported { id, report }, Timestamp(1)).unwrap_err();
    assert_eq!(refusal, Refusal::JobNotRunning);
}
