//! Everything a person can do, once: keys, help and palette are all read from this table.

macro_rules! commands {
    ($($command:ident, $name:literal, $doc:literal, [$($context:ident: [$($key:literal),+]),+ $(,)?]);+ $(;)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Command { $($command),+ }

        impl Command {
            pub(crate) const ALL: &[Command] = &[$(Command::$command),+];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Command::$command => $name),+ }
            }

            pub(crate) fn doc(self) -> &'static str {
                match self { $(Command::$command => $doc),+ }
            }

            /// Returns the keys of the command by the context they act in.
            pub(crate) fn keys(self) -> &'static [(Context, &'static [&'static str])] {
                match self {
                    $(Command::$command => &[$((Context::$context, &[$($key),+])),+]),+
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
    Attention, "attention", "Go to the next thing that needs you", [Main: ["!"]];
    Review, "review", "Review the gate: see what ships, then approve or reject", [Main: ["a"]];
    SayNo, "say-no", "Reject at a gate; stop a running execution", [Main: ["x"], Dialog: ["x"]];
    Abandon, "abandon", "Stop and end running actions now", [Main: ["X"]];
    Confirm, "confirm", "Confirm what the dialog says", [Dialog: ["y"]];
    Retry, "retry", "Run the failed actions of the stage again", [Main: ["r", "ctrl+r"]];
    RetryAll, "retry-all", "Run the whole stage again", [Main: ["R"]];
    Rollback, "rollback", "Run the stage as its last success before did", [Main: ["B"]];
    OverrideCondition, "override-condition", "Let the stage go on although its condition does not", [Main: ["O"]];
    Undo, "undo", "Take back an approval that has not taken effect yet", [Main: ["u"]];
    GiveWay, "give-way", "Close the gate for the newest execution behind it", [Main: ["W"]];
    Note, "note", "Pin a note to the gate", [Main: ["m"]];
    Background, "background", "Leave, and the runtime goes on in the background", [Dialog: ["b"]];
    EndWhenIdle, "end-when-idle", "End the runtime when the running actions have ended", [Dialog: ["w"]];
    EndNow, "end-now", "End the running actions and the runtime", [Dialog: ["X"]];
    Start, "start", "Start an execution of this lane", [Main: ["S"]];
    Transition, "transition", "Disable or enable the transition into the stage", [Main: ["t"]];
    Follow, "follow", "Follow the log, or stop following", [Main: ["f"]];
    Wrap, "wrap", "Wrap long lines of the log", [Detail: ["w"]];
    Search, "search", "Search the log", [Main: ["/"]];
    NextMatch, "next-match", "Next match", [Main: ["n"]];
    PreviousMatch, "previous-match", "Previous match", [Main: ["N"]];
    NextError, "next-error", "Next line that looks like an error", [Main: ["e"]];
    Zoom, "zoom", "Give the detail pane the whole screen", [Main: ["z"]];
    Theme, "theme", "Next theme", [Main: ["ctrl+t"]];
    Mouse, "mouse", "Mouse on or off (off: the terminal selects text)", [Main: ["f10"]];
    Palette, "palette", "Find any command by name", [Main: [":"]];
    Help, "help", "Keys", [Main: ["?"], Dialog: ["?"]];
    Redraw, "redraw", "Draw the screen anew", [Main: ["ctrl+l"], Dialog: ["ctrl+l"]];
    Suspend, "suspend", "Back to the shell until fg", [Main: ["ctrl+z"], Dialog: ["ctrl+z"]];
    Quit, "quit", "Back; at the top: leave", [Main: ["q"]];
    Leave, "leave", "Leave now; running actions go on", [Main: ["Q", "ctrl+c"], Dialog: ["ctrl+c"]];
}

impl Command {
    /// Returns all keys of a command in a context, the context's own before the general ones.
    pub(super) fn keys_in(self, context: Context) -> impl Iterator<Item = &'static str> {
        let of = move |wanted: Context| {
            let lists = self.keys().iter().filter(move |(context, _)| *context == wanted);
            lists.flat_map(|(_, keys)| keys.iter().copied())
        };
        let general = (context == Context::Detail).then(|| of(Context::Main));
        of(context).chain(general.into_iter().flatten())
    }

    /// Returns the key people are told about.
    pub(super) fn first_key(self, context: Context) -> Option<&'static str> {
        self.keys_in(context).next()
    }
}
