//! Does what commands say. This is the only door: keys, palette and help come through here.

use super::{
    Layout, Overlay, Paged, Pane, Tab, Ui, View, Wish,
    dialog::{Dialog, Subject},
    input::PAGE,
    list::CommandList,
    past::Step,
    prompt::PromptKind,
    selection::lane_rows,
    table::RowTarget,
};
use crate::{
    engine::board::Severity,
    model::{ApprovalStatus, StopMode, Timestamp},
    runtime::Ending,
    tui::{
        Leave, Ownership,
        commands::{Command, Context},
    },
};

impl Ui {
    /// Does a command with what was typed behind its name in the palette.
    pub(super) fn command_with(
        &mut self,
        command: Command,
        argument: &str,
        now: Timestamp,
    ) -> Vec<Wish> {
        match command {
            _ if argument.is_empty() => self.command(command, now),
            Command::Theme => {
                let mut wishes = self.wear(argument.to_owned());
                wishes.push(Wish::KeepTheme);
                wishes
            }
            Command::Search => {
                self.log.search(argument);
                Vec::new()
            }
            Command::Filter => {
                self.log.filter(argument);
                Vec::new()
            }
            Command::ViewHistory | Command::ViewEvents | Command::ViewFleet => {
                let wishes = self.command(command, now);
                self.filter_rows(argument);
                wishes
            }
            _ => self.command(command, now),
        }
    }

    pub(crate) fn command(&mut self, command: Command, now: Timestamp) -> Vec<Wish> {
        if !command.travels() {
            self.opens_past = None;
        }
        if command.changes_something()
            && let Err(why) = self.aim(command, now)
        {
            self.say(Severity::Remark, why, now);
            return Vec::new();
        }
        if self.context() == Context::Dialog {
            return self.command_in_dialog(command, now);
        }
        if command.is_about_log() && !self.view.is_table() {
            // Nothing is done to a log that nobody sees.
            self.show_tab(Tab::Log);
            if !self.log.has_lines() && command != Command::Merge {
                self.say(Severity::Remark, "there is no log here", now);
                return Vec::new();
            }
        }
        if command == Command::Filter && self.view.is_table() {
            return self.command(Command::Search, now);
        }
        if let Some(view) = command.view() {
            self.go_to(view);
            return Vec::new();
        }
        match command {
            Command::Review => self.review(ApprovalStatus::Approved, now),
            Command::MarkGate => {
                self.mark_gate(now);
                Vec::new()
            }
            Command::SayNo if self.decides_marked() || self.gate().is_some() => {
                self.review(ApprovalStatus::Rejected, now)
            }
            Command::SayNo => self.stop(StopMode::Wait, now),
            Command::Abandon => self.stop(StopMode::Abandon, now),
            Command::Retry => self.retry(now),
            Command::RetryAll => self.retry_all(now),
            Command::Start => {
                let dialog =
                    self.pipeline().map(|pipeline| Dialog::start(&pipeline.name, self.lane(), now));
                dialog.map_or_else(Vec::new, |dialog| self.open_dialog(dialog))
            }
            Command::Rollback => self.roll_back(now),
            Command::OverrideCondition => self.override_condition(now),
            Command::Undo => self.undo(now),
            Command::GiveWay => self.at_gate(Dialog::give_way, now),
            Command::Note => self.at_gate(Dialog::note, now),
            Command::Transition => self.transition(now),
            Command::Pause => self.pause(),
            Command::Theme => {
                self.pick_theme();
                Vec::new()
            }
            // With a file that is broken there is one already.
            Command::Init if self.live.pipelines.is_empty() && self.live.notices.is_empty() => {
                vec![Wish::Quit(Leave::Init)]
            }
            Command::Demo if self.live.pipelines.is_empty() => vec![Wish::Quit(Leave::Demo)],
            Command::Watch => {
                self.watch(now);
                Vec::new()
            }
            Command::Mouse => vec![Wish::ToggleMouse],
            Command::Redraw => vec![Wish::Redraw],
            Command::Suspend => vec![Wish::Suspend],
            Command::Quit => self.quit(now),
            Command::Leave => vec![Wish::Quit(Leave::Close)],
            Command::Background | Command::EndWhenIdle | Command::EndNow => self.leave_somehow(now),
            Command::Yank => self.log.text().into_iter().map(Wish::Copy).collect(),
            Command::YankRevision | Command::YankExecution | Command::YankLine => {
                self.yank(command, now)
            }
            Command::Snapshot => vec![Wish::Snapshot],
            Command::Merge => self.merge(now),
            Command::Pager => match &self.merged {
                Some(merged) => vec![Wish::Pager(Paged::File(merged.file.to_path_buf()))],
                None => self.shown().into_iter().map(|it| Wish::Pager(Paged::Log(it.id))).collect(),
            },
            Command::Stream => self.shown().into_iter().map(|it| Wish::Stream(it.id)).collect(),
            other => {
                self.navigate(other, now);
                Vec::new()
            }
        }
    }

    /// Makes sure that what is selected is what is seen, before anything is done about it.
    fn aim(&mut self, command: Command, now: Timestamp) -> Result<(), &'static str> {
        // To look at what would ship is no decision.
        if self.read_only && command != Command::Review {
            return Err("this dashboard only reads (--read-only)");
        }
        if self.past.is_some() {
            return Err("this is the past: Esc returns to the present");
        }
        if self.context() == Context::Dialog || self.board.pipelines.is_empty() {
            return Ok(());
        }
        match self.view {
            View::Board => Ok(()),
            View::Attention if self.decides_marked() => Ok(()),
            // The row says what to go back to.
            View::History if command == Command::Rollback => Ok(()),
            View::Timeline => {
                let here = self.stage().and_then(|it| it.execution.as_ref()).map(|it| it.id);
                let same = self.execution() == here;
                if same { Ok(()) } else { Err("the board is elsewhere; 1 shows it") }
            }
            View::Lanes | View::History | View::Events | View::Fleet | View::Attention => {
                let mut table = self.table(now);
                let at = self.cursor_in(&table.rows);
                let row = (at < table.rows.len()).then(|| table.rows.swap_remove(at));
                match row.and_then(|it| it.target) {
                    Some(RowTarget::Place(selection)) if selection.stage.is_some() => {
                        self.selection = selection;
                        self.selection.repair(&self.board);
                        Ok(())
                    }
                    _ => Err("that is done on the board: Enter, or 1, leads there"),
                }
            }
        }
    }

    fn navigate(&mut self, command: Command, now: Timestamp) {
        let board = std::sync::Arc::clone(&self.board);
        match command {
            Command::Left if self.focus == Pane::Lanes => {}
            Command::Left if self.view == View::Board && self.selection.move_stage(&board, -1) => {}
            Command::Left => self.focus = Pane::Lanes,
            Command::Right if self.focus == Pane::Lanes => self.focus = Pane::Board,
            Command::Right if self.view == View::Board => {
                self.selection.move_stage(&board, 1);
            }
            Command::Down => self.vertical(1, now),
            Command::Up => self.vertical(-1, now),
            Command::HalfPageDown => self.scroll(PAGE, now),
            Command::HalfPageUp => self.scroll(-PAGE, now),
            Command::ScrollDown => self.scroll_detail(1),
            Command::ScrollUp => self.scroll_detail(-1),
            Command::First => self.vertical(isize::MIN / 2, now),
            Command::Last => self.vertical(isize::MAX / 2, now),
            Command::Open => self.open(now),
            Command::Back => self.back(),
            Command::NextPane => self.focus = self.next_pane(true),
            Command::PreviousPane => self.focus = self.next_pane(false),
            Command::NextTab => self.show_tab(self.tab.step(true)),
            Command::PreviousTab => self.show_tab(self.tab.step(false)),
            Command::Attention => {
                if self.selection.next_attention(&board) {
                    self.go_to(View::Board);
                    self.show_tab(Tab::Log);
                } else {
                    self.say(Severity::Remark, "nothing needs you", now);
                }
            }
            Command::StepBack => self.travel(Step::Back, now),
            Command::StepForward => self.travel(Step::Forward, now),
            Command::TurnBack => self.travel(Step::TurnBack, now),
            Command::TurnForward => self.travel(Step::TurnForward, now),
            Command::Older => self.neighbour(1, now),
            Command::Newer => self.neighbour(-1, now),
            Command::Diff => self.diff(now),
            Command::Bisect => self.bisect(now),
            Command::Follow if self.held().is_some() => self.let_go(),
            Command::Follow => self.log.toggle_follow(),
            Command::Wrap => self.log.wrap = !self.log.wrap,
            Command::Timestamps => self.log.timestamps = !self.log.timestamps,
            Command::Mark => self.log.toggle_mark(),
            Command::NextMark if self.log.next_mark() => {}
            Command::NextMark => {
                self.say(Severity::Remark, "no line is marked; m marks one", now);
            }
            Command::ShiftRight => self.log.shift = self.log.shift.saturating_add(20),
            Command::ShiftLeft => self.log.shift = self.log.shift.saturating_sub(20),
            Command::Select => self.log.toggle_selection(),
            Command::Search if self.view.is_table() => self.ask(PromptKind::Rows),
            Command::Search => self.ask(PromptKind::Search),
            Command::Filter => self.ask(PromptKind::Lines),
            Command::NextMatch => self.log.next_match(1),
            Command::PreviousMatch => self.log.next_match(-1),
            Command::NextError | Command::PreviousError
                if self.log.next_error(command == Command::NextError) => {}
            Command::NextError | Command::PreviousError => {
                self.say(Severity::Remark, "no further line looks like an error", now);
            }
            Command::Zoom => self.zoomed = !self.zoomed,
            Command::NextLayout => {
                (self.layout, self.detail_rows) = (self.layout.next(), None);
            }
            Command::PreviousLayout => {
                (self.layout, self.detail_rows) = (self.layout.previous(), None);
            }
            Command::Palette => {
                let lanes = lane_rows(&self.board);
                let (context, recent) = (self.context(), &self.recent_commands);
                let list = CommandList::palette(context, &self.keymap, recent, lanes);
                self.overlays.push(Overlay::Commands(list));
            }
            Command::Help => {
                let list = CommandList::help(self.context(), &self.keymap);
                self.overlays.push(Overlay::Commands(list));
            }
            Command::Confirm | Command::Patch | Command::Defer => {
                self.say(Severity::Remark, "that belongs to a dialog; a opens a gate's", now);
            }
            Command::Init | Command::Demo => {
                self.say(Severity::Remark, "there is a pipeline file already", now);
            }
            // Everything else has been done before.
            _ => {}
        }
    }

    fn command_in_dialog(&mut self, command: Command, now: Timestamp) -> Vec<Wish> {
        let context = self.context();
        let is_gate = self.dialog_is_about_gate();
        let Some(Overlay::Dialog(dialog)) = self.overlays.last_mut() else { return Vec::new() };
        match command {
            Command::Confirm if !dialog.is_armed(now) => {}
            Command::Confirm if self.past.is_some() && dialog.subject != Subject::Quit => {}
            Command::Confirm if self.read_only && dialog.subject != Subject::Quit => {
                self.say(Severity::Remark, "this dashboard only reads (--read-only)", now);
            }
            Command::Confirm => {
                if let Some(missing) = dialog.missing(now) {
                    self.say(Severity::Remark, missing, now);
                } else {
                    let wishes = dialog.wishes(now);
                    self.overlays.pop();
                    return wishes;
                }
            }
            Command::Background | Command::EndWhenIdle | Command::EndNow
                if dialog.subject == Subject::Quit && dialog.is_armed(now) =>
            {
                self.overlays.pop();
                return vec![match command {
                    Command::Background if self.ownership == Ownership::Inside => {
                        Wish::Quit(Leave::Background)
                    }
                    Command::EndWhenIdle => Wish::End(Ending::WhenIdle),
                    Command::EndNow => Wish::End(Ending::Abandon),
                    _ => Wish::Quit(Leave::Close),
                }];
            }
            Command::SayNo => dialog.reject_instead(),
            Command::GiveWay if is_gate => {
                self.overlays.pop();
                return self.at_gate(Dialog::give_way, now);
            }
            Command::Defer if is_gate => dialog.defer(),
            Command::Diff if is_gate => self.diff(now),
            Command::Patch if is_gate => self.patch(),
            Command::Back | Command::Quit => {
                self.overlays.pop();
            }
            Command::Down => dialog.scroll_by(1),
            Command::Up => dialog.scroll_by(-1),
            Command::HalfPageDown => dialog.scroll_by(PAGE),
            Command::HalfPageUp => dialog.scroll_by(-PAGE),
            Command::Help => {
                let list = CommandList::help(context, &self.keymap);
                self.overlays.push(Overlay::Commands(list));
            }
            Command::Redraw => return vec![Wish::Redraw],
            Command::Suspend => return vec![Wish::Suspend],
            Command::Leave => return vec![Wish::Quit(Leave::Close)],
            // Everything else belongs to what lies below the dialog.
            _ => {}
        }
        Vec::new()
    }

    pub(crate) fn go_to(&mut self, view: View) {
        if view == View::Board {
            self.opened = None;
        }
        self.view = view;
        self.zoomed = false;
        self.focus = Pane::Board;
    }

    pub(super) fn show_tab(&mut self, tab: Tab) {
        (self.tab, self.tab_at) = (tab, 0);
    }

    fn vertical(&mut self, step: isize, now: Timestamp) {
        match self.focus {
            Pane::Lanes => {
                self.selection.move_lane(&self.board, step);
                self.opened = None;
            }
            Pane::Board if self.view == View::Board => {
                self.selection.move_action(&self.board, step);
            }
            Pane::Board => self.move_row(step, now),
            Pane::Detail => self.scroll_detail(step),
        }
    }

    fn scroll(&mut self, step: isize, now: Timestamp) {
        match self.focus {
            Pane::Board if self.view == View::Board => self.scroll_detail(step),
            Pane::Board | Pane::Lanes | Pane::Detail => self.vertical(step, now),
        }
    }

    pub(super) fn scroll_detail(&mut self, step: isize) {
        if self.tab == Tab::Log {
            self.log.scroll(step);
        } else {
            let last = self.tab_lines().len().saturating_sub(1);
            self.tab_at = self.tab_at.saturating_add_signed(step).min(last);
        }
    }

    fn open(&mut self, now: Timestamp) {
        match self.focus {
            Pane::Lanes => self.focus = Pane::Board,
            Pane::Board if self.view.is_table() => self.open_row(now),
            Pane::Board => self.focus = Pane::Detail,
            Pane::Detail if self.tab == Tab::Log => self.zoomed = true,
            Pane::Detail => {
                let opens = self.tab_lines().into_iter().nth(self.tab_at).and_then(|it| it.opens);
                self.show(opens);
            }
        }
    }

    /// Goes back one level: out of what is shown within the pane, out of the pane, out of the
    /// past, out of the view.
    pub(super) fn back(&mut self) {
        let log_is_seen = !self.view.is_table() && self.tab == Tab::Log;
        let inner = log_is_seen && self.log.clear()
            || std::mem::take(&mut self.zoomed)
            || self.filters.remove(&self.view).is_some();
        if inner {
            return;
        }
        if self.focus == Pane::Detail {
            self.focus = Pane::Board;
        } else if self.return_to_present() {
        } else if let (View::Timeline, Some(list)) = (self.view, self.came_from.take()) {
            self.go_to(list);
            self.opened = None;
        } else if self.view != View::Board {
            self.go_to(View::Board);
        } else {
            self.focus = Pane::Lanes;
        }
    }

    fn next_pane(&self, forward: bool) -> Pane {
        const PANES: [Pane; 3] = [Pane::Lanes, Pane::Board, Pane::Detail];
        // The detail pane is not there in lists, and not where the board has all the room.
        let has_detail = !self.view.is_table() && self.layout != Layout::Board;
        let panes = if has_detail { &PANES[..] } else { &PANES[..2] };
        let at = panes.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { panes.len() - 1 };
        panes[(at + step) % panes.len()]
    }

    fn quit(&mut self, now: Timestamp) -> Vec<Wish> {
        if self.zoomed
            || self.focus == Pane::Detail
            || self.view != View::Board
            || self.past.is_some()
        {
            self.back();
            return Vec::new();
        }
        // Without a runtime nobody watches for commits.
        if self.ownership == Ownership::Inside && !self.board.pipelines.is_empty() {
            return self.leave_somehow(now);
        }
        vec![Wish::Quit(Leave::Close)]
    }

    fn leave_somehow(&mut self, now: Timestamp) -> Vec<Wish> {
        self.open_dialog(Dialog::quit(self.ownership, self.something_runs(), now))
    }

    /// Opens the execution before or after the one that is shown.
    fn neighbour(&mut self, step: isize, now: Timestamp) {
        let ids: Vec<_> = self.lane().map_or_else(Vec::new, |lane| {
            let alive = lane.alive.iter().map(|it| it.id);
            alive.chain(lane.recent.iter().map(|it| it.id)).collect()
        });
        let here = self.execution().and_then(|id| ids.iter().position(|it| *it == id));
        let next = here.and_then(|at| at.checked_add_signed(step)).and_then(|at| ids.get(at));
        match next {
            Some(id) => {
                let id = *id;
                self.open_execution(id);
            }
            None => self.say(Severity::Remark, "there is none; 3 lists the whole history", now),
        }
    }
}

impl Layout {
    fn next(self) -> Self {
        match self {
            Self::Board => Self::Split,
            Self::Split | Self::Log => Self::Log,
        }
    }

    fn previous(self) -> Self {
        match self {
            Self::Log => Self::Split,
            Self::Split | Self::Board => Self::Board,
        }
    }
}
