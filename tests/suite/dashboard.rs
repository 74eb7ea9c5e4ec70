//! The dashboard in a real terminal: tmux types and reads.

use std::process::Command;

use crate::support::{GATE, Home, PROGRAM, eventually, pipeline, stage};

/// A tmux server of the test's own.
pub(crate) struct Terminal {
    socket: String,
}

/// Tells whether tmux is there; without it these tests say so and do nothing, except in CI.
pub(crate) fn has_tmux() -> bool {
    let there = Command::new("tmux").arg("-V").output().is_ok();
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI has tmux");
        eprintln!("skipped: tmux is not installed");
    }
    there
}

impl Terminal {
    /// Opens a shell in the home's repository.
    pub(crate) fn open(home: &Home, columns: u16, rows: u16) -> Self {
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

    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Returns the screen with its colours.
    pub(crate) fn colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-N"])
    }

    pub(crate) fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.tmux(&["send-keys", "Enter"]);
    }

    pub(crate) fn keys(&self, keys: &[&str]) {
        for key in keys {
            self.tmux(&["send-keys", key]);
        }
    }

    /// Presses Escape and waits until what it closes is gone: a key that comes at once after it
    /// would be read as one with Alt.
    #[track_caller]
    pub(crate) fn escape(&self, gone: &str) {
        self.keys(&["Escape"]);
        self.wait_until_gone(gone);
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(text, || Some(self.screen()).filter(|screen| screen.contains(text)))
        }));
        found.unwrap_or_else(|_| panic!("{text:?} is not on the screen:\n{}", self.screen()))
    }

    /// Leaves a dashboard that runs its runtime: it asks what becomes of it.
    #[track_caller]
    fn leave(&self) {
        self.keys(&["q"]);
        self.wait_for("the runtime goes on in the background");
        eventually("y leaves", || {
            self.keys(&["y"]);
            self.screen().contains("ready>").then_some(())
        });
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
    terminal.wait_for("Release Succeeded");
    terminal.leave();
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
        (!terminal.screen().contains("REJECT:")).then_some(())
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
    terminal.escape("Review the gate");
    terminal.keys(&[":"]);
    terminal.tmux(&["send-keys", "-l", "theme"]);
    terminal.wait_for("Choose a theme");
    terminal.keys(&["Enter"]);
    terminal.wait_for("modus-tritanopia");
    terminal.keys(&["j", "Enter"]);
    terminal.wait_until_gone("modus-tritanopia");
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
    let watch = home.watch_unready();
    terminal.wait_until_gone("runtime gone");
    home.commit("feat: plums");
    terminal.wait_for("waits for you");
    terminal.keys(&["q"]);
    terminal.wait_for("ready>");
    drop(watch);
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

const NOISY: &str = r#"
[[stage]]
name = "Build"
[[stage.action]]
name = "make"
category = "Build"
commands = ["for n in $(seq 1 3000); do echo line $n; done; echo a needle here; echo done"]
output_artifacts = [{ name = "out", files = ["file.txt"] }]
"#;

#[test]
fn a_finished_execution_is_searched_browsed_and_played_again() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", NOISY));
    let terminal = Terminal::open(&home, 140, 40);
    terminal.line(PROGRAM);
    terminal.wait_for("The next commit starts an execution");
    home.commit("feat: pears");
    home.newest_becomes("shop", "Succeeded");
    terminal.keys(&["4"]);
    terminal.wait_for("critical path");
    terminal.keys(&["G"]);
    terminal.wait_for("3003 lines");
    // Search and filter go through the whole log.
    terminal.keys(&["/"]);
    terminal.tmux(&["send-keys", "-l", "line 1234"]);
    terminal.keys(&["Enter"]);
    terminal.wait_for("/line 1234 1 of 1");
    terminal.escape("/line 1234");
    terminal.keys(&["&"]);
    terminal.tmux(&["send-keys", "-l", "needle"]);
    terminal.keys(&["Enter"]);
    terminal.wait_for("a needle here");
    terminal.wait_until_gone("line 2999");
    // Whoever searches is in the detail pane.
    terminal.escape("&needle");
    terminal.keys(&["]"]);
    terminal.wait_for("1 files");
    terminal.keys(&["Enter"]);
    terminal.wait_for("artifact out");
    terminal.escape("artifact out");
    terminal.keys(&["[", "1"]);
    terminal.keys(&[","]);
    let past = terminal.wait_for("PAST");
    assert!(past.contains("Succeeded"), "{past}");
    terminal.keys(&["{", "{", "S"]);
    terminal.wait_for("this is the past");
    terminal.keys(&["Escape"]);
    terminal.wait_until_gone("PAST");
    terminal.keys(&["3"]);
    terminal.wait_for("executions of shop");
    terminal.keys(&["6"]);
    terminal.wait_for("lead time");
    terminal.keys(&["q"]);
    terminal.leave();
}

#[test]
fn settings_bring_keys_and_commands_and_are_read_again_when_they_change() {
    if !has_tmux() {
        return;
    }
    let home = Home::with_pipeline(&pipeline("shop", "main", GATE));
    let folder = home.root().join(".config/stagegate");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = folder.join("config.toml");
    let text = "[dashboard.keys]\n\"f2\" = \"fleet\"\n\"f3\" = \"fleeet\"\n\
                [[dashboard.command]]\nkey = \"f4\"\nrun = \"echo at {pipeline}\"\n";
    std::fs::write(&settings, text).unwrap();
    let terminal = Terminal::open(&home, 120, 36);
    terminal.line(PROGRAM);
    terminal.wait_for(":3: there is no command fleeet; did you mean fleet?");
    terminal.keys(&["F2"]);
    terminal.wait_for("all pipelines");
    terminal.keys(&["F4"]);
    terminal.wait_for("Enter goes back");
    assert!(terminal.screen().contains("at shop"), "{}", terminal.screen());
    terminal.keys(&["Enter"]);
    terminal.wait_for("all pipelines");
    std::fs::write(&settings, "[dashboard.keys]\n\"f5\" = \"events\"\n").unwrap();
    eventually("the new key acts", || {
        terminal.keys(&["F5"]);
        terminal.screen().contains("events, the newest").then_some(())
    });
    terminal.keys(&["C-c"]);
    terminal.wait_for("ready>");
}

#[test]
fn where_nothing_is_yet_the_dashboard_greets_and_leads_on() {
    if !has_tmux() {
        return;
    }
    let home = Home::new();
    let terminal = Terminal::open(&home, 100, 30);
    terminal.line(PROGRAM);
    terminal.wait_for("Nothing here yet");
    assert!(!home.state_dir().exists(), "looking writes nothing");
    terminal.keys(&["i"]);
    terminal.wait_for("The next commit starts an execution");
    assert!(home.repository().join("stagegate.toml").is_file());
    terminal.leave();
}
