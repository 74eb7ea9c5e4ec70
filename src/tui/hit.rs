//! Where something that can be clicked was drawn.

use ratatui::layout::{Position, Rect};

use super::ui::{Tab, View};
use crate::model::{ActionName, Lane, PipelineName, StageName};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Lane {
        pipeline: PipelineName,
        lane: Option<Lane>,
    },
    Action {
        stage: StageName,
        action: Option<ActionName>,
    },
    Detail,
    /// The edge between the view and the detail pane.
    Divider,
    /// A row of the list that is shown.
    Row(usize),
    Tab(Tab),
    View(View),
}

/// The areas of the last frame, in the order they were drawn.
#[derive(Default)]
pub(super) struct Hits(Vec<(Rect, Target)>);

impl Hits {
    pub(super) fn add(&mut self, area: Rect, target: Target) {
        self.0.push((area, target));
    }

    /// Returns what was drawn last at a position.
    pub(super) fn at(&self, column: u16, row: u16) -> Option<&Target> {
        let hit = self.0.iter().rev().find(|(area, _)| area.contains(Position::new(column, row)));
        hit.map(|(_, target)| target)
    }
}
