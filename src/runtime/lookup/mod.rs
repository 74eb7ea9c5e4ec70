//! What front ends ask about the past: answered from the history and from git, beside the runtime
//! and without it.

mod git_text;
pub mod story;
pub mod usual;

use std::sync::Arc;

pub use story::{Bar, BarKind, Frame, Story};
pub use usual::{Durations, Fleet, FleetRow, Usual};

use super::RuntimeHandle;
pub use crate::store::{ActionRecord, DecisionRecord, ExecutionRecord};
use crate::{
    engine::Event,
    host::reports::Reports,
    model::{
        Action, ActionExecutionId, ActionStatus, ArtifactContent, ExecutionId, GateRef, Lane,
        PipelineName, SourceRevision, Timestamp,
    },
    store::{History, StoreError},
};

/// How many executions and events a list shows at most.
const LISTED: usize = 500;
/// How many executions back an action is compared with itself.
const EARLIER: usize = 50;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// The executions of a pipeline, newest first.
    Executions(PipelineName),
    /// One execution from its start to its end.
    Story(ExecutionId),
    /// The newest events, of one pipeline or of all.
    Events(Option<PipelineName>),
    /// How long things usually take in a lane.
    Usual(PipelineName, Lane),
    Fleet,
    /// Everything about one attempt of an action.
    Action(ActionExecutionId),
    /// What the tests of an execution have come to.
    Tests(ExecutionId),
    /// What was decided at a gate before.
    Decisions(GateRef),
    Text(TextQuestion),
}

/// What is shown as a text to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextQuestion {
    /// The commits of a range with their messages and patches.
    Patch {
        git_dir: std::path::PathBuf,
        commit: String,
    },
    /// The difference between two commits; from nothing, if there is no first.
    Diff {
        git_dir: std::path::PathBuf,
        from: Option<String>,
        to: String,
    },
    /// The commits between two.
    Log {
        git_dir: std::path::PathBuf,
        from: String,
        to: String,
    },
    /// The files of an artifact.
    Files {
        git_dir: Option<std::path::PathBuf>,
        tree: String,
    },
    File {
        git_dir: Option<std::path::PathBuf>,
        tree: String,
        path: String,
    },
}

/// What there is to tell.
#[derive(Clone, Debug)]
pub enum Told {
    Executions(Vec<ExecutionRecord>),
    Story(Box<Story>),
    /// Newest first.
    Events(Vec<EventLine>),
    Usual(Usual),
    Fleet(Fleet),
    Action(Box<ActionDetails>),
    Tests(Tests),
    Decisions(Vec<DecisionRecord>),
    Text(Vec<String>),
    /// Why it cannot be told.
    Nothing(String),
}

/// How many tests there were, by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tests {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

#[derive(Clone, Debug)]
pub struct EventLine {
    pub number: i64,
    pub at: Timestamp,
    pub text: String,
    pub execution: Option<ExecutionId>,
}

#[derive(Clone, Debug)]
pub struct ActionDetails {
    pub execution: ExecutionRecord,
    pub record: ActionRecord,
    /// The action as the pipeline file has it.
    pub declared: Option<Arc<Action>>,
    /// All attempts of the action in this execution, oldest first.
    pub attempts: Vec<ActionRecord>,
    /// The action's attempts before this one in the lane, newest first.
    pub earlier: Vec<(ExecutionRecord, ActionRecord)>,
    pub reports: Reports,
}

impl ActionDetails {
    /// Returns the artifacts it has left, each with its name.
    pub fn artifacts(&self) -> impl Iterator<Item = (&str, &ArtifactContent)> {
        let success = self.record.success.iter();
        success
            .flat_map(|it| it.artifacts.iter())
            .map(|(name, content)| (name.as_str(), &**content))
    }

    /// Tells since when the action fails: the newest execution before this one in which it did
    /// not, and how many failed in between.
    pub fn failing_since(&self) -> Option<FailingSince<'_>> {
        let mut runs = 0;
        let others = self.earlier.iter().filter(|(it, _)| it.id != self.execution.id);
        for (execution, record) in others {
            match record.status {
                ActionStatus::Failed => runs += 1,
                ActionStatus::Succeeded => {
                    return Some(FailingSince { runs, last_good: execution.revisions.first() });
                }
                ActionStatus::InProgress | ActionStatus::Abandoned => {}
            }
        }
        (runs > 0).then_some(FailingSince { runs, last_good: None })
    }

    /// Tells in how many of its executions the action failed first and succeeded on the same
    /// revision later: a flaky one.
    pub fn flaky(&self) -> usize {
        let all = || self.earlier.iter();
        let recovered = |(execution, record): &&(ExecutionRecord, ActionRecord)| {
            record.status == ActionStatus::Failed
                && all().any(|(other, later)| {
                    later.status == ActionStatus::Succeeded
                        && later.started_at > record.started_at
                        && other.revisions.first().map(|it| &it.id)
                            == execution.revisions.first().map(|it| &it.id)
                })
        };
        all().filter(recovered).count()
    }
}

pub struct FailingSince<'a> {
    pub runs: usize,
    pub last_good: Option<&'a SourceRevision>,
}

impl RuntimeHandle {
    /// Answers a question; what goes wrong is told as well.
    pub async fn look_up(&self, question: Question) -> Arc<Told> {
        let told = match question {
            Question::Text(question) => {
                let store = self.state_dir().artifacts().join("store.git");
                let text = git_text::answer(question, &store).await;
                text.map(Told::Text).map_err(|error| error.to_string())
            }
            other => {
                let handle = self.clone();
                let answer = move || {
                    let history = handle.history()?;
                    from_history(&history, &handle, other)
                };
                match tokio::task::spawn_blocking(answer).await {
                    Ok(told) => told.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            }
        };
        Arc::new(told.unwrap_or_else(Told::Nothing))
    }
}

fn from_history(
    history: &History,
    handle: &RuntimeHandle,
    question: Question,
) -> Result<Told, StoreError> {
    Ok(match question {
        Question::Executions(pipeline) => Told::Executions(history.executions(&pipeline, LISTED)?),
        Question::Story(id) => match Story::read(history, id)? {
            Some(story) => Told::Story(Box::new(story)),
            None => Told::Nothing(format!("the history has no execution {}", id.short())),
        },
        Question::Events(pipeline) => {
            let events = history.newest_events(pipeline.as_ref(), LISTED)?;
            Told::Events(events.iter().filter_map(event_line).collect())
        }
        Question::Usual(pipeline, lane) => Told::Usual(Usual::read(history, &pipeline, &lane)?),
        Question::Fleet => {
            let names =
                handle.board().borrow().pipelines.iter().map(|it| it.name.clone()).collect();
            Told::Fleet(Fleet::read(history, names)?)
        }
        Question::Action(id) => match details(history, handle, id)? {
            Some(details) => Told::Action(Box::new(details)),
            None => Told::Nothing("the history has nothing about it yet".to_owned()),
        },
        Question::Tests(id) => {
            let mut tests = Tests::default();
            for action in history.actions(id)? {
                let reports = Reports::read(&handle.job_directory(action.id));
                tests.passed += reports.passed();
                tests.failed += reports.failed().count();
                tests.skipped += reports.skipped();
            }
            Told::Tests(tests)
        }
        Question::Decisions(gate) => {
            let mut decisions = history.decisions(Some(&gate.pipeline), LISTED)?;
            decisions.retain(|it| {
                it.stage.as_deref() == Some(gate.stage.as_str())
                    && it.subject.as_deref() == Some(gate.action.as_str())
            });
            Told::Decisions(decisions)
        }
        Question::Text(_) => Told::Text(Vec::new()),
    })
}

fn event_line((number, event): &(i64, Event)) -> Option<EventLine> {
    let text = super::narrate::sentence(event)?;
    Some(EventLine { number: *number, at: event.at, text, execution: event.fact.execution() })
}

fn details(
    history: &History,
    handle: &RuntimeHandle,
    id: ActionExecutionId,
) -> Result<Option<ActionDetails>, StoreError> {
    let Some((execution, record)) = history.action(id)? else { return Ok(None) };
    let mut attempts = history.actions(execution.id)?;
    attempts.retain(|it| it.stage == record.stage && it.action == record.action);
    let mut earlier = history.runs_of(&execution, (&record.stage, &record.action), EARLIER)?;
    earlier.retain(|(_, it)| it.started_at < record.started_at);
    let reports = Reports::read(&handle.job_directory(id));
    let definition = history.definition(&execution.pipeline, execution.version)?;
    let declared =
        definition.and_then(|it| it.stage(&record.stage)?.action(&record.action).cloned());
    Ok(Some(ActionDetails { execution, record, declared, attempts, earlier, reports }))
}
