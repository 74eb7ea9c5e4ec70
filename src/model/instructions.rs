//! The parts of an action that may hold variables.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    EnvironmentVariable,
    variable::{self, Unresolved, Variables},
};

/// What an action is told: in a [`super::Pipeline`] as written, in an execution resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    pub configuration: BTreeMap<String, String>,
    pub commands: Vec<String>,
    pub environment_variables: Vec<EnvironmentVariable>,
}

impl Instructions {
    /// Replaces every reference by its value; without any, all executions share what is written.
    ///
    /// # Errors
    ///
    /// Names the first variable that has no value.
    pub fn resolve(self: &Arc<Self>, variables: &Variables) -> Result<Arc<Self>, Unresolved> {
        let environment = self.environment_variables.iter();
        let mut texts = self
            .configuration
            .values()
            .chain(&self.commands)
            .chain(environment.map(|it| &it.value));
        if texts.all(|text| variable::references(text).is_empty()) {
            return Ok(Arc::clone(self));
        }
        let resolve = |text: &String| variable::resolve(text, variables);
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
        }))
    }
}
