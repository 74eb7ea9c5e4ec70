//! Where everything goes: wide screens get the lanes at the left, narrow ones a line of them,
//! and the smallest keep what waits.

use ratatui::layout::Rect;

use crate::tui::ui::{Layout, Ui, View};

/// From here on the lanes have a pane of their own.
const WIDE: u16 = 100;
/// From here on that pane goes all the way down beside the detail pane.
const VERY_WIDE: u16 = 140;
const LANES_WIDTH: u16 = 26;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Areas {
    pub header: Rect,
    pub lanes: Rect,
    /// What is wrong with what is selected, where the lanes have no pane that says it.
    pub notice: Rect,
    pub board: Rect,
    pub detail: Rect,
    pub footer: Rect,
}

pub(crate) fn areas(area: Rect, ui: &Ui) -> Areas {
    let mut rest = area;
    let header = take_top(&mut rest, 1);
    let footer = take_bottom(&mut rest, 1);
    if ui.zoomed {
        return Areas { header, detail: rest, footer, ..Areas::default() };
    }
    if ui.board.pipelines.is_empty() {
        return Areas { header, board: rest, footer, ..Areas::default() };
    }
    if ui.view.is_table() {
        return table(area, Areas { header, footer, ..Areas::default() }, rest);
    }
    if area.width >= WIDE {
        take_top(&mut rest, 1);
        let rows = detail_height(rest.height, ui);
        // Who goes first goes all the way.
        let (lanes, detail) = if area.width >= VERY_WIDE {
            (take_lanes(&mut rest), take_bottom(&mut rest, rows))
        } else {
            let detail = take_bottom(&mut rest, rows);
            (take_lanes(&mut rest), detail)
        };
        Areas { header, lanes, board: rest, detail, footer, ..Areas::default() }
    } else {
        let lanes = take_top(&mut rest, 1);
        let lines = if ui.notices().next().is_none() { 0 } else { rest.height / 10 };
        let notice = take_top(&mut rest, lines.min(2));
        let rows = detail_height(rest.height, ui);
        let detail = take_bottom(&mut rest, rows);
        let margin = 1.min(rest.width / 2);
        let board = Rect { x: rest.x + margin, width: rest.width - 2 * margin, ..rest };
        Areas { header, lanes, notice, board, detail, footer }
    }
}

/// A list takes the room of board and detail pane.
fn table(area: Rect, areas: Areas, mut rest: Rect) -> Areas {
    if area.width >= WIDE {
        take_top(&mut rest, 1);
        let lanes = take_lanes(&mut rest);
        return Areas { lanes, board: rest, ..areas };
    }
    let lanes = take_top(&mut rest, 1);
    Areas { lanes, board: rest, ..areas }
}

/// The board gets what its tallest stage wants, up to more than half; the detail pane the rest.
fn detail_height(height: u16, ui: &Ui) -> u16 {
    if height < 10 {
        return 0;
    }
    if let Some(rows) = ui.detail_rows {
        return rows.min(height - 4);
    }
    match ui.layout {
        Layout::Board => return 0,
        Layout::Log => return height - (height / 4).max(4),
        Layout::Split => {}
    }
    if ui.view == View::Timeline {
        return height / 2;
    }
    let stages = ui.lane().map(|lane| lane.stages.iter());
    let tallest = stages.into_iter().flatten().map(|stage| stage.actions.len()).max().unwrap_or(3);
    let wanted = u16::try_from(6 + 3 * tallest).unwrap_or(u16::MAX);
    let most = height * 3 / 5;
    height - wanted.clamp(8.min(most), most)
}

fn take_lanes(rest: &mut Rect) -> Rect {
    let taken = Rect { width: LANES_WIDTH, ..*rest };
    let used = LANES_WIDTH + 2;
    *rest = Rect { x: rest.x + used, width: rest.width - used, ..*rest };
    taken
}

fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let taken = Rect { height: rows, ..*rest };
    *rest = Rect { y: rest.y + rows, height: rest.height - rows, ..*rest };
    taken
}

fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    *rest = Rect { height: rest.height - rows, ..*rest };
    Rect { y: rest.bottom(), height: rows, ..*rest }
}
