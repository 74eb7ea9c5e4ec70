//! Gates that are marked to be decided together: in the list of what needs you, by Space.

use super::{Ui, Wish, dialog::Dialog};
use crate::{
    engine::board::{GateAt, Severity},
    model::{ApprovalStatus, Timestamp},
    tui::ui::{View, table::RowTarget},
};

/// More than these nobody reads in one dialog.
const MOST: usize = 10;

impl Ui {
    /// Marks the gate under the cursor, or takes its mark away, and goes on to the next row.
    pub(super) fn mark_gate(&mut self, now: Timestamp) {
        if self.view != View::Attention {
            return self.say(Severity::Remark, "7 lists the gates; Space marks them there", now);
        }
        let rows = self.table(now).rows;
        let target = rows.get(self.cursor_in(&rows)).and_then(|row| row.target.as_ref());
        let gate = match target {
            Some(RowTarget::Place(at)) => at.action_card(&self.board),
            _ => None,
        };
        let gate = gate.and_then(|it| it.latest.as_ref()?.gate.as_ref());
        match gate.map(|it| it.token) {
            None => self.say(Severity::Remark, "only a gate can be marked", now),
            Some(token) if self.marked.remove(&token) => {}
            Some(_) if self.marked.len() == MOST => {
                return self.say(Severity::Remark, "ten at a time: each has to be read", now);
            }
            Some(token) => {
                self.marked.insert(token);
            }
        }
        self.move_cursor(1, now);
    }

    /// Opens the dialog about everything that is marked, if anything is.
    pub(super) fn review_marked(
        &mut self,
        status: ApprovalStatus,
        now: Timestamp,
    ) -> Option<Vec<Wish>> {
        if !self.decides_marked() {
            return None;
        }
        let dialog = Dialog::gates(&self.marked_gates(), status, now);
        Some(self.open_dialog(dialog))
    }

    /// Tells whether a decision is about the gates that are marked.
    pub(super) fn decides_marked(&self) -> bool {
        self.view == View::Attention && !self.marked.is_empty()
    }

    fn marked_gates(&self) -> Vec<GateAt<'_>> {
        self.board.open_gates().filter(|at| self.marked.contains(&at.gate.token)).collect()
    }
}
