//! The structural rules (CodePipeline user guide, "Pipeline structure reference"), one function
//! each. A rule notes what it finds and leaves the rest to the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    catalog::{self, PROVIDERS},
    draft::{Draft, DraftAction, DraftStage},
    problem::Problem,
    reader::{Located, Problems, nearest},
    trigger_rules, validate_conditions,
};
use crate::model::{
    Category, ConditionType, EnvironmentVariableType, Span,
    variable::{self, PIPELINE_NAMESPACE, RESERVED_NAMESPACE},
};

pub(super) fn validate(draft: &Draft, problems: &Problems) {
    let rules = [
        stage_count,
        source_comes_first,
        names,
        action_types,
        configuration_keys,
        commands_where_they_belong,
        artifact_counts,
        artifacts_come_from_earlier_actions,
        namespaces,
        references_have_a_source,
        globs,
        secrets_are_references,
        values_of_a_few_kinds,
        validate_conditions::validate,
    ];
    for rule in rules {
        rule(draft, problems);
    }
    trigger_rules::validate(draft, problems);
}

fn actions(draft: &Draft) -> impl Iterator<Item = (usize, &DraftStage, &DraftAction)> {
    let stages = draft.stages.iter().enumerate();
    stages.flat_map(|(at, stage)| stage.actions.iter().map(move |action| (at, stage, action)))
}

fn first_line(span: &Range<usize>) -> Range<usize> {
    span.start..span.start
}

fn stage_count(draft: &Draft, problems: &Problems) {
    let here = first_line(&draft.span);
    match draft.stages.len() {
        0 | 1 => problems.push(
            Problem::new(&here, "a pipeline has at least two stages")
                .remedy("begin with a stage of source actions, then add one that does something"),
        ),
        2..=50 => {}
        _ => problems.push(Problem::new(
            &draft.stages[50].name.span,
            "Pipeline has too many stages. There can only be up to 50 stages in a pipeline",
        )),
    }
}

fn source_comes_first(draft: &Draft, problems: &Problems) {
    for (stage, _, action) in actions(draft) {
        let is_source = action.category == Category::Source;
        if stage == 0 && !is_source {
            problems.push(
                Problem::new(
                    &action.name.span,
                    "Pipeline should start with a stage that only contains source actions",
                )
                .remedy(format!("move `{}` to a later stage", action.name.value)),
            );
        }
        if stage > 0 && is_source {
            problems.push(
                Problem::new(
                    &action.name.span,
                    "Source actions can only be included in the first stage of the pipeline",
                )
                .remedy(format!("move `{}` to the first stage", action.name.value)),
            );
        }
    }
}

fn names(draft: &Draft, problems: &Problems) {
    let check = |name: &Located<String>, allowed: &str, what: &str| {
        let fits = name.value.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c));
        if !fits || name.value.is_empty() || name.value.len() > 100 {
            let message = format!("`{}` is no {what} name", name.value);
            let remedy = format!("1 to 100 of A-Z, a-z, 0-9 and {allowed}");
            problems.push(Problem::new(&name.span, message).remedy(remedy));
        }
    };
    let unique = |names: Vec<&Located<String>>, words: &dyn Fn(&str) -> String| {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(&name.value) {
                problems.push(Problem::new(&name.span, words(&name.value)));
            }
        }
    };
    if let Some(name) = &draft.name {
        check(name, ".@-_", "pipeline");
    }
    for stage in &draft.stages {
        check(&stage.name, ".@-_", "stage");
        unique(stage.actions.iter().map(|it| &it.name).collect(), &|name| {
            format!("Action name '{name}' is used more than once in stage '{}'", stage.name.value)
        });
    }
    for (_, _, action) in actions(draft) {
        check(&action.name, ".@-_", "action");
        for output in &action.output_artifacts {
            check(&output.name, "-_", "artifact");
        }
    }
    unique(draft.stages.iter().map(|it| &it.name).collect(), &|name| {
        format!("Stage name '{name}' is used more than once")
    });
    unique(draft.variables.iter().map(|it| &it.name).collect(), &|name| {
        format!(
            "Variable names must be unique. The following variable name is already in use: {name}"
        )
    });
    let outputs = actions(draft).flat_map(|(_, _, action)| &action.output_artifacts);
    unique(outputs.map(|it| &it.name).collect(), &|name| {
        format!("Output artifact name '{name}' is used more than once")
    });
}

fn action_types(draft: &Draft, problems: &Problems) {
    for (_, _, action) in actions(draft) {
        if catalog::find(action.category, &action.provider.value).is_some() {
            continue;
        }
        let there: Vec<_> = PROVIDERS
            .iter()
            .filter(|spec| spec.categories.contains(&action.category))
            .map(|spec| spec.name)
            .collect();
        let message = format!(
            "ActionType (Category: '{}', Provider: '{}', Owner: '{}', Version: '{}') in action '{}' is not available",
            action.category, action.provider.value, action.owner, action.version, action.name.value
        );
        let remedy = format!("for {} there is {}", action.category, there.join(", "));
        problems.push(Problem::new(&action.provider.span, message).remedy(remedy));
    }
}

fn configuration_keys(draft: &Draft, problems: &Problems) {
    for (_, _, action) in actions(draft) {
        let Some(spec) = catalog::find(action.category, &action.provider.value) else { continue };
        for required in spec.required {
            if action.configuration.iter().all(|(key, _)| key.value != *required) {
                let message = format!(
                    "Action configuration for action '{}' is missing required configuration '{required}'",
                    action.name.value
                );
                problems.push(Problem::new(&action.name.span, message));
            }
        }
        let known = || spec.required.iter().chain(spec.optional).copied();
        for (key, _) in &action.configuration {
            if known().any(|it| it == key.value) {
                continue;
            }
            let message = format!("{} has no configuration key `{}`", spec.name, key.value);
            let problem = Problem::new(&key.span, message);
            problems.push(match nearest(&key.value, known()) {
                Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                None => {
                    problem.remedy(format!("it takes {}", known().collect::<Vec<_>>().join(", ")))
                }
            });
        }
    }
}

fn commands_where_they_belong(draft: &Draft, problems: &Problems) {
    for (_, _, action) in actions(draft) {
        let runs_commands = action.provider.value == "Commands";
        if runs_commands && action.commands.is_empty() {
            let message = format!("action `{}` has no commands", action.name.value);
            problems
                .push(Problem::new(&action.name.span, message).remedy("add commands = [\"…\"]"));
        }
        let mut misplaced: Vec<(&Range<usize>, &str)> = Vec::new();
        if !runs_commands {
            misplaced.extend(action.commands.first().map(|it| (&it.span, "commands")));
            misplaced.extend(action.cache.first().map(|it| (&it.span, "cache")));
            misplaced.extend(action.reports.first().map(|it| (&it.span, "reports")));
            misplaced.extend(action.image.as_ref().map(|it| (&it.span, "image")));
            misplaced
                .extend(action.output_variables.first().map(|it| (&it.span, "output_variables")));
            misplaced.extend(
                action
                    .environment_variables
                    .first()
                    .map(|it| (&it.name.span, "environment_variables")),
            );
        }
        for (span, what) in misplaced {
            let message = format!("{} takes no `{what}`", action.provider.value);
            problems.push(Problem::new(span, message).remedy("use provider = \"Commands\""));
        }
        if let Some(image) = &action.image
            && (image.value.is_empty()
                || image.value.starts_with('-')
                || image.value.contains(char::is_whitespace))
        {
            let message = format!("`{}` is no image", image.value);
            problems.push(Problem::new(&image.span, message).remedy("like \"debian:12\""));
        }
        for name in action
            .output_variables
            .iter()
            .chain(action.environment_variables.iter().map(|it| &it.name))
        {
            let mut letters = name.value.chars();
            let starts = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !starts || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let message = format!("`{}` is no name a shell could use", name.value);
                problems.push(
                    Problem::new(&name.span, message)
                        .remedy("letters, digits and _, no digit first"),
                );
            }
        }
    }
}

fn artifact_counts(draft: &Draft, problems: &Problems) {
    for (_, _, action) in actions(draft) {
        let Some(spec) = catalog::find(action.category, &action.provider.value) else { continue };
        let check = |count: usize, allowed: &std::ops::RangeInclusive<usize>, what: &str| {
            if !allowed.contains(&count) {
                let wanted = match (*allowed.start(), *allowed.end()) {
                    (low, high) if low == high => low.to_string(),
                    (low, high) => format!("{low} to {high}"),
                };
                let message = format!(
                    "{} takes {wanted} {what} artifacts, action `{}` has {count}",
                    spec.name, action.name.value
                );
                problems.push(Problem::new(&action.name.span, message));
            }
        };
        check(action.input_artifacts.len(), &spec.inputs, "input");
        check(action.output_artifacts.len(), &spec.outputs, "output");
    }
}

/// Tells whether what `producer` leaves is there when `consumer` starts.
fn precedes(producer: (usize, &DraftAction), consumer: (usize, &DraftAction)) -> bool {
    (producer.0, producer.1.run_order) < (consumer.0, consumer.1.run_order)
}

fn artifacts_come_from_earlier_actions(draft: &Draft, problems: &Problems) {
    for (at, _, action) in actions(draft) {
        for input in &action.input_artifacts {
            let producer = actions(draft).find(|(_, _, producer)| {
                producer.output_artifacts.iter().any(|it| it.name.value == input.value)
            });
            let problem = match producer {
                Some((from, _, producer)) if precedes((from, producer), (at, action)) => continue,
                Some((_, _, producer)) => Problem::new(
                    &input.span,
                    format!(
                        "artifact `{}` is made by `{}`, which does not come before `{}`",
                        input.value, producer.name.value, action.name.value
                    ),
                )
                .remedy("use a later stage or a higher run_order"),
                None => {
                    let made = || {
                        actions(draft)
                            .flat_map(|(_, _, it)| &it.output_artifacts)
                            .map(|it| it.name.value.as_str())
                    };
                    let problem = Problem::new(
                        &input.span,
                        format!("no action makes the artifact `{}`", input.value),
                    );
                    match nearest(&input.value, made()) {
                        Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                        None => problem
                            .remedy(format!("there is {}", made().collect::<Vec<_>>().join(", "))),
                    }
                }
            };
            problems.push(problem);
        }
    }
}

fn namespaces(draft: &Draft, problems: &Problems) {
    let mut seen = BTreeSet::new();
    for (_, _, action) in actions(draft) {
        let Some(namespace) = &action.namespace else { continue };
        if [PIPELINE_NAMESPACE, RESERVED_NAMESPACE].contains(&namespace.value.as_str()) {
            let message = format!("the namespace `{}` is reserved", namespace.value);
            problems.push(Problem::new(&namespace.span, message));
        } else if !seen.insert(&namespace.value) {
            let message = format!("namespace `{}` is used more than once", namespace.value);
            problems.push(Problem::new(&namespace.span, message));
        }
    }
}

fn references_have_a_source(draft: &Draft, problems: &Problems) {
    for (at, _, action) in actions(draft) {
        let known = variables_before(draft, (at, action.run_order));
        check_references(action.resolved_texts(), &known, problems);
    }
    for (at, stage) in draft.stages.iter().enumerate() {
        for (kind, condition) in validate_conditions::conditions(stage) {
            let order = if kind == ConditionType::BeforeEntry { 0 } else { u32::MAX };
            let known = variables_before(draft, (at, order));
            for rule in &condition.rules {
                check_references(rule.resolved_texts(), &known, problems);
            }
        }
    }
}

fn check_references<'a>(
    texts: impl Iterator<Item = &'a Located<String>>,
    known: &BTreeMap<&str, BTreeSet<&str>>,
    problems: &Problems,
) {
    for text in texts {
        for reference in variable::references(&text.value) {
            let (namespace, key) = (reference.namespace, reference.key);
            let words = format!("#{{{namespace}.{key}}}");
            let (message, near) = match known.get(namespace) {
                None => (
                    format!("{words}: no earlier action has the namespace `{namespace}`"),
                    nearest(namespace, known.keys().copied()).map(|it| format!("#{{{it}.{key}}}")),
                ),
                Some(keys) if keys.contains(key) => continue,
                Some(keys) => (
                    format!("{words}: `{namespace}` has no variable `{key}`"),
                    nearest(key, keys.iter().copied()).map(|it| format!("#{{{namespace}.{it}}}")),
                ),
            };
            let problem = Problem::new(&text.span, message);
            problems.push(match near {
                Some(near) => problem.remedy(format!("did you mean {near}?")),
                None => problem,
            });
        }
    }
}

/// Returns the variables that whatever stands at a stage and run order can count on, by namespace.
fn variables_before(draft: &Draft, consumer: (usize, u32)) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    known.insert(RESERVED_NAMESPACE, BTreeSet::from(["PipelineExecutionId"]));
    let declared = draft.variables.iter().map(|it| it.name.value.as_str());
    known.insert(PIPELINE_NAMESPACE, declared.collect());
    for (from, _, producer) in actions(draft) {
        let Some(namespace) = &producer.namespace else { continue };
        if (from, producer.run_order) < consumer {
            let spec = catalog::find(producer.category, &producer.provider.value);
            let fixed = spec.map_or(&[][..], |spec| spec.variables).iter().copied();
            let own = producer.output_variables.iter().map(|it| it.value.as_str());
            let tag = draft.starts_on_tags(&producer.name.value).then_some("TagName");
            known.insert(&namespace.value, fixed.chain(own).chain(tag).collect());
        }
    }
    known
}

fn globs(draft: &Draft, problems: &Problems) {
    let check = |glob: &Located<String>| {
        if let Err(error) = globset::Glob::new(&glob.value) {
            let message = format!("`{}` is no glob: {}", glob.value, error.kind());
            problems.push(Problem::new(&glob.span, message));
        }
    };
    for (_, _, action) in actions(draft) {
        for output in &action.output_artifacts {
            output.files.iter().chain(&output.exclude).for_each(check);
        }
        let branch = action.configuration.iter().find(|(key, _)| key.value == "BranchName");
        if let Some((_, value)) = branch {
            check(value);
        }
        let inside = |path: &Located<String>, what: &str| {
            let leaves =
                path.value.starts_with('/') || path.value.split('/').any(|part| part == "..");
            if leaves || path.value.is_empty() {
                let message = format!("`{}` leads out of the workspace", path.value);
                let remedy = format!("{what} is a path below the workspace");
                problems.push(Problem::new(&path.span, message).remedy(remedy));
            }
        };
        action.cache.iter().for_each(|path| inside(path, "`cache`"));
        action.reports.iter().for_each(|path| inside(path, "`reports`"));
        let bases = action.output_artifacts.iter().filter_map(|it| it.base_directory.as_ref());
        bases.for_each(|path| inside(path, "`base_directory`"));
    }
}

fn secrets_are_references(draft: &Draft, problems: &Problems) {
    for (_, _, action) in actions(draft) {
        for it in &action.environment_variables {
            let kinds = ["env:", "file:", "command:", "keyring:"];
            let is_reference = kinds.iter().any(|kind| it.value.value.starts_with(kind));
            if it.kind == EnvironmentVariableType::Secret && !is_reference {
                let message = format!("the secret {} stands in the file itself", it.name.value);
                problems.push(Problem::new(&it.value.span, message).remedy(
                    "say where to find it: \"env:NAME\", \"file:PATH\", \
                             \"command:COMMAND LINE\" or \"keyring:SERVICE/ACCOUNT\"",
                ));
            }
        }
    }
}

/// The second and third are one: as the console and as the declaration have it.
const OUTPUT_ARTIFACT_FORMATS: [&str; 3] = ["CODE_ZIP", "FULL_CLONE", "CODEBUILD_CLONE_REF"];

fn values_of_a_few_kinds(draft: &Draft, problems: &Problems) {
    for (_, _, action) in actions(draft) {
        for (key, value) in &action.configuration {
            if key.value == "RepositoryPath" && has_credentials(&value.value) {
                let message = "what logs in does not belong into this file, nor on a screen";
                let problem = Problem::new(&value.span, message.to_owned());
                problems.push(problem.remedy("leave it to git's credential helper"));
            }
            let wrong = match key.value.as_str() {
                "TimeoutResult" if !["FAIL", "SKIP"].contains(&value.value.as_str()) => {
                    Some("\"FAIL\" or \"SKIP\"")
                }
                "UndoWindow" if Span::parse(&value.value).is_none() => {
                    Some("a length of time, like 5s")
                }
                "PollInterval" if Span::parse(&value.value).is_none_or(|it| it < Span::SECOND) => {
                    Some("a length of time from 1s, like 2m")
                }
                "OutputArtifactFormat"
                    if !OUTPUT_ARTIFACT_FORMATS.contains(&value.value.as_str()) =>
                {
                    Some(
                        "\"CODE_ZIP\" (the files) or \"FULL_CLONE\" (the files and the repository)",
                    )
                }
                "WaitForCompletion" if !["true", "false"].contains(&value.value.as_str()) => {
                    Some("\"true\" or \"false\"")
                }
                "Extract" if value.value != "true" => Some("only \"true\" is available"),
                "KeepReleases" if !value.value.parse::<u32>().is_ok_and(|it| it > 0) => {
                    Some("a number from 1")
                }
                _ => None,
            };
            if let Some(remedy) = wrong {
                let message = format!("`{}` does not fit `{}`", value.value, key.value);
                problems.push(Problem::new(&value.span, message).remedy(remedy));
            }
        }
    }
}

/// Tells whether a URL holds a password, or over HTTP a name or a query, which may be tokens.
fn has_credentials(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let is_http = scheme.starts_with("http");
    user.is_some_and(|it| is_http || it.contains(':')) || is_http && rest.contains('?')
}
