//! Starts executions: from commits on watched branches, or by hand.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, Fact, Refusal, Step};
use crate::model::{
    ActionName, Operator, Pipeline, PipelineName, SourceRevision, Trigger, TriggerType,
};

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
            None => 1,
        };
        let fact = Fact::PipelineDefined { version, definition: definition.into() };
        self.record(step, &name, fact);
        self.set_schedules(step, &name);
        Ok(())
    }

    /// Compares what the refs are with what they were. The first sight starts nothing.
    pub(super) fn observe(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        action: &ActionName,
        heads: &[SourceRevision],
    ) {
        let Some(pipeline) = self.state.pipelines.get(name) else { return };
        self.looked_at.insert((name.clone(), action.clone()));
        let Some(known) = pipeline.sources.get(action).cloned() else {
            let heads = heads.iter().map(|head| (head.branch.clone(), head.clone())).collect();
            self.record(step, name, Fact::BaselineTaken { action: action.clone(), heads });
            return;
        };
        let there: BTreeSet<&str> = heads.iter().map(|head| head.branch.as_str()).collect();
        let gone = known.keys().filter(|branch| !there.contains(branch.as_str())).cloned();
        let gone: Vec<String> = gone.collect();
        for branch in gone {
            self.record(step, name, Fact::BranchDeleted { action: action.clone(), branch });
        }
        for head in heads {
            let since = known.get(&head.branch).map(|it| it.id.clone());
            if since.as_ref() == Some(&head.id) {
                continue;
            }
            let (action, branch) = (action.clone(), head.branch.clone());
            self.record(step, name, Fact::HeadMoved { action, branch, revision: head.clone() });
            self.head_moved(step, name, head, since);
        }
    }

    pub(super) fn start_by_hand(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        revision: SourceRevision,
        overrides: Vec<(String, String)>,
        by: &Operator,
    ) -> Result<(), Refusal> {
        self.pipeline(name)?;
        let variables = self.pipeline_variables(name, overrides)?;
        let trigger = Trigger { kind: TriggerType::StartPipelineExecution, detail: by.to_string() };
        self.start(step, name, vec![revision], trigger, variables);
        Ok(())
    }

    /// Starts an execution; the first of its revisions is the primary source's.
    pub(super) fn start(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        revisions: Vec<SourceRevision>,
        trigger: Trigger,
        variables: BTreeMap<String, String>,
    ) {
        let Some(pipeline) = self.state.pipelines.get(name) else { return };
        let version = pipeline.version;
        let Some(primary) = revisions.first() else { return };
        let lane = pipeline.definition.lane_of(&primary.branch);
        let execution = self.mint_execution();
        let fact =
            Fact::ExecutionStarted { execution, version, lane, trigger, revisions, variables };
        self.record(step, name, fact);
    }

    pub(super) fn pipeline_variables(
        &self,
        name: &PipelineName,
        overrides: Vec<(String, String)>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let declared = &self.pipeline(name)?.definition.variables;
        let mut values: BTreeMap<String, String> = declared
            .iter()
            .filter_map(|it| Some((it.name.clone(), it.default_value.clone()?)))
            .collect();
        for (key, value) in overrides {
            if !declared.iter().any(|it| it.name == key) {
                let known = declared.iter().map(|it| it.name.clone()).collect();
                let pipeline = name.clone();
                return Err(Refusal::UnknownVariable { pipeline, name: key, known });
            }
            values.insert(key, value);
        }
        match declared.iter().find(|it| !values.contains_key(&it.name)) {
            Some(missing) => Err(Refusal::MissingVariable { name: missing.name.clone() }),
            None => Ok(values),
        }
    }
}
