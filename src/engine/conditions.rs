//! Conditions on stages and their rules (CodePipeline user guide, "Stage conditions").
//!
//! All rules of a condition are evaluated together; it succeeds if every one does. Comparing and
//! waiting for a window happens here; what needs a process is a job like an action's.

use std::sync::Arc;

use super::{
    Effect, Engine, Fact, Refusal, Step, actions::configuration_error, event::RuleRef,
    state::RuleProgress,
};
use crate::model::{
    Action, ActionExecutionId, ActionType, Category, ConditionResult, ConditionStatus,
    ConditionType, ErrorDetails, ExecutionId, FailureType, Instructions, Job, JobReport, Operator,
    PipelineName, Rule, RuleStatus, Span, Stage, StageName, StageStatus,
    rules::{self, VariableCheck},
    variable,
    window::DeploymentWindow,
};

/// What a condition says about its stage now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pending,
    Met,
    NotMet(ConditionResult),
}

/// How long a window is waited for where nothing else is said, as for approvals.
const WINDOW_TIMEOUT: Span = Span(7 * Span::DAY.0);

impl Engine {
    pub(super) fn condition(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &Stage,
        kind: ConditionType,
    ) -> Verdict {
        let Some(declared) = stage.condition(kind) else { return Verdict::Met };
        let name = || stage.name.clone();
        if self.condition_status(execution, &stage.name, kind).is_none() {
            let fact = Fact::ConditionStarted { execution, stage: name(), condition: kind };
            self.record(step, pipeline, fact);
            for rule in &declared.rules {
                self.start_rule(step, pipeline, execution, &stage.name, kind, rule);
            }
        }
        match self.condition_status(execution, &stage.name, kind) {
            // An operator's override lets a stage go on; after a failure it means: no rollback.
            Some(ConditionStatus::Overridden) if kind == ConditionType::OnFailure => {
                Verdict::NotMet(declared.result)
            }
            Some(ConditionStatus::Succeeded | ConditionStatus::Overridden) => Verdict::Met,
            Some(ConditionStatus::InProgress) => {
                let found = self.state.execution(execution);
                let rules = found
                    .and_then(|it| it.stages.get(&stage.name)?.conditions.get(&kind))
                    .map(|it| &it.rules);
                let has = |status: RuleStatus| {
                    rules.is_some_and(|rules| rules.values().any(|it| it.status() == status))
                };
                if has(RuleStatus::InProgress) {
                    return Verdict::Pending;
                }
                let failed = has(RuleStatus::Failed) || has(RuleStatus::Abandoned);
                let (stage, condition) = (name(), kind);
                if failed {
                    let fact = Fact::ConditionFailed { execution, stage, condition };
                    self.record(step, pipeline, fact);
                    return Verdict::NotMet(declared.result);
                }
                let fact = Fact::ConditionSucceeded { execution, stage, condition };
                self.record(step, pipeline, fact);
                Verdict::Met
            }
            Some(
                ConditionStatus::Failed
                | ConditionStatus::Errored
                | ConditionStatus::Cancelled
                | ConditionStatus::Abandoned,
            )
            | None => Verdict::NotMet(declared.result),
        }
    }

    fn condition_status(
        &self,
        execution: ExecutionId,
        stage: &StageName,
        kind: ConditionType,
    ) -> Option<ConditionStatus> {
        let stage = self.state.execution(execution)?.stages.get(stage)?;
        stage.conditions.get(&kind).map(|it| it.status)
    }

    fn start_rule(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        stage: &StageName,
        condition: ConditionType,
        rule: &Rule,
    ) {
        let id = ActionExecutionId::from_random_bytes(self.rng.bytes());
        let Some(state) = self.state.execution(execution) else { return };
        let value_of = |namespace: &str, key: &str| state.release.variable(namespace, key);
        let resolve = |text: &String| variable::resolve(text, &value_of);
        let resolved = rule
            .configuration
            .iter()
            .map(|(key, value)| Ok((key.clone(), resolve(value)?)))
            .collect::<Result<_, variable::Unresolved>>()
            .and_then(|it| Ok((it, rule.commands.iter().map(resolve).collect::<Result<_, _>>()?)));
        let (problem, (configuration, commands)) = match resolved {
            Ok(resolved) => (None, resolved),
            Err(error) => {
                (Some(error.to_string()), (rule.configuration.clone(), rule.commands.clone()))
            }
        };
        let timeout = match rule.provider.as_str() {
            rules::DEPLOYMENT_WINDOW => rule.timeout.unwrap_or(WINDOW_TIMEOUT),
            _ => rule.effective_timeout(),
        };
        let expires_at = step.at + timeout;
        let at =
            RuleRef { execution, stage: stage.clone(), condition, rule: rule.name.clone(), id };
        let fact = Fact::RuleStarted { rule: at.clone(), configuration, commands, expires_at };
        self.record(step, pipeline, fact);
        match (problem, rule.provider.as_str()) {
            (Some(problem), _) => self.fail_rule(step, pipeline, at, configuration_error(problem)),
            (None, rules::VARIABLE_CHECK) => self.check_variable(step, pipeline, at),
            (None, rules::DEPLOYMENT_WINDOW) => self.check_window(step, pipeline, at),
            (None, _) => match self.job_of_rule(&at) {
                Some(job) => step.effects.push(Effect::StartJob(Box::new(job))),
                None => {
                    let words = "no action has produced the input artifact".to_owned();
                    self.fail_rule(step, pipeline, at, configuration_error(words));
                }
            },
        }
    }

    fn fail_rule(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        rule: RuleRef,
        error: ErrorDetails,
    ) {
        self.record(step, pipeline, Fact::RuleFailed { rule, error });
    }

    fn setting(&self, rule: &RuleRef, key: &str) -> String {
        let found = self.state.rule(rule).and_then(|it| it.configuration.get(key));
        found.cloned().unwrap_or_default()
    }

    fn check_variable(&mut self, step: &mut Step, pipeline: &PipelineName, rule: RuleRef) {
        let [variable, operator, value] =
            ["Variable", "Operator", "Value"].map(|key| self.setting(&rule, key));
        let check = VariableCheck { variable: &variable, operator: &operator, value: &value };
        let fact = match check.holds() {
            Ok(true) => Fact::RuleSucceeded { rule, summary: check.words() },
            Ok(false) => {
                let message = format!("{} does not hold", check.words());
                Fact::RuleFailed { rule, error: ErrorDetails::new(FailureType::JobFailed, message) }
            }
            Err(problem) => Fact::RuleFailed { rule, error: configuration_error(problem) },
        };
        self.record(step, pipeline, fact);
    }

    /// Succeeds inside the window; outside it waits until the window opens.
    fn check_window(&mut self, step: &mut Step, pipeline: &PipelineName, rule: RuleRef) {
        let (cron, zone) = (self.setting(&rule, "Cron"), self.setting(&rule, "TimeZone"));
        let zone = if zone.is_empty() { "UTC".to_owned() } else { zone };
        let expires_at = self.state.rule(&rule).map(|it| it.expires_at);
        let window = match DeploymentWindow::parse(&cron, &zone) {
            Ok(window) => window,
            Err(problem) => {
                return self.fail_rule(step, pipeline, rule, configuration_error(problem));
            }
        };
        if window.is_open(step.at) {
            let summary = "the window is open".to_owned();
            return self.record(step, pipeline, Fact::RuleSucceeded { rule, summary });
        }
        let failed = |message: String| ErrorDetails::new(FailureType::JobFailed, message);
        if expires_at.is_some_and(|at| at <= step.at) {
            let error = ErrorDetails::timed_out("timed out waiting for the window to open");
            return self.fail_rule(step, pipeline, rule, error);
        }
        match window.opens_after(step.at) {
            Some(until) => {
                let opens = window.words(until, step.at);
                self.record(step, pipeline, Fact::RuleWaits { rule, until, opens });
            }
            None => {
                let error = failed("the window never opens again".to_owned());
                self.fail_rule(step, pipeline, rule, error);
            }
        }
    }

    /// The time of a rule that waits has come.
    pub(super) fn rule_is_due(&mut self, step: &mut Step, id: ActionExecutionId) {
        let Some(rule) = self.state.running_rules.get(&id).cloned() else { return };
        let Some(home) = self.state.home(rule.execution).cloned() else { return };
        self.check_window(step, &home.pipeline, rule);
    }

    pub(super) fn job_of_rule(&self, rule: &RuleRef) -> Option<Job> {
        let execution = self.state.execution(rule.execution)?;
        let stage = execution.definition.stage(&rule.stage)?;
        let declared = stage.condition(rule.condition)?.rule(&rule.rule)?;
        let started = self.state.rule(rule)?;
        if !matches!(started.progress, RuleProgress::Running)
            || [rules::VARIABLE_CHECK, rules::DEPLOYMENT_WINDOW]
                .contains(&declared.provider.as_str())
        {
            return None;
        }
        let first_source = execution.definition.primary_source().output_artifacts.first();
        let input_artifacts = if declared.input_artifacts.is_empty() {
            first_source.map(|it| it.name.clone()).into_iter().collect()
        } else {
            declared.input_artifacts.clone()
        };
        let instructions = Arc::new(Instructions {
            configuration: started.configuration.clone(),
            commands: started.commands.clone(),
            environment_variables: Vec::new(),
            image: None,
        });
        let action = Action {
            name: format!("{}@{}", rule.rule, rule.condition).as_str().into(),
            action_type: ActionType {
                category: Category::Compute,
                owner: "AWS".to_owned(),
                provider: declared.provider.clone(),
                version: "1".to_owned(),
            },
            run_order: 1,
            instructions: Arc::clone(&instructions),
            input_artifacts,
            output_artifacts: Vec::new(),
            output_variables: Vec::new(),
            namespace: None,
            timeout: Some(declared.effective_timeout()),
            cache: Vec::new(),
            reports: Vec::new(),
            retry: None,
        };
        self.job(rule.execution, &rule.stage, rule.id, (action.into(), instructions))
    }

    /// Takes the report of a rule's job; `false` if nobody waits for it.
    pub(super) fn report_rule(
        &mut self,
        step: &mut Step,
        id: ActionExecutionId,
        report: &JobReport,
    ) -> bool {
        let Some(rule) = self.state.running_rules.get(&id).cloned() else { return false };
        let Some(home) = self.state.home(rule.execution).cloned() else { return false };
        let fact = match report {
            JobReport::Succeeded(success) => {
                Fact::RuleSucceeded { rule, summary: success.summary.clone() }
            }
            JobReport::Failed(error) => Fact::RuleFailed { rule, error: error.clone() },
        };
        self.record(step, &home.pipeline, fact);
        true
    }

    /// Ends the rules of an execution that need not be waited for: under a stop that waits only
    /// those that wait themselves.
    pub(super) fn abandon_rules(
        &mut self,
        step: &mut Step,
        pipeline: &PipelineName,
        execution: ExecutionId,
        abandon: bool,
    ) {
        for rule in self.state.rules_in_progress(execution) {
            match self.state.rule(&rule).map(|it| &it.progress) {
                Some(RuleProgress::Waiting { .. }) => {}
                Some(RuleProgress::Running) if abandon => {
                    step.effects.push(Effect::StopJob(rule.id));
                }
                _ => continue,
            }
            self.record(step, pipeline, Fact::RuleAbandoned { rule });
        }
    }

    /// Lets a stage go on although its condition does not (`OverrideStageCondition`).
    pub(super) fn override_condition(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        stage: StageName,
        execution: ExecutionId,
        condition: ConditionType,
        (reason, by): (String, Operator),
    ) -> Result<(), Refusal> {
        let found = self.execution_of(name, execution)?;
        let not_overridable = |why: &str| Refusal::ConditionNotOverridable {
            stage: stage.clone(),
            condition,
            reason: why.to_owned(),
        };
        let declared = found.definition.stage(&stage).and_then(|it| it.condition(condition));
        let declared = declared.ok_or_else(|| not_overridable("there is no such condition"))?;
        let entered = found.stages.get(&stage);
        let status = entered.and_then(|it| it.conditions.get(&condition)).map(|it| it.status);
        match status {
            Some(ConditionStatus::InProgress) => {}
            Some(ConditionStatus::Failed)
                if entered.is_some_and(|it| it.status == StageStatus::Failed)
                    && declared.result != ConditionResult::Skip
                    && condition != ConditionType::OnFailure => {}
            Some(status) => return Err(not_overridable(&format!("it is {status}"))),
            None => return Err(not_overridable("it has not started")),
        }
        if status == Some(ConditionStatus::Failed) {
            self.may_reopen(execution, &stage)?;
        }
        let running = self.state.rules_in_progress(execution).into_iter();
        let jobs = running.filter(|it| it.condition == condition);
        let waits = |rule: &RuleRef| {
            let progress = self.state.rule(rule).map(|it| &it.progress);
            matches!(progress, Some(RuleProgress::Waiting { .. }))
        };
        let jobs = jobs.filter(|rule| !waits(rule));
        step.effects.extend(jobs.map(|rule| Effect::StopJob(rule.id)));
        let fact = Fact::ConditionOverridden { execution, stage, condition, reason, by };
        self.record(step, name, fact);
        Ok(())
    }
}
