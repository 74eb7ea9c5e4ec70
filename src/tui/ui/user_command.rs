//! Command lines of the user's own, with the selection filled in.

use super::{Ui, Wish};

impl Ui {
    /// Hands `{pipeline}`, `{lane}`, `{stage}`, `{action}`, `{execution}`, `{revision}` and
    /// `{attempt}` over as variables of the shell: whatever a branch is called, it is never code.
    pub(super) fn user_command(&mut self, template: &str) -> Vec<Wish> {
        let selection = &self.selection;
        let opened = self.story().filter(|_| self.opened.is_some());
        let opened = opened.and_then(|it| it.execution.revisions.first()).map(|it| &it.id);
        let revision = self.stage().and_then(|it| it.execution.as_ref()).map(|it| &it.revision.id);
        let values = [
            ("pipeline", selection.pipeline.as_ref().map(ToString::to_string)),
            ("lane", selection.lane.as_ref().map(ToString::to_string)),
            ("stage", selection.stage.as_ref().map(ToString::to_string)),
            ("action", selection.action.as_ref().map(ToString::to_string)),
            ("execution", self.execution().map(|it| it.to_string())),
            ("revision", opened.or(revision).map(ToString::to_string)),
            ("attempt", self.shown().map(|it| it.id.to_string())),
        ];
        let values = values.map(|(name, value)| (name, value.unwrap_or_default()));
        let line = values.iter().fold(template.to_owned(), |line, (name, _)| {
            line.replace(&format!("{{{name}}}"), &format!("\"${}\"", variable(name)))
        });
        let variables = values.map(|(name, value)| (variable(name), value)).into();
        vec![Wish::Run(UserLine { line, variables })]
    }
}

/// A command line and what it finds in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserLine {
    pub line: String,
    pub variables: Vec<(String, String)>,
}

fn variable(name: &str) -> String {
    format!("STAGEGATE_{}", name.to_uppercase())
}
