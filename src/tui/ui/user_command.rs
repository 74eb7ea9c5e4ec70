//! Command lines of the user's own, with the selection filled in.

use super::{Ui, Wish};

impl Ui {
    /// Fills `{pipeline}`, `{lane}`, `{stage}`, `{action}`, `{execution}`, `{revision}` and `{attempt}`
    /// in; each value is quoted for the shell.
    pub(super) fn user_command(&mut self, template: &str) -> Vec<Wish> {
        let selection = &self.selection;
        let revision = self.stage().and_then(|it| it.execution.as_ref()).map(|it| &it.revision.id);
        let values = [
            ("{pipeline}", selection.pipeline.as_ref().map(ToString::to_string)),
            ("{lane}", selection.lane.as_ref().map(ToString::to_string)),
            ("{stage}", selection.stage.as_ref().map(ToString::to_string)),
            ("{action}", selection.action.as_ref().map(ToString::to_string)),
            ("{execution}", self.execution().map(|it| it.to_string())),
            ("{revision}", revision.map(ToString::to_string)),
            ("{attempt}", self.shown().map(|it| it.id.to_string())),
        ];
        let values = values.map(|(name, value)| (name, value.unwrap_or_default()));
        vec![Wish::Run(fill_in(template, &values))]
    }
}

/// Replaces the names in one pass: what a value says is never a name.
fn fill_in(template: &str, values: &[(&str, String)]) -> String {
    let mut line = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        line.push_str(&rest[..at]);
        rest = &rest[at..];
        match values.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                line.push_str(&quoted(value));
                rest = &rest[name.len()..];
            }
            None => {
                line.push('{');
                rest = &rest[1..];
            }
        }
    }
    line + rest
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_never_read_again() {
        let values = [("{lane}", "it's {lane}; rm -rf /".to_owned())];
        let line = fill_in("git log {lane} {other}", &values);
        assert_eq!(line, r"git log 'it'\''s {lane}; rm -rf /' {other}");
    }
}
