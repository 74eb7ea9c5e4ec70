//! `doctor`: what this machine offers, and what to do where that is too little.

use std::{collections::BTreeSet, os::fd::AsFd, path::Path};

use notify::{RecursiveMode, Watcher};
use rustix::{
    fs::{Access, access, statvfs},
    process::{Resource, getrlimit},
};
use serde_json::json;

use super::{
    Exit, Failure,
    args::{Doctor, Global},
    config, output, serve,
};
use crate::{
    definition,
    host::{ContainerEngine, Git, StateDir},
    runtime::{self, DefinitionFiles, RuntimeHandle},
    tui, words,
};

/// The first git that knows everything we ask it (`--path-format`).
const OLDEST_GIT: (u32, u32) = (2, 31);
/// What logs, artifacts and workspaces should find.
const ENOUGH_SPACE: u64 = 1 << 30;
/// A watched repository, a running action and an attached dashboard take a handful each.
const ENOUGH_FILES: u64 = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Good,
    /// It works, but less well.
    Poor,
    Bad,
}

/// What was looked at, what was found, and what to do about it.
struct Finding {
    about: &'static str,
    health: Health,
    words: String,
    remedy: Option<String>,
}

impl Finding {
    fn good(about: &'static str, words: impl Into<String>) -> Self {
        Self { about, health: Health::Good, words: words.into(), remedy: None }
    }

    fn poor(about: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { about, health: Health::Poor, words: words.into(), remedy }
    }

    fn bad(about: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { health: Health::Bad, ..Self::poor(about, words, remedy) }
    }
}

pub(super) async fn doctor(
    state_dir: StateDir,
    global: &Global,
    arguments: Doctor,
) -> Result<Exit, Failure> {
    let mut findings = vec![git().await];
    findings.extend(directory(&state_dir));
    findings.extend(history(&state_dir));
    findings.push(runtime(&state_dir).await);
    findings.push(watching(state_dir.path()));
    findings.push(open_files());
    findings.push(pipelines(global).await);
    findings.push(containers(global));
    findings.push(settings(global));
    findings.push(terminal());
    let worst = findings.iter().map(|it| it.health).max();
    if arguments.json {
        let list = findings.iter().map(|it| {
            json!({
                "about": it.about,
                "health": label(it.health),
                "finding": it.words,
                "remedy": it.remedy,
            })
        });
        output::json(&list.collect());
    } else {
        findings.iter().for_each(print);
    }
    Ok(if worst == Some(Health::Bad) { Exit::Usage } else { Exit::Done })
}

fn label(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::Poor => "poor",
        Health::Bad => "bad",
    }
}

fn print(finding: &Finding) {
    let Finding { about, health, words, remedy } = finding;
    output::line(format!("{:<5} {about:<16} {words}", label(*health)));
    if let Some(remedy) = remedy {
        output::line(format!("{:>25} {remedy}", "->"));
    }
}

async fn git() -> Finding {
    let version = match Git::anywhere("--version").text().await {
        Ok(text) => text.trim_start_matches("git version ").to_owned(),
        Err(error) => return Finding::bad("git", error.to_string(), "install git"),
    };
    let mut numbers = version.split('.').map_while(|it| it.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST_GIT {
        let (major, minor) = OLDEST_GIT;
        return Finding::bad("git", version, format!("install git {major}.{minor} or newer"));
    }
    Finding::good("git", version)
}

fn directory(state_dir: &StateDir) -> Vec<Finding> {
    let path = state_dir.path().display();
    if !state_dir.path().exists() {
        return vec![Finding::good("state directory", format!("{path}, made when it is needed"))];
    }
    if let Err(error) = access(state_dir.path(), Access::READ_OK | Access::WRITE_OK) {
        let words = format!("{path} cannot be used: {error}");
        return vec![Finding::bad("state directory", words, "name another one with --state-dir")];
    }
    let mut findings = vec![Finding::good("state directory", path.to_string())];
    if let Ok(disk) = statvfs(state_dir.path()) {
        let free = disk.f_bavail * disk.f_frsize;
        let words = format!("{} free", bytesize::ByteSize(free));
        findings.push(if free < ENOUGH_SPACE {
            let remedy = "`stagegate gc --dry-run` says what could go; [keep] sets what stays";
            Finding::poor("disk", words, remedy)
        } else {
            Finding::good("disk", words)
        });
    }
    findings
}

fn history(state_dir: &StateDir) -> Option<Finding> {
    if !state_dir.exists() {
        return None;
    }
    Some(match runtime::check_history(&state_dir.database()) {
        Ok(None) => Finding::good("history", "every page is sound"),
        Ok(Some(damage)) => {
            let remedy = "end the runtime, move stagegate.db away and restore it from a backup";
            Finding::bad("history", damage, remedy)
        }
        Err(error) => {
            let remedy = error.hint().unwrap_or("see who may read the state directory");
            Finding::bad("history", error.to_string(), remedy)
        }
    })
}

async fn runtime(state_dir: &StateDir) -> Finding {
    match RuntimeHandle::attach(state_dir.clone()).await {
        Ok(Some(_)) => {
            let pid = state_dir.holder().map_or_else(String::new, |pid| format!("process {pid}"));
            Finding::good("runtime", format!("{pid} serves the directory and answers"))
        }
        Ok(None) => Finding::good("runtime", "none is running; the dashboard runs one inside"),
        Err(error) => {
            let remedy = "`stagegate shutdown` ends it; running actions go on without it";
            Finding::poor("runtime", error.to_string(), remedy)
        }
    }
}

/// Watches the state directory for a moment, as repositories are watched.
fn watching(directory: &Path) -> Finding {
    let directory = directory.ancestors().find(|it| it.exists()).unwrap_or(directory);
    let watched = notify::recommended_watcher(|_| {})
        .and_then(|mut it| it.watch(directory, RecursiveMode::NonRecursive));
    match watched {
        Ok(()) => Finding::good("watching", "commits in repositories here are seen at once"),
        Err(error) => {
            let words = format!("commits are seen after up to two seconds: {error}");
            Finding::poor("watching", words, "raise fs.inotify.max_user_instances and _watches")
        }
    }
}

fn open_files() -> Finding {
    let limit = getrlimit(Resource::Nofile).current;
    let words = limit.map_or_else(|| "no limit".to_owned(), |it| format!("at most {it}"));
    match limit {
        Some(limit) if limit < ENOUGH_FILES => {
            Finding::poor("open files", words, "raise `ulimit -n`; actions would have to wait")
        }
        Some(_) | None => Finding::good("open files", words),
    }
}

async fn pipelines(global: &Global) -> Finding {
    let roots = match serve::pipeline_files(global).await {
        Ok(roots) => roots,
        Err(failure) => return Finding::bad("pipeline files", failure.message, "correct -f"),
    };
    let files = DefinitionFiles::new(roots).files();
    if files.is_empty() {
        let remedy = "`stagegate init` writes one for this repository";
        return Finding::poor("pipeline files", "none is found from here", remedy);
    }
    let mut names = BTreeSet::new();
    let mut is_wrong = |path: &&std::path::PathBuf| {
        let text = std::fs::read_to_string(path).ok();
        let read = text.and_then(|text| definition::parse(path, &text).ok());
        read.is_none_or(|it| !names.insert(it.name))
    };
    match files.iter().find(&mut is_wrong) {
        None => Finding::good("pipeline files", words::count(files.len(), "valid file")),
        Some(wrong) => {
            let wrong = wrong.display();
            let remedy = format!("`stagegate validate {wrong}` says what is wrong");
            Finding::bad("pipeline files", format!("{wrong} is wrong"), remedy)
        }
    }
}

fn containers(global: &Global) -> Finding {
    let settings = config::runtime(global).map(|(_, containers)| containers).unwrap_or_default();
    let words = match ContainerEngine::find(&settings) {
        Some(engine) => engine.program().to_owned(),
        None => "no podman or docker; only actions with an `image` need one".to_owned(),
    };
    Finding::good("containers", words)
}

fn settings(global: &Global) -> Finding {
    match config::runtime(global) {
        Ok(_) => Finding::good("settings", "read"),
        Err(failure) => Finding::bad("settings", failure.message, failure.hint.unwrap_or_default()),
    }
}

fn terminal() -> Finding {
    let stdout = std::io::stdout();
    let Ok(size) = rustix::termios::tcgetwinsize(stdout.as_fd()) else {
        return Finding::good("terminal", "none; `watch`, `run` and the reading verbs need none");
    };
    let (columns, rows) = (size.ws_col, size.ws_row);
    let words = format!("{} {columns}x{rows}", std::env::var("TERM").unwrap_or_default());
    if !tui::speaks_unicode() {
        let words = format!("{words}, no UTF-8 locale");
        return Finding::poor("terminal", words, "set LANG to a UTF-8 locale for finer lines");
    }
    if !tui::has_true_colour() {
        let words = format!("{words}, 256 colours");
        return Finding::poor("terminal", words, "COLORTERM=truecolor, if the terminal has it");
    }
    if columns < 80 || rows < 24 {
        return Finding::poor("terminal", words, "80x24 shows everything that matters");
    }
    Finding::good("terminal", words)
}
