//! Variables: `#{namespace.key}` in configuration values, commands and environment variables
//! (CodePipeline user guide, "Variables reference").

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use litemap::LiteMap;
use thiserror::Error;

use super::{ExecutionId, NamespaceName};

/// Values by key.
pub type Values = BTreeMap<Arc<str>, Arc<str>>;
/// Shared by the fact that brought the values and all who read them.
pub type Namespace = Arc<Values>;
/// The namespaces by name.
pub type Variables = LiteMap<NamespaceName, Namespace>;

/// The namespace of pipeline-level variables.
pub const PIPELINE_NAMESPACE: &str = "variables";
/// The namespace with `PipelineExecutionId`.
pub const RESERVED_NAMESPACE: &str = "codepipeline";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    pub range: Range<usize>,
    pub namespace: &'a str,
    pub key: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("variable #{{{namespace}.{key}}} has no value")]
pub struct Unresolved {
    pub namespace: String,
    pub key: String,
}

/// The variable of that namespace.
pub const EXECUTION_ID: &str = "PipelineExecutionId";

/// Returns the variables by which an execution is known.
pub fn of_execution(id: ExecutionId) -> Namespace {
    Arc::new([(EXECUTION_ID.into(), id.to_string().into())].into())
}

/// Returns every `#{namespace.key}` in `text`; what is not of that form is plain text.
pub fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("#{").map(|at| from + at) {
        let Some(close) = text[open..].find('}').map(|at| open + at) else { break };
        let inside = &text[open + 2..close];
        match inside.split_once('.') {
            Some((namespace, key)) if is_name(namespace) && is_name(key) => {
                found.push(Reference { range: open..close + 1, namespace, key });
                from = close + 1;
            }
            _ => from = open + 2,
        }
    }
    found
}

/// Replaces every reference by the value of that namespace and key.
pub fn resolve(
    text: &str,
    value_of: &impl Fn(&str, &str) -> Option<Arc<str>>,
) -> Result<String, Unresolved> {
    let mut resolved = String::with_capacity(text.len());
    let mut copied = 0;
    for reference in references(text) {
        let value = value_of(reference.namespace, reference.key).ok_or_else(|| Unresolved {
            namespace: reference.namespace.to_owned(),
            key: reference.key.to_owned(),
        })?;
        resolved.push_str(&text[copied..reference.range.start]);
        resolved.push_str(&value);
        copied = reference.range.end;
    }
    resolved.push_str(&text[copied..]);
    Ok(resolved)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "@-_[]*$^".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(namespace: &str, key: &str) -> Option<Arc<str>> {
        let build = [("VERSION", "1.2"), ("EMPTY", ""), ("TRICK", "#{build.VERSION}")];
        let (_, value) = build.iter().find(|it| ("build", it.0) == (namespace, key))?;
        Some((*value).into())
    }

    #[test]
    fn references_become_values_and_the_rest_stays() {
        let text = "v#{build.VERSION}#{build.EMPTY} ${HOME} #{not a ref} #{build.VERSION} #{";
        assert_eq!(resolve(text, &value_of).unwrap(), "v1.2 ${HOME} #{not a ref} 1.2 #{");
    }

    #[test]
    fn values_are_not_resolved_again() {
        assert_eq!(resolve("#{build.TRICK}", &value_of).unwrap(), "#{build.VERSION}");
    }

    #[test]
    fn an_unknown_reference_is_named() {
        let error = resolve("#{build.MISSING}", &value_of).unwrap_err();
        assert_eq!(error.to_string(), "variable #{build.MISSING} has no value");
    }
}
