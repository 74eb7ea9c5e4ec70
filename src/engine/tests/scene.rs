//! A pipeline in one line and the verbs to drive it.
//!
//! `"Source > Build: lint, unit; pack | Deploy: !gate; ship"`: stages in order, `|` instead of
//! `>` where the transition is disabled, `,` between actions of one run order, `;` between run
//! orders, `!` before an approval.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use crate::{
    engine::{
        Comparison, Effect, Engine, Event, Input, Refusal, Relation, Request, Step,
        TransitionChange,
        board::{ActionCard, LaneCard, StageCard},
        state::State,
    },
    model::{variable::Namespace, *},
};

pub(super) fn pipeline(name: &str, text: &str) -> Pipeline {
    let mut stages = Vec::new();
    let mut disabled = false;
    for part in text.split_inclusive(['>', '|']) {
        let (head, actions) = part
            .trim_end_matches(['>', '|'])
            .split_once(':')
            .unwrap_or((part.trim_end_matches(['>', '|']), ""));
        let mut stage = Stage {
            name: head.trim().into(),
            actions: Vec::new(),
            transition_disabled: disabled.then(|| "freeze".to_owned()),
            before_entry: None,
            on_success: None,
            on_failure: None,
            lock: None,
            max_concurrent_actions: None,
        };
        for (order, group) in (1..).zip(actions.split(';')) {
            for name in group.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                stage.actions.push(action(name, order).into());
            }
        }
        if stages.is_empty() {
            stage.actions = vec![source().into()];
        }
        stages.push(stage);
        disabled = part.ends_with('|');
    }
    Pipeline {
        name: name.into(),
        file: format!("/repo/{name}.toml").into(),
        execution_mode: ExecutionMode::Superseded,
        lane: LaneMode::Branch,
        variables: Vec::new(),
        triggers: Vec::new(),
        stages,
        max_concurrent_actions: None,
        tags: BTreeMap::new(),
    }
}

/// A pipeline of one line with something changed about its stages.
pub(super) fn with_stage(
    mut pipeline: Pipeline,
    name: &str,
    change: impl FnOnce(&mut Stage),
) -> Pipeline {
    let stage = pipeline.stages.iter_mut().find(|it| it.name.as_str() == name);
    change(stage.expect("the stage is there"));
    pipeline
}

pub(super) fn with_mode(mut pipeline: Pipeline, mode: ExecutionMode) -> Pipeline {
    pipeline.execution_mode = mode;
    pipeline
}

pub(super) fn rule(name: &str, provider: &str, configuration: &[(&str, &str)]) -> Rule {
    Rule {
        name: name.into(),
        provider: provider.to_owned(),
        configuration: configuration
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        commands: if provider == "Commands" { vec!["true".to_owned()] } else { Vec::new() },
        input_artifacts: Vec::new(),
        timeout: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "stages hold it this way")]
pub(super) fn condition(result: ConditionResult, rules: Vec<Rule>) -> Option<Condition> {
    Some(Condition { result, rules })
}

fn commands(commands: Vec<String>) -> Arc<Instructions> {
    Arc::new(Instructions { commands, ..Instructions::default() })
}

/// What an action is told, to be changed.
pub(super) fn told(action: &mut Arc<Action>) -> &mut Instructions {
    Arc::make_mut(&mut Arc::make_mut(action).instructions)
}

fn source() -> Action {
    Action {
        output_artifacts: vec![OutputArtifact {
            name: "app".into(),
            files: Vec::new(),
            exclude: Vec::new(),
            base_directory: None,
        }],
        namespace: Some("app".into()),
        action_type: ActionType {
            category: Category::Source,
            owner: "AWS".into(),
            provider: "Git".into(),
            version: "1".into(),
        },
        input_artifacts: Vec::new(),
        instructions: commands(Vec::new()),
        ..action("app", 1)
    }
}

fn action(name: &str, run_order: u32) -> Action {
    let approval = name.starts_with('!');
    let category = if approval { Category::Approval } else { Category::Build };
    Action {
        name: name.trim_start_matches('!').into(),
        action_type: ActionType {
            category,
            owner: "AWS".into(),
            provider: if approval { "Manual" } else { "Commands" }.into(),
            version: "1".into(),
        },
        run_order,
        instructions: commands(vec![format!("{name} #{{app.BranchName}}")]),
        input_artifacts: if approval { Vec::new() } else { vec!["app".into()] },
        output_artifacts: Vec::new(),
        output_variables: Vec::new(),
        namespace: Some(name.trim_start_matches('!').into()),
        timeout: None,
        cache: Vec::new(),
        reports: Vec::new(),
        retry: None,
    }
}

pub(super) fn revision(branch: &str, id: &str) -> SourceRevision {
    SourceRevision {
        action: "app".into(),
        id: id.into(),
        branch: branch.into(),
        tag: None,
        git_dir: Path::new("/repo/.git").into(),
        tree: format!("tree-{id}").into(),
        message: format!("change {id}\n\nbody").into(),
        author_name: "Mira".into(),
        author_email: "mira@example.org".into(),
        author_date: "2026-01-02T03:04:05+00:00".into(),
    }
}

/// Returns one output variable.
pub(super) fn values(name: &str, value: &str) -> Namespace {
    Arc::new([(name.into(), value.into())].into())
}

pub(super) fn operator() -> Operator {
    Operator { user: "sam".into(), host: "box".into(), client: "test".into(), uid: None }
}

#[derive(Default)]
pub(super) struct Start {
    pub(super) skip: Vec<StageName>,
    pub(super) from: Option<StageName>,
    pub(super) client_request_token: Option<String>,
    pub(super) variables: Vec<(String, String)>,
}

pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) log: Vec<Event>,
    pub(super) jobs: BTreeMap<ActionExecutionId, Job>,
    pub(super) stopped_jobs: Vec<ActionExecutionId>,
    pub(super) asked_for_changes: Vec<(SourceRevision, Option<RevisionId>)>,
    pub(super) now: Timestamp,
    /// By pipeline and branch.
    heads: BTreeMap<(String, String), String>,
}

impl Scene {
    /// Sets up pipeline `p` with an empty baseline, so that every commit starts an execution.
    pub(super) fn pipeline(text: &str) -> Self {
        Self::with(pipeline("p", text))
    }

    pub(super) fn with(definition: Pipeline) -> Self {
        Self::with_all([definition])
    }

    pub(super) fn with_all(definitions: impl IntoIterator<Item = Pipeline>) -> Self {
        let mut scene = Self {
            engine: Engine::new(State::default(), 7, Timestamp(0)),
            log: Vec::new(),
            jobs: BTreeMap::new(),
            stopped_jobs: Vec::new(),
            asked_for_changes: Vec::new(),
            now: Timestamp(1_000),
            heads: BTreeMap::new(),
        };
        for definition in definitions {
            let name = definition.name.clone();
            scene.apply(Input::DefinitionLoaded(Box::new(definition))).unwrap();
            scene.observe(name.as_str());
        }
        scene
    }

    /// Lets time pass, up to and including whatever happens by itself in it.
    pub(super) fn wait(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let step = self.engine.apply(Input::DeadlinePassed, self.now).unwrap();
            self.take(step);
            assert!(self.engine.next_deadline().is_none_or(|next| next > at), "time stands still");
        }
        self.now = until;
    }

    pub(super) fn apply(&mut self, input: Input) -> Result<(), Refusal> {
        self.now = self.now + Span::SECOND;
        let step = self.engine.apply(input, self.now)?;
        self.take(step);
        Ok(())
    }

    fn take(&mut self, step: Step) {
        self.log.extend(step.events);
        for effect in step.effects {
            match effect {
                Effect::StartJob(job) | Effect::RecoverJob(job) => {
                    self.jobs.insert(job.id, *job);
                }
                Effect::StopJob(id) => {
                    self.jobs.remove(&id);
                    self.stopped_jobs.push(id);
                }
                Effect::ListChanges { revision, since, .. } => {
                    self.asked_for_changes.push(((*revision).clone(), since));
                }
            }
        }
        assert_eq!(
            Engine::replay(&self.log, 0).state(),
            self.engine.state(),
            "state moved outside the recorded events"
        );
    }

    fn observe(&mut self, pipeline: &str) {
        let heads = self.heads.iter().filter(|((of, _), _)| of == pipeline);
        let heads = heads.map(|((_, branch), id)| revision(branch, id).into()).collect();
        let input =
            Input::SourceObserved { pipeline: pipeline.into(), action: "app".into(), heads };
        self.apply(input).unwrap();
    }

    pub(super) fn commit(&mut self, id: &str) -> ExecutionId {
        self.commit_on("main", id)
    }

    pub(super) fn commit_on(&mut self, branch: &str, id: &str) -> ExecutionId {
        self.commit_to("p", branch, id)
    }

    /// Moves a branch, whatever comes of it.
    pub(super) fn push(&mut self, branch: &str, id: &str) {
        self.heads.insert(("p".to_owned(), branch.to_owned()), id.to_owned());
        self.observe("p");
    }

    pub(super) fn commit_to(&mut self, pipeline: &str, branch: &str, id: &str) -> ExecutionId {
        self.heads.insert((pipeline.to_owned(), branch.to_owned()), id.to_owned());
        let started = self.engine.state().executions_started;
        self.observe(pipeline);
        assert_eq!(self.engine.state().executions_started, started + 1, "one execution started");
        self.log
            .iter()
            .rev()
            .find_map(|event| match &event.fact {
                crate::engine::Fact::ExecutionStarted { execution, .. } => Some(*execution),
                _ => None,
            })
            .unwrap()
    }

    pub(super) fn start_by_hand(&mut self, id: &str) -> Result<ExecutionId, Refusal> {
        self.start(id, |_| {})
    }

    /// Starts an execution by hand; `wish` changes what is asked for.
    pub(super) fn start(
        &mut self,
        id: &str,
        wish: impl FnOnce(&mut Start),
    ) -> Result<ExecutionId, Refusal> {
        let mut start = Start::default();
        wish(&mut start);
        let request = Request::StartPipelineExecution {
            pipeline: "p".into(),
            revision: Box::new(revision("main", id)),
            variables: start.variables,
            skip: start.skip,
            from: start.from,
            client_request_token: start.client_request_token,
        };
        self.now = self.now + Span::SECOND;
        let step = self.engine.apply(Input::Operator { request, by: operator() }, self.now)?;
        let started = step.events.iter().find_map(|event| match &event.fact {
            crate::engine::Fact::ExecutionStarted { execution, .. } => Some(*execution),
            _ => None,
        });
        let execution = step.started_before.or(started).expect("an execution was started");
        self.take(step);
        Ok(execution)
    }

    pub(super) fn delete_branch(&mut self, branch: &str) {
        self.heads.remove(&("p".to_owned(), branch.to_owned()));
        self.observe("p");
    }

    fn job(&self, action: &str) -> ActionExecutionId {
        // Several executions may be at it: `ship of a1` is the one that carries a1.
        let (name, commit) = action.split_once(" of ").unwrap_or((action, ""));
        let found = self.jobs.values().filter(|job| {
            job.action.name.as_str() == name && job.revisions[0].id.as_str().starts_with(commit)
        });
        let ids: Vec<_> = found.map(|job| job.id).collect();
        assert_eq!(ids.len(), 1, "exactly one job of {action} runs");
        ids[0]
    }

    /// Returns the commits whose jobs of an action run, sorted.
    pub(super) fn commits_at(&self, action: &str) -> Vec<&str> {
        let jobs = self.jobs.values().filter(|job| job.action.name.as_str() == action);
        let mut commits: Vec<_> = jobs.map(|job| job.revisions[0].id.as_str()).collect();
        commits.sort_unstable();
        commits
    }

    pub(super) fn succeed(&mut self, action: &str) {
        self.succeed_with(action, JobSuccess::default());
    }

    pub(super) fn succeed_with(&mut self, action: &str, success: JobSuccess) {
        let id = self.job(action);
        self.jobs.remove(&id);
        self.apply(Input::JobReported { id, report: JobReport::Succeeded(success) }).unwrap();
    }

    pub(super) fn fail(&mut self, action: &str) {
        let id = self.job(action);
        self.jobs.remove(&id);
        let report = JobReport::failed(FailureType::JobFailed, "exit code 1");
        self.apply(Input::JobReported { id, report }).unwrap();
    }

    /// Returns the names of the actions whose jobs run, sorted.
    pub(super) fn running(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.jobs.values().map(|job| job.action.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn request(&mut self, request: Request) -> Result<(), Refusal> {
        self.apply(Input::Operator { request, by: operator() })
    }

    pub(super) fn transition(&mut self, stage: &str, change: TransitionChange) {
        let request =
            Request::SetStageTransition { pipeline: "p".into(), stage: stage.into(), change };
        self.request(request).unwrap();
    }

    pub(super) fn stop(&mut self, execution: ExecutionId, mode: StopMode) -> Result<(), Refusal> {
        let reason = "wrong commit".to_owned();
        self.request(Request::StopPipelineExecution {
            pipeline: "p".into(),
            execution,
            mode,
            reason,
        })
    }

    pub(super) fn retry(
        &mut self,
        execution: ExecutionId,
        stage: &str,
        mode: RetryMode,
    ) -> Result<(), Refusal> {
        let stage = stage.into();
        self.request(Request::RetryStageExecution { pipeline: "p".into(), stage, execution, mode })
    }

    pub(super) fn token(&self) -> ApprovalToken {
        let board = self.engine.board();
        let mut gates = board.open_gates();
        let token = gates.next().expect("a gate is open").gate.token;
        assert!(gates.next().is_none(), "one gate is open");
        token
    }

    pub(super) fn decide(
        &mut self,
        token: ApprovalToken,
        status: ApprovalStatus,
        if_revision: Option<&str>,
        relation: Relation,
    ) -> Result<(), Refusal> {
        let lanes = self.engine.state().pipelines["p"].lanes.values();
        let deployed = lanes
            .filter_map(|lane| lane.slots.get("Deploy"))
            .find_map(|slot| slot.last_success.as_ref())
            .map(|it| it.revision.id.clone());
        self.request(Request::PutApprovalResult {
            gate: gate(token),
            status,
            summary: "looked at it".into(),
            if_revision: if_revision.map(str::to_owned),
            comparison: Comparison { deployed, relation },
            effective_at: None,
        })
    }

    pub(super) fn approve(&mut self) {
        let token = self.token();
        self.decide(token, ApprovalStatus::Approved, None, Relation::Newer).unwrap();
    }

    /// Returns how the execution ended or stands, also after it left the engine's memory.
    pub(super) fn status(&self, id: ExecutionId) -> ExecutionStatus {
        let pipelines = self.engine.state().pipelines.values();
        let lanes = pipelines.flat_map(|it| it.lanes.values());
        let recent = lanes.flat_map(|lane| &lane.recent).find(|it| it.execution == id);
        match (self.engine.state().execution(id), recent) {
            (Some(execution), _) => execution.status,
            (None, Some(ended)) => ended.status,
            (None, None) => panic!("execution {id} is lost"),
        }
    }

    pub(super) fn lane(&self, lane: &str) -> LaneCard {
        let board = self.engine.board();
        let card = board.pipelines[0].lanes.iter().find(|it| it.lane.as_str() == lane);
        card.expect("the lane exists").clone()
    }

    pub(super) fn stage(&self, stage: &str) -> StageCard {
        let lane = self.lane("main");
        lane.stages.into_iter().find(|it| it.name.as_str() == stage).expect("the stage exists")
    }

    pub(super) fn action(&self, stage: &str, action: &str) -> ActionCard {
        let stage = self.stage(stage);
        stage.actions.into_iter().find(|it| it.name.as_str() == action).expect("it exists")
    }

    /// Returns the execution that holds the stage in lane `main`.
    pub(super) fn occupant(&self, stage: &str) -> Option<ExecutionId> {
        self.engine.state().pipelines["p"].lanes["main"].slots.get(stage)?.occupant
    }

    pub(super) fn waiting_before(&self, stage: &str) -> Vec<ExecutionId> {
        self.stage(stage).inbound.iter().map(|it| it.execution.id).collect()
    }
}

/// The gate of the pipelines that have one.
pub(super) fn gate(token: ApprovalToken) -> GateRef {
    GateRef { pipeline: "p".into(), stage: "Deploy".into(), action: "gate".into(), token }
}
