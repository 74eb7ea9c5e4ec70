//! What a head that has moved leads to: executions, a look at the changed files, or nothing and
//! the reason why.
//!
//! A pipeline with several source actions starts one execution with the newest known head of each.
//! The primary source, which is the first, gives the lane; what another source brings runs again
//! with the head the primary source has there.

use std::sync::Arc;

use super::{
    Effect, Engine, Fact, Step,
    push_filters::{Decision, Pushed, Verdict},
    state::{AwaitedChanges, PipelineState, StartOptions},
};
use crate::model::{
    ActionName, Lane, Pipeline, PipelineName, RevisionId, Revisions, SourceRevision, Trigger,
    TriggerType,
};

impl Engine {
    /// Decides over a new commit on a branch, or a new tag. `since` is where it stood before.
    pub(super) fn head_moved(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        head: &Arc<SourceRevision>,
        since: Option<RevisionId>,
    ) {
        let Some(definition) = self.definition(name) else { return };
        let Some(trigger) = definition.trigger_of(&head.action) else {
            let trigger = Trigger { kind: TriggerType::Webhook, detail: place(&definition, head) };
            return self.start_with(step, name, head, &trigger);
        };
        if trigger.push.is_empty() {
            let reason = format!("only its schedule starts what {} brings", head.action);
            return self.decline(step, name, head, reason);
        }
        let verdict = Verdict::of(&trigger.push, Pushed::of(head), None);
        match verdict.decision() {
            Decision::Starts(_) => {
                self.start_with(
                    step,
                    name,
                    head,
                    &filtered(&definition, head, &verdict.sentence()),
                );
            }
            Decision::Declined => self.decline(step, name, head, verdict.sentence()),
            Decision::NeedsFiles => self.await_changes(step, name, head, since),
        }
    }

    /// Asks for the changed files of a head. A head of the same branch that still waits for its own
    /// is replaced, and what it has changed counts for the newer one: an older commit must never
    /// start after a newer one.
    fn await_changes(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        head: &Arc<SourceRevision>,
        since: Option<RevisionId>,
    ) {
        let earlier = self.awaited(name, &head.action, &head.branch).cloned();
        if let Some(earlier) = &earlier {
            let reason = format!("{} came while its files were being listed", head.id.short());
            self.decline(step, name, &earlier.revision, reason);
        }
        let since = earlier.map_or(since, |it| it.since);
        let fact = Fact::ChangesAwaited { revision: Arc::clone(head), since: since.clone() };
        self.record(step, name, fact);
        let (pipeline, revision) = (name.clone(), Arc::clone(head));
        step.effects.push(Effect::ListChanges { pipeline, revision, since });
    }

    /// Takes the answer to [`Effect::ListChanges`]; one that nobody waits for changes nothing.
    pub(super) fn changes_listed(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        (action, branch): (&ActionName, &str),
        revision: &RevisionId,
        files: Result<Vec<String>, String>,
    ) {
        let awaited = self.awaited(name, action, branch).filter(|it| it.revision.id == *revision);
        let Some(head) = awaited.map(|it| Arc::clone(&it.revision)) else { return };
        let Some(definition) = self.definition(name) else { return };
        let (action, branch) = (action.clone(), branch.into());
        self.record(step, name, Fact::ChangesListed { action, branch, revision: head.id.clone() });
        let filters = definition.trigger_of(&head.action).map_or(&[][..], |it| &it.push);
        match files {
            // A build too many is better than one that is missing.
            Err(error) => {
                let words = format!("its changed files cannot be listed ({error}), so it starts");
                self.start_with(step, name, &head, &filtered(&definition, &head, &words));
            }
            Ok(files) => {
                let verdict = Verdict::of(filters, Pushed::of(&head), Some(&files));
                let words = verdict.sentence();
                match verdict.decision() {
                    Decision::Starts(_) => {
                        self.start_with(step, name, &head, &filtered(&definition, &head, &words));
                    }
                    Decision::NeedsFiles | Decision::Declined => {
                        self.decline(step, name, &head, words);
                    }
                }
            }
        }
    }

    /// Repeats the questions that no runtime has answered.
    pub(super) fn ask_for_changes_again(&self, step: &mut Step) {
        for (name, pipeline) in &self.state.pipelines {
            for it in pipeline.awaited_changes.values().flat_map(|awaited| awaited.values()) {
                step.effects.push(Effect::ListChanges {
                    pipeline: name.clone(),
                    revision: Arc::clone(&it.revision),
                    since: it.since.clone(),
                });
            }
        }
    }

    fn start_with(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        head: &Arc<SourceRevision>,
        trigger: &Trigger,
    ) {
        let mut executions = self.executions_of(name, head);
        let count = executions.len();
        executions.retain(|revisions| !self.is_under_way(name, revisions, head));
        if count > 0 && executions.is_empty() {
            let reason = "it was started before it was seen here".to_owned();
            return self.decline(step, name, head, reason);
        }
        self.start_each(step, name, head, executions, trigger);
    }

    /// Starts the executions that a head leads to, see [`Engine::executions_of`].
    pub(super) fn start_each(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        head: &Arc<SourceRevision>,
        executions: Vec<Revisions>,
        trigger: &Trigger,
    ) {
        if executions.is_empty() {
            let reason = "the primary source has no lane yet that it could run in".to_owned();
            return self.decline(step, name, head, reason);
        }
        // A pipeline with a required variable is started by hand only.
        let variables = match self.pipeline_variables(name, Vec::new()) {
            Ok(variables) => variables,
            Err(refusal) => return self.decline(step, name, head, refusal.to_string()),
        };
        for revisions in executions {
            let (trigger, variables) = (trigger.clone(), variables.clone());
            let options = StartOptions::default();
            let started = self.start(step, name, revisions, trigger, variables, options);
            if let Err(refusal) = started {
                self.decline(step, name, head, refusal.to_string());
            }
        }
    }

    /// Returns the executions that a head leads to.
    ///
    /// A head of the primary source leads to one. Another source's leads to one with the primary's
    /// head on its exact `BranchName`; where that is a glob, to one in each lane that exists. Tags
    /// are left alone: a tag says which revision it releases. The other sources take part with what
    /// is known of their exact `BranchName`, else they fetch their head when their action runs.
    pub(super) fn executions_of(
        &self,
        name: &PipelineName,
        head: &Arc<SourceRevision>,
    ) -> Vec<Revisions> {
        let Some(pipeline) = self.state.pipelines.get(name) else { return Vec::new() };
        let definition = &pipeline.definition;
        let primary = &definition.primary_source().name;
        let primaries = if head.action == *primary {
            vec![Arc::clone(head)]
        } else {
            self.primary_heads(pipeline)
        };
        let others = || {
            let others = definition.source_actions().filter(|it| it.name != *primary);
            others.filter_map(|action| {
                if action.name == head.action {
                    return Some(Arc::clone(head));
                }
                pipeline.sources.get(&action.name)?.get(action.exact_branch()?).cloned()
            })
        };
        primaries
            .into_iter()
            .map(|first| std::iter::once(first).chain(others()).collect())
            .collect()
    }

    /// Tells whether the newest execution in the lane carries this very head: somebody was faster
    /// and has started it by hand.
    fn is_under_way(
        &self,
        name: &PipelineName,
        revisions: &Revisions,
        head: &Arc<SourceRevision>,
    ) -> bool {
        let newest = || {
            let pipeline = self.state.pipelines.get(name)?;
            let lane = pipeline.definition.lane_of(&revisions.first()?.branch);
            // PARALLEL executions have lanes of their own, which come right after.
            let lanes = pipeline.lanes.range::<Lane, _>(&lane..).take_while(|(it, _)| {
                **it == lane || it.is_of_one() && it.branch() == lane.branch()
            });
            let newest = lanes.filter_map(|(_, it)| it.executions.last()).max()?;
            self.state.execution(*newest.1)
        };
        newest().is_some_and(|it| {
            it.release.revisions.iter().any(|known| {
                (&known.action, &known.id, &known.tag) == (&head.action, &head.id, &head.tag)
            })
        })
    }

    fn decline(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        head: &Arc<SourceRevision>,
        reason: String,
    ) {
        let (action, branch) = (head.action.clone(), head.branch.clone());
        let revision = Some(head.id.clone());
        self.record(step, name, Fact::StartDeclined { action, branch, revision, reason });
    }

    fn awaited(
        &self,
        name: &PipelineName,
        action: &ActionName,
        branch: &str,
    ) -> Option<&AwaitedChanges> {
        self.state.pipelines.get(name)?.awaited_changes.get(action)?.get(branch)
    }

    /// Returns the heads of the primary source that another source's change runs with.
    fn primary_heads(&self, pipeline: &PipelineState) -> Vec<Arc<SourceRevision>> {
        let primary = pipeline.definition.primary_source();
        let Some(known) = pipeline.sources.get(&primary.name) else { return Vec::new() };
        if let Some(branch) = primary.exact_branch() {
            return known.get(branch).cloned().into_iter().collect();
        }
        let branches = pipeline.lanes.iter().filter_map(|(lane, state)| match lane.branch() {
            Some(branch) => Some(branch),
            // One lane for all: the branch that ran last.
            None => {
                let newest = self.state.executions_in(state).next_back()?.revision();
                Some(&*newest.branch).filter(|_| newest.tag.is_none())
            }
        });
        branches.filter_map(|branch| known.get(branch).cloned()).collect()
    }

    fn definition(&self, name: &PipelineName) -> Option<Arc<Pipeline>> {
        self.state.pipelines.get(name).map(|it| Arc::clone(&it.definition))
    }
}

fn place(definition: &Pipeline, head: &SourceRevision) -> String {
    let source = definition.source_actions().find(|it| it.name == head.action);
    match source.and_then(|it| it.instructions.remote_repository()) {
        Some(url) => format!("{} in {url}", head.branch),
        None => format!("{} in {}", head.branch, head.git_dir.display()),
    }
}

fn filtered(definition: &Pipeline, head: &Arc<SourceRevision>, words: &str) -> Trigger {
    let detail = format!("{}: {words}", place(definition, head));
    Trigger { kind: TriggerType::WebhookV2, detail }
}
