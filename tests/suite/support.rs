//! Repositories, state directories and runtimes of a test's own. Nothing here waits for time to
//! pass: it waits for a condition, with a deadline.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before it counts as never.
pub(crate) fn patience() -> Duration {
    let seconds = std::env::var("STAGEGATE_TEST_PATIENCE").ok().and_then(|it| it.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

/// Looks again and again until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_stagegate");

/// A folder with a repository on branch `main` and a state directory beside it.
pub(crate) struct Home {
    directory: TempDir,
    pub environment: Vec<(String, String)>,
}

pub(crate) struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self::without_commit();
        home.commit("first");
        home
    }

    pub(crate) fn without_commit() -> Self {
        let directory = TempDir::with_prefix("stagegate-test-").unwrap();
        let home = Self { directory, environment: Vec::new() };
        std::fs::create_dir(home.repository()).unwrap();
        home.git(&["init", "--quiet", "--initial-branch=main"]);
        home
    }

    /// A home whose repository holds a pipeline that is not part of any commit.
    pub(crate) fn with_pipeline(text: &str) -> Self {
        let home = Self::new();
        home.write_pipeline(text);
        home
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.root().join("repository")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.root().join("state")
    }

    pub(crate) fn write_pipeline(&self, text: &str) {
        std::fs::write(self.repository().join("stagegate.toml"), text).unwrap();
    }

    pub(crate) fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Mira", "-c", "user.email=mira@example.org"])
            .args(["-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(directory)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.root())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.repository(), arguments)
    }

    /// Commits a change and returns its id.
    pub(crate) fn commit(&self, subject: &str) -> String {
        let path = self.repository().join("file.txt");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, format!("{before}{subject}\n")).unwrap();
        self.git(&["add", "file.txt"]);
        self.git(&["commit", "--quiet", "-m", subject]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.repository())
            .env("STAGEGATE_STATE_DIR", self.state_dir())
            .env("HOME", self.root())
            .env("USER", "sam")
            .env_remove("XDG_CONFIG_HOME")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        Finished {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!(finished.code, 0, "{arguments:?}: {}", finished.stderr);
        finished.stdout
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// Starts a runtime and waits until it has taken its baseline.
    pub(crate) fn watch(&self) -> Watch {
        let watch = self.watch_unready();
        watch.wait_for("watching from");
        watch
    }

    pub(crate) fn watch_unready(&self) -> Watch {
        self.background(&["watch"])
    }

    /// Starts a command that ends with the test at the latest.
    pub(crate) fn background(&self, arguments: &[&str]) -> Watch {
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let mut lines = lines.lock().unwrap();
                    lines.push_str(&line);
                    lines.push('\n');
                }
            });
        }
        Watch { child, lines }
    }

    /// Returns the executions of a pipeline, newest first.
    pub(crate) fn executions(&self, pipeline: &str) -> Vec<Value> {
        let history = self.json(&["history", pipeline, "--json"]);
        history["pipelineExecutionSummaries"].as_array().unwrap().clone()
    }

    /// Waits until the newest execution has a status, and returns it.
    #[track_caller]
    pub(crate) fn newest_becomes(&self, pipeline: &str, status: &str) -> Value {
        eventually(&format!("the newest execution of {pipeline} is {status}"), || {
            let newest = self.executions(pipeline).into_iter().next()?;
            (newest["status"] == status).then_some(newest)
        })
    }

    /// Waits until so many executions are there.
    #[track_caller]
    pub(crate) fn executions_become(&self, pipeline: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{pipeline} has {count} executions"), || {
            let executions = self.executions(pipeline);
            (executions.len() == count).then_some(executions)
        })
    }

    /// Returns the details of the newest attempt of an action.
    pub(crate) fn action(&self, execution: &Value, name: &str) -> Option<Value> {
        let id = execution["pipelineExecutionId"].as_str().unwrap();
        let shown = self.json(&["show", id, "--json"]);
        let actions = shown["actionExecutionDetails"].as_array().unwrap().clone();
        actions.into_iter().rev().find(|it| it["actionName"] == name)
    }

    /// Waits for a gate and returns its token.
    #[track_caller]
    pub(crate) fn open_gate(&self, pipeline: &str) -> String {
        eventually("a gate is open", || {
            // Until its runtime has read the file, nobody knows the pipeline.
            let state = self.run(&["status", pipeline, "--json"]).stdout;
            let state: Value = serde_json::from_str(&state).ok()?;
            let stages = state["stageStates"].as_array()?.clone();
            stages
                .iter()
                .flat_map(|it| it["actionStates"].as_array().unwrap())
                .find_map(|it| it["latestExecution"]["token"].as_str().map(str::to_owned))
        })
    }

    pub(crate) fn log(&self, execution: &Value, action: &str) -> String {
        let id = execution["pipelineExecutionId"].as_str().unwrap();
        self.ok(&["logs", id, action])
    }
}

/// A `stagegate watch`, or another command that goes on, which ends with the test.
pub(crate) struct Watch {
    child: Child,
    lines: Arc<Mutex<String>>,
}

impl Watch {
    pub(crate) fn output(&self) -> String {
        self.lines.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + patience();
        while !self.output().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} never came in:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    #[cfg(feature = "fault-injection")]
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it the way a power cut does.
    pub(crate) fn kill_hard(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end and returns the exit code.
    pub(crate) fn finished(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Lets it stand still as long as it likes.
    pub(crate) fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn terminate(mut self) -> i32 {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipeline with the stages given as TOML after the source stage.
pub(crate) fn pipeline(name: &str, branch: &str, stages: &str) -> String {
    format!(
        r#"name = "{name}"
[[stage]]
name = "Source"
[[stage.action]]
name = "app"
category = "Source"
configuration = {{ RepositoryPath = ".", BranchName = "{branch}" }}
{stages}"#
    )
}

/// A stage with one Commands action; what is given is the rest of the action's TOML.
pub(crate) fn stage(stage: &str, action: &str, rest: &str) -> String {
    format!(
        "[[stage]]\nname = \"{stage}\"\n[[stage.action]]\nname = \"{action}\"\ncategory = \"Build\"\n{rest}\n"
    )
}

pub(crate) const GATE: &str = r#"
[[stage]]
name = "Release"
[[stage.action]]
name = "gate"
category = "Approval"
[[stage.action]]
name = "ship"
category = "Deploy"
run_order = 2
commands = ["echo shipped #{app.CommitId}"]
"#;
