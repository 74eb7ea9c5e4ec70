//! The rows of each list: what they say, and where they lead.

use super::{
    Selection, Ui, selection,
    table::{Cell, Column, Row, RowTarget, Table, Width},
};
use crate::{
    ansi,
    engine::board::{LaneCard, Notice, Severity, StageCard},
    host::clock,
    model::{ExecutionStatus, PipelineName, Span, Timestamp},
    runtime::lookup::{EventLine, ExecutionRecord, Fleet},
    tui::{look::Mark, theme::Role},
};

/// How many executions the fleet shows of each pipeline.
const SPARKLINE: usize = 20;

fn columns(columns: &[(&str, Width, u8)]) -> Vec<Column> {
    let column = |(title, width, rank): &(&str, Width, u8)| Column {
        title: (*title).to_owned(),
        width: *width,
        rank: *rank,
    };
    columns.iter().map(column).collect()
}

impl Ui {
    pub(super) fn lanes_table(&self) -> Table {
        let Some(pipeline) = self.pipeline() else { return Table::default() };
        let stage = Width::Between { least: 9, most: 16 };
        let mut all = vec![("lane".to_owned(), Width::Between { least: 10, most: 26 })];
        all.extend(pipeline.stages.iter().map(|it| (it.to_string(), stage)));
        all.push(("newest".to_owned(), Width::Rest));
        let rows = pipeline.lanes.iter().map(|lane| {
            let mut cells = vec![Cell::text(ansi::one_line(lane.lane.label()))];
            cells.extend(pipeline.stages.iter().map(|name| {
                lane.stages
                    .iter()
                    .find(|it| it.name == *name)
                    .map_or_else(Cell::default, stage_cell)
            }));
            cells.push(Cell::role(Role::Muted, newest_subject(lane)));
            let selection = Selection {
                pipeline: Some(pipeline.name.clone()),
                lane: Some(lane.lane.clone()),
                ..Selection::default()
            };
            Row { key: lane.lane.to_string(), cells, target: Some(RowTarget::Place(selection)) }
        });
        Table {
            title: format!("lanes of {}", pipeline.name),
            rows: rows.collect(),
            columns: all
                .into_iter()
                .map(|(title, width)| Column { title, width, rank: 9 })
                .collect(),
            empty: "no lane yet: the next commit opens one".to_owned(),
        }
    }

    pub(super) fn attention_table(&self, now: Timestamp) -> Table {
        let places = selection::attention(&self.board);
        let rows = places.into_iter().filter_map(|place| {
            let at = &place.selection;
            let (pipeline, lane) = (at.pipeline.clone()?, at.lane.clone()?);
            let (stage, action) = (at.stage.clone()?, at.action.clone()?);
            let card = at.stage_card(&self.board)?;
            let attempt = at.action_card(&self.board).and_then(|it| it.latest.as_ref());
            let error = attempt.and_then(|it| it.error.as_ref());
            let (mark, what) = match error {
                _ if place.is_gate => (Mark::Waiting, "waits for you".to_owned()),
                Some(error) => (Mark::Failed, ansi::one_line(&error.message)),
                None => (Mark::Failed, "Failed".to_owned()),
            };
            let since = attempt.map(|it| it.ended_at.unwrap_or(it.started_at));
            let commit = card.execution.as_ref().map(|it| &it.revision);
            let token = attempt.and_then(|it| it.gate.as_ref()).map(|it| it.token);
            let marked = token.is_some_and(|it| self.marked.contains(&it));
            let sign = if marked { "[x] " } else { "" };
            Some(Row {
                key: format!("{pipeline}/{lane}/{stage}/{action}"),
                cells: vec![
                    Cell::mark(mark, format!("{sign}{stage} / {action}")),
                    Cell::role(
                        Role::Strong,
                        format!("{pipeline} / {}", ansi::one_line(lane.label())),
                    ),
                    Cell::role(mark.role(), what),
                    Cell::role(Role::Muted, since.map_or_else(String::new, |it| age(it, now))),
                    Cell::role(
                        Role::Muted,
                        commit.map_or_else(String::new, |it| {
                            format!("{} {}", it.id.short(), ansi::one_line(it.subject()))
                        }),
                    ),
                ],
                target: Some(RowTarget::Place(place.selection)),
            })
        });
        let mut rows: Vec<Row> = rows.collect();
        rows.extend(self.silent_rows());
        let notices =
            self.board.pipelines.iter().flat_map(|card| {
                card.notices.iter().map(|notice| (Some(card.name.clone()), notice))
            });
        let notices = notices.chain(self.board.notices.iter().map(|it| (None, it)));
        let look = |it: &Notice| match it.severity {
            Severity::Problem => (Mark::Failed, Role::Failed),
            Severity::Remark => (Mark::NotStarted, Role::Muted),
        };
        rows.extend(notices.enumerate().map(|(number, (pipeline, notice))| Row {
            key: format!("notice {number}"),
            cells: vec![
                Cell::mark(look(notice).0, "notice"),
                Cell::role(
                    Role::Strong,
                    pipeline.as_ref().map(ToString::to_string).unwrap_or_default(),
                ),
                Cell::default(),
                Cell::default(),
                Cell::role(look(notice).1, ansi::one_line(&notice.text)),
            ],
            target: pipeline.map(RowTarget::Pipeline),
        }));
        Table {
            title: "what needs you".to_owned(),
            columns: columns(&[
                ("where", Width::Between { least: 18, most: 30 }, 9),
                ("pipeline", Width::Between { least: 16, most: 28 }, 8),
                ("what", Width::Between { least: 13, most: 34 }, 6),
                ("since", Width::Fixed(6), 4),
                ("commit", Width::Rest, 9),
            ]),
            rows,
            empty: "nothing needs you".to_owned(),
        }
    }

    /// Actions of the selected lane that have written nothing for unusually long.
    fn silent_rows(&self) -> impl Iterator<Item = Row> {
        let stages = self.lane().into_iter().flat_map(|lane| &lane.stages);
        let actions = stages.flat_map(|stage| stage.actions.iter().map(move |it| (stage, it)));
        actions.filter_map(|(stage, action)| {
            let silent = self.silent.get(&action.latest.as_ref()?.id)?;
            let selection = Selection {
                stage: Some(stage.name.clone()),
                action: Some(action.name.clone()),
                ..self.selection.clone()
            };
            let lane = self.selection.lane.as_ref().map_or("", |it| it.label());
            let pipeline = self.selection.pipeline.as_ref().map_or("", |it| it.as_str());
            let commit = stage.execution.as_ref().map_or("", |it| it.revision.id.short());
            Some(Row {
                key: format!("silent {}/{}", stage.name, action.name),
                cells: vec![
                    Cell::mark(Mark::Running, format!("{} / {}", stage.name, action.name)),
                    Cell::role(Role::Strong, format!("{pipeline} / {}", ansi::one_line(lane))),
                    Cell::role(Role::Waiting, "has written nothing"),
                    Cell::role(Role::Muted, crate::tui::text::coarse(*silent)),
                    Cell::role(Role::Muted, commit),
                ],
                target: Some(RowTarget::Place(selection)),
            })
        })
    }

    pub(super) fn fleet_table(&self, fleet: &Fleet, now: Timestamp) -> Table {
        let rows = fleet.rows.iter().map(|row| {
            let card = self.board.pipeline(&row.pipeline);
            let lanes = card.map_or(0, |it| it.lanes.len());
            let mark = card
                .into_iter()
                .flat_map(|it| &it.lanes)
                .map(Mark::of_lane)
                .max_by_key(|it| it.urgency());
            let newest = row.newest.as_ref().map_or_else(String::new, |(id, subject, at)| {
                format!("{} {} ({} ago)", id.short(), ansi::one_line(subject), age(*at, now))
            });
            let rate = row.success_rate().map_or_else(String::new, |it| format!("{it} %"));
            let words = |span: Option<Span>| span.map_or_else(String::new, |it| it.to_string());
            Row {
                key: row.pipeline.to_string(),
                cells: vec![
                    Cell::mark(mark.unwrap_or(Mark::NotStarted), row.pipeline.to_string()),
                    Cell::role(Role::Muted, lanes.to_string()),
                    Cell { marks: sparkline(&row.statuses), ..Cell::default() },
                    Cell::text(rate),
                    Cell::text(words(row.durations.p50())),
                    Cell::text(words(row.lead_times.p50())),
                    Cell::role(Role::Muted, newest),
                ],
                target: Some(RowTarget::Pipeline(row.pipeline.clone())),
            }
        });
        Table {
            title: "all pipelines".to_owned(),
            columns: columns(&[
                ("pipeline", Width::Between { least: 14, most: 24 }, 9),
                ("lanes", Width::Fixed(5), 1),
                ("last runs", Width::Fixed(20), 6),
                ("ok", Width::Fixed(5), 8),
                ("p50", Width::Fixed(8), 7),
                ("lead time", Width::Fixed(9), 5),
                ("newest", Width::Rest, 9),
            ]),
            rows: rows.collect(),
            empty: "no pipeline yet".to_owned(),
        }
    }
}

pub(super) fn events_table(events: &[EventLine], now: Timestamp) -> Table {
    Table {
        title: format!("events, the newest {}", events.len()),
        columns: columns(&[("", Width::Fixed(16), 9), ("", Width::Rest, 9)]),
        rows: events
            .iter()
            .map(|event| Row {
                key: event.number.to_string(),
                cells: vec![
                    Cell::role(Role::Muted, clock::local_moment(event.at, now)),
                    Cell::text(&event.text),
                ],
                target: event.execution.map(RowTarget::Execution),
            })
            .collect(),
        empty: "nothing has happened yet".to_owned(),
    }
}

pub(super) fn history_table(
    pipeline: Option<&PipelineName>,
    executions: &[ExecutionRecord],
    now: Timestamp,
) -> Table {
    let rows = executions.iter().map(|it| {
        let mark = Mark::of_execution(it.status);
        let revision = it.revisions.first();
        let end = if mark == Mark::Running { now } else { it.updated_at };
        let status = match &it.rollback_target {
            Some(_) => format!("{} ROLLBACK", it.status),
            None => it.status.to_string(),
        };
        Row {
            key: it.id.to_string(),
            cells: vec![
                Cell::mark(mark, status),
                Cell::role(Role::Strong, revision.map_or("", |it| it.id.short())),
                Cell::text(ansi::one_line(it.lane.as_str())),
                Cell::role(Role::Muted, clock::local_moment(it.started_at, now)),
                Cell::role(Role::Muted, end.since(it.started_at).to_string()),
                Cell::role(Role::Muted, ansi::one_line(revision.map_or("", |it| &*it.author_name))),
                Cell::text(ansi::one_line(revision.map_or("", |it| it.subject()))),
            ],
            target: Some(RowTarget::Execution(it.id)),
        }
    });
    Table {
        title: pipeline.map_or_else(String::new, |it| format!("executions of {it}")),
        columns: columns(&[
            ("status", Width::Between { least: 11, most: 20 }, 9),
            ("commit", Width::Fixed(7), 8),
            ("lane", Width::Between { least: 10, most: 20 }, 6),
            ("started", Width::Between { least: 8, most: 16 }, 7),
            ("took", Width::Fixed(6), 5),
            ("author", Width::Between { least: 8, most: 16 }, 2),
            ("subject", Width::Rest, 9),
        ]),
        rows: rows.collect(),
        empty: "nothing was executed yet: commit, or S starts an execution".to_owned(),
    }
}

fn stage_cell(stage: &StageCard) -> Cell {
    let commit = stage.execution.as_ref().map_or("", |it| it.revision.id.short());
    let waiting = if stage.inbound.is_empty() { "" } else { " +1" };
    let mark = match stage.status {
        _ if stage.open_gate().is_some() => Mark::Waiting,
        Some(status) => Mark::of_stage(status),
        None => Mark::NotStarted,
    };
    Cell::mark(mark, format!("{commit}{waiting}"))
}

fn newest_subject(lane: &LaneCard) -> String {
    ansi::one_line(lane.newest().map_or("", |(_, subject)| subject))
}

/// One glyph an execution, the newest last.
fn sparkline(statuses: &[ExecutionStatus]) -> Vec<Mark> {
    let newest = statuses.len().saturating_sub(SPARKLINE);
    statuses[newest..].iter().map(|status| Mark::of_execution(*status)).collect()
}

fn age(at: Timestamp, now: Timestamp) -> String {
    crate::tui::text::coarse(now.since(at))
}
