//! Lists as tables: what the rows say, and where they lead.

use super::{
    Selection, Ui, View,
    lists::{events_table, history_table},
};
use crate::{
    engine::board::LaneCard,
    model::{ExecutionId, PipelineName, Timestamp},
    runtime::lookup::{ExecutionRecord, Question, Told},
    tui::{look::Mark, theme::Role},
};

#[derive(Default)]
pub(crate) struct Table {
    pub title: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// What stands there when there are no rows.
    pub empty: String,
}

pub(crate) struct Column {
    pub title: String,
    pub width: Width,
    /// Where there is too little room, those with the lowest rank are left out first.
    pub rank: u8,
}

#[derive(Clone, Copy)]
pub(crate) enum Width {
    Fixed(u16),
    Between {
        least: u16,
        most: u16,
    },
    /// Takes what is left.
    Rest,
}

pub(crate) struct Row {
    /// Names the row, so that the cursor follows it.
    pub key: String,
    pub cells: Vec<Cell>,
    pub target: Option<RowTarget>,
}

#[derive(Default)]
pub(crate) struct Cell {
    /// Glyphs before the text.
    pub marks: Vec<Mark>,
    pub text: String,
    pub role: Option<Role>,
}

/// Where Enter leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowTarget {
    Execution(ExecutionId),
    Place(Selection),
    Pipeline(PipelineName),
}

/// A row of a view, by name; the position counts when the name is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    pub key: String,
    pub at: usize,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(super) fn role(role: Role, text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Some(role), marks: Vec::new() }
    }

    pub(super) fn mark(mark: Mark, text: impl Into<String>) -> Self {
        Self { marks: vec![mark], text: text.into(), role: Some(mark.role()) }
    }
}

impl Row {
    fn says(&self, word: &str) -> bool {
        self.cells.iter().any(|cell| cell.text.to_lowercase().contains(word))
    }
}

impl Ui {
    /// Returns what the view needs to know.
    pub(crate) fn table_question(&self) -> Option<Question> {
        let pipeline = self.selection.pipeline.clone();
        match self.view {
            View::History => pipeline.map(Question::Executions),
            View::Events => Some(Question::Events(pipeline)),
            View::Fleet => Some(Question::Fleet),
            View::Board | View::Lanes | View::Timeline | View::Attention => None,
        }
    }

    /// Builds the table of the view, with the rows that the filter lets through.
    pub(crate) fn table(&self, now: Timestamp) -> Table {
        let told = self.table_question().and_then(|question| self.knowledge.get(&question));
        let mut table = match (self.view, told) {
            (View::Lanes, _) => self.lanes_table(),
            (View::Attention, _) => self.attention_table(now),
            (View::History, Some(Told::Executions(executions))) => {
                history_table(self.selection.pipeline.as_ref(), executions, now)
            }
            (View::Events, Some(Told::Events(events))) => events_table(events, now),
            (View::Fleet, Some(Told::Fleet(fleet))) => self.fleet_table(fleet, now),
            (_, Some(Told::Nothing(why))) => Table { empty: why.clone(), ..Table::default() },
            _ => Table { empty: "reading the history".to_owned(), ..Table::default() },
        };
        if let Some(filter) = self.filters.get(&self.view) {
            let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
            let all = table.rows.len();
            table.rows.retain(|row| words.iter().all(|word| row.says(word)));
            table.title = format!("{}  /{filter}: {} of {all}", table.title, table.rows.len());
            "no row fits; Esc shows all".clone_into(&mut table.empty);
        }
        table
    }

    /// Returns the position of the cursor among the rows.
    pub(crate) fn cursor_in(&self, rows: &[Row]) -> usize {
        let Some(cursor) = self.cursors.get(&self.view) else {
            // At first what is selected on the board.
            let here = match self.view {
                View::Lanes => self.selection.lane.as_ref().map(ToString::to_string),
                View::Fleet => self.selection.pipeline.as_ref().map(ToString::to_string),
                _ => None,
            };
            return rows.iter().position(|row| Some(&row.key) == here.as_ref()).unwrap_or(0);
        };
        let same = rows.iter().position(|row| row.key == cursor.key);
        same.unwrap_or_else(|| cursor.at.min(rows.len().saturating_sub(1)))
    }

    /// Returns the execution under the cursor of the history.
    pub(super) fn execution_in_history(&self, now: Timestamp) -> Option<&ExecutionRecord> {
        let Told::Executions(executions) = self.knowledge.get(&self.table_question()?)? else {
            return None;
        };
        let rows = self.table(now).rows;
        let row = rows.get(self.cursor_in(&rows))?;
        executions.iter().find(|it| row.target == Some(RowTarget::Execution(it.id)))
    }

    pub(super) fn move_cursor(&mut self, step: isize, now: Timestamp) {
        let table = self.table(now);
        let last = table.rows.len().saturating_sub(1);
        let at = self.cursor_in(&table.rows).saturating_add_signed(step).min(last);
        if let Some(row) = table.rows.get(at) {
            self.cursors.insert(self.view, Cursor { key: row.key.clone(), at });
        }
    }

    /// Goes where the row leads.
    pub(super) fn open_row(&mut self, now: Timestamp) {
        let mut table = self.table(now);
        let at = self.cursor_in(&table.rows);
        if at >= table.rows.len() {
            return;
        }
        match table.rows.swap_remove(at).target {
            Some(RowTarget::Execution(execution)) => {
                let list = self.view;
                self.open_execution(execution);
                self.came_from = Some(list);
            }
            Some(RowTarget::Place(selection)) => {
                self.return_to_present();
                self.selection = selection;
                self.selection.repair(&self.board);
                self.go_to(View::Board);
                self.show_tab(super::Tab::Log);
            }
            Some(RowTarget::Pipeline(pipeline)) => {
                self.return_to_present();
                let board = std::sync::Arc::clone(&self.board);
                self.selection.go_to_lane(&pipeline, None, &board);
                self.go_to(View::Board);
            }
            None => {}
        }
    }

    /// Shows an execution as a chart, and selects its lane if that is still there.
    pub(super) fn open_execution(&mut self, id: ExecutionId) {
        self.return_to_present();
        let board = std::sync::Arc::clone(&self.board);
        let home = board.pipelines.iter().find_map(|pipeline| {
            let has = |lane: &&LaneCard| {
                lane.alive.iter().any(|it| it.id == id) || lane.recent.iter().any(|it| it.id == id)
            };
            Some((&pipeline.name, pipeline.lanes.iter().find(has)?))
        });
        if let Some((pipeline, lane)) = home {
            self.selection.go_to_lane(pipeline, Some(&lane.lane), &board);
        }
        self.go_to(View::Timeline);
        self.opened = Some(id);
        self.came_from = None;
        self.cursors.remove(&View::Timeline);
        self.show_tab(super::Tab::Log);
    }
}
