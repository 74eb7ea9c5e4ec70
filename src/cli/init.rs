//! `init`: a starter pipeline for the repository it stands in.

use std::path::{Path, PathBuf};

use super::{Exit, Failure, args::Init, output};
use crate::{definition, host::Git};

pub(super) async fn init(arguments: &Init) -> Result<Exit, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::usage(error.to_string()))?;
    let top = Git::inside(&here, "rev-parse").args(["--show-toplevel"]).text().await;
    let top = PathBuf::from(top.map_err(|_| {
        Failure::usage(format!("{} is not in a git repository", here.display()))
            .hint("run `git init` first, or go into your repository")
    })?);
    let branch = Git::inside(&top, "symbolic-ref").args(["--short", "HEAD"]).text().await;
    let branch = branch.unwrap_or_else(|_| "main".to_owned());
    let name: String = top
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".@-_".contains(c) { c } else { '-' })
        .collect();
    let kind = Kind::of(&top);
    let text = kind.pipeline(if name.is_empty() { "app" } else { &name }, &branch);
    let path = top.join("stagegate.toml");
    if let Err(problems) = definition::parse(&path, &text) {
        return Err(Failure {
            files: vec![problems],
            ..Failure::usage("the starter pipeline is wrong")
        });
    }
    if arguments.print {
        output::bytes(text.as_bytes());
        return Ok(Exit::Done);
    }
    if path.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} is there already", path.display()))
            .hint("--force replaces it, --print shows what would be written"));
    }
    std::fs::write(&path, text)
        .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    output::line(format!("wrote {} ({})", path.display(), kind.words()));
    output::say("next: `stagegate`, and a commit in another window");
    Ok(Exit::Done)
}

/// What kind of project a repository holds, by the file that gives it away.
#[derive(Clone, Copy)]
enum Kind {
    Cargo,
    Npm,
    Go,
    Python,
    Make,
    Unknown,
}

impl Kind {
    fn of(top: &Path) -> Self {
        let signs = [
            ("Cargo.toml", Self::Cargo),
            ("package.json", Self::Npm),
            ("go.mod", Self::Go),
            ("pyproject.toml", Self::Python),
            ("setup.py", Self::Python),
            ("Makefile", Self::Make),
        ];
        signs
            .into_iter()
            .find(|(file, _)| top.join(file).exists())
            .map_or(Self::Unknown, |(_, kind)| kind)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Cargo => "Cargo project",
            Self::Npm => "npm project",
            Self::Go => "Go module",
            Self::Python => "Python project",
            Self::Make => "Makefile",
            Self::Unknown => "no known build tool: put your own commands in",
        }
    }

    /// Returns the commands of lint and test, and what the first one needs kept between runs.
    fn actions(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Cargo => ("cargo clippy --all-targets", "cargo test", "[\"target\"]"),
            Self::Npm => {
                ("npm ci && npm run lint --if-present", "npm ci && npm test", "[\"node_modules\"]")
            }
            Self::Go => ("go vet ./...", "go test ./...", "[]"),
            Self::Python => ("python3 -m compileall -q .", "python3 -m unittest discover", "[]"),
            Self::Make => ("make --dry-run", "make test", "[]"),
            Self::Unknown => ("git --version", "echo 'put your tests here'", "[]"),
        }
    }

    fn pipeline(self, name: &str, branch: &str) -> String {
        let (lint, test, cache) = self.actions();
        let cache = if cache == "[]" { String::new() } else { format!("cache = {cache}\n") };
        let text = |value: &str| toml::Value::from(value).to_string();
        format!(
            r#"# A commit on the branch starts an execution, which walks through the stages from top to bottom.
name = {name}

[[stage]]
name = "Source"
[[stage.action]]
name = "app"
category = "Source"
configuration = {{ RepositoryPath = ".", BranchName = {branch} }}

[[stage]]
name = "Test"
[[stage.action]]
name = "lint"
category = "Test"
commands = [{lint}]
{cache}[[stage.action]]
name = "unit"
category = "Test"
commands = [{test}]
{cache}
[[stage]]
name = "Release"
[[stage.action]]
name = "go-no-go"
category = "Approval"
configuration = {{ CustomData = "Release #{{app.CommitId}}?" }}
[[stage.action]]
name = "release"
category = "Deploy"
run_order = 2
commands = ["echo releasing #{{app.CommitId}}"]
"#,
            name = text(name),
            branch = text(branch),
            lint = text(lint),
            test = text(test),
        )
    }
}
