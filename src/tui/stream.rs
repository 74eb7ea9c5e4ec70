//! What leaves the dashboard's screen: a log on the normal screen, text for the clipboard.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;

use super::{Dashboard, Leave, Signals, terminal::Screen};
use crate::{ansi, model::ActionExecutionId};

/// Terminals take no longer sequence than about this.
const CLIPBOARD: usize = 74_000;
/// How many bytes of a log are shown before what is written from now on.
const BACKFILL: u64 = 256 << 10;
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
    /// Shows a log on the normal screen, where it stays for scrolling back, until a key is pressed
    /// or this process is asked to end.
    pub(super) async fn stream(
        &mut self,
        id: ActionExecutionId,
        keys: &mut EventStream,
        signals: &mut Signals,
    ) -> io::Result<Option<Leave>> {
        let mut tail = Tail::open(&self.handle.log_path(id));
        Screen::show_normal_screen()?;
        let leave = loop {
            tail.print()?;
            tokio::select! {
                end = signals.next() => if end {
                    break Some(Leave::Close);
                },
                event = keys.next() => match event {
                    Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => break None,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => break Some(Leave::Close),
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        };
        tail.finish()?;
        self.title.clear();
        self.screen.return_from_normal_screen()?;
        Ok(leave)
    }
}

/// The end of a log, printed line by line as it is written.
struct Tail {
    file: Option<File>,
    /// A line that has no end yet.
    open_line: Vec<u8>,
}

impl Tail {
    /// Begins some way before the end, at the beginning of a line.
    fn open(path: &Path) -> Self {
        let mut file = File::open(path).ok();
        let mut open_line = Vec::new();
        if let Some(file) = &mut file {
            let length = file.metadata().map_or(0, |it| it.len());
            let from = length.saturating_sub(BACKFILL);
            let mut skipped = Vec::new();
            // A file that cannot be read shows nothing.
            let read = file.seek(SeekFrom::Start(from)).is_ok()
                && Read::by_ref(file).take(BACKFILL).read_to_end(&mut skipped).is_ok();
            if read {
                let first = if from == 0 { Some(0) } else { after_newline(&skipped) };
                open_line = first.map_or_else(Vec::new, |at| skipped.split_off(at));
            }
        }
        Self { file, open_line }
    }

    /// Prints the lines that have ended since the last time.
    fn print(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut self.open_line)?;
        }
        if let Some(end) = memchr::memrchr(b'\n', &self.open_line) {
            let rest = self.open_line.split_off(end + 1);
            let lines = std::mem::replace(&mut self.open_line, rest);
            for line in lines[..end].split(|byte| *byte == b'\n') {
                write_line(line)?;
            }
            io::stdout().flush()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if !self.open_line.is_empty() {
            write_line(&std::mem::take(&mut self.open_line))?;
        }
        io::stdout().flush()
    }
}

fn after_newline(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|at| at + 1)
}

/// The terminal is raw: a line begins at the left only if we say so.
fn write_line(line: &[u8]) -> io::Result<()> {
    write!(io::stdout(), "{}\r\n", ansi::plain(line))
}
