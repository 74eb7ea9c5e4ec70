//! Applies recorded facts about conditions and their rules.

use litemap::LiteMap;

use super::{
    event::{Fact, RuleRef},
    state::{ConditionExecution, Override, Place, RuleExecution, RuleProgress, State},
};
use crate::model::{ConditionStatus, ConditionType, ExecutionId, RuleStatus, StageName, Timestamp};

impl State {
    pub(super) fn evolve_condition(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::ConditionStarted { execution, stage, condition } => {
                let started = ConditionExecution {
                    status: ConditionStatus::InProgress,
                    started_at: at,
                    ended_at: None,
                    rules: LiteMap::new(),
                    overridden: None,
                };
                self.with_stage(*execution, stage, |stage| {
                    stage.conditions.insert(*condition, started);
                });
            }
            Fact::ConditionSucceeded { execution, stage, condition } => {
                self.end_condition(*execution, stage, *condition, ConditionStatus::Succeeded, at);
            }
            Fact::ConditionFailed { execution, stage, condition } => {
                self.end_condition(*execution, stage, *condition, ConditionStatus::Failed, at);
            }
            Fact::ConditionOverridden { execution, stage, condition, reason, by } => {
                let (by, reason) = (by.clone(), reason.clone());
                let overridden = Override { by, reason, at };
                self.end_condition(*execution, stage, *condition, ConditionStatus::Overridden, at);
                self.with_condition(*execution, stage, *condition, |it| {
                    it.overridden = Some(overridden.into());
                });
                // The stage had failed because of it; now it goes on.
                let ended = self.execution(*execution).is_some_and(|it| it.place == Place::Ended);
                if ended {
                    self.reopen(*execution, stage, at);
                }
            }
            Fact::RuleStarted { rule, configuration, commands, expires_at } => {
                self.running_rules.insert(rule.id, rule.clone());
                let started = RuleExecution {
                    id: rule.id,
                    started_at: at,
                    expires_at: *expires_at,
                    configuration: configuration.clone(),
                    commands: commands.clone(),
                    progress: RuleProgress::Running,
                };
                self.with_condition(rule.execution, &rule.stage, rule.condition, |condition| {
                    condition.rules.insert(rule.rule.clone(), started);
                });
            }
            Fact::RuleWaits { rule, until, opens } => {
                let progress = RuleProgress::Waiting { until: *until, opens: opens.clone() };
                self.set_rule(rule, progress);
            }
            Fact::RuleSucceeded { rule, summary } => {
                self.running_rules.remove(&rule.id);
                self.set_rule(rule, RuleProgress::Succeeded { at, summary: summary.clone() });
            }
            Fact::RuleFailed { rule, error } => {
                self.running_rules.remove(&rule.id);
                self.set_rule(rule, RuleProgress::Failed { at, error: error.clone() });
            }
            Fact::RuleAbandoned { rule } => {
                self.running_rules.remove(&rule.id);
                self.set_rule(rule, RuleProgress::Abandoned { at });
            }
            _ => {}
        }
    }

    fn end_condition(
        &mut self,
        execution: ExecutionId,
        stage: &StageName,
        kind: ConditionType,
        status: ConditionStatus,
        at: Timestamp,
    ) {
        let mut abandoned = Vec::new();
        self.with_condition(execution, stage, kind, |condition| {
            condition.status = status;
            condition.ended_at = Some(at);
            for (_, rule) in condition.rules.iter_mut() {
                if rule.status() == RuleStatus::InProgress {
                    rule.progress = RuleProgress::Abandoned { at };
                    abandoned.push(rule.id);
                }
            }
        });
        for id in abandoned {
            self.running_rules.remove(&id);
        }
    }

    fn set_rule(&mut self, rule: &RuleRef, progress: RuleProgress) {
        self.with_condition(rule.execution, &rule.stage, rule.condition, |condition| {
            if let Some(it) = condition.rules.get_mut(&rule.rule) {
                it.progress = progress;
            }
        });
    }

    fn with_condition(
        &mut self,
        execution: ExecutionId,
        stage: &StageName,
        kind: ConditionType,
        change: impl FnOnce(&mut ConditionExecution),
    ) {
        self.with_stage(execution, stage, |stage| {
            if let Some(condition) = stage.conditions.get_mut(&kind) {
                change(condition);
            }
        });
    }
}
