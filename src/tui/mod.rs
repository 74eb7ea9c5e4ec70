//! The dashboard: terminal in, cells out.
//!
//! One loop waits for keys, boards and answers, changes the `Ui` and draws when something is
//! different. When nothing runs and nothing is pressed, nothing happens.

mod commands;
mod hit;
mod keymap;
mod log_pane;
mod look;
mod terminal;
mod text;
pub mod theme;
mod ui;
mod views;

use std::{io, sync::Arc, time::Duration};

use crossterm::event::{Event, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures_util::StreamExt;
use hit::Hits;
pub use look::Look;
use ratatui::{buffer::Buffer, layout::Rect};
use terminal::Screen;
pub use terminal::require as require_terminal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use ui::{Ui, Wish};

use crate::{
    ansi,
    engine::{Board, board::Severity},
    host::{clock, environment, log},
    model::{ApprovalToken, Span, Timestamp},
    runtime::{Receipt, RuntimeHandle, SubmitError, review::Review},
};

/// Whether closing the dashboard ends the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    Inside,
    Attached,
    /// Inside, and nobody minds.
    Demo,
}

/// How somebody has left the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Close,
    /// The runtime is to go on without the dashboard.
    Background,
}

/// How often elapsed times, spinners and open logs are looked at while something runs.
const BEAT: Duration = Duration::from_millis(250);
/// Logs may grow faster than anybody reads: frames are at least this far apart.
const FRAME: Duration = Duration::from_millis(30);

/// What background work has brought.
enum Answer {
    Review(ApprovalToken, Box<Review>),
    Submitted(Result<Receipt, SubmitError>),
}

/// Draws one frame of a board without a terminal, for snapshots and measurements.
pub fn render(board: Arc<Board>, look: &Look, area: Rect, now: Timestamp) -> Buffer {
    let ui = Ui::new(board, Ownership::Attached);
    let mut buffer = Buffer::empty(area);
    let scene = views::Scene { ui: &ui, look, now, beat: 0 };
    views::draw(&scene, area, &mut buffer, &mut Hits::default());
    buffer
}

/// Shows the dashboard until somebody leaves it.
pub async fn run(handle: RuntimeHandle, look: Look, ownership: Ownership) -> io::Result<Leave> {
    let mut signals = Signals::listen()?;
    let screen = Screen::take(look.mouse)?;
    let (answers, inbox) = mpsc::channel(16);
    let board = handle.board();
    let ui = Ui::new(Arc::clone(&board.borrow()), ownership);
    let hits = Hits::default();
    let mut dashboard =
        Dashboard { handle, look, screen, ui, hits, answers, beat: 0, title: String::new() };
    dashboard.serve(board, inbox, &mut signals).await
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    suspend: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            suspend: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
        })
    }

    /// Returns when this process is asked to end (`true`) or to step aside for the shell.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.hangup.recv() => true,
            _ = self.interrupt.recv() => true,
            _ = self.suspend.recv() => false,
        }
    }
}

struct Dashboard {
    handle: RuntimeHandle,
    look: Look,
    screen: Screen,
    ui: Ui,
    hits: Hits,
    answers: mpsc::Sender<Answer>,
    /// Counts the beats while something runs; spinners turn with it.
    beat: u64,
    title: String,
}

/// Whether to go on.
enum Flow {
    Continue,
    Quit(Leave),
}

impl Dashboard {
    async fn serve(
        &mut self,
        mut board: tokio::sync::watch::Receiver<Arc<Board>>,
        mut inbox: mpsc::Receiver<Answer>,
        signals: &mut Signals,
    ) -> io::Result<Leave> {
        let mut keys = EventStream::new();
        loop {
            self.draw()?;
            let pause = self.pause();
            tokio::select! {
                biased;
                end = signals.next() => {
                    if end {
                        return Ok(Leave::Close);
                    }
                    self.screen.suspend()?;
                }
                event = keys.next() => {
                    let Some(event) = event else { return Ok(Leave::Close) };
                    if let Flow::Quit(leave) = self.event(event?)? {
                        return Ok(leave);
                    }
                }
                Some(answer) = inbox.recv() => self.answer(answer),
                changed = board.changed(), if !self.ui.disconnected => {
                    match changed {
                        Ok(()) => self.ui.set_board(Arc::clone(&board.borrow_and_update())),
                        Err(_) => self.ui.disconnected = true,
                    }
                    // Whatever else changes within a frame goes into the same picture.
                    tokio::time::sleep(FRAME / 2).await;
                }
                () = tokio::time::sleep(pause) => self.beat += 1,
            }
        }
    }

    /// Returns how long nothing needs to be drawn if nothing happens.
    fn pause(&self) -> Duration {
        if self.ui.log.is_behind() {
            return FRAME;
        }
        if self.ui.something_runs() {
            return BEAT;
        }
        let now = clock::now();
        if let Some(toast) = &self.ui.toast {
            return toast.until.since(now).to_std().max(BEAT);
        }
        // The clock in the corner and the ages on the board show minutes.
        let into_minute = now.0.rem_euclid(Span::MINUTE.0);
        Span(Span::MINUTE.0 - into_minute).to_std()
    }

    fn draw(&mut self) -> io::Result<()> {
        let now = clock::now();
        if self.ui.toast.as_ref().is_some_and(|toast| toast.until <= now) {
            self.ui.toast = None;
        }
        let handle = &self.handle;
        if let Some(wish) = self.ui.follow_selection(|id| handle.log_path(id)) {
            self.wish(wish)?;
        }
        self.load_tails();
        let size = self.screen.terminal.size()?;
        let area = Rect::new(0, 0, size.width, size.height);
        let areas = views::layout::areas(area, &self.ui);
        self.ui.log.load(usize::from(views::detail::log_rows(areas.detail, &self.ui)));
        let mut hits = Hits::default();
        let (ui, look, beat) = (&self.ui, &self.look, self.beat);
        self.screen.draw(|frame| {
            let scene = views::Scene { ui, look, now, beat };
            views::draw(&scene, frame.area(), frame.buffer_mut(), &mut hits);
        })?;
        self.hits = hits;
        self.set_title()
    }

    /// Reads the last line of each running action that is on the screen.
    fn load_tails(&mut self) {
        let running = self.ui.lane().into_iter().flat_map(|lane| &lane.stages).flat_map(|stage| {
            stage.actions.iter().filter_map(|action| {
                let attempt = action.latest.as_ref()?;
                (attempt.ended_at.is_none() && attempt.gate.is_none()).then_some(attempt.id)
            })
        });
        let tails = running.filter_map(|id| {
            let line = log::last_line(&self.handle.log_path(id))?;
            Some((id, ansi::plain(&line)))
        });
        self.ui.tails = tails.collect();
    }

    fn set_title(&mut self) -> io::Result<()> {
        let (waiting, failed) = self.ui.attention;
        let title = match (waiting, failed) {
            (0, 0) => "stagegate".to_owned(),
            (waiting, 0) => format!("{waiting} waiting - stagegate"),
            (0, failed) => format!("{failed} failed - stagegate"),
            (waiting, failed) => format!("{waiting} waiting, {failed} failed - stagegate"),
        };
        if title != self.title {
            crossterm::execute!(io::stdout(), crossterm::terminal::SetTitle(&title))?;
            self.title = title;
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> io::Result<Flow> {
        let now = clock::now();
        let wishes = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.ui.key(key, now),
            Event::Paste(text) => {
                self.ui.paste(&text);
                Vec::new()
            }
            Event::Mouse(mouse) => {
                let target = self.hits.at(mouse.column, mouse.row).cloned();
                match (mouse.kind, target) {
                    (MouseEventKind::Down(MouseButton::Left), Some(target)) => {
                        self.ui.click(target);
                    }
                    (MouseEventKind::ScrollDown, target) => self.ui.wheel(target.as_ref(), 3),
                    (MouseEventKind::ScrollUp, target) => self.ui.wheel(target.as_ref(), -3),
                    _ => {}
                }
                Vec::new()
            }
            Event::Key(_) | Event::Resize(..) | Event::FocusGained | Event::FocusLost => Vec::new(),
        };
        for wish in wishes {
            if let Flow::Quit(leave) = self.wish(wish)? {
                return Ok(Flow::Quit(leave));
            }
        }
        Ok(Flow::Continue)
    }

    fn wish(&mut self, wish: Wish) -> io::Result<Flow> {
        match wish {
            Wish::Quit(leave) => return Ok(Flow::Quit(leave)),
            Wish::End(ending) => {
                let (handle, answers) = (self.handle.clone(), self.answers.clone());
                tokio::spawn(async move {
                    let result = handle.end(ending, environment::operator("dashboard")).await;
                    let result = result.map(|()| Receipt::default());
                    let _ = answers.send(Answer::Submitted(result)).await;
                });
            }
            Wish::Redraw => self.screen.terminal.clear()?,
            Wish::Suspend => self.screen.suspend()?,
            Wish::NextTheme => {
                self.look.next_theme();
                let name = self.look.theme.name.clone();
                self.ui.say(Severity::Remark, format!("theme {name}"), clock::now());
            }
            Wish::ToggleMouse => {
                let words = if self.screen.toggle_mouse()? {
                    "mouse on; hold Shift to select text"
                } else {
                    "mouse off: the terminal selects text"
                };
                self.ui.say(Severity::Remark, words, clock::now());
            }
            Wish::Submit(operation) => {
                let (handle, answers) = (self.handle.clone(), self.answers.clone());
                tokio::spawn(async move {
                    let result = handle.submit(operation, environment::operator("dashboard")).await;
                    let _ = answers.send(Answer::Submitted(result)).await;
                });
            }
            Wish::LoadReview(token) => {
                let (handle, answers) = (self.handle.clone(), self.answers.clone());
                let board = Arc::clone(&self.ui.board);
                tokio::spawn(async move {
                    let Some(at) = board.open_gates().find(|at| at.gate.token == token) else {
                        return;
                    };
                    let review = Box::new(handle.review(at).await);
                    let _ = answers.send(Answer::Review(token, review)).await;
                });
            }
        }
        Ok(Flow::Continue)
    }

    fn answer(&mut self, answer: Answer) {
        let now: Timestamp = clock::now();
        match answer {
            Answer::Review(token, review) => self.ui.set_review(token, *review),
            Answer::Submitted(Ok(_)) => {}
            Answer::Submitted(Err(error)) => {
                let words = match error {
                    SubmitError::Refused(refusal) => format!("refused: {refusal}"),
                    other => other.to_string(),
                };
                self.ui.say(Severity::Problem, words, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
