//! Conditions, rules and retries of a stage, as read.

use std::ops::Range;

use super::{
    node::Node,
    problem::Problem,
    reader::{Located, Problems, TableReader},
};
use crate::model::{
    Condition, ConditionResult, OnFailure, RetryConfiguration, RetryMode, Rule, Span,
};

#[derive(Debug)]
pub(super) struct DraftCondition {
    pub(super) result: Option<ConditionResult>,
    pub(super) rules: Vec<DraftRule>,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) struct DraftRule {
    pub(super) name: Located<String>,
    pub(super) provider: Located<String>,
    pub(super) configuration: Vec<(Located<String>, Located<String>)>,
    pub(super) commands: Vec<Located<String>>,
    pub(super) input_artifacts: Vec<Located<String>>,
    pub(super) timeout: Option<Span>,
}

#[derive(Debug)]
pub(super) struct DraftOnFailure {
    pub(super) result: Option<ConditionResult>,
    pub(super) retry: Option<RetryConfiguration>,
    pub(super) condition: Option<DraftCondition>,
    pub(super) span: Range<usize>,
}

impl DraftRule {
    /// Returns every text in which variables are resolved.
    pub(super) fn resolved_texts(&self) -> impl Iterator<Item = &Located<String>> {
        self.configuration.iter().map(|(_, value)| value).chain(&self.commands)
    }

    pub(super) fn setting(&self, key: &str) -> Option<&Located<String>> {
        self.configuration.iter().find(|(it, _)| it.value == key).map(|(_, value)| value)
    }

    fn into_rule(self) -> Rule {
        Rule {
            name: self.name.value.into(),
            provider: self.provider.value,
            configuration: self
                .configuration
                .into_iter()
                .map(|(key, value)| (key.value, value.value))
                .collect(),
            commands: self.commands.into_iter().map(|it| it.value).collect(),
            input_artifacts: self.input_artifacts.into_iter().map(|it| it.value.into()).collect(),
            timeout: self.timeout,
        }
    }
}

impl DraftCondition {
    pub(super) fn into_condition(self) -> Condition {
        Condition {
            result: self.result.unwrap_or(ConditionResult::Fail),
            rules: self.rules.into_iter().map(DraftRule::into_rule).collect(),
        }
    }
}

impl DraftOnFailure {
    pub(super) fn into_on_failure(self) -> OnFailure {
        if let Some(condition) = self.condition {
            return OnFailure::Conditional(condition.into_condition());
        }
        match self.result {
            Some(ConditionResult::Rollback) => OnFailure::Rollback,
            Some(ConditionResult::Retry) => OnFailure::Retry(self.retry.unwrap_or(ONE_RETRY)),
            Some(ConditionResult::Fail | ConditionResult::Skip) | None => OnFailure::Fail,
        }
    }
}

/// CodePipeline's automatic retry: once, at once (user guide, "Stage retry").
const ONE_RETRY: RetryConfiguration =
    RetryConfiguration { mode: RetryMode::FailedActions, attempts: 1, delay: Span(0), backoff: 1 };

/// Reads `{ conditions: [...] }`.
pub(super) fn gate(
    table: &mut TableReader<'_>,
    key: &str,
    problems: &Problems,
) -> Option<DraftCondition> {
    let node = table.node(key)?;
    let mut inner = TableReader::new(node, &format!("`{key}`"), problems)?;
    let condition = only_condition(&mut inner, problems);
    let span = inner.span.clone();
    inner.finish();
    if condition.is_none() {
        problems.push(Problem::new(&span, format!("`{key}` has exactly one condition")));
    }
    condition
}

pub(super) fn on_failure(
    table: &mut TableReader<'_>,
    problems: &Problems,
) -> Option<DraftOnFailure> {
    let node = table.node("on_failure")?;
    let mut inner = TableReader::new(node, "`on_failure`", problems)?;
    let result = inner.choice("result", &ConditionResult::ALL);
    let retry = retry(&mut inner, problems);
    let condition = only_condition(&mut inner, problems);
    let span = inner.span.clone();
    inner.finish();
    Some(DraftOnFailure { result, retry, condition, span })
}

fn only_condition(table: &mut TableReader<'_>, problems: &Problems) -> Option<DraftCondition> {
    let conditions = table.list("condition");
    let conditions = if conditions.is_empty() { table.list("conditions") } else { conditions };
    if let Some(second) = conditions.get(1) {
        problems.push(Problem::new(&second.span, "a stage has one condition of a kind"));
    }
    let mut inner = TableReader::new(conditions.first()?, "a condition", problems)?;
    let result = inner.choice("result", &ConditionResult::ALL);
    let rules = inner.list("rule");
    let rules = if rules.is_empty() { inner.list("rules") } else { rules };
    let rules = rules.iter().filter_map(|node| rule(node, problems)).collect();
    let span = inner.span.clone();
    inner.finish();
    Some(DraftCondition { result, rules, span })
}

fn rule(node: &Node, problems: &Problems) -> Option<DraftRule> {
    let mut table = TableReader::new(node, "a rule", problems)?;
    let name = table.required_string("name");
    let provider = match table.node("rule_type_id") {
        Some(node) => {
            let mut inner = TableReader::new(node, "`ruleTypeId`", problems)?;
            inner.ignore(&["category", "owner", "version"]);
            let provider = inner.required_string("provider");
            inner.finish();
            provider
        }
        None => table.required_string("provider"),
    };
    let rule = DraftRule {
        configuration: table.string_map("configuration"),
        commands: table.strings("commands"),
        input_artifacts: table.names("input_artifacts"),
        timeout: timeout(&mut table, problems),
        name: name?,
        provider: provider?,
    };
    table.ignore(&["role_arn", "region"]);
    table.finish();
    Some(rule)
}

/// Reads `retry_configuration`: CodePipeline's mode, and how often, when and how patiently.
pub(super) fn retry(
    table: &mut TableReader<'_>,
    problems: &Problems,
) -> Option<RetryConfiguration> {
    let node = table.node("retry_configuration")?;
    let mut inner = TableReader::new(node, "`retry_configuration`", problems)?;
    let modes =
        [("FAILED_ACTIONS", RetryMode::FailedActions), ("ALL_ACTIONS", RetryMode::AllActions)];
    let mode = inner.choice("retry_mode", &modes).unwrap_or(ONE_RETRY.mode);
    let mut number = |key: &str, most: i64| {
        let given = inner.integer(key)?;
        let fits = (1..=most).contains(&given.value).then_some(given.value);
        if fits.is_none() {
            let message = format!("`{key}` is a number from 1 to {most}");
            problems.push(Problem::new(&given.span, message));
        }
        fits.and_then(|it| u32::try_from(it).ok())
    };
    let attempts = number("attempts", 100).unwrap_or(ONE_RETRY.attempts);
    let backoff = number("backoff", 10).unwrap_or(ONE_RETRY.backoff);
    let delay = inner.string("delay").and_then(|text| span(&text, Span(0), problems));
    inner.finish();
    Some(RetryConfiguration { mode, attempts, delay: delay.unwrap_or_default(), backoff })
}

/// Reads `timeout`, or CodePipeline's `timeoutInMinutes`.
pub(super) fn timeout(table: &mut TableReader<'_>, problems: &Problems) -> Option<Span> {
    let minutes = table.integer("timeout_in_minutes").map(|it| Span::minutes(it.value.max(1)));
    match table.string("timeout") {
        Some(text) => span(&text, Span::SECOND, problems),
        None => minutes,
    }
}

fn span(text: &Located<String>, least: Span, problems: &Problems) -> Option<Span> {
    let parsed = Span::parse(&text.value).filter(|span| *span >= least);
    if parsed.is_none() {
        let message = format!("`{}` is not a length of time", text.value);
        problems
            .push(Problem::new(&text.span, message).remedy("write it like 90s, 20m, 1h30m or 7d"));
    }
    parsed
}
