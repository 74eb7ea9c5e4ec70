//! Programs that hand out secrets: the user's own command, or the keyring's `secret-tool`.

use std::{path::Path, process::Stdio, time::Duration};

/// Nobody is there to unlock anything: whoever asks for a password waits in vain.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns what a program prints. What it says on the side stays out of our errors: it may be a
/// part of the secret.
#[expect(clippy::disallowed_methods, reason = "the one place that starts programs for secrets")]
pub async fn output_of(
    program: &str,
    arguments: &[&str],
    directory: &Path,
) -> Result<String, String> {
    let running = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(PATIENCE, running).await;
    let output = match ended {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("cannot start {program}: {error}")),
        Err(_) => return Err(format!("{program} did not answer within {PATIENCE:?}")),
    };
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status));
    }
    match String::from_utf8(output.stdout) {
        Ok(text) if !text.is_empty() => Ok(text),
        Ok(_) => Err(format!("{program} printed nothing")),
        Err(_) => Err(format!("what {program} printed is no UTF-8")),
    }
}
