//! A declaration as read, before anyone knows whether it holds together: every part knows where
//! it stands in the file.

use std::{ops::Range, path::Path};

use super::{
    conditions::{DraftCondition, DraftOnFailure},
    reader::{Located, texts},
    triggers::DraftTrigger,
};
use crate::model::{
    Action, ActionType, Category, EnvironmentVariable, EnvironmentVariableType, ExecutionMode,
    Instructions, LaneMode, OutputArtifact, Pipeline, PipelineVariable, RetryConfiguration, Span,
    Stage,
};

#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: Option<Located<String>>,
    pub(super) lane: LaneMode,
    pub(super) execution_mode: ExecutionMode,
    pub(super) max_concurrent_actions: Option<u32>,
    pub(super) tags: Vec<(Located<String>, Located<String>)>,
    pub(super) variables: Vec<DraftVariable>,
    pub(super) triggers: Vec<DraftTrigger>,
    pub(super) stages: Vec<DraftStage>,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) struct DraftVariable {
    pub(super) name: Located<String>,
    pub(super) default_value: Option<String>,
    pub(super) description: Option<String>,
}

#[derive(Debug)]
pub(super) struct DraftStage {
    pub(super) name: Located<String>,
    pub(super) actions: Vec<DraftAction>,
    pub(super) transition_disabled: Option<String>,
    pub(super) before_entry: Option<DraftCondition>,
    pub(super) on_success: Option<DraftCondition>,
    pub(super) on_failure: Option<DraftOnFailure>,
    pub(super) lock: Option<Located<String>>,
    pub(super) max_concurrent_actions: Option<u32>,
}

#[derive(Debug)]
pub(super) struct DraftAction {
    pub(super) name: Located<String>,
    pub(super) category: Category,
    pub(super) owner: String,
    pub(super) provider: Located<String>,
    pub(super) version: String,
    pub(super) run_order: u32,
    pub(super) configuration: Vec<(Located<String>, Located<String>)>,
    pub(super) commands: Vec<Located<String>>,
    pub(super) environment_variables: Vec<DraftEnvironmentVariable>,
    pub(super) input_artifacts: Vec<Located<String>>,
    pub(super) output_artifacts: Vec<DraftOutput>,
    pub(super) output_variables: Vec<Located<String>>,
    pub(super) namespace: Option<Located<String>>,
    pub(super) timeout: Option<Span>,
    pub(super) cache: Vec<Located<String>>,
    pub(super) reports: Vec<Located<String>>,
    pub(super) retry: Option<RetryConfiguration>,
    pub(super) image: Option<Located<String>>,
}

#[derive(Debug)]
pub(super) struct DraftEnvironmentVariable {
    pub(super) name: Located<String>,
    pub(super) value: Located<String>,
    pub(super) kind: EnvironmentVariableType,
}

#[derive(Debug)]
pub(super) struct DraftOutput {
    pub(super) name: Located<String>,
    pub(super) files: Vec<Located<String>>,
    pub(super) exclude: Vec<Located<String>>,
    pub(super) base_directory: Option<Located<String>>,
}

impl DraftAction {
    /// Returns every text in which variables are resolved.
    pub(super) fn resolved_texts(&self) -> impl Iterator<Item = &Located<String>> {
        let configuration = self.configuration.iter().map(|(_, value)| value);
        let environment = self.environment_variables.iter().map(|it| &it.value);
        configuration.chain(&self.commands).chain(environment).chain(&self.image)
    }

    fn into_action(self) -> Action {
        let configuration = self.configuration.into_iter();
        let environment = self.environment_variables.into_iter();
        let instructions = Instructions {
            configuration: configuration.map(|(key, value)| (key.value, value.value)).collect(),
            commands: texts(self.commands),
            environment_variables: environment
                .map(|it| EnvironmentVariable {
                    name: it.name.value,
                    value: it.value.value,
                    kind: it.kind,
                })
                .collect(),
            image: self.image.map(|it| it.value),
        };
        Action {
            name: self.name.value.into(),
            action_type: ActionType {
                category: self.category,
                owner: self.owner,
                provider: self.provider.value,
                version: self.version,
            },
            run_order: self.run_order,
            instructions: instructions.into(),
            input_artifacts: self.input_artifacts.into_iter().map(|it| it.value.into()).collect(),
            output_artifacts: self
                .output_artifacts
                .into_iter()
                .map(|it| OutputArtifact {
                    name: it.name.value.into(),
                    files: texts(it.files),
                    exclude: texts(it.exclude),
                    base_directory: it.base_directory.map(|it| it.value),
                })
                .collect(),
            output_variables: texts(self.output_variables),
            namespace: self.namespace.map(|it| it.value.into()),
            timeout: self.timeout,
            cache: texts(self.cache).iter().map(|it| plain_path(it)).collect(),
            reports: texts(self.reports),
            retry: self.retry,
        }
    }
}

impl Draft {
    /// Makes the pipeline of a draft that has no problems.
    pub(super) fn into_pipeline(self, path: &Path) -> Pipeline {
        let stages = self.stages.into_iter().map(|stage| Stage {
            name: stage.name.value.into(),
            actions: stage.actions.into_iter().map(|it| it.into_action().into()).collect(),
            transition_disabled: stage.transition_disabled,
            before_entry: stage.before_entry.map(DraftCondition::into_condition),
            on_success: stage.on_success.map(DraftCondition::into_condition),
            on_failure: stage.on_failure.map(DraftOnFailure::into_on_failure),
            lock: stage.lock.map(|it| it.value.into()),
            max_concurrent_actions: stage.max_concurrent_actions,
        });
        Pipeline {
            name: self.name.map(|name| name.value).unwrap_or_default().into(),
            file: path.to_owned(),
            execution_mode: self.execution_mode,
            lane: self.lane,
            variables: self
                .variables
                .into_iter()
                .map(|it| PipelineVariable {
                    name: it.name.value,
                    default_value: it.default_value,
                    description: it.description,
                })
                .collect(),
            triggers: self.triggers.into_iter().map(DraftTrigger::into_trigger).collect(),
            stages: stages.collect(),
            max_concurrent_actions: self.max_concurrent_actions,
            tags: self.tags.into_iter().map(|(key, it)| (key.value, it.value)).collect(),
        }
    }

    /// Tells whether tags start executions through a source action.
    pub(super) fn starts_on_tags(&self, source_action: &str) -> bool {
        let mut triggers = self.triggers.iter();
        triggers.any(|trigger| {
            trigger.source_action.value == source_action
                && trigger.push.iter().any(|filter| filter.tags.is_some())
        })
    }
}

/// Writes a path without what means nothing in it: `./target/` is `target`.
fn plain_path(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}
