//! The dashboard: terminal in, cells out.
//!
//! One loop waits for keys, boards and answers, changes the `Ui` and draws when something is
//! different. When nothing runs and nothing is pressed, nothing happens.

mod backend;
mod commands;
mod hit;
mod keymap;
mod log_pane;
mod look;
mod memory;
mod notice;
mod reload;
mod settings;
mod signals;
mod stream;
mod terminal;
mod text;
pub mod theme;
mod ui;
mod views;
mod wishes;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use crossterm::event::{Event, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures_util::StreamExt;
use hit::Hits;
pub use look::{ColorChoice, Look, has_true_colour, speaks_unicode};
use memory::Memory;
use notice::Notices;
use ratatui::{buffer::Buffer, layout::Rect};
pub use settings::{GlyphSet, Settings, SettingsFile};
use signals::Signals;
use terminal::Screen;
pub use terminal::require as require_terminal;
use tokio::sync::{mpsc, watch};
use ui::{Merged, Paged, Ui, UserLine, past::Past};

use crate::{
    ansi,
    engine::{Board, board::Severity},
    host::{clock, foreground, log},
    model::{ActionExecutionId, ApprovalToken, Span, Timestamp},
    runtime::{
        Receipt, RuntimeHandle, SubmitError,
        lookup::{Question, Told},
        review::Review,
    },
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
    /// A pipeline is to be written for the repository.
    Init,
    /// The demo is to be shown.
    Demo,
}

/// How often elapsed times, spinners and open logs are looked at while something runs.
const BEAT: Duration = Duration::from_millis(250);
/// What is stale on the screen is looked at again after this time.
const AGAIN: Duration = Duration::from_secs(1);
/// An action that has written nothing for so long is worth a word.
const SILENCE: Span = Span(120_000);
/// Logs may grow faster than anybody reads: frames are at least this far apart.
const FRAME: Duration = Duration::from_millis(30);
/// How often a dashboard without a runtime looks whether there is one again.
const REATTACH: Duration = Duration::from_secs(1);

/// What background work has brought.
enum Answer {
    Told(Question, u64, Arc<Told>),
    Merged(Box<Merged>),
    Failed(String),
    /// Settings or themes have changed on disk.
    Changed,
    Review(ApprovalToken, Box<Review>),
    Submitted(Result<Receipt, SubmitError>),
    /// There is a runtime again.
    Attached(RuntimeHandle),
}

/// A dashboard without a terminal, for measurements.
pub struct Picture {
    ui: Ui,
    look: Look,
}

impl Picture {
    pub fn new(board: Arc<Board>, look: Look) -> Self {
        Self { ui: Ui::new(board, Ownership::Attached), look }
    }

    pub fn set_board(&mut self, board: Arc<Board>) {
        self.ui.set_board(board);
    }

    /// Draws one frame.
    pub fn draw(&self, area: Rect, now: Timestamp) -> Buffer {
        let mut buffer = Buffer::empty(area);
        let scene = views::Scene { ui: &self.ui, look: &self.look, now, beat: 0 };
        views::draw(&scene, area, &mut buffer, &mut Hits::default());
        buffer
    }
}

/// What the dashboard is opened with.
#[derive(Clone)]
pub struct Opening {
    pub look: Look,
    pub settings: Option<SettingsFile>,
    /// The theme was named, so what was chosen the last time does not count.
    pub theme_is_given: bool,
    /// Nothing can be changed from here.
    pub read_only: bool,
    /// What is to be said first.
    pub remark: Option<String>,
}

/// Shows the dashboard until somebody leaves it.
pub async fn run(
    handle: RuntimeHandle,
    ownership: Ownership,
    opening: Opening,
) -> io::Result<Leave> {
    let Opening { mut look, settings: file, theme_is_given, read_only, remark } = opening;
    let mut signals = Signals::listen()?;
    let memory = Memory::read(handle.state_dir().path());
    if let Some(theme) = memory.theme.as_deref().filter(|_| !theme_is_given && !look.without_colour)
    {
        // One that is gone since leaves the look as it is.
        let _ = look.wear(theme);
    }
    let board = handle.board();
    let first = Arc::clone(&board.borrow());
    let mut ui = Ui::new(Arc::clone(&first), ownership);
    memory.restore(&mut ui);
    ui.theme.clone_from(&look.theme.name);
    ui.read_only = read_only;
    let (answers, inbox) = mpsc::channel(16);
    let watched = reload::watch(file.as_ref(), &look.theme.name, answers.clone());
    let screen = Screen::take(look.mouse)?;
    let mut dashboard = Dashboard {
        handle,
        look,
        screen,
        ui,
        hits: Hits::default(),
        answers,
        beat: 0,
        title: String::new(),
        file,
        settings: None,
        notices: Notices::of(&first),
        focused: None,
        chosen_theme: memory.theme,
        board,
        board_is_over: false,
        sizes: BTreeMap::new(),
        _watched: watched,
    };
    dashboard.load_settings();
    if let Some(words) = remark {
        dashboard.ui.say(Severity::Problem, words, clock::now());
    }
    let left = dashboard.serve(inbox, &mut signals).await;
    Memory::of(&dashboard.ui, dashboard.chosen_theme.clone())
        .keep(dashboard.handle.state_dir().path());
    left
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
    file: Option<SettingsFile>,
    /// Absent until they could be read.
    settings: Option<Settings>,
    notices: Notices,
    /// Somebody looks at this terminal, as far as it tells.
    focused: Option<bool>,
    /// What was chosen here, the last time or now; flags and settings are no choice.
    chosen_theme: Option<String>,
    board: watch::Receiver<Arc<Board>>,
    /// No more boards come.
    board_is_over: bool,
    /// How long each running action's log was, and since when.
    sizes: BTreeMap<ActionExecutionId, (u64, Timestamp)>,
    _watched: Option<reload::Watched>,
}

/// Whether to go on.
enum Flow {
    Continue,
    Quit(Leave),
    /// The terminal is lent to somebody else.
    Lend(Lend),
}

enum Lend {
    Pager(Paged),
    Line(UserLine),
    Stream(ActionExecutionId),
}

impl Dashboard {
    async fn serve(
        &mut self,
        mut inbox: mpsc::Receiver<Answer>,
        signals: &mut Signals,
    ) -> io::Result<Leave> {
        let mut keys = EventStream::new();
        loop {
            let mut flow = Flow::Continue;
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
                    flow = self.event(event?)?;
                }
                Some(answer) = inbox.recv() => self.answer(answer),
                changed = self.board.changed(), if !self.board_is_over => {
                    match changed {
                        Ok(()) => {
                            let newest = Arc::clone(&self.board.borrow_and_update());
                            self.notify(&newest);
                            if let Some(closed) = self.ui.set_board(newest) {
                                self.ui.say(Severity::Remark, closed, clock::now());
                            }
                        }
                        Err(_) => {
                            self.board_is_over = true;
                            // Where there was no runtime none has gone.
                            self.ui.disconnected = self.handle.has_runtime();
                            self.look_for_runtime();
                        }
                    }
                    // Whatever else changes within a frame goes into the same picture.
                    tokio::time::sleep(FRAME / 2).await;
                }
                () = tokio::time::sleep(pause) => self.beat += 1,
            }
            match flow {
                Flow::Continue => {}
                Flow::Quit(leave) => return Ok(leave),
                Flow::Lend(Lend::Stream(id)) => {
                    if let Some(leave) = self.stream(id, &mut keys, signals).await? {
                        return Ok(leave);
                    }
                }
                Flow::Lend(lend) => {
                    // Whoever has the terminal has its keys too.
                    drop(keys);
                    self.lend(lend)?;
                    // What was pressed there was meant for whoever had the terminal.
                    signals.forget();
                    keys = EventStream::new();
                }
            }
        }
    }

    /// Attaches to the next runtime, where the one that is gone was another process.
    fn look_for_runtime(&self) {
        if !self.ui.disconnected || self.ui.ownership != Ownership::Attached {
            return;
        }
        let (state_dir, answers) = (self.handle.state_dir().clone(), self.answers.clone());
        tokio::spawn(async move {
            while !answers.is_closed() {
                tokio::time::sleep(REATTACH).await;
                if let Ok(Some(handle)) = RuntimeHandle::attach(state_dir.clone()).await {
                    let _ = answers.send(Answer::Attached(handle)).await;
                    return;
                }
            }
        });
    }

    fn lend(&mut self, lend: Lend) -> io::Result<()> {
        let path = match &lend {
            Lend::Pager(Paged::Log(id)) => Some(self.handle.log_path(*id)),
            _ => None,
        };
        let lent = self.screen.lend(|| match lend {
            Lend::Pager(Paged::Text(text)) => {
                let mut file = tempfile::NamedTempFile::new()?;
                // Not every pager keeps escape sequences from the terminal.
                let lines: Vec<_> = text.lines().map(|it| ansi::plain(it.as_bytes())).collect();
                io::Write::write_all(&mut file, lines.join("\n").as_bytes())?;
                foreground::page(file.path())
            }
            Lend::Line(it) => foreground::run(&it.line, &it.variables),
            Lend::Pager(Paged::File(path)) => foreground::page(&path),
            Lend::Pager(Paged::Log(_)) | Lend::Stream(_) => {
                path.as_deref().map_or(Ok(()), foreground::page)
            }
        })?;
        // The terminal has got its own title back.
        self.title.clear();
        if let Err(error) = lent {
            self.ui.say(Severity::Problem, format!("it did not run: {error}"), clock::now());
        }
        Ok(())
    }

    /// Tells whoever looks elsewhere what has come to need them.
    fn notify(&mut self, board: &Board) {
        let ended = self.ui.ended_watches(board);
        if let Some(words) = &ended {
            self.ui.say(Severity::Remark, words.clone(), clock::now());
        }
        let told: Vec<String> = ended.into_iter().chain(self.notices.news(board)).collect();
        if told.is_empty() {
            return;
        }
        let words = told.join("; ");
        let settings = self.settings.as_ref();
        if let Some(line) = settings.and_then(|it| it.notify_command.as_ref()) {
            // A hook that cannot be started must not stop the dashboard.
            let _ = foreground::tell(line, &words);
        }
        // A terminal that does not tell whether somebody looks is told.
        if self.focused != Some(true) {
            let notify = settings.map(|it| it.notify).unwrap_or_default();
            let _ = notice::tell(notify, &words);
        }
    }

    /// Reads the settings; broken ones change nothing and are told.
    fn load_settings(&mut self) {
        let Some(file) = &self.file else { return };
        match file.load() {
            Ok(loaded) => {
                self.ui.keymap = loaded.keymap;
                // What the first reading says of the theme has been heeded before.
                let theme = &loaded.settings.theme;
                if self.settings.as_ref().is_some_and(|before| before.theme != *theme)
                    && let Some(name) = theme.as_deref()
                    && let Err(error) = self.look.wear(name)
                {
                    self.ui.say(Severity::Problem, error.to_string(), clock::now());
                }
                if let Some(warning) = loaded.warnings.first() {
                    let more = loaded.warnings.len() - 1;
                    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                    let words = format!("{warning}{more}");
                    self.ui.say(Severity::Problem, words, clock::now());
                }
                self.settings = Some(loaded.settings);
            }
            Err(words) => self.ui.say(Severity::Problem, words, clock::now()),
        }
    }

    /// Returns how long nothing needs to be drawn if nothing happens.
    fn pause(&self) -> Duration {
        if self.ui.log.is_behind() {
            return FRAME;
        }
        if self.ui.knowledge.waits() {
            return AGAIN;
        }
        if self.ui.something_runs() || self.ui.counts_down(clock::now()) {
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
        let now = self.ui.past.as_ref().and_then(Past::now).unwrap_or_else(clock::now);
        if self.ui.toast.as_ref().is_some_and(|toast| toast.until <= clock::now()) {
            self.ui.toast = None;
        }
        let handle = &self.handle;
        for wish in self.ui.follow_selection(|id| handle.log_path(id), clock::now()) {
            self.wish(wish)?;
        }
        self.load_tails();
        let size = self.screen.terminal.size()?;
        let area = Rect::new(0, 0, size.width, size.height);
        let areas = views::layout::areas(area, &self.ui);
        self.ui.log.load(usize::from(views::detail::log_rows(areas.detail, &self.ui)));
        self.ui.text_rows = usize::from(views::text_rows(area));
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
        let running: Vec<_> = running.collect();
        let now = clock::now();
        self.sizes.retain(|id, _| running.contains(id));
        self.ui.silent.clear();
        self.ui.tails.clear();
        for id in running {
            let path = self.handle.log_path(id);
            let size = std::fs::metadata(&path).map_or(0, |it| it.len());
            let known = self.sizes.entry(id).or_insert((size, now));
            if known.0 != size {
                *known = (size, now);
            }
            let silent = now.since(known.1);
            if silent >= SILENCE {
                self.ui.silent.insert(id, silent);
            }
            if let Some(line) = log::last_line(&path) {
                self.ui.tails.insert(id, ansi::plain(&line));
            }
        }
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
                        self.ui.click(target, now);
                    }
                    (MouseEventKind::Drag(MouseButton::Left), _) => {
                        let size = self.screen.terminal.size()?;
                        self.ui.drag_to(mouse.row, size.height);
                    }
                    (MouseEventKind::Up(_), _) => self.ui.drop_divider(),
                    (MouseEventKind::ScrollDown, target) => {
                        self.ui.wheel(target.as_ref(), 3, now);
                    }
                    (MouseEventKind::ScrollUp, target) => {
                        self.ui.wheel(target.as_ref(), -3, now);
                    }
                    _ => {}
                }
                Vec::new()
            }
            Event::FocusGained | Event::FocusLost => {
                self.focused = Some(matches!(event, Event::FocusGained));
                Vec::new()
            }
            Event::Key(_) | Event::Resize(..) => Vec::new(),
        };
        for wish in wishes {
            match self.wish(wish)? {
                Flow::Continue => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests;
