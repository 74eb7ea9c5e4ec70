//! The rules about conditions (CodePipeline user guide, "Stage conditions" and the rule
//! references), one function each.

use std::{collections::BTreeSet, ops::Range};

use super::{
    conditions::{DraftCondition, DraftRule},
    draft::{Draft, DraftStage},
    problem::Problem,
    reader::{Located, Problems, nearest},
};
use crate::model::{
    ConditionResult, ConditionType, ExecutionMode,
    rules::{self, VariableCheck},
    window::DeploymentWindow,
};

pub(super) fn validate(draft: &Draft, problems: &Problems) {
    for (position, stage) in draft.stages.iter().enumerate() {
        results_fit_their_place(stage, problems);
        on_failure_is_one_thing(stage, problems);
        rollbacks_are_possible(draft, position, stage, problems);
        for (_, condition) in conditions(stage) {
            rule_names(condition, problems);
            for rule in &condition.rules {
                rule_type(rule, condition, problems);
                rule_values(rule, problems);
            }
        }
    }
}

pub(super) fn conditions(
    stage: &DraftStage,
) -> impl Iterator<Item = (ConditionType, &DraftCondition)> {
    let on_failure = stage.on_failure.as_ref().and_then(|it| it.condition.as_ref());
    let all = [
        (ConditionType::BeforeEntry, stage.before_entry.as_ref()),
        (ConditionType::OnSuccess, stage.on_success.as_ref()),
        (ConditionType::OnFailure, on_failure),
    ];
    all.into_iter().filter_map(|(kind, condition)| Some((kind, condition?)))
}

fn results_fit_their_place(stage: &DraftStage, problems: &Problems) {
    for (kind, condition) in conditions(stage) {
        let allowed: &[ConditionResult] = match kind {
            ConditionType::BeforeEntry => &[ConditionResult::Fail, ConditionResult::Skip],
            ConditionType::OnSuccess | ConditionType::OnFailure => {
                &[ConditionResult::Fail, ConditionResult::Rollback]
            }
        };
        match condition.result {
            Some(result) if allowed.contains(&result) => {}
            Some(result) => {
                let words: Vec<_> = allowed.iter().map(|it| it.as_str()).collect();
                let message = format!("{} is no result of an {}", result.as_str(), kind.words());
                let problem = Problem::new(&condition.span, message);
                problems.push(problem.remedy(format!("it may be {}", words.join(" or "))));
            }
            None => {
                let message = "the condition has no `result`";
                problems.push(Problem::new(&condition.span, message));
            }
        }
    }
}

fn on_failure_is_one_thing(stage: &DraftStage, problems: &Problems) {
    let Some(on_failure) = &stage.on_failure else { return };
    let problem = |message: String| problems.push(Problem::new(&on_failure.span, message));
    match (on_failure.result, &on_failure.condition) {
        (Some(_), Some(_)) => problem(format!(
            "The following stage cannot have a failure exit gate configured with both top level \
             result and conditions: '{}'",
            stage.name.value
        )),
        (None, None) => problem("`on_failure` has neither a result nor a condition".to_owned()),
        (Some(ConditionResult::Skip), None) => {
            problem("SKIP is no result of a failure".to_owned());
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    if on_failure.retry.is_some() && on_failure.result != Some(ConditionResult::Retry) {
        problem("`retry_configuration` belongs to `result = \"RETRY\"`".to_owned());
    }
}

fn rollbacks_are_possible(draft: &Draft, position: usize, stage: &DraftStage, problems: &Problems) {
    let on_failure = stage.on_failure.as_ref();
    let mut spans: Vec<&Range<usize>> = conditions(stage)
        .filter(|(_, condition)| condition.result == Some(ConditionResult::Rollback))
        .map(|(_, condition)| &condition.span)
        .collect();
    spans.extend(
        on_failure.filter(|it| it.result == Some(ConditionResult::Rollback)).map(|it| &it.span),
    );
    for span in spans {
        if draft.execution_mode == ExecutionMode::Parallel {
            let message = "Failure conditions with rollback result type cannot be added to a \
                           PARALLEL pipeline.";
            problems.push(Problem::new(span, message));
        } else if position == 0 {
            let message = "the source stage cannot be rolled back";
            problems.push(Problem::new(span, message));
        }
    }
    let skips = stage.before_entry.as_ref().filter(|it| it.result == Some(ConditionResult::Skip));
    if let (0, Some(condition)) = (position, skips) {
        problems.push(Problem::new(&condition.span, "the source stage cannot be skipped"));
    }
}

fn rule_names(condition: &DraftCondition, problems: &Problems) {
    if !(1..=5).contains(&condition.rules.len()) {
        let message =
            format!("a condition has 1 to 5 rules, this one has {}", condition.rules.len());
        problems.push(Problem::new(&condition.span, message));
    }
    let mut seen = BTreeSet::new();
    for rule in &condition.rules {
        if !seen.insert(&rule.name.value) {
            let message = format!("Rule name '{}' is used more than once", rule.name.value);
            problems.push(Problem::new(&rule.name.span, message));
        }
    }
}

fn rule_type(rule: &DraftRule, condition: &DraftCondition, problems: &Problems) {
    let provider = &rule.provider;
    let Some(spec) = rules::find(&provider.value) else {
        let known = || rules::PROVIDERS.iter().map(|spec| spec.name);
        let problem = if rules::LATER.contains(&provider.value.as_str()) {
            let message = format!("{} rules are not available in this version", provider.value);
            Problem::new(&provider.span, message).remedy("a Commands rule can ask the same thing")
        } else {
            let message = format!("there is no rule provider `{}`", provider.value);
            let problem = Problem::new(&provider.span, message);
            match nearest(&provider.value, known()) {
                Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                None => {
                    problem.remedy(format!("there is {}", known().collect::<Vec<_>>().join(", ")))
                }
            }
        };
        problems.push(problem);
        return;
    };
    if condition.result == Some(ConditionResult::Skip) && spec.name != rules::VARIABLE_CHECK {
        let message =
            format!("a condition that skips takes VariableCheck rules, not {}", spec.name);
        problems.push(Problem::new(&provider.span, message));
    }
    for required in spec.required {
        if rule.setting(required).is_none() {
            let message =
                format!("rule '{}' is missing the configuration '{required}'", rule.name.value);
            problems.push(Problem::new(&rule.name.span, message));
        }
    }
    let known = || spec.required.iter().chain(spec.optional).copied();
    for (key, _) in rule.configuration.iter().filter(|(key, _)| known().all(|it| it != key.value)) {
        let problem = Problem::new(
            &key.span,
            format!("{} has no configuration key `{}`", spec.name, key.value),
        );
        problems.push(match nearest(&key.value, known()) {
            Some(near) => problem.remedy(format!("did you mean `{near}`?")),
            None => problem,
        });
    }
    let runs_commands = spec.name == rules::COMMANDS;
    if runs_commands == rule.commands.is_empty() {
        let words = if runs_commands { "has no commands" } else { "takes no commands" };
        let message = format!("rule `{}` {words}", rule.name.value);
        problems.push(Problem::new(&rule.name.span, message));
    }
}

fn rule_values(rule: &DraftRule, problems: &Problems) {
    let wrong = |at: &Located<String>, message: String| {
        problems.push(Problem::new(&at.span, message));
    };
    match rule.provider.value.as_str() {
        rules::VARIABLE_CHECK => {
            if let Some(operator) = rule.setting("Operator")
                && let Err(words) = VariableCheck::check_operator(&operator.value)
            {
                wrong(operator, words);
            }
            let operator = rule.setting("Operator").map(|it| it.value.as_str());
            if let (Some("MATCHES"), Some(pattern)) = (operator, rule.setting("Value"))
                && !pattern.value.contains("#{")
                && regex::Regex::new(&pattern.value).is_err()
            {
                wrong(pattern, format!("`{}` is no regular expression", pattern.value));
            }
        }
        rules::DEPLOYMENT_WINDOW => {
            let zone = rule.setting("TimeZone");
            let zone_name = zone.map_or("UTC", |it| it.value.as_str());
            let Some(cron) = rule.setting("Cron") else { return };
            if let Err(words) = DeploymentWindow::parse(&cron.value, "UTC") {
                wrong(cron, format!("`{}` is no window: {words}", cron.value));
            } else if let (Some(zone), Err(words)) =
                (zone, DeploymentWindow::parse(&cron.value, zone_name))
            {
                wrong(zone, words);
            }
        }
        _ => {}
    }
}
