//! Schedules: a moment that comes again and again starts an execution with the head of a branch.

use std::sync::Arc;

use super::{Engine, Fact, Step};
use crate::model::{ActionName, PipelineName, Trigger, TriggerType};

impl Engine {
    /// Gives each schedule its next moment if it has none yet: the pipeline is new or was edited.
    pub(super) fn set_schedules(&mut self, step: &mut Step, name: &PipelineName) {
        let Some(pipeline) = self.state.pipelines.get(name) else { return };
        let is_set = |action: &ActionName| {
            let mut deadlines = self.state.deadlines.iter();
            deadlines.any(|(_, deadline)| deadline.schedule_of(name) == Some(action))
        };
        let triggers = pipeline.definition.triggers.iter();
        let facts: Vec<Fact> = triggers
            .filter(|trigger| !is_set(&trigger.source_action))
            .filter_map(|trigger| {
                let next = trigger.schedule.as_ref()?.next_after(step.at);
                Some(Fact::ScheduleSet { action: trigger.source_action.clone(), next })
            })
            .collect();
        for fact in facts {
            self.record(step, name, fact);
        }
    }

    /// Tells whether this runtime has seen the source's heads. Until then a schedule whose moment
    /// has come waits, so that it never starts what was the head when the last runtime ended.
    pub(super) fn is_looked_at(&self, name: &PipelineName, action: &ActionName) -> bool {
        let known =
            self.state.pipelines.get(name).is_some_and(|it| it.sources.contains_key(action));
        known && self.looked_at.contains(&(name.clone(), action.clone()))
    }

    /// Starts the execution of a schedule. Moments that were missed count as one.
    pub(super) fn start_on_schedule(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        action: &ActionName,
    ) {
        let Some(pipeline) = self.state.pipelines.get(name) else { return };
        let definition = Arc::clone(&pipeline.definition);
        let Some(schedule) = definition.trigger_of(action).and_then(|it| it.schedule.as_ref())
        else {
            let none = Fact::ScheduleSet { action: action.clone(), next: None };
            self.record(step, name, none);
            return;
        };
        let next = schedule.next_after(step.at);
        let source = definition.source_actions().find(|it| it.name == *action);
        let branch = schedule.branch.as_deref().or_else(|| source?.exact_branch());
        let branch = branch.unwrap_or_default();
        let head = pipeline.sources.get(action).and_then(|heads| heads.get(branch)).cloned();
        self.record(step, name, Fact::ScheduleSet { action: action.clone(), next });
        let detail = format!("schedule {schedule}");
        let Some(head) = head else {
            let reason = format!("{detail}: there is no branch {branch}");
            let (action, branch, revision) = (action.clone(), branch.into(), None);
            self.record(step, name, Fact::StartDeclined { action, branch, revision, reason });
            return;
        };
        let trigger = Trigger { kind: TriggerType::CloudWatchEvent, detail };
        let executions = self.executions_of(name, &head);
        self.start_each(step, name, &head, executions, &trigger);
    }
}
