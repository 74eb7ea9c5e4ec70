//! What the detail pane tells besides the log, line by line.

use std::path::PathBuf;

use super::{Tab, Ui};
use crate::{
    ansi,
    host::{
        clock,
        reports::{Case, Outcome, Reports},
    },
    model::{ActionStatus, ArtifactContent, ExecutionId, Span},
    runtime::lookup::{ActionDetails, ActionRecord, Durations, Question, TextQuestion, Told},
    tui::{look::Mark, theme::Role},
};

/// How many of the slowest tests are listed.
const SLOWEST: usize = 5;

#[derive(Default)]
pub(crate) struct TabLine {
    pub mark: Option<Mark>,
    pub pieces: Vec<(String, Role)>,
    /// What Enter shows.
    pub opens: Option<Opens>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Opens {
    Text { title: String, question: TextQuestion },
    Execution(ExecutionId),
}

impl TabLine {
    fn new(pieces: impl IntoIterator<Item = (String, Role)>) -> Self {
        Self { pieces: pieces.into_iter().collect(), ..Self::default() }
    }

    fn of(role: Role, text: impl Into<String>) -> Self {
        Self::new([(text.into(), role)])
    }

    fn pair(name: &str, value: &str) -> Self {
        Self::new([(format!("{name:<24} "), Role::Muted), (ansi::one_line(value), Role::Text)])
    }

    fn marked(mut self, mark: Mark) -> Self {
        self.mark = Some(mark);
        self
    }
}

impl Ui {
    /// Returns what is known about the attempt that is shown.
    pub(crate) fn details(&self) -> Option<&ActionDetails> {
        match self.knowledge.get(&Question::Action(self.shown()?.id)) {
            Some(Told::Action(details)) => Some(details),
            _ => None,
        }
    }

    pub(crate) fn tab_lines(&self) -> Vec<TabLine> {
        let Some(shown) = self.shown() else {
            return vec![TabLine::of(Role::Muted, "it has not started")];
        };
        let details = match self.knowledge.get(&Question::Action(shown.id)) {
            Some(Told::Action(details)) => details,
            Some(Told::Nothing(why)) => return vec![TabLine::of(Role::Muted, why.clone())],
            _ => return vec![TabLine::of(Role::Muted, "reading the history")],
        };
        match self.tab {
            Tab::Log => Vec::new(),
            Tab::Artifacts => artifacts(details),
            Tab::Variables => variables(details),
            Tab::Tests => tests(details),
            Tab::Configuration => configuration(details),
            Tab::Attempts => details.attempts.iter().map(attempt).collect(),
            Tab::Earlier => earlier(details),
        }
    }
}

fn artifacts(details: &ActionDetails) -> Vec<TabLine> {
    let lines = details.artifacts().map(|(name, content)| {
        let (git_dir, tree, words): (Option<PathBuf>, _, _) = match content {
            ArtifactContent::Commit { git_dir, commit, tree } => {
                let words = format!("the tree of commit {}", commit.short());
                (Some(git_dir.to_path_buf()), tree, words)
            }
            ArtifactContent::Tree { tree, files, bytes } => {
                (None, tree, format!("{files} files, {}", bytesize::ByteSize(*bytes)))
            }
        };
        let question = TextQuestion::Files { git_dir, tree: tree.to_string() };
        let title = format!("artifact {name}");
        TabLine {
            opens: Some(Opens::Text { title, question }),
            ..TabLine::new([
                (format!("{name:<24} "), Role::Strong),
                (format!("{words}  "), Role::Text),
                (format!("{}  ", tree.get(..12).unwrap_or(tree)), Role::Muted),
                ("Enter lists the files".to_owned(), Role::Muted),
            ])
        }
    });
    or_nothing(lines.collect(), "it has left no artifact")
}

fn variables(details: &ActionDetails) -> Vec<TabLine> {
    let mut lines = Vec::new();
    if let Some(success) = details.record.success.as_ref().filter(|it| !it.variables.is_empty()) {
        lines.push(TabLine::of(Role::Title, "output variables"));
        lines.extend(success.variables.iter().map(|(name, value)| TabLine::pair(name, value)));
    }
    if !details.execution.variables.is_empty() {
        lines.push(TabLine::of(Role::Title, "pipeline variables"));
        let own = details.execution.variables.iter();
        lines.extend(own.map(|(name, value)| TabLine::pair(name, value)));
    }
    or_nothing(lines, "neither the action nor the execution has variables")
}

fn tests(details: &ActionDetails) -> Vec<TabLine> {
    let reports = &details.reports;
    if reports == &Reports::default() {
        let declared = details.declared.as_ref().map_or(&[][..], |it| &it.reports);
        let words = if declared.is_empty() {
            "no test reports: name them in the pipeline file, reports = [\"**/junit.xml\"]"
                .to_owned()
        } else {
            format!("no test report was left that matches {}", declared.join(", "))
        };
        return vec![TabLine::of(Role::Muted, words)];
    }
    let failed = reports.failed().count();
    let mut lines = vec![TabLine::new([
        (format!("{} passed  ", reports.passed()), Role::Succeeded),
        (format!("{failed} failed  "), if failed > 0 { Role::Failed } else { Role::Muted }),
        (format!("{} skipped", reports.skipped()), Role::Muted),
    ])];
    let flaky = details.flaky();
    if flaky > 0 {
        let words = format!(
            "flaky: failed and then succeeded on the same commit {flaky} times in the last {}",
            details.earlier.len()
        );
        lines.push(TabLine::of(Role::Waiting, words));
    }
    lines.extend(reports.problems.iter().map(|it| TabLine::of(Role::Failed, it.clone())));
    for case in reports.failed() {
        lines.push(TabLine::of(Role::Failed, title(case)).marked(Mark::Failed));
        if let Outcome::Failed { message } = &case.outcome {
            let words = message
                .lines()
                .map(|it| TabLine::of(Role::Text, format!("    {}", ansi::one_line(it))));
            lines.extend(words);
        }
    }
    let mut slowest: Vec<&Case> = reports.cases.iter().filter(|it| it.milliseconds > 0).collect();
    slowest.sort_by_key(|it| std::cmp::Reverse(it.milliseconds));
    if !slowest.is_empty() {
        lines.push(TabLine::of(Role::Title, "slowest"));
    }
    lines.extend(slowest.into_iter().take(SLOWEST).map(|case| {
        let took = Span(i64::try_from(case.milliseconds).unwrap_or(i64::MAX));
        TabLine::new([(format!("{took:>8}  "), Role::Muted), (title(case), Role::Text)])
    }));
    lines
}

fn title(case: &Case) -> String {
    ansi::one_line(&format!("{} {}", case.suite, case.name))
}

fn configuration(details: &ActionDetails) -> Vec<TabLine> {
    let resolved = &details.record.resolved;
    let raw = details.declared.as_ref();
    let mut lines = Vec::new();
    if let Some(action) = raw {
        let kind = &action.action_type;
        lines.push(TabLine::pair(
            "action type",
            &format!("{} {} {} {}", kind.category, kind.owner, kind.provider, kind.version),
        ));
        lines.push(TabLine::pair("run order", &action.run_order.to_string()));
        lines.push(TabLine::pair("timeout", &action.effective_timeout().to_string()));
    }
    if let Some(image) = &resolved.image {
        lines.push(TabLine::pair("image", image));
        lines.extend(as_written(raw.and_then(|it| it.instructions.image.as_ref()), image));
    }
    for (key, value) in &resolved.configuration {
        lines.push(TabLine::pair(key, value));
        lines.extend(as_written(raw.and_then(|it| it.instructions.configuration.get(key)), value));
    }
    for (at, command) in resolved.commands.iter().enumerate() {
        let shown = command
            .lines()
            .map(|line| TabLine::of(Role::Strong, format!("$ {}", ansi::one_line(line))));
        lines.extend(shown);
        lines.extend(as_written(raw.and_then(|it| it.instructions.commands.get(at)), command));
    }
    for variable in &resolved.environment_variables {
        let value = match variable.kind {
            crate::model::EnvironmentVariableType::Plaintext => variable.value.clone(),
            crate::model::EnvironmentVariableType::Secret => {
                format!("secret from {}", variable.value)
            }
        };
        lines.push(TabLine::pair(&variable.name, &value));
    }
    or_nothing(lines, "it has no configuration")
}

/// Shows what stands in the pipeline file where variables have changed it.
fn as_written(raw: Option<&String>, resolved: &str) -> Option<TabLine> {
    let raw = raw.filter(|it| *it != resolved)?;
    Some(TabLine::of(Role::Muted, format!("{:<24} as written: {}", "", ansi::one_line(raw))))
}

fn attempt(record: &ActionRecord) -> TabLine {
    let mark = Mark::of_action(record.status);
    let took = if mark == Mark::Running {
        String::new()
    } else {
        record.updated_at.since(record.started_at).to_string()
    };
    let words = record.error.as_ref().map_or_else(String::new, |it| ansi::one_line(&it.message));
    TabLine::new([
        (format!("attempt {:<3} ", record.attempt), Role::Strong),
        (format!("{:<11} ", record.status), mark.role()),
        (format!("{}  {took:<9} ", clock::local_date(record.started_at)), Role::Muted),
        (words, Role::Text),
    ])
    .marked(mark)
}

/// The same action in earlier executions, with a bar for how long each took.
fn earlier(details: &ActionDetails) -> Vec<TabLine> {
    const WIDTH: i64 = 30;
    let span = |it: &ActionRecord| it.updated_at.since(it.started_at);
    let longest = details.earlier.iter().map(|(_, it)| span(it).0).max().unwrap_or(0).max(1);
    let succeeded = details.earlier.iter().filter(|(_, it)| it.status == ActionStatus::Succeeded);
    let durations = Durations::of(succeeded.map(|(_, it)| span(it)));
    let words = |it: Option<Span>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let mut lines = vec![TabLine::of(
        Role::Muted,
        format!(
            "{} successes  p50 {}  p90 {}",
            durations.count(),
            words(durations.p50()),
            words(durations.p90())
        ),
    )];
    lines.extend(details.earlier.iter().map(|(execution, record)| {
        let mark = Mark::of_action(record.status);
        let cells = usize::try_from(span(record).0 * WIDTH / longest).unwrap_or(0).max(1);
        let revision = execution.revisions.first();
        TabLine {
            opens: Some(Opens::Execution(execution.id)),
            ..TabLine::new([
                (format!("{} ", revision.map_or("", |it| it.id.short())), Role::Strong),
                (format!("{:<10} ", record.status), mark.role()),
                (format!("{:>8} ", span(record).to_string()), Role::Muted),
                (format!("{:<30} ", "=".repeat(cells)), mark.role()),
                (ansi::one_line(revision.map_or("", |it| it.subject())), Role::Muted),
            ])
        }
        .marked(mark)
    }));
    lines
}

fn or_nothing(lines: Vec<TabLine>, words: &str) -> Vec<TabLine> {
    if lines.is_empty() { vec![TabLine::of(Role::Muted, words)] } else { lines }
}
