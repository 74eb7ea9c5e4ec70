//! The JSON Schema of the pipeline file in TOML, by which editors complete and explain it.

/// What `stagegate schema` prints; the samples name it in their first line.
pub const SCHEMA: &str = include_str!("../../sample-pipelines/pipeline.schema.json");

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::Path,
        sync::LazyLock,
    };

    use regex::Regex;
    use serde_json::Value;

    use super::{
        super::{catalog::PROVIDERS, parse},
        SCHEMA,
    };

    static UNKNOWN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"unknown-[a-z]+ = 1,? ?").unwrap());

    /// Every table there is, each with a key that nobody knows.
    const EVERY_TABLE: &str = r#"
        unknown-pipeline = 1
        name = "p"
        variables = [{ name = "v", unknown-variable = 1 }]
        [[trigger]]
        unknown-trigger = 1
        source_action = "app"
        schedule = { cron = "0 3 * * *", unknown-schedule = 1 }
        [[trigger.push]]
        unknown-push = 1
        branches = { includes = ["a"], unknown-patterns = 1 }
        [[stage]]
        name = "Source"
        [[stage.action]]
        unknown-action = 1
        name = "app"
        category = "Source"
        configuration = { BranchName = "main" }
        output_artifacts = [{ name = "app", unknown-output = 1 }]
        [[stage]]
        unknown-stage = 1
        name = "Build"
        transition = { enabled = false, unknown-transition = 1 }
        before_entry = { unknown-gate = 1, conditions = [{ unknown-condition = 1, result = "FAIL", rules = [
            { unknown-rule = 1, name = "r", provider = "Commands", commands = ["true"] } ] }] }
        on_failure = { unknown-failure = 1, result = "RETRY", retry_configuration = {
            unknown-retry = 1, retry_mode = "ALL_ACTIONS" } }
        [[stage.action]]
        name = "make"
        category = "Build"
        commands = ["true"]
        environment_variables = [{ name = "A", value = "b", unknown-environment = 1 }]
    "#;

    /// Returns what the reader of files knows in each table.
    fn known() -> BTreeMap<String, BTreeSet<String>> {
        let problems = parse(Path::new("/p.toml"), EVERY_TABLE).unwrap_err().problems;
        let known = problems.iter().filter_map(|problem| {
            let table = problem.message.strip_prefix("unknown key `unknown-")?.strip_suffix('`')?;
            let known = problem.remedy.as_ref()?.strip_prefix("known here: ")?;
            Some((table.to_owned(), known.split(", ").map(str::to_owned).collect()))
        });
        known.collect()
    }

    /// Keys of CodePipeline's JSON that mean nothing in a file written by hand, and such as are only
    /// known to be refused.
    const NOT_FOR_TOML: &[&str] = &[
        "action_type_id",
        "artifact_store",
        "blocker",
        "git_configuration",
        "metadata",
        "owner",
        "pipeline_type",
        "provider_type",
        "pull_request",
        "region",
        "role_arn",
        "rule_type_id",
        "runner",
        "timeout_in_minutes",
        "version",
    ];

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    /// `[[stage]]` and `stages` are the same key.
    fn singular(key: &str) -> String {
        key.trim_end_matches('s').to_owned()
    }

    #[test]
    fn the_schema_has_the_keys_that_the_reader_of_files_knows() {
        let schema = schema();
        let known = known();
        assert_eq!(known.len(), 16, "{:?}", known.keys());
        for (table, known) in known {
            let of_table = match table.as_str() {
                "pipeline" => &schema["properties"],
                table => &schema["definitions"][table]["properties"],
            };
            let written = of_table.as_object().unwrap().keys();
            let written: BTreeSet<_> = written.map(|key| singular(key)).collect();
            let known = known.iter().filter(|key| !NOT_FOR_TOML.contains(&key.as_str()));
            let known: BTreeSet<_> = known.map(|key| singular(key)).collect();
            assert_eq!(written, known, "{table}");
        }
    }

    #[test]
    fn the_schema_has_the_configuration_that_providers_take() {
        let schema = schema();
        let action = &schema["definitions"]["action"]["properties"];
        let written = action["configuration"]["properties"].as_object().unwrap().keys();
        let taken = PROVIDERS.iter().flat_map(|it| it.required.iter().chain(it.optional));
        let taken: BTreeSet<_> = taken.map(|it| (*it).to_owned()).collect();
        assert_eq!(written.cloned().collect::<BTreeSet<_>>(), taken);
        let providers = PROVIDERS.iter().map(|it| it.name).collect::<BTreeSet<_>>();
        let written = action["provider"]["enum"].as_array().unwrap().iter();
        assert_eq!(written.map(|it| it.as_str().unwrap()).collect::<BTreeSet<_>>(), providers);
    }

    #[test]
    fn every_sample_fits_the_schema_and_names_it() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-pipelines");
        let files = std::fs::read_dir(samples).unwrap().map(|it| it.unwrap().path());
        let mut count = 0;
        for file in files.map(|it| it.join("stagegate.toml")).filter(|it| it.exists()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let value: Value = toml::from_str(&text).unwrap();
            let found: Vec<_> = validator.iter_errors(&value).map(|it| it.to_string()).collect();
            assert!(found.is_empty(), "{}: {found:?}", file.display());
            assert!(text.starts_with("#:schema ../pipeline.schema.json\n"), "{}", file.display());
            count += 1;
        }
        assert_eq!(count, 5);
    }

    #[test]
    fn what_the_reader_refuses_does_not_fit_the_schema_either() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let fits = |text: &str| validator.is_valid(&toml::from_str(text).unwrap());
        let known_only: String = EVERY_TABLE
            .lines()
            .map(|line| UNKNOWN.replace_all(line, "").into_owned() + "\n")
            .collect();
        assert!(fits(&known_only), "{known_only}");
        assert!(!fits(EVERY_TABLE));
        for (right, wrong) in [
            ("category = \"Build\"", "category = \"Bulid\""),
            ("name = \"make\"", ""),
            ("\"RETRY\"", "\"AGAIN\""),
            ("enabled = false", "enabled = \"no\""),
        ] {
            assert!(!fits(&known_only.replacen(right, wrong, 1)), "{wrong}");
        }
    }
}
