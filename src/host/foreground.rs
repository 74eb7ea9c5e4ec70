//! Programs that take the terminal over for a while: a pager, a command line of the user's.

#![expect(clippy::disallowed_methods, reason = "this module starts programs in the foreground")]

use std::{io, path::Path, process::Command};

/// Shows a file in the user's pager and waits until it is closed.
pub fn page(file: &Path) -> io::Result<()> {
    let pager = std::env::var("PAGER").ok().filter(|it| !it.trim().is_empty());
    let line = format!("{} \"$1\"", pager.as_deref().unwrap_or("less -R"));
    Command::new("sh").args(["-c", &line, "sh"]).arg(file).status().map(drop)
}

/// Runs a command line and waits until somebody has read what it said.
pub fn run(line: &str) -> io::Result<()> {
    println_plain(&format!("$ {line}"))?;
    let status = Command::new("sh").args(["-c", line]).status()?;
    println_plain(&format!("\n{status}; Enter goes back"))?;
    io::stdin().read_line(&mut String::new()).map(drop)
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
