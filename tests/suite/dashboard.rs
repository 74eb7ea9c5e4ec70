//! The dashboard in a real terminal: tmux types and reads.

use std::process::Command;

use crate::support::{GATE, Home, PROGRAM, eventually, pipeline, stage};

/// A tmux server of the test's own.
struct Terminal {
    socket: String,
}

/// Tells whether tmux is there; without it these tests say so and do nothing, except in CI.
fn has_tmux() -> bool {
    let there = Command::new("tmux").arg("-V").output().is_ok();
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI has tmux");
        eprintln!("skipped: tmux is not installed");
    }
    there
}

impl Terminal {
    /// Opens a shell in the home's repository.
    fn open(home: &Home, columns: u16, rows: u16) -> Self {
        let socket = home.root().join("tmux").to_string_lossy().into_owned();
        let terminal = Self { socket };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, "sh"]);
        terminal.tmux(&["set", "-s", "escape-time", "0"]);
        let enter = format!(
            "cd '{}'; export STAGEGATE_STATE_DIR='{}' USER=sam HOME='{}' PS1='ready> '; clear",
            home.repository().display(),
            home.state_dir().display(),
            home.root().display()
        );
        terminal.line(&enter);
        terminal.wait_for("ready>");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output =
            Command::new("tmux").args(["-S", &self.socket]).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.tmux(&["send-keys", "Enter"]);
    }

    fn keys(&self, keys: &[&str]) {
        for key in keys {
            self.tmux(&["send-keys", key]);
        }
    }

    #[track_caller]
    fn wait_for(&self, text: &str) -> String {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(text, || Some(self.screen()).filter(|screen| screen.contains(text)))
        }));
        found.unwrap_or_else(|_| panic!("{text:?} is not on the screen:\n{}", self.screen()))
    }

    #[track_caller]
    fn wait_until_gone(&self, text: &str) {
        eventually(&format!("{text} is gone"), || (!self.screen().contains(text)).then_some(()));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_commit_walks_through_and_a_gate_is_approved_by_key() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", GATE));
    let terminal = Terminal::open(&home, 120, 36);
    terminal.line(PROGRAM);
    terminal.wait_for("The next commit starts an execution");
    home.commit("feat: pears");
    terminal.wait_for("waits for you");
    terminal.keys(&["a"]);
    let dialog = terminal.wait_for("reject instead");
    assert!(
        dialog.contains("Review: Release / gate") && dialog.contains("feat: pears"),
        "{dialog}"
    );
    // A confirmation that was typed ahead does not count; one after the dialog has armed does.
    eventually("y approves", || {
        terminal.keys(&["y"]);
        (!terminal.screen().contains("reject instead")).then_some(())
    });
    home.newest_becomes("shop", "Succeeded");
    terminal.keys(&["q"]);
    terminal.wait_for("ready>");
}

#[test]
fn a_rejection_needs_its_reason_typed() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", GATE));
    let terminal = Terminal::open(&home, 80, 24);
    terminal.line(PROGRAM);
    terminal.wait_for("The next commit starts an execution");
    home.commit("feat: pears");
    terminal.wait_for("waits for you");
    terminal.keys(&["x"]);
    terminal.wait_for("done typing");
    terminal.tmux(&["send-keys", "-l", "yes, but not today"]);
    terminal.keys(&["Tab"]);
    eventually("y rejects", || {
        terminal.keys(&["y"]);
        (!terminal.screen().contains("Review:")).then_some(())
    });
    let failed = home.newest_becomes("shop", "Failed");
    let gate = home.action(&failed, "gate").unwrap();
    assert_eq!(gate["output"]["executionResult"]["externalExecutionSummary"], "yes, but not today");
    terminal.wait_for("rejected by sam@");
}

#[test]
fn a_failure_opens_its_log_and_r_runs_it_again() {
    if !has_tmux() {
        return;
    }
    let stages = stage(
        "Build",
        "make",
        r#"commands = ["test -e ../../../../../../../fixed || { echo 'error: it is broken'; exit 3; }"]"#,
    );
    let home = Home::with_pipeline(&pipeline("shop", "main", &stages));
    let terminal = Terminal::open(&home, 120, 36);
    terminal.line(PROGRAM);
    terminal.wait_for("The next commit starts an execution");
    home.commit("change");
    home.newest_becomes("shop", "Failed");
    terminal.keys(&["!"]);
    terminal.wait_for("error: it is broken");
    terminal.wait_for("exit code 3");
    std::fs::write(home.root().join("fixed"), "").unwrap();
    terminal.keys(&["r"]);
    home.newest_becomes("shop", "Succeeded");
    terminal.wait_for("attempt 2");
}

#[test]
fn help_palette_resize_and_suspend_leave_everything_in_order() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", GATE));
    let terminal = Terminal::open(&home, 120, 36);
    terminal.line(PROGRAM);
    terminal.wait_for("The next commit starts an execution");
    terminal.keys(&["?"]);
    terminal.wait_for("Review the gate");
    terminal.keys(&["Escape", ":"]);
    terminal.tmux(&["send-keys", "-l", "theme"]);
    terminal.wait_for("Next theme");
    terminal.keys(&["Enter"]);
    terminal.wait_for("theme midnight");
    for (columns, rows) in [("20", "5"), ("200", "50"), ("1", "1"), ("61", "11"), ("100", "30")] {
        terminal.tmux(&["resize-window", "-x", columns, "-y", rows]);
    }
    terminal.wait_for("The next commit starts an execution");
    terminal.keys(&["C-z"]);
    terminal.wait_for("ready>");
    terminal.line("fg");
    terminal.wait_for("The next commit starts an execution");
    terminal.keys(&["C-c"]);
    terminal.wait_for("ready>");
    terminal.line("echo typed $((40 + 2))");
    terminal.wait_for("typed 42");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", GATE));
    let terminal = Terminal::open(&home, 100, 30);
    for signal in ["TERM", "HUP"] {
        terminal.line(&format!("clear; {PROGRAM}; echo \"ended $?\""));
        terminal.wait_for("The next commit starts an execution");
        let pid = std::fs::read_to_string(home.state_dir().join("runtime.lock")).unwrap();
        Command::new("kill").args([&format!("-{signal}"), pid.trim()]).status().unwrap();
        terminal.wait_for("ended 0");
        terminal.line("echo typed $((40 + 2))");
        terminal.wait_for("typed 42");
    }
}

#[test]
fn a_second_dashboard_attaches_and_both_see_the_same() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", GATE));
    let watch = home.watch();
    let terminal = Terminal::open(&home, 120, 36);
    terminal.line(PROGRAM);
    terminal.wait_for("The next commit starts an execution");
    home.commit("feat: pears");
    terminal.wait_for("waits for you");
    terminal.keys(&["a"]);
    terminal.wait_for("reject instead");
    home.ok(&["approve", "shop"]);
    terminal.wait_until_gone("reject instead");
    home.newest_becomes("shop", "Succeeded");
    watch.kill_hard();
    terminal.wait_for("runtime gone");
    terminal.keys(&["q"]);
    terminal.wait_for("ready>");
}

#[test]
fn a_dashboard_can_be_left_and_its_runtime_goes_on() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", GATE));
    let terminal = Terminal::open(&home, 100, 30);
    terminal.line(PROGRAM);
    terminal.wait_for("The next commit starts an execution");
    home.commit("feat: pears");
    terminal.wait_for("waits for you");
    terminal.keys(&["q"]);
    terminal.wait_for("background");
    eventually("b leaves", || {
        terminal.keys(&["b"]);
        terminal.screen().contains("in the background;").then_some(())
    });
    let token = home.open_gate("shop");
    home.ok(&["approve", "shop/Release/gate", "--token", &token, "-m", "ok"]);
    home.newest_becomes("shop", "Succeeded");
    assert!(home.run(&["shutdown"]).stderr.contains("has ended"));
}
