//! The container engine of this machine: podman or docker, whose command lines agree.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::model::Containers;

const ENGINES: [&str; 2] = ["podman", "docker"];
/// What an engine exits with when it is not the command that has failed.
pub const ENGINE_FAILED: i32 = 125;
/// An engine that does not answer must not hold up the end of an action.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first process of a container, which hands TERM on to all others as the supervisor does to a
/// process group. Left alone by the engine's program, it ends them before the supervisor gives up.
/// Without a process namespace of its own it must not signal "all others". What a shell starts in
/// the background ignores INT and QUIT, unless coreutils are there to say otherwise.
const INIT: &str = r#"child=
if env --default-signal=INT,QUIT true 2>/dev/null; then
  set -- env --default-signal=INT,QUIT "$@"
fi
stop() {
  trap '' TERM INT
  if [ $$ -eq 1 ]; then kill -TERM -1; (sleep 8 && kill -KILL -1) & else kill -TERM $child; fi
  wait $child
  exit $?
}
trap stop TERM INT
"$@" &
child=$!
wait $child
exit $?"#;

pub struct ContainerEngine {
    /// The program, and what comes before its verb.
    command: Vec<String>,
    arguments: Vec<String>,
}

/// What is to run in a container.
pub struct ContainerRun<'a> {
    pub name: &'a str,
    pub image: &'a str,
    /// Folders that are in the container where they are outside.
    pub folders: &'a [PathBuf],
    pub read_only: &'a [PathBuf],
    pub working_directory: &'a Path,
    pub variables: Vec<(&'a str, Variable<'a>)>,
    pub command: &'a [String],
}

pub enum Variable<'a> {
    Is(&'a str),
    /// Taken from the engine's own environment, so that no list of processes shows it.
    Inherited,
}

impl ContainerEngine {
    /// Finds the engine that the settings name, else one on the path.
    pub fn find(settings: &Containers) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let command = match settings.engine.split_first() {
            Some((program, rest)) => {
                let program = on_path(program, &path).unwrap_or_else(|| program.clone());
                [&[program], rest].concat()
            }
            None => vec![ENGINES.iter().find_map(|name| on_path(name, &path))?],
        };
        Some(Self { command, arguments: settings.arguments.clone() })
    }

    pub fn program(&self) -> &str {
        &self.command[0]
    }

    /// Returns what the program is to be told, for a user who is not `root` so that files belong to
    /// that user inside and outside.
    pub fn run(&self, run: &ContainerRun<'_>) -> Vec<String> {
        let mut told = self.command[1..].to_vec();
        let mut tell = |words: &[&str]| told.extend(words.iter().map(|it| (*it).to_owned()));
        tell(&["run", "--rm", "--name", run.name, "--log-driver=none"]);
        if !self.is_docker() {
            // They are the machine's, and may hold a password.
            tell(&["--http-proxy=false"]);
        }
        // Where SELinux rules, it would keep the container from the folders.
        tell(&["--security-opt=label=disable"]);
        let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
        if !user.is_root() {
            let ids = format!("{}:{}", user.as_raw(), group.as_raw());
            if self.is_docker() {
                tell(&["--user", &ids, "--env", "HOME=/tmp"]);
            } else {
                tell(&["--userns=keep-id"]);
            }
        }
        for folder in run.folders {
            let folder = folder.display();
            tell(&["--mount", &format!("type=bind,source={folder},target={folder}")]);
        }
        for folder in run.read_only.iter().map(|it| it.display()) {
            tell(&["--mount", &format!("type=bind,source={folder},target={folder},readonly")]);
        }
        tell(&["--workdir", &run.working_directory.to_string_lossy()]);
        for (name, value) in &run.variables {
            match value {
                Variable::Is(value) => tell(&["--env", &format!("{name}={value}")]),
                Variable::Inherited => tell(&["--env", name]),
            }
        }
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        tell(&arguments);
        tell(&["--entrypoint", "sh", run.image, "-c", INIT, "stagegate"]);
        told.extend_from_slice(run.command);
        told
    }

    /// Removes a container, whatever it does. Usually there is none any more.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts a container engine")]
    pub async fn remove(&self, name: &str) {
        let removed = tokio::process::Command::new(self.program())
            .args(&self.command[1..])
            .args(["rm", "--force", name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        // There is nobody to tell: the action has ended, and its log with it.
        let _ = tokio::time::timeout(PATIENCE, removed).await;
    }

    fn is_docker(&self) -> bool {
        // Behind `sudo`, for instance.
        self.command.iter().any(|it| Path::new(it).file_name() == Some(OsStr::new("docker")))
    }
}

fn on_path(name: &str, path: &OsStr) -> Option<String> {
    // A path of its own stays what it is: joining it to a folder gives it back.
    let mut candidates = std::env::split_paths(path).map(|folder| folder.join(name));
    Some(candidates.find(|it| it.is_file())?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_secret_is_named_only() {
        let settings = Containers {
            engine: ["podman", "--remote"].map(str::to_owned).into(),
            arguments: vec!["--network=none".to_owned()],
        };
        let engine = ContainerEngine::find(&settings).unwrap();
        let run = ContainerRun {
            name: "n",
            image: "debian:12",
            folders: &["/w".into()],
            read_only: &["/r/.git".into()],
            working_directory: Path::new("/w/src"),
            variables: vec![("CI", Variable::Is("true")), ("TOKEN", Variable::Inherited)],
            command: &["sh".to_owned(), "/j/script".to_owned()],
        };
        let told = engine.run(&run);
        assert!(engine.program().ends_with("podman"), "{}", engine.program());
        assert_eq!(told[..3], ["--remote", "run", "--rm"]);
        let told = told.join(" ");
        for part in [
            " --mount type=bind,source=/w,target=/w ",
            " --mount type=bind,source=/r/.git,target=/r/.git,readonly ",
            " --workdir /w/src --env CI=true --env TOKEN --network=none --entrypoint sh debian:12 -c ",
            " stagegate sh /j/script",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }

    #[test]
    fn without_an_engine_there_is_none() {
        assert_eq!(on_path("podman", OsStr::new("/nowhere:/dev/null")), None);
    }
}
