//! The log that is open: a window on a file of any size. Follows the end until somebody scrolls.

use std::path::PathBuf;

use crate::{
    engine::board::Attempt,
    host::log::{LogReader, looks_like_error},
    model::{ActionExecutionId, ActionStatus},
};

#[derive(Default)]
pub(super) struct LogPane {
    open: Option<Open>,
    pub wrap: bool,
    /// What the last `load` has read, for the view.
    pub window: Vec<Vec<u8>>,
    height: usize,
}

struct Open {
    id: ActionExecutionId,
    reader: LogReader,
    top: usize,
    follow: bool,
    /// A failed log opens where the first error is, once it was looked at.
    seek_error: bool,
    search: Option<Search>,
}

pub(super) struct Search {
    pub wanted: String,
    pub matches: Vec<usize>,
    pub current: usize,
}

impl LogPane {
    /// Points at an attempt's log; the same one stays where it is.
    pub(super) fn show(
        &mut self,
        attempt: Option<&Attempt>,
        path: impl Fn(ActionExecutionId) -> PathBuf,
    ) {
        let Some(attempt) = attempt else {
            self.open = None;
            self.window.clear();
            return;
        };
        if self.open.as_ref().is_some_and(|open| open.id == attempt.id) {
            if let Some(open) = &mut self.open
                && open.follow
                && attempt.status == ActionStatus::Failed
            {
                // It failed while somebody was following: the last lines are what they want.
                open.seek_error = false;
            }
            return;
        }
        let failed = attempt.status == ActionStatus::Failed;
        self.open = Some(Open {
            id: attempt.id,
            reader: LogReader::new(&path(attempt.id)),
            top: 0,
            follow: !failed,
            seek_error: failed,
            search: None,
        });
        self.window.clear();
    }

    /// Reads what was written since and the lines that fit; `true` if the picture changes.
    pub(super) fn load(&mut self, height: usize) -> bool {
        self.height = height;
        let Some(open) = &mut self.open else { return false };
        let grown = open.reader.refresh().unwrap_or(false);
        if std::mem::take(&mut open.seek_error) {
            let found = open.reader.find(0, looks_like_error).ok().flatten();
            match found {
                Some(line) => open.top = line.saturating_sub(1),
                None => open.follow = true,
            }
        }
        let last_top = open.reader.line_count().saturating_sub(height);
        if open.follow {
            open.top = last_top;
        }
        open.top = open.top.min(last_top);
        let window = open.reader.lines(open.top, height).unwrap_or_default();
        let changed = grown || window != self.window;
        self.window = window;
        changed
    }

    /// Tells whether more of the log is to be read at once.
    pub(super) fn is_behind(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.reader.is_behind())
    }

    pub(super) fn has_lines(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.reader.line_count() > 0)
    }

    /// Returns the first line shown and the number of lines.
    pub(super) fn position(&self) -> (usize, usize) {
        self.open.as_ref().map_or((0, 0), |open| (open.top, open.reader.line_count()))
    }

    pub(super) fn follows(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.follow)
    }

    pub(super) fn active_search(&self) -> Option<&Search> {
        self.open.as_ref()?.search.as_ref()
    }

    pub(super) fn scroll(&mut self, lines: isize) {
        let Some(open) = &mut self.open else { return };
        let last_top = open.reader.line_count().saturating_sub(self.height);
        open.top = open.top.saturating_add_signed(lines).min(last_top);
        open.follow = lines > 0 && open.top == last_top;
    }

    pub(super) fn toggle_follow(&mut self) {
        if let Some(open) = &mut self.open {
            open.follow = !open.follow;
        }
    }

    pub(super) fn search(&mut self, wanted: &str) {
        let Some(open) = &mut self.open else { return };
        if wanted.is_empty() {
            open.search = None;
            return;
        }
        let lower = wanted.to_lowercase();
        // An all-lowercase search does not care about case, as in vim's smartcase.
        let ignore_case = lower == wanted;
        let fits = |line: &[u8]| {
            let text = crate::ansi::plain(line);
            if ignore_case { text.to_lowercase().contains(&lower) } else { text.contains(wanted) }
        };
        let mut matches = Vec::new();
        let mut from = 0;
        while let Ok(Some(line)) = open.reader.find(from, fits) {
            matches.push(line);
            from = line + 1;
            if matches.len() >= 10_000 {
                break;
            }
        }
        let current = matches.iter().position(|line| *line >= open.top).unwrap_or(0);
        open.search = Some(Search { wanted: wanted.to_owned(), matches, current });
        self.next_match(0);
    }

    /// Goes to another match; `0` to the current one.
    pub(super) fn next_match(&mut self, step: isize) {
        let height = self.height;
        let Some(open) = &mut self.open else { return };
        let Some(search) = open.search.as_mut().filter(|it| !it.matches.is_empty()) else { return };
        let count = search.matches.len();
        let step = step.rem_euclid(isize::try_from(count).unwrap_or(1)).unsigned_abs();
        search.current = (search.current + step) % count;
        open.top = search.matches[search.current].saturating_sub(height / 2);
        open.follow = false;
    }

    /// Tells whether there was a search to clear.
    pub(super) fn clear_search(&mut self) -> bool {
        self.open.as_mut().is_some_and(|open| open.search.take().is_some())
    }

    /// Goes to the next line that looks like an error, from the top again after the last.
    pub(super) fn next_error(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        let found = open.reader.find(open.top + 2, looks_like_error).ok().flatten();
        let found = found.or_else(|| open.reader.find(0, looks_like_error).ok().flatten());
        if let Some(line) = found {
            open.top = line.saturating_sub(1);
            open.follow = false;
        }
        found.is_some()
    }
}
