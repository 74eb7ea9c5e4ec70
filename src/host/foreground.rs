//! Programs that take the terminal over for a while: a pager, a command line of the user's.

#![expect(clippy::disallowed_methods, reason = "this module starts programs in the foreground")]

use std::{io, path::Path, process::Command};

use crate::ansi;

/// Shows a file in the user's pager and waits until it is closed.
pub fn page(file: &Path) -> io::Result<()> {
    let pager = std::env::var("PAGER").ok().filter(|it| !it.trim().is_empty());
    let line = format!("{} \"$1\"", pager.as_deref().unwrap_or("less -R"));
    wait(Command::new("sh").args(["-c", &line, "sh"]).arg(file)).map(drop)
}

/// Runs a command line with these variables and waits until somebody has read what it said.
pub fn run(line: &str, variables: &[(String, String)]) -> io::Result<()> {
    println_plain(&format!("$ {line}"))?;
    for (name, value) in variables.iter().filter(|(name, _)| line.contains(name)) {
        println_plain(&format!("  {name}={}", ansi::one_line(value)))?;
    }
    let variables = variables.iter().map(|(name, value)| (name, value));
    let code = wait(Command::new("sh").args(["-c", line]).envs(variables))?;
    let words = code.map_or_else(|| "ended by a signal".to_owned(), |it| format!("exit code {it}"));
    println_plain(&format!("\n{words}; Enter goes back"))?;
    io::stdin().read_line(&mut String::new()).map(drop)
}

/// Waits for the end of a program; returns its exit code. When it is stopped from the keyboard we
/// stop with it, so that the shell below gets its turn and continues both.
fn wait(command: &mut Command) -> io::Result<Option<i32>> {
    use rustix::process::{Pid, Signal, WaitOptions, getpgrp, kill_process_group, waitpid};
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    loop {
        let Some((_, status)) = waitpid(pid, WaitOptions::UNTRACED)? else { continue };
        if status.stopped() {
            kill_process_group(getpgrp(), Signal::STOP)?;
        } else {
            return Ok(status.exit_status());
        }
    }
}

/// Starts a command line that nobody waits for.
pub fn tell(line: &str, event: &str) -> io::Result<()> {
    use std::process::Stdio;
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("STAGEGATE_EVENT", event);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // Somebody must take its end, or it stays in the table of processes.
    std::thread::spawn(move || child.wait());
    Ok(())
}

fn println_plain(text: &str) -> io::Result<()> {
    use io::Write;
    let mut stdout = io::stdout();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}
