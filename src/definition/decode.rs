//! Reads the declaration's tables into a draft and fills in the defaults that keep files short.

use super::{
    conditions,
    draft::{Draft, DraftAction, DraftEnvironmentVariable, DraftOutput, DraftStage, DraftVariable},
    node::{Node, Value},
    problem::Problem,
    reader::{Located, Problems, TableReader},
    triggers,
};
use crate::model::{Category, EnvironmentVariableType, ExecutionMode, LaneMode};

pub(super) fn decode(root: &Node, problems: &Problems) -> Draft {
    let root = inner_pipeline(root);
    let Some(mut table) = TableReader::new(root, "a pipeline file", problems) else {
        return Draft { span: root.span.clone(), ..Draft::default() };
    };
    let mut draft = Draft {
        span: table.span.clone(),
        name: table.required_string("name"),
        lane: table
            .choice("lane", &[("branch", LaneMode::Branch), ("pipeline", LaneMode::Pipeline)])
            .unwrap_or_default(),
        execution_mode: table.choice("execution_mode", &ExecutionMode::ALL).unwrap_or_default(),
        max_concurrent_actions: decode_limit(&mut table, problems),
        tags: table.string_map("tags"),
        variables: Vec::new(),
        triggers: Vec::new(),
        stages: Vec::new(),
    };
    table.ignore(&["role_arn", "artifact_store", "pipeline_type", "version", "metadata"]);
    for node in table.list("variable") {
        draft.variables.extend(decode_variable(node, problems));
    }
    for node in table.list("trigger") {
        draft.triggers.extend(triggers::decode(node, problems));
    }
    for node in table.list("stage") {
        draft.stages.extend(decode_stage(node, problems));
    }
    table.finish();
    apply_defaults(&mut draft);
    draft
}

/// `get-pipeline` prints the declaration inside `{"pipeline": …}`.
fn inner_pipeline(root: &Node) -> &Node {
    match &root.value {
        Value::Table(entries) => {
            let inner = entries.iter().find(|entry| entry.key == "pipeline");
            inner.map_or(root, |entry| &entry.node)
        }
        _ => root,
    }
}

fn decode_variable(node: &Node, problems: &Problems) -> Option<DraftVariable> {
    let mut table = TableReader::new(node, "a variable", problems)?;
    let name = table.required_string("name");
    let default_value = table.string("default_value").map(|it| it.value);
    let description = table.string("description").map(|it| it.value);
    table.finish();
    Some(DraftVariable { name: name?, default_value, description })
}

fn decode_stage(node: &Node, problems: &Problems) -> Option<DraftStage> {
    let mut table = TableReader::new(node, "a stage", problems)?;
    let name = table.required_string("name");
    let written = table.list("action");
    if let (Some(name), []) = (&name, written) {
        let message = format!("stage `{}` has no action", name.value);
        let remedy = "add a [[stage.action]] below it";
        problems.push(Problem::new(&name.span, message).remedy(remedy));
    }
    let actions = written.iter().filter_map(|node| decode_action(node, problems)).collect();
    let before_entry = conditions::gate(&mut table, "before_entry", problems);
    let on_success = conditions::gate(&mut table, "on_success", problems);
    let on_failure = conditions::on_failure(&mut table, problems);
    let lock = table.string("lock");
    let max_concurrent_actions = decode_limit(&mut table, problems);
    table.ignore(&["blocker"]);
    let transition = table.node("transition");
    let transition_disabled = transition.and_then(|node| {
        let mut table = TableReader::new(node, "`transition`", problems)?;
        let enabled = table.boolean("enabled").unwrap_or(true);
        let reason = table.string("reason").map(|it| it.value);
        table.finish();
        (!enabled).then(|| reason.unwrap_or_else(|| "disabled in the pipeline file".to_owned()))
    });
    table.finish();
    Some(DraftStage {
        name: name?,
        actions,
        transition_disabled,
        before_entry,
        on_success,
        on_failure,
        lock,
        max_concurrent_actions,
    })
}

fn decode_limit(table: &mut TableReader<'_>, problems: &Problems) -> Option<u32> {
    let given = table.integer("max_concurrent_actions")?;
    let limit = u32::try_from(given.value).ok().filter(|it| *it > 0);
    if limit.is_none() {
        let message = "`max_concurrent_actions` is a number from 1";
        problems.push(Problem::new(&given.span, message));
    }
    limit
}

fn decode_action(node: &Node, problems: &Problems) -> Option<DraftAction> {
    let mut table = TableReader::new(node, "an action", problems)?;
    let name = table.required_string("name");
    let action_type = decode_type(&mut table, problems);
    let run_order = match table.integer("run_order") {
        None => 1,
        Some(order) => u32::try_from(order.value)
            .ok()
            .filter(|it| (1..=999).contains(it))
            .unwrap_or_else(|| {
                problems.push(Problem::new(&order.span, "`run_order` is a number from 1 to 999"));
                1
            }),
    };
    let environment = table.list("environment_variable");
    // TOML says it in the plural too, as an inline list.
    let environment =
        if environment.is_empty() { table.list("environment_variables") } else { environment };
    let outputs = table.list("output_artifacts");
    let action = DraftAction {
        run_order,
        configuration: table.string_map("configuration"),
        commands: table.strings("commands"),
        environment_variables: environment
            .iter()
            .filter_map(|node| decode_environment_variable(node, problems))
            .collect(),
        input_artifacts: table.names("input_artifacts"),
        output_artifacts: outputs.iter().filter_map(|node| decode_output(node, problems)).collect(),
        output_variables: table.strings("output_variables"),
        namespace: table.string("namespace"),
        timeout: conditions::timeout(&mut table, problems),
        retry: conditions::retry(&mut table, problems),
        cache: table.strings("cache"),
        reports: table.strings("reports"),
        image: table.string("image"),
        name: name?,
        category: action_type.as_ref()?.category,
        owner: action_type.as_ref()?.owner.clone(),
        provider: action_type.as_ref()?.provider.clone(),
        version: action_type?.version,
    };
    table.unavailable(&["runner"]);
    table.ignore(&["role_arn", "region"]);
    table.finish();
    Some(action)
}

struct DraftType {
    category: Category,
    owner: String,
    provider: Located<String>,
    version: String,
}

/// TOML says `category` and `provider` on the action, JSON says `actionTypeId`.
fn decode_type(table: &mut TableReader<'_>, problems: &Problems) -> Option<DraftType> {
    match table.node("action_type_id") {
        Some(node) => {
            let mut inner = TableReader::new(node, "`actionTypeId`", problems)?;
            let decoded = decode_type_fields(&mut inner);
            inner.finish();
            decoded
        }
        None => decode_type_fields(table),
    }
}

fn decode_type_fields(table: &mut TableReader<'_>) -> Option<DraftType> {
    let choices = Category::ALL.map(|category| (category.as_str(), category));
    let span = table.span.clone();
    let present = table.required_string("category");
    let category = table.choice("category", &choices);
    let owner = table.string("owner").map_or_else(|| "AWS".to_owned(), |it| it.value);
    let provider = table.string("provider");
    let version = table.string("version").map_or_else(|| "1".to_owned(), |it| it.value);
    present?;
    let category = category?;
    let provider = provider.unwrap_or_else(|| {
        let default = match category {
            Category::Source => "Git",
            Category::Approval => "Manual",
            Category::Build
            | Category::Test
            | Category::Deploy
            | Category::Invoke
            | Category::Compute => "Commands",
        };
        Located::new(default.to_owned(), &(span.start..span.start))
    });
    Some(DraftType { category, owner, provider, version })
}

fn decode_environment_variable(
    node: &Node,
    problems: &Problems,
) -> Option<DraftEnvironmentVariable> {
    let mut table = TableReader::new(node, "an environment variable", problems)?;
    let name = table.required_string("name");
    let value = table.required_string("value");
    let kinds = [
        ("PLAINTEXT", EnvironmentVariableType::Plaintext),
        ("SECRET", EnvironmentVariableType::Secret),
    ];
    let kind = table.choice("type", &kinds).unwrap_or_default();
    table.finish();
    Some(DraftEnvironmentVariable { name: name?, value: value?, kind })
}

fn decode_output(node: &Node, problems: &Problems) -> Option<DraftOutput> {
    if let Value::String(name) = &node.value {
        let name = Located::new(name.clone(), &node.span);
        return Some(DraftOutput {
            name,
            files: Vec::new(),
            exclude: Vec::new(),
            base_directory: None,
        });
    }
    let mut table = TableReader::new(node, "an output artifact", problems)?;
    let name = table.required_string("name");
    let output = (table.strings("files"), table.strings("exclude"), table.string("base_directory"));
    table.finish();
    let (files, exclude, base_directory) = output;
    Some(DraftOutput { name: name?, files, exclude, base_directory })
}

/// A source's artifact and every namespace take the action's name; files of the first source are
/// what an action works on unless it says otherwise.
fn apply_defaults(draft: &mut Draft) {
    let mut namespaces = std::collections::BTreeSet::new();
    let actions = || draft.stages.iter().flat_map(|stage| &stage.actions);
    for action in actions() {
        namespaces.extend(action.namespace.as_ref().map(|it| it.value.clone()));
    }
    let mut first_source = None;
    for action in draft.stages.iter_mut().flat_map(|stage| &mut stage.actions) {
        let name = action.name.value.replace(['.', '@'], "_");
        let name = Located::new(name, &action.name.span);
        if action.namespace.is_none() && namespaces.insert(name.value.clone()) {
            action.namespace = Some(name.clone());
        }
        match action.category {
            Category::Source => {
                if action.output_artifacts.is_empty() {
                    action.output_artifacts.push(DraftOutput {
                        name,
                        files: Vec::new(),
                        exclude: Vec::new(),
                        base_directory: None,
                    });
                }
                first_source =
                    first_source.or_else(|| Some(action.output_artifacts[0].name.clone()));
            }
            Category::Approval => {}
            Category::Build
            | Category::Test
            | Category::Deploy
            | Category::Invoke
            | Category::Compute => {
                if action.input_artifacts.is_empty() {
                    action.input_artifacts.extend(first_source.clone());
                }
            }
        }
    }
}
