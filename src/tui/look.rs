//! How everything looks: theme, glyphs, motion. Chosen once, from flags and environment.

use super::{
    settings::GlyphSet,
    theme::{Depth, Role, Theme, ThemeError},
};
use crate::{
    engine::board::{LaneCard, StageCard},
    model::{ActionStatus, ExecutionStatus, StageStatus},
};

#[derive(Clone, Debug)]
pub struct Look {
    pub theme: Theme,
    pub glyphs: Glyphs,
    /// Spinners turn; otherwise only elapsed times change.
    pub motion: bool,
    pub mouse: bool,
    pub(super) depth: Depth,
    /// Somebody asked for no colour, so no theme of last time brings it back.
    pub(super) without_colour: bool,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    Always,
    #[default]
    Auto,
    Never,
}

/// Asks the terminal for its background; one that does not answer in time has none.
fn for_background() -> &'static str {
    use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};
    let mut options = QueryOptions::default();
    options.timeout = std::time::Duration::from_millis(100);
    match theme_mode(options) {
        Ok(ThemeMode::Light) => "paper",
        Ok(ThemeMode::Dark) => "midnight",
        // A multiplexer may have swallowed the answer; then an older convention may help.
        Err(_) => {
            match std::env::var("COLORFGBG").ok().as_deref().and_then(|it| it.rsplit(';').next()) {
                Some("7" | "15") => "paper",
                Some(_) => "midnight",
                None => "default",
            }
        }
    }
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
    Skipped,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Tells whether the terminal says that it has more than 256 colours.
pub fn has_true_colour() -> bool {
    matches!(variable("COLORTERM").as_str(), "truecolor" | "24bit")
}

/// Tells whether the locale allows more than ASCII. An unset one says nothing about the terminal;
/// one that names another charset does.
pub fn speaks_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
    locale.iter().find(|it| !it.is_empty()).is_none_or(|it| {
        let it = it.to_lowercase();
        it.contains("utf-8") || it.contains("utf8") || matches!(it.as_str(), "c" | "posix")
    })
}

impl Look {
    /// Chooses by flag, settings, environment and what the terminal says of itself.
    pub fn choose(
        theme: Option<&str>,
        color: ColorChoice,
        glyphs: Option<GlyphSet>,
        motion: bool,
        mouse: bool,
    ) -> Result<Self, ThemeError> {
        let depth = if has_true_colour() { Depth::True } else { Depth::Indexed };
        let without_colour = match color {
            ColorChoice::Always => false,
            ColorChoice::Never => true,
            ColorChoice::Auto => !variable("NO_COLOR").is_empty(),
        };
        let name = match theme {
            _ if without_colour => "mono",
            Some("auto") => for_background(),
            other => other.unwrap_or("default"),
        };
        let glyphs = match glyphs {
            Some(GlyphSet::Nerd) => Glyphs::NERD,
            Some(GlyphSet::Unicode) => Glyphs::UNICODE,
            None if speaks_unicode() => Glyphs::UNICODE,
            Some(GlyphSet::Ascii) | None => Glyphs::ASCII,
        };
        let theme = Theme::find(name, depth)?;
        Ok(Self { theme, glyphs, motion, mouse, depth, without_colour })
    }

    /// Puts another theme on; one that cannot be read changes nothing.
    pub fn wear(&mut self, name: &str) -> Result<(), ThemeError> {
        self.theme = Theme::find(name, self.depth)?;
        Ok(())
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
    pub skipped: &'static str,
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
    pub bar_full: &'static str,
    pub bar_wait: &'static str,
    pub bar_queue: &'static str,
    pub critical: &'static str,
}

impl Glyphs {
    pub const UNICODE: Self = Self {
        succeeded: "✔",
        failed: "✘",
        waiting: "‖",
        stopped: "■",
        superseded: "»",
        skipped: "–",
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
        bar_full: "━",
        bar_wait: "╌",
        bar_queue: "·",
        critical: "◆",
    };
    /// Private use symbols that only a Nerd Font has.
    pub const NERD: Self = Self {
        succeeded: "\u{f00c}",
        failed: "\u{f00d}",
        waiting: "\u{f04c}",
        stopped: "\u{f04d}",
        superseded: "\u{f101}",
        still: "\u{f04b}",
        ..Self::UNICODE
    };
    pub const ASCII: Self = Self {
        succeeded: "+",
        failed: "x",
        waiting: "=",
        stopped: "#",
        superseded: "~",
        skipped: "-",
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
        bar_full: "#",
        bar_wait: "=",
        bar_queue: ".",
        critical: "*",
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
            StageStatus::Skipped => Self::Skipped,
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

    /// Sums a lane up: what needs somebody beats what runs beats what has ended.
    pub(super) fn of_lane(lane: &LaneCard) -> Self {
        let stages = || lane.stages.iter();
        if stages().any(|it| it.open_gate().is_some()) {
            Self::Waiting
        } else if stages().any(|it| it.status == Some(StageStatus::Failed)) {
            Self::Failed
        } else if stages().any(StageCard::is_occupied) {
            Self::Running
        } else if stages().any(|it| !it.inbound.is_empty()) {
            Self::Waiting
        } else {
            lane.recent.first().map_or(Self::NotStarted, |it| Self::of_execution(it.status))
        }
    }

    /// Orders marks by how much somebody should care.
    pub(super) fn urgency(self) -> u8 {
        match self {
            Self::NotStarted => 0,
            Self::Superseded | Self::Skipped => 1,
            Self::Succeeded => 2,
            Self::Stopped => 3,
            Self::Running => 4,
            Self::Failed => 5,
            Self::Waiting => 6,
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
            Self::Skipped => Role::Skipped,
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
            Self::Skipped => glyphs.skipped,
        }
    }
}
