//! The log that is open: a window on a file of any size. Follows the end until somebody scrolls.

use std::path::{Path, PathBuf};

use super::ui::shown::Shown;
use crate::{
    host::{
        log::{Keeps, LogReader, Scan, looks_like_error},
        log_times::LogTimes,
    },
    model::{ActionExecutionId, Timestamp},
};

#[derive(Default)]
pub(super) struct LogPane {
    open: Option<Open>,
    pub wrap: bool,
    pub timestamps: bool,
    /// Cells that the lines are moved to the left.
    pub shift: u16,
    /// What the last `load` has read, for the view.
    pub window: Vec<Line>,
    height: usize,
}

/// A line of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counts from zero in the whole log.
    pub number: usize,
    pub at: Option<Timestamp>,
    pub bytes: Vec<u8>,
}

/// Which log is open.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Attempt(ActionExecutionId),
    /// Several as one.
    Merged(PathBuf),
}

struct Open {
    source: Source,
    reader: LogReader,
    times: Option<LogTimes>,
    /// The first line of the window: of the log, or of what the filter lets through.
    top: usize,
    follow: bool,
    /// A failed log opens where the first error is, once it was looked at.
    seek_error: bool,
    search: Option<Search>,
    filter: Option<Filter>,
    /// Lines that somebody wants to find again.
    marks: Vec<usize>,
    /// The lines that are selected, the first of them where the selection began.
    selection: Option<(usize, usize)>,
}

pub(super) struct Search {
    pub wanted: String,
    scan: Scan,
    /// Which of the matches is current; nothing before the first was found.
    pub current: Option<usize>,
    /// Matches before this line are not gone to.
    from: usize,
}

pub(super) struct Filter {
    pub wanted: String,
    scan: Scan,
}

impl Search {
    pub(super) fn matches(&self) -> &[usize] {
        &self.scan.found
    }

    /// Tells whether the rest of the log is still being searched.
    pub(super) fn goes_on(&self) -> bool {
        self.scan.is_behind() && !self.scan.is_full()
    }
}

impl Open {
    fn new(shown: &Shown, path: &Path) -> Self {
        let failed = shown.has_failed();
        let source = Source::Attempt(shown.id);
        Self { source, follow: !failed, seek_error: failed, ..Self::at(LogReader::new(path)) }
    }

    fn at(reader: LogReader) -> Self {
        Self {
            source: Source::Merged(PathBuf::new()),
            reader,
            times: None,
            top: 0,
            follow: false,
            seek_error: false,
            search: None,
            filter: None,
            marks: Vec::new(),
            selection: None,
        }
    }

    /// Returns how many lines can be scrolled through.
    fn count(&self) -> usize {
        self.filter.as_ref().map_or(self.reader.line_count(), |it| it.scan.found.len())
    }

    /// Puts a line of the log into the middle of the window.
    fn go_to(&mut self, line: usize, height: usize) {
        let at = match &self.filter {
            Some(filter) => filter.scan.found.partition_point(|it| *it < line),
            None => line,
        };
        self.top = at.saturating_sub(height / 2);
        self.follow = false;
    }

    /// Returns the number of the first line of the window.
    fn first_line(&self) -> usize {
        match &self.filter {
            Some(filter) => filter.scan.found.get(self.top).copied().unwrap_or(0),
            None => self.top,
        }
    }

    fn read(&self, height: usize, timestamps: bool) -> Vec<Line> {
        let line = |number, (offset, bytes): (u64, Vec<u8>)| Line {
            number,
            at: self.times.as_ref().filter(|_| timestamps).and_then(|it| it.at(offset)),
            bytes,
        };
        match &self.filter {
            None => {
                let lines = self.reader.lines_at(self.top, height).unwrap_or_default();
                (self.top..).zip(lines).map(|(number, it)| line(number, it)).collect()
            }
            Some(filter) => {
                let numbers = filter.scan.found.iter().skip(self.top).take(height);
                let lines = numbers.filter_map(|number| {
                    let found = self.reader.lines_at(*number, 1).ok()?.into_iter().next()?;
                    Some(line(*number, found))
                });
                lines.collect()
            }
        }
    }
}

impl LogPane {
    /// Points at an attempt's log; the same one stays where it is.
    pub(super) fn show(
        &mut self,
        shown: Option<&Shown>,
        path: impl Fn(ActionExecutionId) -> PathBuf,
    ) {
        let Some(shown) = shown else {
            self.open = None;
            self.window.clear();
            return;
        };
        if self.open.as_ref().is_some_and(|open| open.source == Source::Attempt(shown.id)) {
            if let Some(open) = &mut self.open
                && open.follow
                && shown.has_failed()
            {
                // It failed while somebody was following: the last lines are what they want.
                open.seek_error = false;
            }
            return;
        }
        let path = path(shown.id);
        self.open = Some(Open { times: LogTimes::beside(&path), ..Open::new(shown, &path) });
        self.shift = 0;
        self.window.clear();
    }

    /// Points at logs that were merged into a file.
    pub(super) fn show_merged(&mut self, path: &Path) {
        let source = Source::Merged(path.to_owned());
        if self.open.as_ref().is_none_or(|open| open.source != source) {
            let reader = LogReader::new(path);
            self.open = Some(Open { source, ..Open::at(reader) });
            self.window.clear();
        }
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
        let scans = open.filter.iter_mut().map(|it| &mut it.scan);
        let scans = scans.chain(open.search.iter_mut().map(|it| &mut it.scan));
        for scan in scans.filter(|it| !it.is_full()) {
            // What cannot be read now is tried again with the next frame.
            let _ = open.reader.advance(scan);
        }
        Self::go_to_first_match(open, height);
        let last_top = open.count().saturating_sub(height);
        if open.follow {
            open.top = last_top;
        }
        open.top = open.top.min(last_top);
        let window = open.read(height, self.timestamps);
        let changed = grown || window != self.window;
        self.window = window;
        changed
    }

    fn go_to_first_match(open: &mut Open, height: usize) {
        let Some(search) = open.search.as_mut().filter(|it| it.current.is_none()) else { return };
        let at = search.scan.found.partition_point(|line| *line < search.from);
        let found = match search.scan.found.get(at) {
            Some(_) => Some(at),
            // From the top again, once it is clear that nothing follows.
            None if !search.goes_on() && !search.scan.found.is_empty() => Some(0),
            None => None,
        };
        search.current = found;
        if let Some(line) = found.map(|at| search.scan.found[at]) {
            open.go_to(line, height);
        }
    }

    /// Tells whether more of the log is to be read or searched at once.
    pub(super) fn is_behind(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.reader.is_behind()
                || open.search.as_ref().is_some_and(Search::goes_on)
                || open.filter.as_ref().is_some_and(|it| it.scan.is_behind() && !it.scan.is_full())
        })
    }

    pub(super) fn has_lines(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.reader.line_count() > 0)
    }

    /// Returns the first line shown and the number of lines.
    pub(super) fn position(&self) -> (usize, usize) {
        self.open.as_ref().map_or((0, 0), |open| (open.top, open.count()))
    }

    pub(super) fn follows(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.follow)
    }

    pub(super) fn active_search(&self) -> Option<&Search> {
        self.open.as_ref()?.search.as_ref()
    }

    pub(super) fn active_filter(&self) -> Option<&Filter> {
        self.open.as_ref()?.filter.as_ref()
    }

    pub(super) fn is_marked(&self, line: usize) -> bool {
        self.open.as_ref().is_some_and(|open| open.marks.contains(&line))
    }

    pub(super) fn is_selected(&self, line: usize) -> bool {
        let selection = self.open.as_ref().and_then(|open| open.selection);
        selection.is_some_and(|(from, to)| (from.min(to)..=from.max(to)).contains(&line))
    }

    pub(super) fn has_selection(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.selection.is_some())
    }

    /// Scrolls; while lines are selected the selection grows instead.
    pub(super) fn scroll(&mut self, lines: isize) {
        let height = self.height;
        let Some(open) = &mut self.open else { return };
        if let Some((_, to)) = &mut open.selection {
            let last = open.reader.line_count().saturating_sub(1);
            *to = to.saturating_add_signed(lines).min(last);
            let to = *to;
            if to < open.top || to >= open.top + height {
                open.top = open.top.saturating_add_signed(lines);
            }
            return;
        }
        let last_top = open.count().saturating_sub(height);
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
        open.search = (!wanted.is_empty()).then(|| Search {
            wanted: wanted.to_owned(),
            scan: Scan::new(wanted, Keeps::Matching),
            current: None,
            from: open.first_line(),
        });
    }

    /// Shows only the lines with these words in them, or with `!` before them only the others.
    pub(super) fn filter(&mut self, wanted: &str) {
        let Some(open) = &mut self.open else { return };
        let line = open.first_line();
        open.filter = match wanted.strip_prefix('!') {
            _ if wanted.is_empty() || wanted == "!" => None,
            Some(words) => Some((words, Keeps::Others)),
            None => Some((wanted, Keeps::Matching)),
        }
        .map(|(words, keeps)| Filter { wanted: wanted.to_owned(), scan: Scan::new(words, keeps) });
        open.selection = None;
        // Without a filter the window stays where it was.
        open.top = if open.filter.is_some() { 0 } else { line };
    }

    /// Goes to the match after or before the current one.
    pub(super) fn next_match(&mut self, step: isize) {
        let height = self.height;
        let Some(open) = &mut self.open else { return };
        let Some(search) = open.search.as_mut() else { return };
        let count = search.scan.found.len();
        let Some(current) = search.current.filter(|_| count > 0) else { return };
        let step = step.rem_euclid(isize::try_from(count).unwrap_or(1)).unsigned_abs();
        let next = (current + step) % count;
        search.current = Some(next);
        let line = search.scan.found[next];
        open.go_to(line, height);
    }

    /// Ends selection, search or filter, whichever came last; `false` if there was none.
    pub(super) fn clear(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        if open.selection.take().is_some() || open.search.take().is_some() {
            return true;
        }
        let had_filter = open.filter.is_some();
        if had_filter {
            self.filter("");
        }
        had_filter
    }

    /// Goes to the next line that looks like an error, around the end; or to the one before.
    pub(super) fn next_error(&mut self, forward: bool) -> bool {
        let height = self.height;
        let Some(open) = &mut self.open else { return false };
        let here = open.first_line();
        let found = if forward {
            let found = open.reader.find(here + 2, looks_like_error).ok().flatten();
            found.or_else(|| open.reader.find(0, looks_like_error).ok().flatten())
        } else {
            open.reader.find_last(here.saturating_add(1), looks_like_error).ok().flatten()
        };
        if let Some(line) = found {
            open.go_to(line, height);
            if open.filter.is_none() {
                open.top = line.saturating_sub(1);
            }
        }
        found.is_some()
    }

    /// Marks the first line of the window, or takes its mark off.
    pub(super) fn toggle_mark(&mut self) {
        let Some(open) = &mut self.open else { return };
        let line = open.first_line();
        match open.marks.iter().position(|it| *it == line) {
            Some(at) => drop(open.marks.remove(at)),
            None => open.marks.push(line),
        }
    }

    /// Goes to the next mark, around the end.
    pub(super) fn next_mark(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        let here = open.first_line();
        let next = open.marks.iter().filter(|it| **it > here).min().or(open.marks.iter().min());
        let next = next.copied();
        if let Some(line) = next {
            open.go_to(line, 0);
        }
        next.is_some()
    }

    /// Begins to select lines at the middle of the window, or stops.
    pub(super) fn toggle_selection(&mut self) {
        let Some(open) = &mut self.open else { return };
        if open.selection.take().is_none() && open.filter.is_none() {
            let line = (open.top + self.window.len() / 2).min(open.count().saturating_sub(1));
            (open.selection, open.follow) = (Some((line, line)), false);
        }
    }

    /// Returns the lines that are selected, or the ones on the screen, as plain text.
    pub(super) fn text(&self) -> Option<String> {
        let open = self.open.as_ref()?;
        let lines = match open.selection {
            Some((from, to)) => {
                open.reader.lines(from.min(to), from.abs_diff(to) + 1).unwrap_or_default()
            }
            None => self.window.iter().map(|it| it.bytes.clone()).collect(),
        };
        let lines: Vec<String> = lines.iter().map(|it| crate::ansi::plain(it)).collect();
        Some(lines.join("\n") + "\n")
    }
}
