//! The parts of an action that may hold variables.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    EnvironmentVariable,
    variable::{self, Unresolved},
};

/// What an action is told: in a [`super::Pipeline`] as written, in an execution resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    pub configuration: BTreeMap<String, String>,
    pub commands: Vec<String>,
    pub environment_variables: Vec<EnvironmentVariable>,
    /// The container image in which the commands run, if not on the machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Instructions {
    /// Returns the URL of a Git source's repository: `scheme://…` or `host:path`, as git tells it
    /// from a path.
    pub fn remote_repository(&self) -> Option<&str> {
        let repository = self.configuration.get("RepositoryPath")?;
        let host = repository.split('/').next().unwrap_or_default();
        let is_path = repository.starts_with(['-', '/', '.']);
        (!is_path && (repository.contains("://") || host.contains(':'))).then_some(repository)
    }

    /// Replaces every reference by its value; without any, all executions share what is written.
    ///
    /// # Errors
    ///
    /// Names the first variable that has no value.
    pub fn resolve(
        self: &Arc<Self>,
        value_of: &impl Fn(&str, &str) -> Option<Arc<str>>,
    ) -> Result<Arc<Self>, Unresolved> {
        let environment = self.environment_variables.iter();
        let mut texts = self
            .configuration
            .values()
            .chain(&self.commands)
            .chain(environment.map(|it| &it.value))
            .chain(&self.image);
        if texts.all(|text| variable::references(text).is_empty()) {
            return Ok(Arc::clone(self));
        }
        let resolve = |text: &String| variable::resolve(text, value_of);
        let configuration = self.configuration.iter();
        let environment = self.environment_variables.iter();
        Ok(Arc::new(Self {
            configuration: configuration
                .map(|(key, value)| Ok((key.clone(), resolve(value)?)))
                .collect::<Result<_, Unresolved>>()?,
            commands: self.commands.iter().map(resolve).collect::<Result<_, _>>()?,
            environment_variables: environment
                .map(|it| Ok(EnvironmentVariable { value: resolve(&it.value)?, ..it.clone() }))
                .collect::<Result<_, Unresolved>>()?,
            image: self.image.as_ref().map(resolve).transpose()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::Instructions;

    #[test]
    fn what_lies_elsewhere_is_told_from_a_path_as_git_does() {
        let is_remote = |repository: &str| {
            let configuration = [("RepositoryPath".to_owned(), repository.to_owned())].into();
            let instructions = Instructions { configuration, ..Instructions::default() };
            instructions.remote_repository().is_some()
        };
        for url in ["https://example.org/a.git", "git@example.org:a/b.git", "file:///srv/a", "h:a"]
        {
            assert!(is_remote(url), "{url}");
        }
        for path in [".", "..", "../a", "/srv/a:b", "a/b:c", "./a:b", "-oProxy=x://y", ""] {
            assert!(!is_remote(path), "{path}");
        }
    }
}
