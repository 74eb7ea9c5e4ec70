//! Ours beside the floor, in one run: `cargo bench`, or `cargo bench -- commit idle` to choose.
//!
//! The floor is the least the machine can do: an inotify event, a bare spawn, a pipe into a file,
//! `cp -a`. Quote the ratios; milliseconds are the machine's.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement starts programs, looks at the clock and prints"
)]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use notify::{RecursiveMode, Watcher};
use ratatui::layout::Rect;
use stagegate::{
    definition,
    engine::{Engine, Input, state::State},
    host::{
        log::LogReader,
        log_scan::{Keeps, Scan},
    },
    model::{SourceRevision, Timestamp},
    tui::{ColorChoice, Look, Picture},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_stagegate");

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let all: [(&str, fn()); 7] = [
        ("commit", commit),
        ("actions", actions),
        ("flood", flood),
        ("idle", idle),
        ("handover", handover),
        ("frame", frame),
        ("search", search),
    ];
    for (name, measure) in all {
        if chosen.is_empty() || chosen.iter().any(|it| it == name) {
            measure();
        }
    }
}

struct Lab {
    directory: TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { directory: TempDir::with_prefix("stagegate-bench-").unwrap() };
        std::fs::create_dir(lab.repository()).unwrap();
        lab.git(&["init", "--quiet", "--initial-branch=main"]);
        std::fs::write(lab.repository().join("file.txt"), "0\n").unwrap();
        lab.git(&["add", "--all"]);
        lab.git(&["commit", "--quiet", "-m", "first"]);
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=B", "-c", "user.email=b@example.org", "-c", "gc.auto=0"])
            .args(arguments)
            .current_dir(self.repository())
            .status();
        assert!(status.unwrap().success(), "git {arguments:?}");
    }

    fn pipeline(&self, name: &str, stages: &str) {
        let folder = self.repository().join(".stagegate");
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "name = \"{name}\"\n[[stage]]\nname = \"Source\"\n[[stage.action]]\nname = \"app\"\n\
             category = \"Source\"\nconfiguration = {{ BranchName = \"main\" }}\n{stages}"
        );
        std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.repository())
            .env("STAGEGATE_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Starts a runtime and waits until it answers.
    fn watch(&self) -> Running {
        let child = self.command(&["watch"]).spawn().unwrap();
        let ready = || self.command(&["status"]).status().unwrap().success();
        while !(self.path("state/runtime.sock").exists() && ready()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(500));
        Running(child)
    }

    fn run(&self, name: &str) -> Duration {
        let start = Instant::now();
        let status = self.command(&["run", name]).status().unwrap();
        assert!(status.success(), "{name} failed");
        start.elapsed()
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stage(name: &str, actions: &str) -> String {
    format!("[[stage]]\nname = \"{name}\"\n{actions}")
}

fn action(name: &str, run_order: usize, commands: &str) -> String {
    format!(
        "[[stage.action]]\nname = \"{name}\"\ncategory = \"Build\"\nrun_order = {run_order}\ncommands = [{commands}]\n"
    )
}

/// Reports the moment of each change in a folder.
fn stamps(folder: &Path) -> (impl Watcher + use<>, mpsc::Receiver<Instant>) {
    let (sender, receiver) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let moved = event.is_ok_and(|event| {
            !event.kind.is_access() && event.paths.iter().any(|it| it.extension().is_none())
        });
        if moved {
            let _ = sender.send(Instant::now());
        }
    })
    .unwrap();
    watcher.watch(folder, RecursiveMode::NonRecursive).unwrap();
    (watcher, receiver)
}

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    (values[last / 2], values[0], values[last * 95 / 100])
}

fn show(what: &str, values: Vec<f64>, unit: &str) -> f64 {
    let (median, least, most) = median(values);
    println!("  {what:<44} {median:>9.2} {unit}  (least {least:.2}, p95 {most:.2})");
    median
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// `git commit` called to the first action's process running.
fn commit() {
    println!("commit to first process, from the call of git commit");
    let lab = Lab::new();
    let marks = lab.path("marks");
    std::fs::create_dir(&marks).unwrap();
    let mark = marks.join("mark");
    lab.pipeline("p", &stage("Build", &action("make", 1, &format!("\": > {}\"", mark.display()))));
    let _runtime = lab.watch();
    let (_refs, floor) = stamps(&lab.repository().join(".git/refs/heads"));
    let (_marks, ours) = stamps(&marks);
    let (mut floors, mut oursall) = (Vec::new(), Vec::new());
    for number in 0..30 {
        while floor.try_recv().is_ok() || ours.try_recv().is_ok() {}
        let called = Instant::now();
        lab.git(&["commit", "--quiet", "--allow-empty", "-m", &format!("commit {number}")]);
        let patience = Duration::from_secs(10);
        floors.push(milliseconds(floor.recv_timeout(patience).unwrap() - called));
        oursall.push(milliseconds(ours.recv_timeout(patience).unwrap() - called));
        // The execution ends before the next commit, so that none waits for another.
        std::thread::sleep(Duration::from_millis(150));
    }
    let floor = show("floor: inotify on refs/heads", floors, "ms");
    let ours = show("ours: first command of the first action", oursall, "ms");
    println!("  ratio {:.2} (target 3)\n", ours / floor);
}

/// Three stages of actions one after the other, each with its log and durable record.
fn actions() {
    const EACH: usize = 100;
    println!("3 stages x {EACH} no-op actions, one at a time");
    let lab = Lab::new();
    let stages: String = (0..3)
        .map(|number| {
            let actions: String =
                (1..=EACH).map(|at| action(&format!("a{at}"), at, "\"true\"")).collect();
            stage(&format!("S{number}"), &actions)
        })
        .collect();
    lab.pipeline("p", &stages);
    lab.pipeline("none", &stage("S", &action("a", 1, "\"true\"")));
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        for _ in 0..3 * EACH {
            Command::new("sh").args(["-c", "true"]).status().unwrap();
        }
        let floor = start.elapsed();
        let start_up = lab.run("none");
        let ours = lab.run("p").saturating_sub(start_up);
        println!(
            "  bare spawn {:.3} ms, ours {:.3} ms an action",
            milliseconds(floor) / (3 * EACH) as f64,
            milliseconds(ours) / (3 * EACH) as f64
        );
        ratios.push(ours.as_secs_f64() / floor.as_secs_f64());
    }
    show("ratio (target 1.35)", ratios, "");
    println!();
}

/// A hundred megabytes of log from one action.
fn flood() {
    println!("log flood, 100 MB in 1,000,000 lines");
    let lab = Lab::new();
    let line = "x".repeat(99);
    let command = format!("yes {line} | head -n 1000000");
    lab.pipeline("p", &stage("Build", &action("make", 1, &format!("\"{command}\""))));
    lab.pipeline("none", &stage("S", &action("a", 1, "\"true\"")));
    let file = lab.path("flood");
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        let pump = format!("{{ {command}; }} | cat > {}", file.display());
        assert!(Command::new("sh").args(["-c", &pump]).status().unwrap().success());
        let floor = start.elapsed();
        let start_up = lab.run("none");
        let ours = lab.run("p").saturating_sub(start_up);
        println!(
            "  pipe to cat to file {:.0} ms, ours {:.0} ms",
            milliseconds(floor),
            milliseconds(ours)
        );
        ratios.push(ours.as_secs_f64() / floor.as_secs_f64());
    }
    show("ratio (target 1.25)", ratios, "");
    println!();
}

/// A runtime with ten pipelines and nothing to do.
fn idle() {
    const SECONDS: u64 = 30;
    println!("idle for {SECONDS} s with 10 pipelines on one repository");
    let lab = Lab::new();
    for number in 0..10 {
        lab.pipeline(&format!("p{number}"), &stage("S", &action("a", 1, "\"true\"")));
    }
    let runtime = lab.watch();
    // Threads of the start-up go after ten seconds without work.
    std::thread::sleep(Duration::from_secs(13));
    let before = Usage::of(runtime.0.id());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let after = Usage::of(runtime.0.id());
    let share = after.cpu_ns.saturating_sub(before.cpu_ns) as f64 / (SECONDS as f64 * 1e9) * 100.0;
    let wakes = after.switches.saturating_sub(before.switches) as f64 / SECONDS as f64;
    println!(
        "  {share:.4} % of a core (target 0.01), {wakes:.2} wake-ups/s (target 0.5), {:.1} MB (target 15)\n",
        after.rss_mb
    );
}

struct Usage {
    cpu_ns: u64,
    switches: u64,
    rss_mb: f64,
}

impl Usage {
    /// Sums up the threads of a process.
    fn of(pid: u32) -> Self {
        let mut usage = Self { cpu_ns: 0, switches: 0, rss_mb: 0.0 };
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            let schedstat = read(thread.path().join("schedstat"));
            let cpu = schedstat.split(' ').next().and_then(|it| it.parse::<u64>().ok());
            usage.cpu_ns += cpu.unwrap_or(0);
            let status = read(thread.path().join("status"));
            let line = status.lines().find(|it| it.starts_with("voluntary_ctxt_switches"));
            let count = line.and_then(|it| it.split_whitespace().nth(1)?.parse::<u64>().ok());
            usage.switches += count.unwrap_or(0);
        }
        let status = read(format!("/proc/{pid}/status").into());
        let line = status.lines().find(|it| it.starts_with("VmRSS"));
        let kilobytes = line.and_then(|it| it.split_whitespace().nth(1)?.parse::<f64>().ok());
        usage.rss_mb = kilobytes.unwrap_or(0.0) / 1024.0;
        usage
    }
}

/// A source tree of 5,000 files laid out for an action, packed by it, laid out for the next.
fn handover() {
    println!("hand-over of 5,000 files of 2 KB");
    let lab = Lab::new();
    for number in 0..5_000 {
        let folder = lab.repository().join(format!("tree/{:02}", number % 50));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{number}.txt")), format!("{number} ").repeat(400))
            .unwrap();
    }
    lab.git(&["add", "--all"]);
    lab.git(&["commit", "--quiet", "-m", "tree"]);
    let copy = lab.path("copy");
    let start = Instant::now();
    let from = lab.repository().join("tree");
    assert!(Command::new("cp").arg("-a").args([&from, &copy]).status().unwrap().success());
    println!("  floor: cp -a {:.0} ms", milliseconds(start.elapsed()));
    let start = Instant::now();
    let tar = lab.path("tar");
    assert!(Command::new("tar").arg("-cf").args([&tar, &from]).status().unwrap().success());
    println!("  floor: tar > file {:.0} ms", milliseconds(start.elapsed()));
    lab.pipeline("none", &stage("S", &action("a", 1, "\"true\"")));
    let first = lab.run("none");
    let second = lab.run("none");
    println!(
        "  ours: first use of the source {:.0} ms, second {:.0} ms (whole runs)",
        milliseconds(first),
        milliseconds(second)
    );
    let packed = action("a", 1, "\"true\"")
        + "output_artifacts = [{ name = \"out\", files = [\"tree\"] }]\n";
    lab.pipeline("packed", &stage("S", &packed));
    lab.run("packed");
    let packing = lab.run("packed");
    println!(
        "  ours: the same with the tree packed as an output {:.0} ms\n",
        milliseconds(packing)
    );
}

/// A log of 1 GB opened and searched, beside reading the file through.
fn search() {
    const LINES: usize = 10_000_000;
    println!("log of {LINES} lines, 1 GB");
    let directory = TempDir::with_prefix("stagegate-bench-").unwrap();
    let path = directory.path().join("log");
    let mut text = Vec::with_capacity(100 * LINES);
    for number in 0..LINES {
        let word = if number % 1_000_003 == 0 { "needle" } else { "nothing" };
        writeln!(text, "{number:>10} {word:<88}").unwrap();
    }
    std::fs::write(&path, &text).unwrap();
    let bytes = text.len() as f64;
    drop(text);
    let start = Instant::now();
    std::io::copy(&mut std::fs::File::open(&path).unwrap(), &mut std::io::sink()).unwrap();
    println!("  floor: the file read once {:.0} ms", milliseconds(start.elapsed()));
    let mut reader = LogReader::new(&path);
    let start = Instant::now();
    reader.refresh().unwrap();
    println!(
        "  its first lines are there after {:.0} ms (target 100)",
        milliseconds(start.elapsed())
    );
    while reader.is_behind() {
        reader.refresh().unwrap();
    }
    let indexed = start.elapsed().as_secs_f64();
    println!("  every line is known after {:.0} ms", indexed * 1e3);
    let start = Instant::now();
    reader.lines_at(LINES - 50, 50).unwrap();
    println!("  a jump to the end takes {:.2} ms", milliseconds(start.elapsed()));
    for words in ["needle", "Needle"] {
        let mut scan = Scan::new(words, Keeps::Matching);
        let start = Instant::now();
        while scan.is_behind() {
            reader.advance(&mut scan).unwrap();
        }
        let rate = bytes / start.elapsed().as_secs_f64() / 1e9;
        println!("  search for {words}: {rate:.2} GB/s (target 1), {} found", scan.found.len());
    }
    println!();
}

/// One frame at 200x60 with 100 pipelines.
fn frame() {
    println!("frame, 200x60, 100 pipelines");
    let mut engine = Engine::new(State::default(), 1, Timestamp(0));
    for number in 0..100 {
        let actions: String = (1..=5).map(|at| action(&format!("a{at}"), 1, "\"true\"")).collect();
        let stages: String = (0..10).map(|it| stage(&format!("S{it}"), &actions)).collect();
        let text = format!(
            "name = \"p{number:03}\"\n[[stage]]\nname = \"Source\"\n[[stage.action]]\nname = \"app\"\n\
             category = \"Source\"\nconfiguration = {{ BranchName = \"*\" }}\n{stages}"
        );
        let pipeline = definition::parse(Path::new("/p.toml"), &text).unwrap();
        let name = pipeline.name.clone();
        engine.apply(Input::DefinitionLoaded(Box::new(pipeline)), Timestamp(0)).unwrap();
        for heads in [Vec::new(), (0..20).map(head).map(Arc::new).collect()] {
            let (pipeline, action) = (name.clone(), "app".into());
            let observed = Input::SourceObserved { pipeline, action, heads };
            engine.apply(observed, Timestamp(0)).unwrap();
        }
    }
    let board = Arc::new(engine.board());
    let look = Look::choose(Some("midnight"), ColorChoice::Always, None, true, true).unwrap();
    let area = Rect::new(0, 0, 200, 60);
    let mut picture = Picture::new(Arc::clone(&board), look);
    let mut previous = picture.draw(area, Timestamp(0));
    let boards = (0..50).map(|_| {
        let start = Instant::now();
        picture.set_board(Arc::clone(&board));
        milliseconds(start.elapsed())
    });
    show("a new board taken in", boards.collect(), "ms");
    let times = (0..200).map(|at| {
        let start = Instant::now();
        let next = picture.draw(area, Timestamp(at * 1000));
        let changed = previous.diff(&next).len();
        std::hint::black_box(changed);
        previous = next;
        milliseconds(start.elapsed())
    });
    show("build of the picture plus diff (target 2)", times.collect(), "ms");
    println!();
}

fn head(number: usize) -> SourceRevision {
    SourceRevision {
        action: "app".into(),
        id: format!("{number:040x}").into(),
        branch: format!("branch-{number}").into(),
        tag: None,
        git_dir: Path::new("/repo/.git").into(),
        tree: "t".into(),
        message: "feat: a change with a subject of usual length".into(),
        author_name: "Mira".into(),
        author_email: "mira@example.org".into(),
        author_date: "2026-01-02T03:04:05Z".into(),
    }
}
