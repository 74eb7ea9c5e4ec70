use super::*;
use crate::{
    definition,
    engine::{Engine, Input},
    model::{ExecutionStatus, JobReport, JobSuccess, SourceRevision},
};

const PIPELINE: &str = r#"
name = "p"
[[stage]]
name = "Source"
actions = []
[[stage.action]]
name = "app"
category = "Source"
configuration = { BranchName = "main" }
[[stage]]
name = "Build"
[[stage.action]]
name = "make"
category = "Build"
commands = ["true"]
"#;

struct Fixture {
    directory: tempfile::TempDir,
    store: Store,
    engine: Engine,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("stagegate.db")).unwrap();
        let mut fixture =
            Self { directory, store, engine: Engine::new(State::default(), 1, Timestamp(0)) };
        let text = PIPELINE.replace("actions = []\n", "");
        let pipeline = definition::parse(Path::new("/repo/p.toml"), &text).unwrap();
        fixture.apply(Input::DefinitionLoaded(Box::new(pipeline)));
        fixture.observe("0000000");
        fixture
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("stagegate.db")
    }

    fn apply(&mut self, input: Input) {
        let step = self.engine.apply(input, Timestamp(5_000)).unwrap();
        self.store.append(&step.events).unwrap();
    }

    fn observe(&mut self, id: &str) {
        let head = SourceRevision {
            action: "app".into(),
            id: id.into(),
            branch: "main".into(),
            tag: None,
            git_dir: Path::new("/repo/.git").into(),
            tree: "t".into(),
            message: "subject\n\nbody".into(),
            author_name: "Mira".into(),
            author_email: "m@example.org".into(),
            author_date: "2026-01-02T03:04:05Z".into(),
        };
        let (pipeline, action) = ("p".into(), "app".into());
        self.apply(Input::SourceObserved { pipeline, action, heads: vec![head.into()] });
    }

    fn finish(&mut self) {
        let id = *self.engine.state().running.keys().next().unwrap();
        let report = JobReport::Succeeded(JobSuccess::default());
        self.apply(Input::JobReported { id, report });
    }
}

#[test]
fn a_reopened_store_gives_back_the_same_state() {
    let mut fixture = Fixture::new();
    fixture.observe("a1");
    let loaded = Store::open(&fixture.path()).unwrap().load().unwrap();
    assert_eq!(&loaded.state, fixture.engine.state());
    assert_eq!(loaded.latest, Timestamp(5_000));
}

#[test]
fn a_snapshot_and_its_tail_equal_the_whole_history() {
    let mut fixture = Fixture::new();
    for number in 0..500 {
        fixture.observe(&format!("c{number}"));
        fixture.finish();
        let state = fixture.engine.state().clone();
        fixture.store.snapshot_if_due(&state).unwrap();
    }
    let mut store = Store::open(&fixture.path()).unwrap();
    let loaded = store.load().unwrap();
    assert!(store.events_since_snapshot < SNAPSHOT_EVERY, "a snapshot was taken");
    assert_eq!(&loaded.state, fixture.engine.state());
}

#[test]
fn lists_come_from_rows_written_with_the_events() {
    let mut fixture = Fixture::new();
    fixture.observe("a1");
    fixture.finish();
    fixture.observe("b2");
    let history = History::open(&fixture.path()).unwrap();
    let executions = history.executions(&"p".into(), 10).unwrap();
    let statuses: Vec<_> = executions.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [ExecutionStatus::InProgress, ExecutionStatus::Succeeded], "newest first");
    assert_eq!(executions[1].revisions[0].subject(), "subject");
    let found = history.find(&executions[1].id.short()).unwrap();
    assert_eq!(found[0].id, executions[1].id);
    let actions = history.actions(executions[1].id).unwrap();
    let names: Vec<_> = actions.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(names, ["app", "make"]);
    assert_eq!(history.definition(&"p".into(), 1).unwrap().unwrap().stages.len(), 2);
    assert!(history.definition(&"p".into(), 2).unwrap().is_none());
}

#[test]
fn a_database_of_a_newer_format_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stagegate.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let Err(error) = Store::open(&path) else { panic!("it opened") };
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_database_that_is_only_a_file_yet_reads_as_an_empty_history() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stagegate.db");
    std::fs::write(&path, "").unwrap();
    assert_eq!(History::open(&path).unwrap().newest_event().unwrap(), 0);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "reading writes nothing");
}

#[test]
fn a_reader_leaves_a_database_of_an_older_format_to_the_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stagegate.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1).unwrap();
    let Err(error) = History::open(&path) else { panic!("it opened") };
    assert!(matches!(error, StoreError::TooOld { found: 1, .. }), "{error}");
    assert!(error.hint().unwrap().contains("runtime"));
}

#[test]
fn a_snapshot_of_an_older_format_is_brought_up_to_date() {
    let mut fixture = Fixture::new();
    fixture.observe("a1");
    fixture.finish();
    fixture.observe("b2");
    let state = fixture.engine.state();
    write_snapshot(&fixture.store.connection, &fixture.path(), state).unwrap();
    let mut old: serde_json::Value = serde_json::to_value(state).unwrap();
    for execution in old["executions"].as_object_mut().unwrap().values_mut() {
        let execution = execution.as_object_mut().unwrap();
        let release = execution.remove("release").unwrap();
        for part in ["revisions", "variables", "artifacts"] {
            execution.insert(part.to_owned(), release[part].clone());
        }
    }
    let body = serde_json::to_vec(&old).unwrap();
    fixture.store.connection.execute("UPDATE snapshot SET body = ?1", params![body]).unwrap();
    fixture.store.connection.pragma_update(None, "user_version", 4).unwrap();
    let loaded = Store::open(&fixture.path()).unwrap().load().unwrap();
    assert!(!loaded.state.executions.is_empty());
    assert_eq!(&loaded.state, state);
}

#[test]
fn a_wildcard_is_no_execution_id() {
    let fixture = Fixture::new();
    let history = History::open(&fixture.path()).unwrap();
    assert!(history.find("%").unwrap().is_empty());
    assert!(history.find("").unwrap().is_empty());
}

#[test]
fn what_is_recorded_after_the_newest_execution_was_forgotten_is_not_lost() {
    let mut fixture = Fixture::new();
    fixture.observe("a1");
    let newest = *fixture.engine.state().executions.keys().next().unwrap();
    forget(&fixture.path(), &[newest]).unwrap();
    fixture.observe("b2");
    let loaded = Store::open(&fixture.path()).unwrap().load().unwrap();
    assert_eq!(&loaded.state, fixture.engine.state());
}
