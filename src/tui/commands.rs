//! Everything a person can do, once: keys, help and palette are all read from this table.

use super::ui::View;

macro_rules! commands {
    ($($group:ident, $title:literal: {
        $($command:ident, $name:literal, $doc:literal, [$($context:ident: [$($key:literal),+]),+ $(,)?];)+
    })+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Command { $($($command),+),+ }

        /// What a command is there for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Group { $($group),+ }

        impl Group {
            pub(crate) fn title(self) -> &'static str {
                match self { $(Group::$group => $title),+ }
            }
        }

        impl Command {
            pub(crate) const ALL: &[Command] = &[$($(Command::$command),+),+];

            pub(crate) fn group(self) -> Group {
                match self { $($(Command::$command => Group::$group),+),+ }
            }

            pub(crate) fn name(self) -> &'static str {
                match self { $($(Command::$command => $name),+),+ }
            }

            pub(crate) fn doc(self) -> &'static str {
                match self { $($(Command::$command => $doc),+),+ }
            }

            /// Returns the keys of the command by the context they act in.
            pub(crate) fn keys(self) -> &'static [(Context, &'static [&'static str])] {
                match self {
                    $($(Command::$command => &[$((Context::$context, &[$($key),+])),+]),+),+
                }
            }
        }
    };
}

/// Where the keyboard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Context {
    /// Pipelines, board and detail pane: what is there whenever no dialog is open.
    Main,
    /// The detail pane has the focus.
    Detail,
    /// A dialog is open and its text field, if any, has been left.
    Dialog,
}

commands! {
    Moving, "moving": {
        Left, "left", "Previous stage", [Main: ["h", "left"]];
        Right, "right", "Next stage", [Main: ["l", "right"]];
        Down, "down", "Next action, or next line", [Main: ["j", "down"], Dialog: ["j", "down"]];
        Up, "up", "Previous action, or previous line", [Main: ["k", "up"], Dialog: ["k", "up"]];
        First, "first", "First action, or top of the log", [Main: ["g g", "home"]];
        Last, "last", "Last action, or end of the log", [Main: ["G", "end"]];
        HalfPageDown, "half-page-down", "Scroll half a page down", [Main: ["ctrl+d", "pagedown"], Dialog: ["ctrl+d", "pagedown"]];
        HalfPageUp, "half-page-up", "Scroll half a page up", [Main: ["ctrl+u", "pageup"], Dialog: ["ctrl+u", "pageup"]];
        ScrollDown, "scroll-detail-down", "Scroll the detail pane down", [Main: ["J"]];
        ScrollUp, "scroll-detail-up", "Scroll the detail pane up", [Main: ["K"]];
        Open, "open", "Open: pipeline, stage, action, log", [Main: ["enter"]];
        Back, "back", "Back one level", [Main: ["esc"], Dialog: ["esc", "n"]];
        NextPane, "next-pane", "Focus the next pane", [Main: ["tab"]];
        PreviousPane, "previous-pane", "Focus the previous pane", [Main: ["shift+tab"]];
    }
    Deciding, "what needs you": {
        Attention, "attention", "Go to the next thing that needs you", [Main: ["!"]];
        Review, "review", "Review the gate: see what ships, then approve or reject", [Main: ["a"]];
        Confirm, "confirm", "Confirm what the dialog says", [Dialog: ["y"]];
        SayNo, "say-no", "Reject at a gate; stop a running execution", [Main: ["x"], Dialog: ["x"]];
        Defer, "defer", "Let the decision take effect later", [Dialog: ["D"]];
        MarkGate, "mark-gate", "Mark the gate in the list of what needs you; a and x then decide all that are marked", [Main: ["space"]];
        Undo, "undo", "Take back an approval that has not taken effect yet", [Main: ["u"]];
        GiveWay, "give-way", "Close the gate for the newest execution behind it", [Main: ["W"], Dialog: ["W"]];
        Note, "note", "Pin a note to the gate", [Main: ["M"]];
        Diff, "diff", "What has changed since the stage last succeeded", [Main: ["d"], Dialog: ["d"]];
        Patch, "patch", "The selected commit with its message and patch", [Dialog: ["enter"]];
    }
    Operating, "executions": {
        Start, "start", "Start an execution of this lane", [Main: ["S"]];
        Watch, "watch-execution", "Tell me when this execution has ended, or no longer", [Main: ["w"]];
        Retry, "retry", "Run the failed actions of the stage again", [Main: ["r", "ctrl+r"]];
        RetryAll, "retry-all", "Run the whole stage again", [Main: ["R"]];
        Rollback, "rollback", "Run the stage as its last success before did; in the history, as that execution did", [Main: ["B"]];
        OverrideCondition, "override-condition", "Let the stage go on although its condition does not", [Main: ["O"]];
        Abandon, "abandon", "Stop and end running actions now", [Main: ["X"]];
        Transition, "transition", "Disable or enable the transition into the stage", [Main: ["t"]];
        Pause, "pause", "Pause watching: commits start nothing; again to resume", [Main: ["p"]];
    }
    Looking, "looking around": {
        ViewBoard, "board", "The stages of the lane", [Main: ["1"]];
        ViewLanes, "lanes", "Every lane of the pipeline, a row each", [Main: ["2"]];
        ViewHistory, "history", "The executions of the pipeline", [Main: ["3"]];
        ViewTimeline, "timeline", "The execution as a chart, with its critical path", [Main: ["4"]];
        ViewEvents, "events", "What has happened", [Main: ["5"]];
        ViewFleet, "fleet", "All pipelines, a row each, with rates and durations", [Main: ["6"]];
        ViewAttention, "attention-list", "Everything that needs somebody", [Main: ["7"]];
        NextTab, "next-tab", "Next tab of the detail pane", [Main: ["]"]];
        PreviousTab, "previous-tab", "Previous tab of the detail pane", [Main: ["["]];
        Older, "older-execution", "The execution before this one", [Main: ["H"]];
        Newer, "newer-execution", "The execution after this one", [Main: ["L"]];
        StepBack, "step-back", "Time travel: one event back", [Main: [","]];
        StepForward, "step-forward", "Time travel: one event forward, at the end to the present", [Main: ["."]];
        TurnBack, "turn-back", "Time travel: back to the last change of stage", [Main: ["{"]];
        TurnForward, "turn-forward", "Time travel: on to the next change of stage", [Main: ["}"]];
        Bisect, "bisect", "The commits since this action last succeeded", [Main: ["b"]];
        Zoom, "zoom", "Give the detail pane the whole screen", [Main: ["z"]];
        NextLayout, "next-layout", "More room for the detail pane", [Main: ["+"]];
        PreviousLayout, "previous-layout", "Less room for the detail pane", [Main: ["_"]];
    }
    Log, "logs and lists": {
        Search, "search", "Search the log, or the list", [Main: ["/"]];
        Filter, "filter", "Show only lines of the log with these words; ! before them inverts", [Main: ["&"]];
        NextMatch, "next-match", "Next match", [Main: ["n"]];
        PreviousMatch, "previous-match", "Previous match", [Main: ["N"]];
        NextError, "next-error", "Next line that looks like an error", [Main: ["e"]];
        PreviousError, "previous-error", "Previous line that looks like an error", [Main: ["E"]];
        Follow, "follow", "Follow the log, or stop following", [Main: ["f"]];
        Wrap, "wrap", "Wrap long lines of the log", [Detail: ["w"]];
        Timestamps, "timestamps", "Show when each line of the log was written", [Main: ["T"]];
        Mark, "mark", "Mark the first line of the log's window", [Detail: ["m"]];
        NextMark, "next-mark", "Go to the next mark", [Detail: ["'"]];
        ShiftRight, "shift-right", "Move the log's lines to the left", [Detail: [">"]];
        ShiftLeft, "shift-left", "Move the log's lines back", [Detail: ["<"]];
        Merge, "merge-logs", "The logs of all actions of the stage as one, or the action's own again", [Detail: ["*"]];
        Select, "select", "Select lines of the log, j and k extend, y y copies", [Detail: ["v"]];
        Yank, "copy", "Copy the selected lines, or the window of the log", [Main: ["y y"]];
        YankRevision, "copy-revision", "Copy the commit id", [Main: ["y r"]];
        YankExecution, "copy-execution", "Copy the execution id", [Main: ["y e"]];
        YankLine, "copy-command", "Copy a command line that does what the keys do here", [Main: ["y c"]];
        Snapshot, "snapshot", "Copy the screen as text, for a chat", [Main: ["Y"]];
        Pager, "pager", "Open the log, or the text, in $PAGER", [Main: ["o"]];
        Stream, "stream", "Show the log on the normal screen; a key comes back", [Main: ["s"]];
    }
    Program, "the program": {
        Palette, "palette", "Find a command, a pipeline or a lane by name", [Main: [":"]];
        Help, "help", "Keys", [Main: ["?"], Dialog: ["?"]];
        Theme, "theme", "Choose a theme", [Main: ["ctrl+t"]];
        Mouse, "mouse", "Mouse on or off (off: the terminal selects text)", [Main: ["f10"]];
        Redraw, "redraw", "Draw the screen anew", [Main: ["ctrl+l"], Dialog: ["ctrl+l"]];
        Suspend, "suspend", "Back to the shell until fg", [Main: ["ctrl+z"], Dialog: ["ctrl+z"]];
        Init, "init", "Write a pipeline for the repository you stand in, where there is none yet", [Main: ["i"]];
        Demo, "demo", "See everything on a throw-away repository, where there is no pipeline yet", [Main: ["D"]];
        Quit, "quit", "Back; at the top: leave", [Main: ["q"]];
        Leave, "leave", "Leave now; running actions go on", [Main: ["Q", "ctrl+c"], Dialog: ["ctrl+c"]];
        Background, "background", "Leave, and the runtime goes on in the background", [Dialog: ["b"]];
        EndWhenIdle, "end-when-idle", "End the runtime when the running actions have ended", [Dialog: ["w"]];
        EndNow, "end-now", "End the running actions and the runtime", [Dialog: ["X"]];
    }
}

impl Command {
    /// Returns the view that the command shows, if that is all it does.
    pub(super) fn view(self) -> Option<View> {
        Some(match self {
            Self::ViewBoard => View::Board,
            Self::ViewLanes => View::Lanes,
            Self::ViewHistory => View::History,
            Self::ViewTimeline => View::Timeline,
            Self::ViewEvents => View::Events,
            Self::ViewFleet => View::Fleet,
            Self::ViewAttention => View::Attention,
            _ => return None,
        })
    }

    /// Tells whether it is about the lines of a log.
    pub(super) fn is_about_log(self) -> bool {
        matches!(
            self,
            Self::Follow
                | Self::Wrap
                | Self::Timestamps
                | Self::Mark
                | Self::NextMark
                | Self::ShiftLeft
                | Self::ShiftRight
                | Self::Select
                | Self::Yank
                | Self::Merge
                | Self::Pager
                | Self::Stream
                | Self::Search
                | Self::Filter
                | Self::NextError
                | Self::PreviousError
        )
    }

    /// Tells whether it goes through the past.
    pub(super) fn travels(self) -> bool {
        matches!(self, Self::StepBack | Self::StepForward | Self::TurnBack | Self::TurnForward)
    }

    /// Tells whether it asks the runtime for something, or leads to a dialog that does.
    pub(super) fn changes_something(self) -> bool {
        matches!(
            self,
            Self::Review
                | Self::SayNo
                | Self::Abandon
                | Self::Retry
                | Self::RetryAll
                | Self::Rollback
                | Self::OverrideCondition
                | Self::Undo
                | Self::GiveWay
                | Self::Note
                | Self::Start
                | Self::Pause
                | Self::Transition
                | Self::Background
                | Self::EndWhenIdle
                | Self::EndNow
                | Self::Init
        )
    }

    /// Returns the keys a command has unless somebody chose others.
    pub(super) fn default_keys(self, context: Context) -> impl Iterator<Item = &'static str> {
        let lists = self.keys().iter().filter(move |(of, _)| *of == context);
        lists.flat_map(|(_, keys)| keys.iter().copied())
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}
