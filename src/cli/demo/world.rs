//! The demo's repository, pipelines and commits. All of it is real: git, processes, history.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::watch;

use crate::{
    engine::{Board, Request, board::LaneCard},
    host::{Git, GitError, environment},
    model::StopMode,
    runtime::{Operation, RuntimeHandle},
};

/// Where the demo lives, and whether it goes when we go.
enum Place {
    Temporary(TempDir),
    Kept(PathBuf),
}

pub(super) struct World(Place);

/// Files of the demo's repository, as they are in its first commit.
const FILES: &[(&str, &str)] = &[
    ("src/prices.txt", "apple 120\npear 90\n"),
    ("src/refunds.txt", "rounding half up\n"),
    ("migrations/001_orders.sql", "create table orders (id integer primary key);\n"),
    ("ci/lint.sh", LINT),
    ("ci/unit.sh", UNIT),
    ("ci/build.sh", BUILD),
    ("ci/links.sh", LINKS),
    ("ci/plan.sh", PLAN),
];

const LINT: &str =
    "for file in src/*; do echo \"checking $file\"; sleep 0.2; done\necho 'no warnings'\n";

/// Fast on main; on other branches long enough to be watched.
const UNIT: &str = r#"steps=8
[ "$STAGEGATE_BRANCH" = main ] || steps=180
n=0
while [ $n -lt $steps ]; do
  n=$((n + 1))
  printf 'test orders::case_%03d ... \033[32mok\033[0m\n' $n
  sleep 0.25
done
echo "test result: ok. $n passed; 0 failed"
{
  echo '<testsuite name="orders">'
  while [ $n -gt 0 ]; do
    printf '<testcase name="case_%03d" time="0.%03d"/>\n' $n $((n * 37 % 250))
    n=$((n - 1))
  done
  echo '</testsuite>'
} > junit.xml
"#;

const BUILD: &str = "mkdir -p out\ncat src/*.txt > out/catalogue.txt\nsleep 0.5\nVERSION=1.$(wc -l < out/catalogue.txt | tr -d ' ')\necho \"built $VERSION\"\n";

const LINKS: &str = r"echo 'checking 214 links'
sleep 1
echo 'error: https://example.org/old-page answers 404'
echo '  linked from docs/refunds.md line 12'
exit 1
";

const PLAN: &str = "echo 'Resource changes:'\necho '  + AWS::SQS::Queue   RefundsQueue'\necho '  ~ AWS::Lambda::Function  Refunds (MemorySize 128 -> 256)'\nsleep 0.4\n";

const WEB_SHOP: &str = r#"
name = "web-shop"

[[stage]]
name = "Source"
[[stage.action]]
name = "app"
category = "Source"
configuration = { RepositoryPath = "../repository", BranchName = "{main,develop,feature/*}" }

[[stage]]
name = "Test"
[[stage.action]]
name = "lint"
category = "Test"
commands = ["sh ci/lint.sh"]
[[stage.action]]
name = "unit"
category = "Test"
commands = ["sh ci/unit.sh"]
reports = ["junit.xml"]
[[stage.action]]
name = "build"
category = "Build"
commands = [". ci/build.sh"]
output_variables = ["VERSION"]
output_artifacts = [{ name = "dist", files = ["**/*"], base_directory = "out" }]

[[stage]]
name = "Release"
[[stage.action]]
name = "go-no-go"
category = "Approval"
configuration = { CustomData = "Ship version #{build.VERSION} of #{app.BranchName}?" }
[[stage.action]]
name = "ship"
category = "Deploy"
provider = "Directory"
run_order = 2
input_artifacts = ["dist"]
configuration = { TargetPath = "../deployed/web-shop" }

[[stage]]
name = "Verify"
[[stage.action]]
name = "smoke"
category = "Test"
commands = ["echo 'GET /prices 200'", "sleep 2", "echo 'GET /refunds 200'"]
"#;

const DOCS: &str = r#"
name = "docs-site"

[[stage]]
name = "Source"
[[stage.action]]
name = "docs"
category = "Source"
configuration = { RepositoryPath = "../repository", BranchName = "main" }

[[stage]]
name = "Check"
[[stage.action]]
name = "links"
category = "Test"
commands = ["sh ci/links.sh"]
[[stage.action]]
name = "spelling"
category = "Test"
commands = ["sleep 0.6", "echo 'no misspelled words'"]

[[stage]]
name = "Publish"
[[stage.action]]
name = "upload"
category = "Deploy"
commands = ["echo uploading"]
"#;

const INFRA: &str = r#"
name = "infra"

[[stage]]
name = "Source"
[[stage.action]]
name = "templates"
category = "Source"
configuration = { RepositoryPath = "../repository", BranchName = "main" }

[[stage]]
name = "Plan"
[[stage.action]]
name = "change-set"
category = "Build"
commands = ["sh ci/plan.sh"]

[[stage]]
name = "Apply"
[[stage.action]]
name = "approve-plan"
category = "Approval"
configuration = { CustomData = "Apply the change set shown by Plan?" }
[[stage.action]]
name = "execute"
category = "Deploy"
run_order = 2
commands = ["echo CREATE_COMPLETE RefundsQueue", "sleep 1", "echo UPDATE_COMPLETE Refunds"]
"#;

impl World {
    pub(super) async fn create(keep: Option<&Path>) -> io::Result<Self> {
        let world = Self(match keep {
            Some(path) => {
                // Never into a folder that holds something already.
                std::fs::create_dir(path)?;
                Place::Kept(std::fs::canonicalize(path)?)
            }
            None => Place::Temporary(TempDir::with_prefix("stagegate-demo-")?),
        });
        let repository = world.repository();
        for (name, content) in FILES {
            world.write(name, content)?;
        }
        std::fs::create_dir_all(world.pipelines())?;
        for (name, text) in [("web-shop", WEB_SHOP), ("docs-site", DOCS), ("infra", INFRA)] {
            std::fs::write(world.pipelines().join(format!("{name}.toml")), text.trim_start())?;
        }
        let git = |arguments: &'static [&'static str]| {
            let repository = repository.clone();
            async move {
                let (name, rest) = arguments.split_first().unwrap_or((&"status", &[]));
                Git::inside(&repository, name).args(rest).output().await.map_err(as_io)
            }
        };
        git(&["init", "--quiet", "--initial-branch=main"]).await?;
        git(&["config", "user.name", "Mira"]).await?;
        git(&["config", "user.email", "mira@example.org"]).await?;
        git(&["config", "commit.gpgsign", "false"]).await?;
        world.commit("Mira", "chore: first version of the shop").await?;
        Ok(world)
    }

    fn root(&self) -> &Path {
        match &self.0 {
            Place::Temporary(directory) => directory.path(),
            Place::Kept(path) => path,
        }
    }

    pub(super) fn kept(&self) -> Option<&Path> {
        match &self.0 {
            Place::Temporary(_) => None,
            Place::Kept(path) => Some(path),
        }
    }

    fn repository(&self) -> PathBuf {
        self.root().join("repository")
    }

    pub(super) fn pipelines(&self) -> PathBuf {
        self.root().join("pipelines")
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.root().join("state")
    }

    fn write(&self, name: &str, content: &str) -> io::Result<()> {
        let path = self.repository().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)
    }

    async fn commit(&self, author: &str, message: &str) -> io::Result<()> {
        let email = format!("{author} <{}@example.org>", author.to_lowercase());
        let repository = self.repository();
        Git::inside(&repository, "add").args(["--all"]).output().await.map_err(as_io)?;
        let commit =
            Git::inside(&repository, "commit").args(["--quiet", "--author", &email, "-m", message]);
        commit.output().await.map(drop).map_err(as_io)
    }

    async fn switch(&self, arguments: &[&str]) -> io::Result<()> {
        let switch = Git::inside(&self.repository(), "checkout").args(["--quiet"]).args(arguments);
        switch.output().await.map(drop).map_err(as_io)
    }

    /// Plays commits into the repository: each waits for what the one before has led to.
    pub(super) async fn play(&self, mut board: watch::Receiver<Arc<Board>>) -> io::Result<()> {
        let mut until = async |what: &dyn Fn(&Board) -> bool| {
            // No runtime any more: nobody watches, so nothing needs to be played.
            let _ = board.wait_for(|board| what(board)).await;
        };
        until(&|board| {
            board.pipelines.len() == 3
                && board.pipelines.iter().all(|it| it.branches_seen.is_some())
        })
        .await;
        self.write("src/refunds.txt", "rounding half to even\n")?;
        self.write(
            "migrations/002_refunds.sql",
            "create table refunds (id integer primary key);\n",
        )?;
        self.commit("Mira", "fix: rounding in refunds").await?;
        until(&|board| {
            lane(board, "main")
                .is_some_and(|it| it.stages.iter().any(|it| it.open_gate().is_some()))
        })
        .await;

        self.switch(&["-b", "develop"]).await?;
        self.write("src/coupons.txt", "ten percent off\n")?;
        self.commit("Lee", "feat: coupons").await?;
        until(&|board| lane(board, "develop").is_some()).await;

        self.switch(&["main"]).await?;
        self.write("src/prices.txt", "apple 125\npear 90\nplum 60\n")?;
        self.commit("Sam", "feat: plums").await?;
        until(&|board| {
            lane(board, "main").is_some_and(|it| {
                it.stages.iter().any(|it| !it.inbound.is_empty() && it.name.as_str() == "Release")
            })
        })
        .await;
        self.write("src/prices.txt", "apple 125\npear 95\nplum 60\n")?;
        self.commit("Sam", "fix: price of pears").await?;

        // From here on somebody commits to develop every now and then.
        let mut number = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(75)).await;
            number += 1;
            self.switch(&["develop"]).await?;
            self.write("src/coupons.txt", &format!("{} percent off\n", 10 + number))?;
            self.commit("Lee", &format!("feat: coupons, take {number}")).await?;
        }
    }

    /// The folder is about to go, so what still runs in it goes first.
    pub(super) async fn stop_actions(&self, handle: &RuntimeHandle) {
        let board = Arc::clone(&handle.board().borrow());
        for pipeline in &board.pipelines {
            for execution in pipeline.lanes.iter().flat_map(|lane| &lane.alive) {
                let operation = Operation::from(Request::StopPipelineExecution {
                    pipeline: pipeline.name.clone(),
                    execution: execution.id,
                    mode: StopMode::Abandon,
                    reason: "the demo is over".to_owned(),
                });
                // One that has just ended needs no stopping.
                let _ = handle.submit(operation, environment::operator("demo")).await;
            }
        }
    }
}

fn lane<'a>(board: &'a Board, name: &str) -> Option<&'a LaneCard> {
    let pipeline = board.pipelines.iter().find(|it| it.name.as_str() == "web-shop")?;
    pipeline.lanes.iter().find(|it| it.lane.as_str() == name)
}

fn as_io(error: GitError) -> io::Error {
    io::Error::other(error)
}
