//! Takes the terminal and gives it back, whatever happens.

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor, event, execute, queue,
    terminal::{self, BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::Terminal;

use super::backend::Quiet;

/// Whether the terminal is ours now, so that it is given back once and from anywhere.
static TAKEN: AtomicBool = AtomicBool::new(false);

pub(super) struct Screen {
    pub terminal: Terminal<Quiet>,
    mouse: bool,
}

impl Screen {
    pub(super) fn take(mouse: bool) -> io::Result<Self> {
        restore_on_panic();
        enter(mouse)?;
        let terminal = Terminal::new(Quiet::new())?;
        Ok(Self { terminal, mouse })
    }

    /// Draws one frame; the terminal shows it whole or not at all.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        queue!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    pub(super) fn toggle_mouse(&mut self) -> io::Result<bool> {
        self.mouse = !self.mouse;
        capture_mouse(self.mouse)?;
        Ok(self.mouse)
    }

    /// Gives the terminal to somebody else until they are done.
    pub(super) fn lend<T>(&mut self, borrow: impl FnOnce() -> T) -> io::Result<T> {
        restore();
        let result = borrow();
        enter(self.mouse)?;
        self.terminal.clear()?;
        Ok(result)
    }

    /// Leaves the alternate screen and keeps the keyboard.
    pub(super) fn show_normal_screen() -> io::Result<()> {
        // The wheel scrolls the terminal's own history there.
        capture_mouse(false)?;
        execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show)
    }

    pub(super) fn return_from_normal_screen(&mut self) -> io::Result<()> {
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
        capture_mouse(self.mouse)?;
        self.terminal.clear()
    }

    /// Gives the terminal back, stops this process until the shell continues it, and comes back.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        restore();
        // STOP, because a handler of ours turns TSTP into this very call.
        let group = rustix::process::getpgrp();
        rustix::process::kill_process_group(group, rustix::process::Signal::STOP)?;
        enter(self.mouse)?;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(
        io::stdout(),
        terminal::EnterAlternateScreen,
        event::EnableBracketedPaste,
        event::EnableFocusChange,
        cursor::Hide
    )?;
    // Push the title, so that the shell's comes back in the end.
    io::stdout().write_all(b"\x1b[22;2t")?;
    capture_mouse(mouse)
}

/// Buttons, wheel and drag as SGR reports; motion without a button is nobody's business.
fn capture_mouse(on: bool) -> io::Result<()> {
    let switch = if on { 'h' } else { 'l' };
    let mut stdout = io::stdout();
    write!(stdout, "\x1b[?1000{switch}\x1b[?1002{switch}\x1b[?1006{switch}")?;
    stdout.flush()
}

/// Undoes everything `enter` did. Safe to call at any time.
pub(super) fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each step is tried even if one before it fails: there is nothing better to do.
    let _ = capture_mouse(false);
    let _ = execute!(
        io::stdout(),
        event::DisableFocusChange,
        event::DisableBracketedPaste,
        EndSynchronizedUpdate,
        terminal::LeaveAlternateScreen,
        cursor::Show
    );
    let _ = io::stdout().write_all(b"\x1b[23;2t").and_then(|()| io::stdout().flush());
    let _ = terminal::disable_raw_mode();
}

/// A panic in any thread or task gives the terminal back before its message is printed.
fn restore_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            print(panic);
        }));
    });
}

/// Says what is wrong if there is no terminal to draw on.
pub fn require() -> Result<(), String> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err("the dashboard needs a terminal, and this is none".to_owned());
    }
    match std::env::var("TERM").as_deref() {
        Ok("dumb") => Err("the terminal calls itself dumb (TERM=dumb)".to_owned()),
        _ => Ok(()),
    }
}
