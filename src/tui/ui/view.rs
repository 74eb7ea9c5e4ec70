//! What fills the screen, and what the detail pane tells.

/// The large view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// The stages of one lane.
    #[default]
    Board,
    /// Every lane of the pipeline, a row each.
    Lanes,
    /// The executions of the pipeline.
    History,
    /// One execution as a chart.
    Timeline,
    Events,
    /// All pipelines, a row each.
    Fleet,
    /// Everything that needs somebody.
    Attention,
}

impl View {
    pub(crate) const ALL: [View; 7] = [
        Self::Board,
        Self::Lanes,
        Self::History,
        Self::Timeline,
        Self::Events,
        Self::Fleet,
        Self::Attention,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Lanes => "lanes",
            Self::History => "history",
            Self::Timeline => "timeline",
            Self::Events => "events",
            Self::Fleet => "fleet",
            Self::Attention => "attention",
        }
    }

    /// Tells whether it is a table that takes the whole room.
    pub(crate) fn is_table(self) -> bool {
        !matches!(self, Self::Board | Self::Timeline)
    }
}

/// What the detail pane tells about an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tab {
    /// The log, or the change at a gate.
    #[default]
    Log,
    Artifacts,
    Variables,
    Tests,
    Configuration,
    Attempts,
    /// The action in earlier executions.
    Earlier,
}

impl Tab {
    pub(crate) const ALL: [Tab; 7] = [
        Self::Log,
        Self::Artifacts,
        Self::Variables,
        Self::Tests,
        Self::Configuration,
        Self::Attempts,
        Self::Earlier,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Artifacts => "artifacts",
            Self::Variables => "variables",
            Self::Tests => "tests",
            Self::Configuration => "configuration",
            Self::Attempts => "attempts",
            Self::Earlier => "history",
        }
    }

    /// Returns the neighbour, around the end.
    pub(crate) fn step(self, forward: bool) -> Self {
        let at = Self::ALL.iter().position(|it| *it == self).unwrap_or(0);
        let by = if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}
