//! How everything looks: theme, glyphs, motion. Chosen once, from flags and environment.

use super::theme::{Depth, Role, Theme, ThemeError};
use crate::model::{ActionStatus, ExecutionStatus, StageStatus};

#[derive(Clone, Debug)]
pub struct Look {
    pub theme: Theme,
    pub glyphs: Glyphs,
    /// Spinners turn; otherwise only elapsed times change.
    pub motion: bool,
    pub mouse: bool,
    depth: Depth,
}

/// The state of anything on the board, as it is drawn: glyph, word and colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    NotStarted,
    Running,
    Waiting,
    Succeeded,
    Failed,
    Stopped,
    Superseded,
}

impl Look {
    /// Chooses by flag, environment and what the terminal says of itself.
    pub fn choose(
        theme: Option<&str>,
        ascii: bool,
        motion: bool,
        mouse: bool,
    ) -> Result<Self, ThemeError> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let depth = match variable("COLORTERM").as_str() {
            "truecolor" | "24bit" => Depth::True,
            _ => Depth::Indexed,
        };
        let without_colour = !variable("NO_COLOR").is_empty();
        let name = if without_colour { "mono" } else { theme.unwrap_or("default") };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
        let locale = locale.iter().find(|it| !it.is_empty());
        // An unset locale says nothing about the terminal; one that names another charset does.
        let unicode = locale.is_none_or(|it| {
            let it = it.to_lowercase();
            it.contains("utf-8") || it.contains("utf8") || matches!(it.as_str(), "c" | "posix")
        });
        Ok(Self {
            theme: Theme::find(name, depth)?,
            glyphs: if ascii || !unicode { Glyphs::ASCII } else { Glyphs::UNICODE },
            motion,
            mouse,
            depth,
        })
    }

    /// Switches to the next bundled theme.
    pub fn next_theme(&mut self) {
        if let Ok(theme) = Theme::find(self.theme.next(), self.depth) {
            self.theme = theme;
        }
    }

    pub fn style(&self, role: Role) -> ratatui::style::Style {
        self.theme.style(role)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    pub succeeded: &'static str,
    pub failed: &'static str,
    pub waiting: &'static str,
    pub stopped: &'static str,
    pub superseded: &'static str,
    pub not_started: &'static str,
    pub spinner: &'static [&'static str],
    pub still: &'static str,
    pub arrow: &'static str,
    pub blocked: &'static str,
    pub rule: &'static str,
    pub vertical: &'static str,
    pub corners: [&'static str; 4],
    pub selected: &'static str,
    pub ellipsis: &'static str,
    pub to: &'static str,
    pub separator: &'static str,
}

impl Glyphs {
    pub const UNICODE: Self = Self {
        succeeded: "✔",
        failed: "✘",
        waiting: "‖",
        stopped: "■",
        superseded: "»",
        not_started: "·",
        spinner: &["◐", "◓", "◑", "◒"],
        still: "▶",
        arrow: "──▶",
        blocked: "─╳ ",
        rule: "─",
        vertical: "│",
        corners: ["╭", "╮", "╰", "╯"],
        selected: "▌",
        ellipsis: "…",
        to: "→",
        separator: "·",
    };
    pub const ASCII: Self = Self {
        succeeded: "+",
        failed: "x",
        waiting: "=",
        stopped: "#",
        superseded: "~",
        not_started: ".",
        spinner: &["|", "/", "-", "\\"],
        still: ">",
        arrow: "-->",
        blocked: "-X ",
        rule: "-",
        vertical: "|",
        corners: ["+", "+", "+", "+"],
        selected: ">",
        ellipsis: "~",
        to: "->",
        separator: "-",
    };
}

impl Mark {
    pub(super) fn of_execution(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::InProgress | ExecutionStatus::Stopping => Self::Running,
            ExecutionStatus::Stopped | ExecutionStatus::Cancelled => Self::Stopped,
            ExecutionStatus::Succeeded => Self::Succeeded,
            ExecutionStatus::Failed => Self::Failed,
            ExecutionStatus::Superseded => Self::Superseded,
        }
    }

    pub(super) fn of_stage(status: StageStatus) -> Self {
        match status {
            StageStatus::InProgress | StageStatus::Stopping => Self::Running,
            StageStatus::Succeeded => Self::Succeeded,
            StageStatus::Failed => Self::Failed,
            StageStatus::Stopped | StageStatus::Cancelled => Self::Stopped,
            StageStatus::Skipped => Self::Superseded,
        }
    }

    pub(super) fn of_action(status: ActionStatus) -> Self {
        match status {
            ActionStatus::InProgress => Self::Running,
            ActionStatus::Succeeded => Self::Succeeded,
            ActionStatus::Failed => Self::Failed,
            ActionStatus::Abandoned => Self::Stopped,
        }
    }

    pub(super) fn role(self) -> Role {
        match self {
            Self::NotStarted => Role::Queued,
            Self::Running => Role::Running,
            Self::Waiting => Role::Waiting,
            Self::Succeeded => Role::Succeeded,
            Self::Failed => Role::Failed,
            Self::Stopped => Role::Stopped,
            Self::Superseded => Role::Superseded,
        }
    }

    /// Returns the glyph; a running one turns with `beat`.
    pub(super) fn glyph(self, look: &Look, beat: u64) -> &'static str {
        let glyphs = &look.glyphs;
        match self {
            Self::NotStarted => glyphs.not_started,
            Self::Running if look.motion => {
                let at = beat % glyphs.spinner.len() as u64;
                glyphs.spinner[usize::try_from(at).unwrap_or(0)]
            }
            Self::Running => glyphs.still,
            Self::Waiting => glyphs.waiting,
            Self::Succeeded => glyphs.succeeded,
            Self::Failed => glyphs.failed,
            Self::Stopped => glyphs.stopped,
            Self::Superseded => glyphs.superseded,
        }
    }
}
