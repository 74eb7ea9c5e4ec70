//! Pipelines with triggers, and the pushes, tags and times that come to them.

use std::{collections::BTreeMap, sync::Arc};

use super::scene::{Scene, pipeline, revision, told};
use crate::{
    engine::{Event, Fact, Input},
    model::*,
};

pub(super) fn patterns(includes: &[&str], excludes: &[&str]) -> Patterns {
    let texts = |them: &[&str]| them.iter().map(|it| (*it).to_owned()).collect();
    Patterns { includes: texts(includes), excludes: texts(excludes) }
}

pub(super) fn branches(includes: &[&str]) -> PushFilter {
    PushFilter { branches: Some(patterns(includes, &[])), ..PushFilter::default() }
}

pub(super) fn tags(includes: &[&str]) -> PushFilter {
    PushFilter { tags: Some(patterns(includes, &[])), ..PushFilter::default() }
}

pub(super) fn paths(branches: &[&str], includes: &[&str], excludes: &[&str]) -> PushFilter {
    PushFilter {
        branches: Some(patterns(branches, &[])),
        tags: None,
        file_paths: Some(patterns(includes, excludes)),
    }
}

pub(super) fn trigger(push: Vec<PushFilter>) -> PipelineTrigger {
    PipelineTrigger { source_action: "app".into(), push, schedule: None }
}

pub(super) fn schedule(cron: &str) -> PipelineTrigger {
    let schedule =
        Schedule { cron: cron.to_owned(), time_zone: "Europe/Berlin".into(), branch: None };
    PipelineTrigger { source_action: "app".into(), push: Vec::new(), schedule: Some(schedule) }
}

/// Returns a pipeline whose source actions are `(name, BranchName)`.
pub(super) fn with_sources(sources: &[(&str, &str)], triggers: Vec<PipelineTrigger>) -> Pipeline {
    let mut definition = pipeline("p", "Source > Build: make");
    let like = definition.stages[0].actions[0].clone();
    let actions = sources.iter().map(|(name, branch)| {
        let mut action = Arc::new(Action { name: (*name).into(), ..Action::clone(&like) });
        told(&mut action).configuration.insert("BranchName".into(), (*branch).to_owned());
        let named = Arc::make_mut(&mut action);
        named.namespace = Some((*name).into());
        named.output_artifacts[0].name = (*name).into();
        action
    });
    definition.stages[0].actions = actions.collect();
    definition.triggers = triggers;
    definition
}

pub(super) struct Pushes {
    pub(super) scene: Scene,
    heads: BTreeMap<String, BTreeMap<String, SourceRevision>>,
}

impl Pushes {
    /// One source action `app` on branch `main`, with a trigger of these filters.
    pub(super) fn filtered(push: Vec<PushFilter>) -> Self {
        Self::on(with_sources(&[("app", "main")], vec![trigger(push)]))
    }

    pub(super) fn on(definition: Pipeline) -> Self {
        let sources = definition.source_actions().map(|it| it.name.to_string());
        let heads = sources.map(|name| (name, BTreeMap::new())).collect();
        let mut pushes = Self { scene: Scene::with(definition), heads };
        for source in pushes.heads.keys().cloned().collect::<Vec<_>>() {
            pushes.observe(&source);
        }
        pushes
    }

    pub(super) fn define(&mut self, definition: Pipeline) {
        self.scene.apply(Input::DefinitionLoaded(Box::new(definition))).unwrap();
    }

    pub(super) fn observe(&mut self, source: &str) {
        let heads = self.heads[source].values().cloned().map(Arc::new).collect();
        let (pipeline, action) = ("p".into(), source.into());
        self.scene.apply(Input::SourceObserved { pipeline, action, heads }).unwrap();
    }

    pub(super) fn push(&mut self, branch: &str, id: &str) {
        self.push_to("app", branch, id);
    }

    pub(super) fn push_to(&mut self, source: &str, branch: &str, id: &str) {
        let head = SourceRevision { action: source.into(), ..revision(branch, id) };
        self.heads.get_mut(source).unwrap().insert(branch.to_owned(), head);
        self.observe(source);
    }

    pub(super) fn tag(&mut self, tag: &str, id: &str) {
        let branch = format!("refs/tags/{tag}");
        let head = SourceRevision { tag: Some(tag.into()), ..revision(&branch, id) };
        self.heads.get_mut("app").unwrap().insert(branch, head);
        self.observe("app");
    }

    pub(super) fn delete(&mut self, branch: &str) {
        self.heads.get_mut("app").unwrap().remove(branch);
        self.observe("app");
    }

    pub(super) fn files(&mut self, branch: &str, id: &str, files: &[&str]) {
        self.answer(branch, id, Ok(files.iter().map(|it| (*it).to_owned()).collect()));
    }

    pub(super) fn answer(&mut self, branch: &str, id: &str, files: Result<Vec<String>, String>) {
        let (action, revision) = ("app".into(), id.into());
        let branch = branch.into();
        let input = Input::ChangesListed { pipeline: "p".into(), action, branch, revision, files };
        self.scene.apply(input).unwrap();
    }

    /// Lets time pass until a moment.
    pub(super) fn time(&mut self, moment: &str) {
        self.scene.now = at(moment) + Span(-1_000);
        self.scene.apply(Input::DeadlinePassed).unwrap();
    }

    /// Returns what was started, each as `lane id,id`.
    pub(super) fn started(&self) -> Vec<String> {
        let started = self.scene.log.iter().filter_map(|event| match &event.fact {
            Fact::ExecutionStarted { lane, revisions, .. } => {
                let ids: Vec<_> = revisions.iter().map(|it| it.id.as_str()).collect();
                Some(format!("{} {}", lane.label(), ids.join(",")))
            }
            _ => None,
        });
        started.collect()
    }

    /// Returns kind and detail of the last execution's trigger.
    pub(super) fn last_trigger(&self) -> (TriggerType, String) {
        let mut triggers = self.scene.log.iter().filter_map(|event| match &event.fact {
            Fact::ExecutionStarted { trigger, .. } => Some(trigger.clone()),
            _ => None,
        });
        triggers.next_back().map(|it| (it.kind, it.detail)).expect("something has started")
    }

    /// Returns why commits started nothing, each as `branch id: reason`.
    pub(super) fn declined(&self) -> Vec<String> {
        let declined = self.scene.log.iter().filter_map(|event| match &event.fact {
            Fact::StartDeclined { branch, revision, reason, .. } => {
                let id = revision.as_ref().map_or("-", RevisionId::as_str);
                Some(format!("{branch} {id}: {reason}"))
            }
            _ => None,
        });
        declined.collect()
    }

    /// Returns the questions for changed files so far, each as `branch since..id`.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.scene.asked_for_changes.iter().map(|(head, since)| {
            let since = since.as_ref().map_or("", RevisionId::as_str);
            format!("{} {since}..{}", head.branch, head.id)
        });
        asked.collect()
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.scene.log
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
}
