//! Starts executions: from commits on watched branches, or by hand.

use std::{collections::BTreeSet, sync::Arc};

use super::{Engine, Fact, Refusal, Step, state::StartOptions};
use crate::model::{
    ActionName, ExecutionId, ExecutionMode, Operator, Pipeline, PipelineName, Revisions,
    SourceRevision, StageName, Trigger, TriggerType,
    variable::{Namespace, Values},
};

/// How many executions of a QUEUED or PARALLEL pipeline may be under way (CodePipeline user guide,
/// "Quotas").
const CONCURRENT_EXECUTIONS: usize = 50;

/// What an operator wants of an execution beyond its revision and variables.
#[derive(Default)]
pub(super) struct StartWish {
    pub(super) skip: Vec<StageName>,
    pub(super) from: Option<StageName>,
    pub(super) client_request_token: Option<String>,
}

impl Engine {
    pub(super) fn load(&mut self, step: &mut Step, definition: Pipeline) -> Result<(), Refusal> {
        let name = definition.name.clone();
        let version = match self.state.pipelines.get(&name) {
            Some(known) if *known.definition == definition => return Ok(()),
            Some(known) if known.definition.file != definition.file => {
                let file = known.definition.file.display().to_string();
                return Err(Refusal::NameTaken { pipeline: name, file });
            }
            Some(known) => known.version + 1,
            None => self.state.deleted.get(&name).map_or(1, |version| version + 1),
        };
        let fact = Fact::PipelineDefined { version, definition: definition.into() };
        self.record(step, &name, fact);
        self.forget_unseen_elsewhere(&name);
        self.set_schedules(step, &name);
        Ok(())
    }

    /// Compares what the refs are with what they were. The first sight starts nothing.
    pub(super) fn observe(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        action: &ActionName,
        heads: Vec<Arc<SourceRevision>>,
    ) {
        let Some(pipeline) = self.state.pipelines.get(name) else { return };
        self.looked_at.insert((name.clone(), action.clone()));
        if pipeline.watching_paused.is_some() {
            return self.put_off(name, action, heads);
        }
        let Some(known) = pipeline.sources.get(action) else {
            let heads = heads.into_iter().map(|head| (head.branch.clone(), head)).collect();
            self.record(step, name, Fact::BaselineTaken { action: action.clone(), heads });
            return;
        };
        let (mut moved, mut still_there) = (Vec::new(), 0);
        let mut in_order = known.iter().peekable();
        for head in &heads {
            if in_order.next_if(|(_, it)| Arc::ptr_eq(it, head)).is_some() {
                still_there += 1;
                continue;
            }
            let in_place = in_order.next_if(|(branch, _)| **branch == head.branch);
            let before = in_place.map(|(_, it)| it).or_else(|| known.get(&head.branch));
            let since = before.map(|it| &it.id);
            still_there += usize::from(since.is_some());
            if since != Some(&head.id) {
                moved.push((since.cloned(), Arc::clone(head)));
            }
        }
        let mut gone = Vec::new();
        if still_there < known.len() {
            let there: BTreeSet<&str> = heads.iter().map(|head| &*head.branch).collect();
            gone.extend(known.keys().filter(|branch| !there.contains(&***branch)).cloned());
        }
        for branch in gone {
            self.record(step, name, Fact::BranchDeleted { action: action.clone(), branch });
        }
        for (since, revision) in moved {
            let (action, branch) = (action.clone(), revision.branch.clone());
            let head = Arc::clone(&revision);
            self.record(step, name, Fact::HeadMoved { action, branch, revision });
            self.head_moved(step, name, &head, since);
        }
    }

    pub(super) fn start_by_hand(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        revision: SourceRevision,
        overrides: Vec<(String, String)>,
        wish: StartWish,
        by: &Operator,
    ) -> Result<(), Refusal> {
        let pipeline = self.pipeline(name)?;
        if let Some(token) = &wish.client_request_token {
            let known = pipeline.client_request_tokens.iter().find(|(it, _)| **it == **token);
            if let Some((_, execution)) = known {
                step.started_before = Some(*execution);
                return Ok(());
            }
        }
        let options = StartOptions {
            skip: stages_to_skip(name, &pipeline.definition, wish.skip, wish.from)?,
            client_request_token: wish.client_request_token.map(String::into_boxed_str),
            by: Some(Box::new(by.clone())),
            ..StartOptions::default()
        };
        let variables = self.pipeline_variables(name, overrides)?;
        let trigger = Trigger { kind: TriggerType::StartPipelineExecution, detail: by.to_string() };
        self.start(step, name, [revision.into()].into(), trigger, variables, options)?;
        Ok(())
    }

    /// Starts an execution; the first of its revisions is the primary source's.
    pub(super) fn start(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        revisions: Revisions,
        trigger: Trigger,
        variables: Namespace,
        options: StartOptions,
    ) -> Result<ExecutionId, Refusal> {
        let pipeline = self.pipeline(name)?;
        let (version, definition) = (pipeline.version, &pipeline.definition);
        let mode = definition.execution_mode;
        let alive = || {
            let all = pipeline.lanes.values().flat_map(|it| self.state.executions_in(it));
            all.filter(|it| !it.status.has_ended()).count()
        };
        if mode != ExecutionMode::Superseded && alive() >= CONCURRENT_EXECUTIONS {
            return Err(Refusal::ConcurrentPipelineExecutionsLimitExceeded {
                pipeline: name.clone(),
                limit: CONCURRENT_EXECUTIONS,
            });
        }
        let branch = revisions.first().map_or("", |it| &*it.branch);
        let mut lane = definition.lane_of(branch);
        let execution = self.mint_execution();
        if mode == ExecutionMode::Parallel {
            lane = lane.of_one(execution);
        }
        let fact = Fact::ExecutionStarted {
            execution,
            version,
            lane,
            trigger,
            revisions,
            variables,
            options,
        };
        self.record(step, name, fact);
        Ok(execution)
    }

    pub(super) fn pipeline_variables(
        &self,
        name: &PipelineName,
        overrides: Vec<(String, String)>,
    ) -> Result<Namespace, Refusal> {
        let declared = &self.pipeline(name)?.definition.variables;
        let mut values: Values = declared
            .iter()
            .filter_map(|it| Some((it.name.as_str().into(), it.default_value.as_deref()?.into())))
            .collect();
        for (key, value) in overrides {
            if !declared.iter().any(|it| it.name == key) {
                let known = declared.iter().map(|it| it.name.clone()).collect();
                let pipeline = name.clone();
                return Err(Refusal::UnknownVariable { pipeline, name: key, known });
            }
            values.insert(key.into(), value.into());
        }
        match declared.iter().find(|it| !values.contains_key(it.name.as_str())) {
            Some(missing) => Err(Refusal::MissingVariable { name: missing.name.clone() }),
            None => Ok(values.into()),
        }
    }
}

fn stages_to_skip(
    name: &PipelineName,
    definition: &Pipeline,
    skip: Vec<StageName>,
    from: Option<StageName>,
) -> Result<BTreeSet<StageName>, Refusal> {
    let known = || definition.stages.iter().map(|it| it.name.to_string()).collect();
    for stage in skip.iter().chain(&from) {
        if definition.stage(stage).is_none() {
            let (pipeline, stage) = (name.clone(), stage.clone());
            return Err(Refusal::UnknownStage { pipeline, stage, known: known() });
        }
    }
    let source = &definition.first_stage().name;
    if skip.contains(source) {
        let reason = "every execution begins with its source stage".to_owned();
        return Err(Refusal::UnableToSkip { stage: source.clone(), reason });
    }
    let mut skipped: BTreeSet<StageName> = skip.into_iter().collect();
    if let Some(from) = from {
        let before = definition.stages.iter().map(|it| &it.name).take_while(|it| **it != from);
        skipped.extend(before.filter(|it| *it != source).cloned());
    }
    Ok(skipped)
}
