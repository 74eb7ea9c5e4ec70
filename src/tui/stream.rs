//! What leaves the dashboard's screen: a log on the normal screen, text for the clipboard.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;

use super::{Dashboard, terminal::Screen};
use crate::{ansi, host::log::LogReader, model::ActionExecutionId};

/// Terminals take no longer sequence than about this.
const CLIPBOARD: usize = 74_000;
/// How much of a log is shown before what is written from now on.
const BACKFILL: usize = 1_000;
/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub(super) enum Copied {
    Clipboard,
    File(PathBuf),
}

/// Hands text to the terminal's clipboard (OSC 52); what is too long for that goes to a file.
pub(super) fn copy(text: &str) -> io::Result<Copied> {
    let encoded = STANDARD.encode(text);
    if encoded.len() > CLIPBOARD {
        let mut file = tempfile::Builder::new().prefix("stagegate-").suffix(".txt").tempfile()?;
        file.write_all(text.as_bytes())?;
        let (_, path) = file.keep().map_err(|error| error.error)?;
        return Ok(Copied::File(path));
    }
    let mut stdout = io::stdout();
    write!(stdout, "\x1b]52;c;{encoded}\x1b\\")?;
    stdout.flush()?;
    Ok(Copied::Clipboard)
}

impl Dashboard {
    /// Shows a log on the normal screen, where it stays for scrolling back, until a key is pressed.
    pub(super) async fn stream(
        &mut self,
        id: ActionExecutionId,
        keys: &mut EventStream,
    ) -> io::Result<()> {
        let mut reader = LogReader::new(&self.handle.log_path(id));
        Screen::show_normal_screen()?;
        // The first look takes a long log in several steps.
        while reader.refresh()? && reader.is_behind() {}
        let mut next = reader.line_count().saturating_sub(BACKFILL);
        loop {
            for line in reader.lines(next, usize::MAX)? {
                write_line(&line)?;
                next += 1;
            }
            io::stdout().flush()?;
            tokio::select! {
                event = keys.next() => match event {
                    Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => break,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => break,
                },
                () = tokio::time::sleep(LOOK) => {
                    reader.refresh()?;
                }
            }
        }
        self.screen.return_from_normal_screen()
    }
}

/// The terminal is raw: a line begins at the left only if we say so.
fn write_line(line: &[u8]) -> io::Result<()> {
    write!(io::stdout(), "{}\r\n", ansi::plain(line))
}
