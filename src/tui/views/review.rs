//! What is about to ship, as lines: shared by the gate dialog and the detail pane.

use std::collections::BTreeMap;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::Scene;
use crate::{
    ansi,
    engine::{Relation, board::GateAt},
    model::{EnvironmentVariableType, ExecutionId},
    runtime::{
        lookup::{Question, Tests, Told},
        review::{Badge, Commit, Review},
    },
    tui::{
        theme::Role,
        ui::dialog::{Dialog, Subject},
    },
    words,
};

/// Pieces of one line.
pub(super) type Line = Vec<(String, Style)>;

/// Returns everything there is to say about a gate, top to bottom; in its dialog one of the commits
/// is selected.
pub(super) fn lines(
    scene: &Scene<'_>,
    at: GateAt<'_>,
    review: Option<&Review>,
    selected: Option<usize>,
) -> Vec<Line> {
    let muted = scene.style(Role::Muted);
    let mut lines = vec![subject_line(scene, at)];
    if let Some(text) = &at.gate.custom_data {
        lines.push(vec![(ansi::one_line(text), scene.style(Role::Text))]);
    }
    if let Some(link) = &at.gate.external_entity_link {
        lines.push(vec![(ansi::one_line(link), scene.style(Role::Link))]);
    }
    if let Some(note) = &at.gate.note {
        let words = format!("note by {}: {}", note.by.user, ansi::one_line(&note.text));
        lines.push(vec![(words, scene.style(Role::Waiting))]);
    }
    if let Some(deferred) = &at.gate.deferred {
        let left = super::left(deferred.effective_at.since(scene.now));
        let (status, by) = (deferred.decision.status, &deferred.decision.by.user);
        let words = format!("{status} by {by}, takes effect in {left}; u takes it back");
        lines.push(vec![(words, scene.style(Role::Waiting))]);
    }
    for inbound in &at.stage.inbound {
        let newer = inbound.execution.revision.id.short();
        let subject = ansi::one_line(inbound.execution.revision.subject());
        let style = scene.style(Role::Waiting);
        lines.push(vec![(format!("newer: {newer} {subject} waits behind this gate"), style)]);
        let this = at.execution.revision.id.short();
        let words = format!("  approve and {this} goes first; W lets {newer} take its place");
        lines.push(vec![(words, style)]);
    }
    let Some(review) = review else {
        lines.push(vec![("reading the change from git".to_owned(), muted)]);
        return lines;
    };
    lines.extend(relation_lines(scene, at, review));
    if let Some(problem) = &review.problem {
        lines.push(vec![(ansi::one_line(problem), scene.style(Role::Failed))]);
    }
    let commits = review.commits.iter().enumerate();
    lines.extend(commits.map(|(at, commit)| commit_line(scene, commit, selected == Some(at))));
    if review.coming + review.lost > review.commits.len() {
        let more = review.coming + review.lost - review.commits.len();
        lines.push(vec![(format!("  and {more} more"), muted)]);
    }
    lines.push(files_line(scene, review));
    lines.extend(next_lines(scene, at));
    lines
}

fn subject_line(scene: &Scene<'_>, at: GateAt<'_>) -> Line {
    let revision = &at.execution.revision;
    vec![
        (format!("{} ", at.pipeline.name), scene.style(Role::Strong)),
        (format!("{}  ", ansi::one_line(at.lane.lane.label())), scene.style(Role::Muted)),
        (format!("{} ", revision.id.short()), scene.style(Role::Strong)),
        (ansi::one_line(revision.subject()), scene.style(Role::Text)),
    ]
}

fn relation_lines(scene: &Scene<'_>, at: GateAt<'_>, review: &Review) -> Vec<Line> {
    let candidate = at.execution.revision.id.short();
    let text = scene.style(Role::Text);
    let (commits, authors) =
        (words::count(review.coming, "commit"), words::count(review.authors, "author"));
    let deployed = at.stage.last_success.as_ref();
    let since = deployed.map_or_else(String::new, |it| {
        format!(
            "deployed {} ({} ago) {} ",
            it.revision.id.short(),
            scene.age(it.at),
            scene.look.glyphs.to
        )
    });
    let mut lines: Vec<Line> = Vec::new();
    match review.comparison.relation {
        Relation::First => lines.push(vec![(
            format!("nothing was deployed by this stage yet {} {candidate}", scene.look.glyphs.to),
            text,
        )]),
        Relation::Same => {
            lines.push(vec![(format!("{candidate} is what is deployed already"), text)]);
        }
        Relation::Newer => {
            lines.push(vec![(format!("{since}{candidate}  {commits}  {authors}  "), text)]);
        }
        Relation::Downgrade | Relation::Unknown => {
            let deployed = deployed.map_or("", |it| it.revision.id.short());
            let words = match review.comparison.relation {
                Relation::Unknown => format!(
                    "DOWNGRADE? git cannot compare {candidate} with the deployed {deployed}"
                ),
                _ if review.coming == 0 => format!(
                    "DOWNGRADE: {candidate} is older than {deployed}; {} would go away:",
                    words::count(review.lost, "commit")
                ),
                _ => format!(
                    "DOWNGRADE: {candidate} is no descendant of {deployed}; {commits} would come, \
                     {} would go away:",
                    review.lost
                ),
            };
            lines.push(vec![(words, scene.style(Role::Failed))]);
        }
    }
    if !review.files.is_empty() {
        let mut line: Line = vec![
            (format!("{} ", words::count(review.files.len(), "file")), text),
            (format!("+{} ", review.added()), scene.style(Role::Added)),
            (format!("-{}  ", review.deleted()), scene.style(Role::Deleted)),
        ];
        line.extend(badges(scene, review.badges()));
        lines.push(line);
    }
    lines
}

fn badges(scene: &Scene<'_>, badges: impl IntoIterator<Item = Badge>) -> Line {
    let style = scene.style(Role::Badge);
    badges.into_iter().map(|badge| (format!("[{}] ", badge.label()), style)).collect()
}

fn commit_line(scene: &Scene<'_>, commit: &Commit, selected: bool) -> Line {
    let short = commit.id.get(..7).unwrap_or(&commit.id);
    let marker = if selected { scene.look.glyphs.selected } else { " " };
    let (sign, role) = if commit.is_lost { ("-", Role::Deleted) } else { (" ", Role::Text) };
    let mut line: Line = vec![
        (marker.to_owned(), scene.style(Role::Focus)),
        (sign.to_owned(), scene.style(role)),
        (format!("{short} "), scene.style(Role::Strong)),
        (format!("{} ", ansi::one_line(&commit.subject)), scene.style(Role::Text)),
        (
            format!(" {}  {}  ", ansi::one_line(&commit.author), scene.age(commit.at)),
            scene.style(Role::Muted),
        ),
    ];
    line.extend(badges(scene, commit.badges.iter().copied()));
    line
}

/// Says what the tests of the execution have come to, if it has left reports.
pub(super) fn test_line(scene: &Scene<'_>, execution: ExecutionId) -> Option<Line> {
    let told = scene.ui.knowledge.get(&Question::Tests(execution))?;
    let Told::Tests(tests) = told else { return None };
    if *tests == Tests::default() {
        return None;
    }
    let failed = if tests.failed > 0 { Role::Failed } else { Role::Muted };
    Some(vec![
        (format!("tests: {} passed, ", tests.passed), scene.style(Role::Succeeded)),
        (format!("{} failed, ", tests.failed), scene.style(failed)),
        (format!("{} skipped", tests.skipped), scene.style(Role::Muted)),
    ])
}

/// Says what was decided at this gate before.
pub(super) fn decision_lines(scene: &Scene<'_>, dialog: &Dialog) -> Vec<Line> {
    const SHOWN: usize = 4;
    let Subject::Gate { gate, .. } = &dialog.subject else { return Vec::new() };
    let question = Question::Decisions(gate.clone());
    let Some(Told::Decisions(decisions)) = scene.ui.knowledge.get(&question) else {
        return Vec::new();
    };
    let lines = decisions.iter().take(SHOWN).map(|it| {
        let commit = it.revisions.first().map_or("", |it| it.id.short());
        let words = format!(
            "before: {commit} {} by {} {} ago  {}",
            it.kind,
            it.by.user,
            scene.age(it.at),
            ansi::one_line(&it.reason)
        );
        vec![(words, scene.style(Role::Muted))]
    });
    lines.collect()
}

/// Sums the files up by the folder they begin with.
fn files_line(scene: &Scene<'_>, review: &Review) -> Line {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &review.files {
        *folders.entry(file.path.split('/').next().unwrap_or(&file.path)).or_default() += 1;
    }
    let mut folders: Vec<_> = folders.into_iter().collect();
    folders.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words: Vec<_> = folders
        .iter()
        .take(8)
        .map(|(name, count)| format!("{} {count}", ansi::one_line(name)))
        .collect();
    vec![(words.join("  "), scene.style(Role::Muted))]
}

/// Says what would run, word for word: the last chance to read it.
fn next_lines(scene: &Scene<'_>, at: GateAt<'_>) -> Vec<Line> {
    let (text, muted) = (scene.style(Role::Text), scene.style(Role::Muted));
    if at.gate.next.is_empty() {
        return vec![vec![("next: the pipeline succeeds".to_owned(), muted)]];
    }
    let mut lines = Vec::new();
    for next in &at.gate.next {
        let place = if next.stage == at.stage.name {
            next.name.to_string()
        } else {
            format!("{}/{}", next.stage, next.name)
        };
        lines.push(vec![
            ("next: ".to_owned(), muted),
            (format!("{place} "), scene.style(Role::Strong)),
            (format!("({})", next.runs), muted),
        ]);
        let commands = next.lines.iter().flat_map(|it| it.lines());
        lines.extend(commands.map(|line| vec![(format!("  {}", ansi::one_line(line)), text)]));
        let names = next.environment.iter().map(|(name, kind)| match kind {
            EnvironmentVariableType::Plaintext => name.clone(),
            EnvironmentVariableType::Secret => format!("{name} (secret)"),
        });
        let names: Vec<_> = names.collect();
        if !names.is_empty() {
            lines.push(vec![(format!("  with {}", names.join(", ")), muted)]);
        }
    }
    lines
}

/// Writes lines from `scroll` on; returns how many there are beyond the end.
pub(super) fn draw(
    scene: &Scene<'_>,
    lines: &[Line],
    scroll: usize,
    area: Rect,
    buffer: &mut Buffer,
) -> usize {
    let room = usize::from(area.height);
    let first = scroll.min(lines.len().saturating_sub(room));
    for (row, line) in (0_u16..).zip(lines.iter().skip(first).take(room)) {
        let mut pen = scene.pen(buffer, area, row);
        for (text, style) in line {
            pen.write(text, *style);
        }
    }
    lines.len().saturating_sub(first + room)
}
