//! Starts executions: from commits on watched branches, or by hand.

use std::collections::BTreeMap;

use super::{Engine, Fact, Refusal, Step};
use crate::model::{
    ActionName, Operator, Pipeline, PipelineName, RevisionId, SourceRevision, Trigger, TriggerType,
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
        let Some(known) = pipeline.sources.get(action).cloned() else {
            let heads = heads.iter().map(|head| (head.branch.clone(), head.id.clone())).collect();
            self.record(step, name, Fact::BaselineTaken { action: action.clone(), heads });
            return;
        };
        let gone: Vec<String> = known
            .keys()
            .filter(|branch| !heads.iter().any(|head| head.branch == **branch))
            .cloned()
            .collect();
        for branch in gone {
            self.record(step, name, Fact::BranchDeleted { action: action.clone(), branch });
        }
        for head in heads {
            if known.get(&head.branch) == Some(&head.id) {
                continue;
            }
            let moved = Fact::HeadMoved {
                action: action.clone(),
                branch: head.branch.clone(),
                revision: head.id.clone(),
            };
            self.record(step, name, moved);
            let detail = format!("{} in {}", head.branch, head.git_dir.display());
            let trigger = Trigger { kind: TriggerType::Webhook, detail };
            // Somebody was faster and has started this very commit by hand.
            if self.newest_revision(name, &head.branch).as_ref() == Some(&head.id) {
                continue;
            }
            // A pipeline with a required variable is started by hand only.
            if let Ok(variables) = self.pipeline_variables(name, Vec::new()) {
                self.start(step, name, head.clone(), trigger, variables);
            }
        }
    }

    /// Returns what the newest execution in the lane of a branch carries.
    fn newest_revision(&self, name: &PipelineName, branch: &str) -> Option<RevisionId> {
        let pipeline = self.state.pipelines.get(name)?;
        let lane = pipeline.lanes.get(&pipeline.definition.lane_of(branch))?;
        let newest = lane.executions.values().max_by_key(|it| it.number)?;
        Some(newest.revision().id.clone())
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
        self.start(step, name, revision, trigger, variables);
        Ok(())
    }

    fn start(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        revision: SourceRevision,
        trigger: Trigger,
        variables: BTreeMap<String, String>,
    ) {
        let Some(pipeline) = self.state.pipelines.get(name) else { return };
        let version = pipeline.version;
        let lane = pipeline.definition.lane_of(&revision.branch);
        let execution = self.mint_execution();
        let revisions = vec![revision];
        let fact =
            Fact::ExecutionStarted { execution, version, lane, trigger, revisions, variables };
        self.record(step, name, fact);
    }

    fn pipeline_variables(
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
