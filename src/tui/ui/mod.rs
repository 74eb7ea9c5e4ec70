//! What the dashboard remembers: selection, focus, dialogs, the log that is open.
//!
//! Keys and boards go in, wishes come out. Nothing here draws, waits or talks to a runtime.

mod act;
pub(super) mod dialog;
pub(super) mod eta;
pub(super) mod field;
mod input;
mod inspect;
pub(super) mod knowledge;
pub(super) mod list;
mod lists;
mod marked;
mod operate;
pub(super) mod past;
pub(super) mod prompt;
pub(super) mod reader;
pub(super) mod selection;
pub(super) mod shown;
pub(super) mod table;
mod tabs;
pub(super) mod themes;
mod user_command;
mod view;
mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use dialog::{Dialog, Subject};
use knowledge::Knowledge;
use list::CommandList;
use past::Past;
use prompt::Prompt;
use reader::Reader;
pub(super) use selection::Selection;
use serde::{Deserialize, Serialize};
use shown::Shown;
use table::Cursor;
pub(super) use tabs::Opens;
use tempfile::TempPath;
use themes::ThemePicker;
pub(super) use user_command::UserLine;
pub(super) use view::{Tab, View};

use super::{
    Leave,
    commands::{Command, Context},
    keymap::Keymap,
    log_pane::LogPane,
};
use crate::{
    engine::board::{
        ActionCard, Board, GateAt, LaneCard, Notice, PipelineCard, Severity, StageCard,
    },
    model::{ActionExecutionId, ApprovalToken, ExecutionId, GateRef, Span, Timestamp},
    runtime::{Ending, Operation, lookup::Question, review::Review},
};

/// How long a message stays.
const TOAST: Span = Span(6_000);

pub(super) struct Ui {
    /// What is shown: the present, or a moment of the past.
    pub board: Arc<Board>,
    live: Arc<Board>,
    pub past: Option<Past>,
    /// The execution whose past is to be opened once it is known.
    opens_past: Option<ExecutionId>,
    pub view: View,
    pub tab: Tab,
    /// The line of the tab that is selected.
    pub tab_at: usize,
    pub layout: Layout,
    /// How many rows the detail pane was given by hand.
    pub detail_rows: Option<u16>,
    /// The edge of the detail pane is being dragged.
    drags: bool,
    /// An execution that was opened from a list, and the list.
    pub opened: Option<ExecutionId>,
    came_from: Option<View>,
    pub cursors: BTreeMap<View, Cursor>,
    /// What the rows of a list must say to be shown.
    pub filters: BTreeMap<View, String>,
    pub knowledge: Knowledge,
    /// How many gates wait and how many stages have failed.
    pub attention: (usize, usize),
    /// How many actions run.
    running: usize,
    pub selection: Selection,
    pub focus: Pane,
    pub zoomed: bool,
    pub overlays: Vec<Overlay>,
    pub toast: Option<Toast>,
    pub log: LogPane,
    /// What is known about open gates, by token.
    pub reviews: BTreeMap<ApprovalToken, Arc<Review>>,
    asked_reviews: BTreeSet<ApprovalToken>,
    /// The last line of each running action's log.
    pub tails: BTreeMap<ActionExecutionId, String>,
    pub ownership: super::Ownership,
    /// The runtime has gone away; what is shown is the last that was known.
    pub disconnected: bool,
    /// What somebody was reading when a newer execution came to the stage, and where.
    held: Option<(Selection, Shown)>,
    /// The logs of a stage as one, while that is what is shown.
    pub merged: Option<Merged>,
    /// Executions whose end is to be told.
    pub watched: BTreeSet<ExecutionId>,
    /// Gates that are to be decided together.
    pub marked: BTreeSet<ApprovalToken>,
    /// How many lines of a text fit on the screen.
    pub text_rows: usize,
    /// Nothing can be changed from here.
    pub read_only: bool,
    /// The name of the theme that is worn.
    pub theme: String,
    /// For how long running actions have written nothing, where that is unusual.
    pub silent: BTreeMap<ActionExecutionId, Span>,
    pub keymap: Keymap,
    recent_commands: Vec<Command>,
}

/// How the room is shared between the view and the detail pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Layout {
    Board,
    #[default]
    Split,
    Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Lanes,
    Board,
    Detail,
}

/// What lies over the board; the last one has the keyboard.
pub(super) enum Overlay {
    Dialog(Box<Dialog>),
    /// Help and palette: commands to look through and to run.
    Commands(CommandList),
    Prompt(Prompt),
    Reader(Reader),
    Themes(ThemePicker),
}

pub(super) struct Toast {
    pub text: String,
    pub severity: Severity,
    pub until: Timestamp,
}

/// What the ui cannot do itself.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    Submit(Operation),
    LoadReview(ApprovalToken),
    Quit(Leave),
    End(Ending),
    Suspend,
    Redraw,
    /// A theme to look at.
    Theme(String),
    /// What is worn now is to be worn the next time.
    KeepTheme,
    ToggleMouse,
    /// To be asked of the history.
    Ask(Question),
    Copy(String),
    /// The screen as text, to be copied.
    Snapshot,
    Pager(Paged),
    /// The logs of these attempts as one, each by the name of its action.
    Merge(Vec<(String, ActionExecutionId)>),
    /// The log on the normal screen.
    Stream(ActionExecutionId),
    /// A command line of the user's.
    Run(UserLine),
}

/// The logs of these attempts as one file.
pub(super) struct Merged {
    pub attempts: Vec<ActionExecutionId>,
    pub file: TempPath,
}

/// What a pager shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Paged {
    Log(ActionExecutionId),
    File(PathBuf),
    Text(String),
}

impl Ui {
    pub(super) fn new(board: Arc<Board>, ownership: super::Ownership) -> Self {
        let mut ui = Self {
            board: Arc::default(),
            live: Arc::default(),
            past: None,
            opens_past: None,
            view: View::default(),
            tab: Tab::default(),
            tab_at: 0,
            layout: Layout::default(),
            detail_rows: None,
            drags: false,
            opened: None,
            came_from: None,
            cursors: BTreeMap::new(),
            filters: BTreeMap::new(),
            knowledge: Knowledge::default(),
            attention: (0, 0),
            running: 0,
            selection: Selection::default(),
            focus: Pane::Board,
            zoomed: false,
            overlays: Vec::new(),
            toast: None,
            log: LogPane::default(),
            reviews: BTreeMap::new(),
            asked_reviews: BTreeSet::new(),
            tails: BTreeMap::new(),
            ownership,
            disconnected: false,
            held: None,
            merged: None,
            watched: BTreeSet::new(),
            marked: BTreeSet::new(),
            text_rows: 0,
            read_only: false,
            theme: String::new(),
            silent: BTreeMap::new(),
            keymap: Keymap::default(),
            recent_commands: Vec::new(),
        };
        ui.set_board(board);
        ui
    }

    /// Takes a new board; selection follows identity, not position. Returns what is to be said of a
    /// dialog that it closes.
    pub(super) fn set_board(&mut self, board: Arc<Board>) -> Option<String> {
        let places = selection::attention(&board);
        let gates = places.iter().filter(|place| place.is_gate).count();
        self.attention = (gates, places.len() - gates);
        self.running = board.running_actions();
        self.live = Arc::clone(&board);
        self.knowledge.board_changed();
        if self.past.is_some() {
            return None;
        }
        let read = self.shown().filter(|it| !it.is_gate && self.is_reading());
        let before = self.stage_execution();
        self.board = board;
        self.selection.repair(&self.board);
        if let Some(read) = read.filter(|_| self.stage_execution() != before) {
            self.held = Some((self.selection.clone(), read));
        }
        let open: Vec<ApprovalToken> = self.board.open_gates().map(|at| at.gate.token).collect();
        self.reviews.retain(|token, _| open.contains(token));
        self.asked_reviews.retain(|token| open.contains(token));
        self.marked.retain(|token| open.contains(token));
        // A gate that somebody else has decided closes its dialog.
        let board = &self.board;
        let mut closed = None;
        self.overlays.retain(|overlay| {
            let Overlay::Dialog(dialog) = overlay else { return true };
            let stays = match &dialog.subject {
                Subject::Gate { gate, .. } => open.contains(&gate.token),
                Subject::Gates { gates, .. } => gates.iter().all(|it| open.contains(&it.token)),
                _ => true,
            };
            if !stays {
                closed = Some(why_closed(board, &dialog.subject));
            }
            stays
        });
        closed
    }

    /// Tells whether somebody reads a log and does not just watch it grow.
    fn is_reading(&self) -> bool {
        let in_sight = self.zoomed || self.focus == Pane::Detail;
        let log = self.view == View::Board && self.tab == Tab::Log && self.merged.is_none();
        in_sight && log && self.log.has_lines() && !self.log.follows()
    }

    /// Returns what is being read although a newer execution has come since.
    pub(super) fn held(&self) -> Option<&Shown> {
        let here = |selection: &Selection| self.is_reading() && *selection == self.selection;
        self.held.as_ref().filter(|(selection, _)| here(selection)).map(|(_, shown)| shown)
    }

    /// Goes on to what is now.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    fn stage_execution(&self) -> Option<ExecutionId> {
        Some(self.stage()?.execution.as_ref()?.id)
    }

    pub(super) fn set_review(&mut self, token: ApprovalToken, review: Review) {
        let review = Arc::new(review);
        for overlay in &mut self.overlays {
            if let Overlay::Dialog(dialog) = overlay {
                dialog.review_arrived(token, &review);
            }
        }
        self.reviews.insert(token, review);
    }

    pub(super) fn say(&mut self, severity: Severity, text: impl Into<String>, now: Timestamp) {
        self.toast = Some(Toast { text: text.into(), severity, until: now + TOAST });
    }

    pub(super) fn context(&self) -> Context {
        match (self.overlays.last(), self.focus) {
            (Some(Overlay::Dialog(_)), _) => Context::Dialog,
            (_, Pane::Detail) => Context::Detail,
            (_, Pane::Lanes | Pane::Board) => Context::Main,
        }
    }

    pub(super) fn pipeline(&self) -> Option<&PipelineCard> {
        self.board.pipeline(self.selection.pipeline.as_ref()?)
    }

    /// Returns what is to be said of the selected pipeline and of the whole, if its lanes do not
    /// leave the room to the pipeline's own words.
    pub(super) fn notices(&self) -> impl Iterator<Item = &Notice> {
        let pipeline = self.pipeline().filter(|it| !it.lanes.is_empty());
        pipeline.into_iter().flat_map(|it| &it.notices).chain(&self.board.notices)
    }

    pub(super) fn lane(&self) -> Option<&LaneCard> {
        self.selection.lane_card(&self.board)
    }

    pub(super) fn stage(&self) -> Option<&StageCard> {
        self.selection.stage_card(&self.board)
    }

    pub(super) fn action(&self) -> Option<&ActionCard> {
        self.selection.action_card(&self.board)
    }

    /// Returns the gate that is meant: the selected action, else the one of the selected stage.
    pub(super) fn gate(&self) -> Option<GateAt<'_>> {
        let (pipeline, lane, stage) = (self.pipeline()?, self.lane()?, self.stage()?);
        let (action, attempt, gate) = stage.open_gate()?;
        let execution = stage.execution.as_ref()?;
        Some(GateAt { pipeline, lane, stage, action, attempt, gate, execution })
    }

    /// Returns the gate the detail pane shows.
    pub(super) fn selected_gate(&self) -> Option<GateAt<'_>> {
        self.gate().filter(|at| Some(&at.action.name) == self.selection.action.as_ref())
    }

    /// Tells whether the last minute of a decision that can still be taken back is on the screen.
    pub(super) fn counts_down(&self, now: Timestamp) -> bool {
        let stages = self.lane().into_iter().flat_map(|lane| &lane.stages);
        let mut gates = stages.filter_map(|stage| stage.open_gate());
        gates.any(|(_, _, gate)| {
            gate.deferred.as_ref().is_some_and(|it| it.effective_at.since(now) < Span::MINUTE)
        })
    }

    /// Says which of the executions that are watched have ended with this board, and how.
    pub(super) fn ended_watches(&mut self, board: &Board) -> Option<String> {
        let ended = board.pipelines.iter().flat_map(|pipeline| {
            let recent = pipeline.lanes.iter().flat_map(|lane| &lane.recent);
            recent.map(move |it| (pipeline, it)).filter(|(_, it)| self.watched.contains(&it.id))
        });
        let (ids, words): (Vec<_>, Vec<_>) = ended
            .map(|(pipeline, it)| {
                let commit = it.revision.short();
                (it.id, format!("{} {commit} {}", pipeline.name, it.status))
            })
            .unzip();
        self.watched.retain(|id| !ids.contains(id));
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// Moves the edge of the detail pane to a row of the screen, if that is what is dragged.
    pub(super) fn drag_to(&mut self, row: u16, height: u16) {
        if self.drags {
            // The footer is below the pane.
            self.detail_rows = Some(height.saturating_sub(row + 1));
        }
    }

    pub(super) fn drop_divider(&mut self) {
        self.drags = false;
    }

    /// Tells whether anything on the board runs, so that elapsed times must move.
    pub(super) fn something_runs(&self) -> bool {
        self.running > 0
    }
}

/// Says what has become of a gate whose dialog was open.
fn why_closed(board: &Board, subject: &Subject) -> String {
    let Subject::Gate { gate: GateRef { pipeline, stage, action, token }, .. } = subject else {
        return "one of these gates is no longer open".to_owned();
    };
    let lanes = board.pipeline(pipeline).into_iter().flat_map(|it| &it.lanes);
    let stages = lanes.flat_map(|it| &it.stages).filter(|it| it.name == *stage);
    let actions = stages.flat_map(|it| &it.actions).filter(|it| it.name == *action);
    // Its token is the attempt's.
    let mut attempts =
        actions.filter_map(|it| it.latest.as_ref()).filter(|it| it.id == token.attempt());
    match attempts.find_map(|it| it.decision.as_ref()) {
        Some(it) => format!("{action} was {} by {}", it.status.as_str().to_lowercase(), it.by),
        None => format!("{action} is no longer open"),
    }
}
