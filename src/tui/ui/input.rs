//! Keys and clicks into changes of the ui, and into wishes.

use crossterm::event::{KeyCode, KeyEvent};

use super::{
    Overlay, Pane, Ui, Wish,
    dialog::{Dialog, Subject},
    field::TextField,
    list::CommandList,
};
use crate::{
    engine::{
        Request,
        board::{GateAt, Severity, StageCard},
    },
    model::{ApprovalStatus, ConditionStatus, RetryMode, StageStatus, StopMode, Timestamp},
    runtime::{Ending, Operation},
    tui::{
        Leave, Ownership,
        commands::{Command, Context},
        hit::Target,
        keymap::Resolved,
    },
};

const PAGE: isize = 10;

impl Ui {
    pub(crate) fn key(&mut self, key: KeyEvent, now: Timestamp) -> Vec<Wish> {
        match self.overlays.last_mut() {
            Some(Overlay::Commands(_)) => self.key_in_list(key, now),
            Some(Overlay::Search(_)) => {
                self.key_in_search(key);
                Vec::new()
            }
            Some(Overlay::Dialog(dialog)) if dialog.has_active_field() => {
                if is_leave(key) {
                    return vec![Wish::Quit(Leave::Close)];
                }
                if let Some(field) = &mut dialog.field {
                    match key.code {
                        KeyCode::Tab | KeyCode::Enter | KeyCode::Esc => field.active = false,
                        _ => {
                            field.input.handle(key);
                        }
                    }
                }
                Vec::new()
            }
            Some(Overlay::Dialog(_)) | None => {
                let context = self.context();
                match self.keymap.resolve(context, key) {
                    Resolved::Command(command) => self.command(command, now),
                    Resolved::Nothing if key.code == KeyCode::Tab => {
                        self.enter_field();
                        Vec::new()
                    }
                    Resolved::Pending | Resolved::Nothing => Vec::new(),
                }
            }
        }
    }

    pub(crate) fn paste(&mut self, text: &str) {
        match self.overlays.last_mut() {
            Some(Overlay::Dialog(dialog)) => {
                if let Some(field) = dialog.field.as_mut().filter(|field| field.active) {
                    field.input.insert(text);
                }
            }
            Some(Overlay::Commands(list)) => list.filter.insert(text),
            Some(Overlay::Search(field)) => field.insert(text),
            None => {}
        }
    }

    pub(crate) fn click(&mut self, target: Target) {
        if !self.overlays.is_empty() {
            return;
        }
        match target {
            Target::Lane { pipeline, lane } => {
                let board = std::sync::Arc::clone(&self.board);
                self.selection.go_to_lane(&pipeline, lane.as_ref(), &board);
                self.focus = Pane::Lanes;
            }
            Target::Action { stage, action } => {
                (self.selection.stage, self.selection.action) = (Some(stage), action);
                self.selection.repair(&self.board);
                self.focus = Pane::Board;
            }
            Target::Detail => self.focus = Pane::Detail,
        }
    }

    /// Scrolls what lies under the pointer.
    pub(crate) fn wheel(&mut self, target: Option<&Target>, lines: isize) {
        match (self.overlays.last_mut(), target) {
            (Some(Overlay::Dialog(dialog)), _) => {
                dialog.scroll = dialog.scroll.saturating_add_signed(lines);
            }
            (Some(Overlay::Commands(list)), _) => list.move_by(lines.signum()),
            (Some(Overlay::Search(_)), _) => {}
            (None, Some(Target::Lane { .. })) => {
                self.selection.move_lane(&self.board, lines.signum());
            }
            (None, Some(Target::Action { .. })) => {
                self.selection.move_action(&self.board, lines.signum());
            }
            (None, Some(Target::Detail) | None) => self.log.scroll(lines),
        }
    }

    fn enter_field(&mut self) {
        if let Some(Overlay::Dialog(dialog)) = self.overlays.last_mut()
            && let Some(field) = &mut dialog.field
        {
            field.active = true;
        }
    }

    fn key_in_list(&mut self, key: KeyEvent, now: Timestamp) -> Vec<Wish> {
        let Some(Overlay::Commands(list)) = self.overlays.last_mut() else { return Vec::new() };
        match key.code {
            _ if is_leave(key) => return vec![Wish::Quit(Leave::Close)],
            KeyCode::Esc => {
                self.overlays.pop();
            }
            KeyCode::Down => list.move_by(1),
            KeyCode::Up => list.move_by(-1),
            KeyCode::PageDown => list.move_by(PAGE),
            KeyCode::PageUp => list.move_by(-PAGE),
            KeyCode::Enter => {
                let chosen = list.chosen();
                self.overlays.pop();
                return chosen.map_or_else(Vec::new, |command| self.command(command, now));
            }
            _ => {
                list.filter.handle(key);
                list.selected = 0;
            }
        }
        Vec::new()
    }

    fn key_in_search(&mut self, key: KeyEvent) {
        let Some(Overlay::Search(field)) = self.overlays.last_mut() else { return };
        match key.code {
            KeyCode::Esc => {
                self.overlays.pop();
            }
            KeyCode::Enter => {
                let wanted = field.text().to_owned();
                self.overlays.pop();
                self.log.search(&wanted);
            }
            _ => {
                field.handle(key);
            }
        }
    }

    /// Does what a command says. This is the only door: keys, palette and help come through here.
    pub(crate) fn command(&mut self, command: Command, now: Timestamp) -> Vec<Wish> {
        if self.context() == Context::Dialog {
            return self.command_in_dialog(command, now);
        }
        let board = std::sync::Arc::clone(&self.board);
        match command {
            Command::Left if self.focus == Pane::Lanes => {}
            Command::Left => {
                if !self.selection.move_stage(&board, -1) {
                    self.focus = Pane::Lanes;
                }
            }
            Command::Right if self.focus == Pane::Lanes => self.focus = Pane::Board,
            Command::Right => {
                self.selection.move_stage(&board, 1);
            }
            Command::Down => self.vertical(1),
            Command::Up => self.vertical(-1),
            Command::HalfPageDown => self.scroll(PAGE),
            Command::HalfPageUp => self.scroll(-PAGE),
            Command::ScrollDown => self.log.scroll(1),
            Command::ScrollUp => self.log.scroll(-1),
            Command::First => self.far(isize::MIN / 2),
            Command::Last => self.far(isize::MAX / 2),
            Command::Open => self.open(),
            Command::Back => self.back(),
            Command::NextPane => self.focus = self.next_pane(1),
            Command::PreviousPane => self.focus = self.next_pane(2),
            Command::Attention => {
                if self.selection.next_attention(&board) {
                    self.focus = Pane::Board;
                } else {
                    self.say(Severity::Remark, "nothing needs you", now);
                }
            }
            Command::Review => return self.review(ApprovalStatus::Approved, now),
            Command::SayNo if self.gate().is_some() => {
                return self.review(ApprovalStatus::Rejected, now);
            }
            Command::SayNo => return self.stop(StopMode::Wait, now),
            Command::Abandon => return self.stop(StopMode::Abandon, now),
            Command::Confirm => {}
            Command::Retry => return self.retry(now),
            Command::RetryAll => return self.retry_all(now),
            Command::Start => {
                if let Some(pipeline) = self.pipeline() {
                    let dialog = Dialog::start(&pipeline.name, self.lane(), now);
                    return self.open_dialog(dialog);
                }
            }
            Command::Rollback => return self.roll_back(now),
            Command::OverrideCondition => return self.override_condition(now),
            Command::Undo => return self.undo(now),
            Command::GiveWay => return self.at_gate(Dialog::give_way, now),
            Command::Note => return self.at_gate(Dialog::note, now),
            Command::Transition => return self.transition(now),
            Command::Follow => self.log.toggle_follow(),
            Command::Wrap => self.log.wrap = !self.log.wrap,
            Command::Search => self.overlays.push(Overlay::Search(TextField::default())),
            Command::NextMatch => self.log.next_match(1),
            Command::PreviousMatch => self.log.next_match(-1),
            Command::NextError => {
                if !self.log.next_error() {
                    self.say(Severity::Remark, "no further line looks like an error", now);
                }
            }
            Command::Zoom => self.zoomed = !self.zoomed,
            Command::Theme => return vec![Wish::NextTheme],
            Command::Mouse => return vec![Wish::ToggleMouse],
            Command::Palette => {
                self.overlays.push(Overlay::Commands(CommandList::palette(self.context())));
            }
            Command::Help => {
                self.overlays.push(Overlay::Commands(CommandList::help(self.context())));
            }
            Command::Redraw => return vec![Wish::Redraw],
            Command::Suspend => return vec![Wish::Suspend],
            Command::Quit => return self.quit(now),
            Command::Leave => return vec![Wish::Quit(Leave::Close)],
            Command::Background | Command::EndWhenIdle | Command::EndNow => {
                return self.leave_somehow(now);
            }
        }
        Vec::new()
    }

    fn command_in_dialog(&mut self, command: Command, now: Timestamp) -> Vec<Wish> {
        let context = self.context();
        let Some(Overlay::Dialog(dialog)) = self.overlays.last_mut() else { return Vec::new() };
        match command {
            Command::Confirm if !dialog.is_armed(now) => {}
            Command::Confirm => {
                if let Some(missing) = dialog.missing() {
                    self.say(Severity::Remark, missing, now);
                } else {
                    let wish = dialog.wish();
                    self.overlays.pop();
                    return vec![wish];
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
            Command::Back | Command::Quit => {
                self.overlays.pop();
            }
            Command::Down => dialog.scroll += 1,
            Command::Up => dialog.scroll = dialog.scroll.saturating_sub(1),
            Command::HalfPageDown => dialog.scroll = dialog.scroll.saturating_add_signed(PAGE),
            Command::HalfPageUp => dialog.scroll = dialog.scroll.saturating_add_signed(-PAGE),
            Command::Help => self.overlays.push(Overlay::Commands(CommandList::help(context))),
            Command::Redraw => return vec![Wish::Redraw],
            Command::Suspend => return vec![Wish::Suspend],
            Command::Leave => return vec![Wish::Quit(Leave::Close)],
            // Everything else belongs to what lies below the dialog.
            _ => {}
        }
        Vec::new()
    }

    fn vertical(&mut self, step: isize) {
        match self.focus {
            Pane::Lanes => self.selection.move_lane(&self.board, step),
            Pane::Board => self.selection.move_action(&self.board, step),
            Pane::Detail => self.log.scroll(step),
        }
    }

    fn scroll(&mut self, step: isize) {
        match self.focus {
            Pane::Lanes => self.selection.move_lane(&self.board, step),
            Pane::Board | Pane::Detail => self.log.scroll(step),
        }
    }

    fn far(&mut self, step: isize) {
        self.vertical(step);
    }

    fn open(&mut self) {
        self.focus = match self.focus {
            Pane::Lanes => Pane::Board,
            Pane::Board => Pane::Detail,
            Pane::Detail => {
                self.zoomed = true;
                Pane::Detail
            }
        };
    }

    fn back(&mut self) {
        if self.log.clear_search() {
            return;
        }
        if std::mem::take(&mut self.zoomed) {
            return;
        }
        self.focus = match self.focus {
            Pane::Detail => Pane::Board,
            Pane::Board | Pane::Lanes => Pane::Lanes,
        };
    }

    fn next_pane(&self, step: usize) -> Pane {
        const PANES: [Pane; 3] = [Pane::Lanes, Pane::Board, Pane::Detail];
        let at = PANES.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        PANES[(at + step) % PANES.len()]
    }

    fn quit(&mut self, now: Timestamp) -> Vec<Wish> {
        if self.zoomed || self.focus == Pane::Detail {
            self.back();
            return Vec::new();
        }
        let alive =
            self.board.pipelines.iter().flat_map(|it| &it.lanes).any(|it| !it.alive.is_empty());
        if self.ownership == Ownership::Inside && alive {
            return self.leave_somehow(now);
        }
        vec![Wish::Quit(Leave::Close)]
    }

    fn leave_somehow(&mut self, now: Timestamp) -> Vec<Wish> {
        self.open_dialog(Dialog::quit(self.ownership, self.something_runs(), now))
    }

    fn review(&mut self, status: ApprovalStatus, now: Timestamp) -> Vec<Wish> {
        if let Some(at) = self.gate() {
            let dialog = Dialog::gate(at, status, now);
            self.open_dialog(dialog)
        } else {
            self.say(Severity::Remark, "no gate waits in this stage; ! goes to the next one", now);
            Vec::new()
        }
    }

    fn stop(&mut self, mode: StopMode, now: Timestamp) -> Vec<Wish> {
        let found = self.pipeline().zip(self.stage()).and_then(|(pipeline, stage)| {
            let inside = stage.execution.as_ref().filter(|_| stage.is_occupied());
            let execution = inside.or(stage.inbound.first().map(|it| &it.execution))?;
            let commit = execution.revision.id.short();
            Some(Dialog::stop(&pipeline.name, execution.id, commit, mode, now))
        });
        if let Some(dialog) = found {
            self.open_dialog(dialog)
        } else {
            self.say(Severity::Remark, "nothing runs or waits in this stage", now);
            Vec::new()
        }
    }

    fn failed_stage(
        &self,
    ) -> Option<(crate::model::PipelineName, crate::model::StageName, crate::model::ExecutionId)>
    {
        let stage = self.stage()?;
        let ended = matches!(stage.status, Some(StageStatus::Failed | StageStatus::Stopped));
        let execution = stage.execution.as_ref().filter(|_| ended)?;
        Some((self.pipeline()?.name.clone(), stage.name.clone(), execution.id))
    }

    fn roll_back(&mut self, now: Timestamp) -> Vec<Wish> {
        let place = self.pipeline().zip(self.lane()).zip(self.stage());
        let Some(((pipeline, lane), stage)) = place else { return Vec::new() };
        if stage.last_success.is_none() {
            self.say(Severity::Remark, "this stage has never succeeded", now);
            return Vec::new();
        }
        let dialog = Dialog::rollback(&pipeline.name, &lane.lane, &stage.name, now);
        self.open_dialog(dialog)
    }

    fn override_condition(&mut self, now: Timestamp) -> Vec<Wish> {
        let in_the_way = |stage: &StageCard| {
            let mut conditions = stage.conditions.iter();
            let open = [Some(ConditionStatus::InProgress), Some(ConditionStatus::Failed)];
            Some((
                stage.execution.as_ref()?.id,
                conditions.find(|it| open.contains(&it.status))?.kind,
            ))
        };
        let place = self.pipeline().zip(self.stage());
        let found = place.and_then(|(pipeline, stage)| Some((pipeline, stage, in_the_way(stage)?)));
        let Some((pipeline, stage, (execution, kind))) = found else {
            self.say(Severity::Remark, "no condition holds this stage", now);
            return Vec::new();
        };
        let dialog = Dialog::override_condition(&pipeline.name, &stage.name, execution, kind, now);
        self.open_dialog(dialog)
    }

    fn undo(&mut self, now: Timestamp) -> Vec<Wish> {
        let deferred = self.selected_gate().filter(|at| at.gate.deferred.is_some());
        let Some(at) = deferred else {
            self.say(Severity::Remark, "no decision here can be taken back", now);
            return Vec::new();
        };
        let request = Request::WithdrawApproval {
            pipeline: at.pipeline.name.clone(),
            stage: at.stage.name.clone(),
            action: at.action.name.clone(),
            token: at.gate.token,
        };
        vec![Wish::Submit(request.into())]
    }

    fn at_gate(
        &mut self,
        dialog: impl Fn(GateAt<'_>, Timestamp) -> Dialog,
        now: Timestamp,
    ) -> Vec<Wish> {
        if let Some(dialog) = self.selected_gate().map(|at| dialog(at, now)) {
            return self.open_dialog(dialog);
        }
        self.say(Severity::Remark, "no gate is open here", now);
        Vec::new()
    }

    fn retry(&mut self, now: Timestamp) -> Vec<Wish> {
        if let Some((pipeline, stage, execution)) = self.failed_stage() {
            let mode = RetryMode::FailedActions;
            vec![Wish::Submit(Operation::from(Request::RetryStageExecution {
                pipeline,
                stage,
                execution,
                mode,
            }))]
        } else {
            self.say(Severity::Remark, "this stage has neither failed nor been stopped", now);
            Vec::new()
        }
    }

    fn retry_all(&mut self, now: Timestamp) -> Vec<Wish> {
        match self.failed_stage() {
            Some((pipeline, stage, execution)) => {
                self.open_dialog(Dialog::retry_all(&pipeline, &stage, execution, now))
            }
            None => self.retry(now),
        }
    }

    fn transition(&mut self, now: Timestamp) -> Vec<Wish> {
        let found = self.pipeline().zip(self.stage()).and_then(|(pipeline, stage)| {
            let enable = !stage.transition.as_ref()?.enabled;
            Some(Dialog::transition(&pipeline.name, &stage.name, enable, now))
        });
        if let Some(dialog) = found {
            self.open_dialog(dialog)
        } else {
            self.say(Severity::Remark, "the first stage has no inbound transition", now);
            Vec::new()
        }
    }
}

fn is_leave(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c')
        && key.modifiers.contains(crossterm::event::KeyModifiers::CONTROL)
}
