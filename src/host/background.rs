//! A copy of this program that outlives its terminal.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io,
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::Path,
    process::Stdio,
};

/// Starts `program` without a terminal; what it says is added to `log`.
#[expect(clippy::disallowed_methods, reason = "the one place that starts a runtime")]
pub fn start(
    program: &Path,
    arguments: &[OsString],
    log: &Path,
) -> io::Result<tokio::process::Child> {
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    let mut command = std::process::Command::new(program);
    command.arg0("stagegate").args(arguments);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    tokio::process::Command::from(command).spawn()
}

/// Makes this process the leader of a session of its own: no terminal can take it along.
pub fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}
