//! The engine alone, no shell around it: `cargo bench --bench engine`.
//!
//! Inputs are prepared outside the measured time, as many as the runtime takes at once; what is
//! measured is `Engine::apply`, with the events and effects it returns.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement looks at the clock and prints"
)]

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use stagegate::{
    definition,
    engine::{
        Comparison, Effect, Engine, Event, Fact, Input, Relation, Request,
        event::ActionRef,
        state::{Approval, State},
    },
    model::{
        ApprovalStatus, ExecutionId, GateRef, JobReport, JobSuccess, Operator, PipelineName,
        SourceRevision, Timestamp,
    },
};

const INPUTS: usize = 100_000;
const BRANCHES: usize = 10;
const BATCH: usize = 256;

const DEFINITION: &str = r#"
name = "NAME"
[[stage]]
name = "Source"
[[stage.action]]
name = "app"
category = "Source"
configuration = { BranchName = "*" }
[[stage]]
name = "Build"
[[stage.action]]
name = "compile"
category = "Build"
commands = ["make"]
[[stage.action]]
name = "lint"
category = "Build"
commands = ["make lint"]
[[stage.action]]
name = "package"
category = "Build"
run_order = 2
commands = ["make package"]
[[stage]]
name = "Deploy"
[[stage.action]]
name = "gate"
category = "Approval"
[[stage.action]]
name = "ship"
category = "Build"
run_order = 2
commands = ["make ship"]
[[stage]]
name = "Verify"
[[stage.action]]
name = "smoke"
category = "Build"
commands = ["make smoke"]
"#;

fn main() {
    println!("engine: commits, reports and approvals of releases through four stages");
    let mut first = None;
    for pipelines in [1, 10, 100, 1_000] {
        let mut fleet = Fleet::new(pipelines);
        // Until the executions are spread over the stages.
        fleet.run_for(pipelines * BRANCHES * 20);
        let measured = fleet.run_for(INPUTS);
        let nanoseconds = measured.time.as_secs_f64() * 1e9 / measured.inputs as f64;
        println!(
            "  {:>5} pipelines x {BRANCHES} lanes: {:>7.0} inputs/s (target 200000), {:.2} us an \
             input with {:.1} events, {:.2} of the first line",
            pipelines,
            1e9 / nanoseconds,
            nanoseconds / 1e3,
            measured.events as f64 / measured.inputs as f64,
            nanoseconds / *first.get_or_insert(nanoseconds),
        );
    }
    println!();
    board();
}

/// What an event costs the board: one card is built anew, whatever else there is.
fn board() {
    let mut fleet = Fleet::new(1_000);
    fleet.run_for(20_000);
    let name = fleet.names[500].clone();
    let card = time(200, || drop(fleet.engine.pipeline_card(&name)));
    let whole = time(3, || drop(fleet.engine.board()));
    println!("board of 1,000 pipelines x {BRANCHES} lanes");
    println!("  the card of one pipeline {card:.0} us, all of them {whole:.0} us\n");
}

fn time(times: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..times).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

#[derive(Default)]
struct Measured {
    inputs: usize,
    events: usize,
    time: Duration,
}

/// Pipelines with an execution in every lane, and what comes next for each.
struct Fleet {
    engine: Engine,
    names: Vec<PipelineName>,
    heads: HashMap<PipelineName, Vec<Arc<SourceRevision>>>,
    branches: HashMap<ExecutionId, Arc<str>>,
    commits: usize,
    next: VecDeque<Input>,
    now: i64,
}

impl Fleet {
    fn new(pipelines: usize) -> Self {
        let names: Vec<PipelineName> =
            (0..pipelines).map(|it| format!("p{it:04}").as_str().into()).collect();
        let mut fleet = Self {
            engine: Engine::new(State::default(), 1, Timestamp(0)),
            heads: names.iter().map(|it| (it.clone(), Vec::new())).collect(),
            names,
            branches: HashMap::new(),
            commits: 0,
            next: VecDeque::new(),
            now: 0,
        };
        for name in fleet.names.clone() {
            let text = DEFINITION.replace("NAME", &name.to_string());
            let pipeline = definition::parse(Path::new("/p.toml"), &text).unwrap();
            let empty = fleet.observed(&name);
            fleet.next.extend([Input::DefinitionLoaded(Box::new(pipeline)), empty]);
        }
        fleet.run_for(2 * pipelines);
        for branch in 0..BRANCHES {
            for name in fleet.names.clone() {
                fleet.commit(&name, &format!("branch-{branch}"));
            }
            fleet.run_for(pipelines);
        }
        fleet
    }

    fn run_for(&mut self, inputs: usize) -> Measured {
        let mut total = Measured::default();
        while total.inputs < inputs {
            let round = self.round();
            total.inputs += round.inputs;
            total.events += round.events;
            total.time += round.time;
            assert!(round.inputs > 0, "nothing is alive");
        }
        total
    }

    /// Applies what is due and prepares what follows from it.
    fn round(&mut self) -> Measured {
        let inputs: Vec<Input> = self.next.drain(..self.next.len().min(BATCH)).collect();
        self.now += 1_000;
        let count = inputs.len();
        let start = Instant::now();
        let apply = |input| self.engine.apply(input, Timestamp(self.now)).unwrap();
        let steps: Vec<_> = inputs.into_iter().map(apply).collect();
        let time = start.elapsed();
        let events = steps.iter().map(|step| step.events.len()).sum();
        for step in steps {
            for effect in step.effects {
                if let Effect::StartJob(job) = effect {
                    let report = JobReport::Succeeded(JobSuccess::default());
                    self.next.push_back(Input::JobReported { id: job.id, report });
                }
            }
            step.events.iter().for_each(|event| self.follow(event));
        }
        Measured { inputs: count, events, time }
    }

    fn follow(&mut self, event: &Event) {
        match &event.fact {
            Fact::ExecutionStarted { execution, revisions, .. } => {
                self.branches.insert(*execution, revisions[0].branch.clone());
            }
            Fact::ActionStarted { action, approval: Some(approval), .. } => {
                self.approve(&event.pipeline, action, approval);
            }
            Fact::ExecutionSucceeded { execution } => {
                let branch = self.branches.remove(execution).unwrap();
                self.commit(&event.pipeline, &branch);
            }
            _ => {}
        }
    }

    fn approve(&mut self, pipeline: &PipelineName, gate: &ActionRef, approval: &Approval) {
        let home = &self.engine.state().executions[&gate.execution].home;
        let deployed = self.engine.state().last_success(home, &gate.stage);
        let deployed = deployed.map(|it| it.revision.id.clone());
        let gate = GateRef {
            pipeline: pipeline.clone(),
            stage: gate.stage.clone(),
            action: gate.action.clone(),
            token: approval.token,
        };
        let request = Request::PutApprovalResult {
            gate,
            status: ApprovalStatus::Approved,
            summary: "looked at it".into(),
            if_revision: None,
            comparison: Comparison { deployed, relation: Relation::Newer },
            effective_at: None,
        };
        let by =
            Operator { user: "mira".into(), host: "dev".into(), client: "bench".into(), uid: None };
        self.next.push_back(Input::Operator { request, by });
    }

    fn commit(&mut self, pipeline: &PipelineName, branch: &str) {
        self.commits += 1;
        let head = Arc::new(head(self.commits, branch));
        let heads = self.heads.get_mut(pipeline).unwrap();
        match heads.iter_mut().find(|it| &*it.branch == branch) {
            Some(known) => *known = head,
            None => heads.push(head),
        }
        let observed = self.observed(pipeline);
        self.next.push_back(observed);
    }

    fn observed(&self, pipeline: &PipelineName) -> Input {
        let heads = self.heads[pipeline].clone();
        Input::SourceObserved { pipeline: pipeline.clone(), action: "app".into(), heads }
    }
}

fn head(number: usize, branch: &str) -> SourceRevision {
    SourceRevision {
        action: "app".into(),
        id: format!("{number:040x}").into(),
        branch: branch.into(),
        tag: None,
        git_dir: Path::new("/repo/.git").into(),
        tree: "t".into(),
        message: "feat: a change with a subject of usual length".into(),
        author_name: "Mira".into(),
        author_email: "mira@example.org".into(),
        author_date: "2026-01-02T03:04:05Z".into(),
    }
}
