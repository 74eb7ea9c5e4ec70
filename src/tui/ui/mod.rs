//! What the dashboard remembers: selection, focus, dialogs, the log that is open.
//!
//! Keys and boards go in, wishes come out. Nothing here draws, waits or talks to a runtime.

pub(super) mod dialog;
pub(super) mod field;
mod input;
pub(super) mod list;
pub(super) mod selection;

use std::{collections::BTreeMap, sync::Arc};

use dialog::{Dialog, Subject};
use list::CommandList;
pub(super) use selection::Selection;

use super::{Leave, commands::Context, keymap::Keymap, log_pane::LogPane};
use crate::{
    engine::board::{ActionCard, Board, GateAt, LaneCard, PipelineCard, Severity, StageCard},
    model::{ActionExecutionId, ApprovalToken, Span, Timestamp},
    runtime::{Ending, Operation, review::Review},
};

/// How long a message stays.
const TOAST: Span = Span(6_000);

pub(super) struct Ui {
    pub board: Arc<Board>,
    /// How many gates wait and how many stages have failed.
    pub attention: (usize, usize),
    pub selection: Selection,
    pub focus: Pane,
    pub zoomed: bool,
    pub overlays: Vec<Overlay>,
    pub toast: Option<Toast>,
    pub log: LogPane,
    /// What is known about open gates, by token.
    pub reviews: BTreeMap<ApprovalToken, Arc<Review>>,
    /// The last line of each running action's log.
    pub tails: BTreeMap<ActionExecutionId, String>,
    pub ownership: super::Ownership,
    /// The runtime has gone away; what is shown is the last that was known.
    pub disconnected: bool,
    keymap: Keymap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Lanes,
    Board,
    Detail,
}

/// What lies over the board; the last one has the keyboard.
pub(super) enum Overlay {
    Dialog(Dialog),
    /// Help and palette: commands to look through and to run.
    Commands(CommandList),
    Search(field::TextField),
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
    NextTheme,
    ToggleMouse,
}

impl Ui {
    pub(super) fn new(board: Arc<Board>, ownership: super::Ownership) -> Self {
        let mut ui = Self {
            board: Arc::default(),
            attention: (0, 0),
            selection: Selection::default(),
            focus: Pane::Board,
            zoomed: false,
            overlays: Vec::new(),
            toast: None,
            log: LogPane::default(),
            reviews: BTreeMap::new(),
            tails: BTreeMap::new(),
            ownership,
            disconnected: false,
            keymap: Keymap::default(),
        };
        ui.set_board(board);
        ui
    }

    /// Takes a new board; selection follows identity, not position.
    pub(super) fn set_board(&mut self, board: Arc<Board>) {
        self.board = board;
        let places = selection::attention(&self.board);
        let gates = places.iter().filter(|place| place.is_gate).count();
        self.attention = (gates, places.len() - gates);
        self.selection.repair(&self.board);
        let open: Vec<ApprovalToken> = self.board.open_gates().map(|at| at.gate.token).collect();
        self.reviews.retain(|token, _| open.contains(token));
        // A gate that somebody else has decided closes its dialog.
        self.overlays.retain(|overlay| match overlay {
            Overlay::Dialog(Dialog { subject: Subject::Gate { token, .. }, .. }) => {
                open.contains(token)
            }
            Overlay::Dialog(_) | Overlay::Commands(_) | Overlay::Search(_) => true,
        });
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

    pub(super) fn lane(&self) -> Option<&LaneCard> {
        let lane = self.selection.lane.as_ref()?;
        self.pipeline()?.lanes.iter().find(|it| it.lane == *lane)
    }

    pub(super) fn stage(&self) -> Option<&StageCard> {
        let stage = self.selection.stage.as_ref()?;
        self.lane()?.stages.iter().find(|it| it.name == *stage)
    }

    pub(super) fn action(&self) -> Option<&ActionCard> {
        let action = self.selection.action.as_ref()?;
        self.stage()?.actions.iter().find(|it| it.name == *action)
    }

    /// Returns the gate that is meant: the selected action, else the one of the selected stage.
    pub(super) fn gate(&self) -> Option<GateAt<'_>> {
        let here = |at: &GateAt<'_>| {
            Some(&at.pipeline.name) == self.selection.pipeline.as_ref()
                && Some(&at.lane.lane) == self.selection.lane.as_ref()
                && Some(&at.stage.name) == self.selection.stage.as_ref()
        };
        self.board.open_gates().find(here)
    }

    /// Returns the gate the detail pane shows.
    pub(super) fn selected_gate(&self) -> Option<GateAt<'_>> {
        self.gate().filter(|at| Some(&at.action.name) == self.selection.action.as_ref())
    }

    /// Points the log pane at the selected action and says which review is missing.
    pub(super) fn follow_selection(
        &mut self,
        path: impl Fn(ActionExecutionId) -> std::path::PathBuf,
    ) -> Option<Wish> {
        let attempt = self.action().and_then(|action| action.latest.clone());
        self.log.show(attempt.as_ref(), path);
        let token = self.selected_gate().map(|at| at.gate.token)?;
        (!self.reviews.contains_key(&token)).then_some(Wish::LoadReview(token))
    }

    /// Tells whether anything on the board runs, so that elapsed times must move.
    pub(super) fn something_runs(&self) -> bool {
        self.board.running_actions() > 0
    }
}
