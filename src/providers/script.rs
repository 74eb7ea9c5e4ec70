//! Makes one shell script of an action's commands: in order, in one shell, the first failure
//! ends it, and output variables are written down when the shell ends.

use std::{fmt::Write, path::Path};

pub(super) fn script(commands: &[String], variables: &[String], variables_file: &Path) -> String {
    let mut script = String::from("set -e\n");
    if !variables.is_empty() {
        let file = quoted(&variables_file.to_string_lossy());
        script.push_str("__stagegate_variables() {\n");
        for name in variables {
            let _ = writeln!(
                script,
                "  if [ \"${{{name}+set}}\" ]; then printf '%s=%s\\0' {name} \"${name}\"; fi"
            );
        }
        let _ = writeln!(
            script,
            "}}\ntrap '__stagegate_variables >{}' EXIT",
            file.replace('\'', "'\\''")
        );
    }
    for command in commands {
        let _ = writeln!(script, "printf '%s\\n' {}", quoted(&format!("$ {command}")));
        // `set -e` does not see a failure on the left of `&&`; the status after the command does.
        let _ = writeln!(
            script,
            "{command}\n__stagegate_status=$?; [ \"$__stagegate_status\" -eq 0 ] || exit \"$__stagegate_status\""
        );
    }
    script
}

/// Reads what the script wrote down.
pub(super) fn parse_variables(bytes: &[u8]) -> impl Iterator<Item = (String, String)> {
    bytes.split(|byte| *byte == 0).filter_map(|entry| {
        let text = String::from_utf8_lossy(entry);
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
