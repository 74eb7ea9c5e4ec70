//! The runtime dies at every named place, and at 200 random moments; afterwards everything is as
//! the log says: `cargo test --features fault-injection --test suite stress`. Takes a few minutes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Home, Watch, eventually, pipeline, stage};

/// How often each place kills: at the first, second and third time it is passed, and later.
const COUNTS: [u32; 4] = [1, 2, 3, 7];
const STORM: u32 = 200;

/// A pipeline whose actions leave a line each, with a gate in the middle.
struct Shop {
    home: Home,
    mark: PathBuf,
    /// Approvals that were acknowledged.
    acknowledged: usize,
}

impl Shop {
    fn new() -> Self {
        let mark = r#"commands = ["echo $STAGEGATE_EXECUTION_ID $STAGEGATE_ACTION >> $MARK"]"#;
        let build = r#"commands = ["echo $STAGEGATE_EXECUTION_ID $STAGEGATE_ACTION >> $MARK", "echo $STAGEGATE_COMMIT_ID > out"]
output_artifacts = [{ name = "dist", files = ["out"] }]"#;
        let lint =
            "[[stage.action]]\nname = \"lint\"\ncategory = \"Test\"\n".to_owned() + mark + "\n";
        let stages = stage("Build", "make", build)
            + &lint
            + "[[stage]]\nname = \"Release\"\n[[stage.action]]\nname = \"gate\"\ncategory = \"Approval\"\n"
            + "[[stage]]\nname = \"Deploy\"\n[[stage.action]]\nname = \"ship\"\ncategory = \"Deploy\"\n\
               provider = \"Directory\"\ninput_artifacts = [\"dist\"]\n\
               configuration = { TargetPath = \"../target\" }\n"
            + &stage("Verify", "smoke", mark);
        let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
        let path = home.root().join("mark");
        home.environment.push(("MARK".to_owned(), path.to_string_lossy().into_owned()));
        // The baseline, so that every commit from now on counts.
        drop(home.watch());
        Self { home, mark: path, acknowledged: 0 }
    }

    fn watch(&mut self, fault: Option<String>) -> Watch {
        let plain = self.home.environment.len();
        self.home.environment.extend(fault.map(|it| ("STAGEGATE_FAULT".to_owned(), it)));
        let watch = self.home.watch_unready();
        self.home.environment.truncate(plain);
        watch
    }

    fn newest(&self) -> Option<Value> {
        self.home.executions("p").into_iter().next()
    }

    /// Approves if something waits there; the runtime may die over it.
    fn approve(&mut self) {
        let waits = self.home.run(&["status", "p"]).stdout.contains("waits for a decision");
        let open = waits || self.home.run(&["status", "p", "--json"]).stdout.contains("\"token\"");
        if open && self.home.run(&["approve", "p/Release/gate", "-m", "ok"]).code == 0 {
            self.acknowledged += 1;
        }
    }

    /// Goes on until the execution of a commit has succeeded.
    fn finish(&mut self, commit: &str) {
        let _watch = self.watch(None);
        let mut last = Value::Null;
        eventually("the last commit goes through", || {
            self.approve();
            last = self.newest()?;
            let is_it = last["sourceRevisions"][0]["revisionId"] == commit;
            (is_it && last["status"] == "Succeeded").then_some(())
        });
    }

    /// Everything has ended, ran once, and every decision is there.
    fn check(&self) {
        let executions = self.home.executions("p");
        let runs = std::fs::read_to_string(&self.mark).unwrap();
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for run in runs.lines() {
            *counts.entry(run).or_default() += 1;
        }
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "ran twice: {twice:?}");
        let limit = ["history", "p", "--decisions", "--json", "--limit", "100000"];
        let decisions = self.home.json(&limit)["decisions"].clone();
        let approved: BTreeSet<&str> = decisions
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["decision"] == "Approved")
            .map(|it| it["pipelineExecutionId"].as_str().unwrap())
            .collect();
        assert!(approved.len() >= self.acknowledged, "an acknowledged approval is missing");
        for execution in &executions {
            let (id, status) =
                (execution["pipelineExecutionId"].as_str().unwrap(), &execution["status"]);
            assert!(*status == "Succeeded" || *status == "Superseded", "{execution}");
            if *status == "Succeeded" {
                for action in ["make", "lint", "smoke"] {
                    let run = format!("{id} {action}");
                    assert_eq!(counts.get(run.as_str()), Some(&1), "{run}");
                }
                assert!(approved.contains(id), "{id} went through without a decision");
            }
        }
    }
}

#[test]
fn the_runtime_may_die_at_every_named_place() {
    let mut shop = Shop::new();
    let mut died = BTreeSet::new();
    for place in stagegate::fault::PLACES {
        for count in COUNTS {
            let mut watch = shop.watch(Some(format!("{place}:{count}")));
            let commit = shop.home.commit(&format!("{place} {count}"));
            eventually("it dies, or the commit goes through", || {
                if watch.has_ended() {
                    died.insert(place);
                    return Some(());
                }
                shop.approve();
                let newest = shop.newest()?;
                let is_it = newest["sourceRevisions"][0]["revisionId"] == commit.as_str();
                (is_it && newest["status"] == "Succeeded").then_some(())
            });
            watch.kill_hard();
            shop.finish(&commit);
        }
    }
    let never: Vec<_> = stagegate::fault::PLACES.iter().filter(|it| !died.contains(*it)).collect();
    assert!(never.is_empty(), "never passed: {never:?}");
    shop.check();
}

#[test]
fn the_runtime_may_be_killed_at_any_moment() {
    let mut shop = Shop::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut commit = String::new();
    for number in 0..STORM {
        let watch = shop.watch(None);
        commit = shop.home.commit(&format!("commit {number}"));
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // This is the moment of the kill, not a wait for anything.
        std::thread::sleep(Duration::from_millis(random % 400));
        if number % 3 == 0 {
            shop.approve();
        }
        watch.kill_hard();
    }
    shop.finish(&commit);
    shop.check();
}
