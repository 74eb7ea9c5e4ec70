//! The log that is open: a window on a file of any size. Follows the end until somebody scrolls.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use super::ui::shown::Shown;
use crate::{
    host::{
        log::LogReader,
        log_scan::{Keeps, Scan},
        log_times::LogTimes,
    },
    model::{ActionExecutionId, Timestamp},
};

/// More selected lines than this are not copied.
const MOST_COPIED: usize = 100_000;

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
    search: Option<Search>,
    /// What looks like an error; a failed log opens with the first of them.
    errors: Option<Search>,
    numbering: u64,
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
    /// Matches before this line are not gone to; going back, those after it.
    from: usize,
    forward: bool,
}

pub(super) struct Filter {
    pub wanted: String,
    scan: Scan,
}

impl Search {
    fn new(wanted: &str, scan: Scan, from: usize) -> Self {
        Self { wanted: wanted.to_owned(), scan, current: None, from, forward: true }
    }

    fn of_errors(from: usize, forward: bool) -> Self {
        Self { forward, ..Self::new("errors", Scan::for_errors(), from) }
    }

    /// Finds the first match that is to be gone to; returns its line when it has just been found.
    fn settle(&mut self) -> Option<usize> {
        if self.current.is_some() {
            return None;
        }
        let found = &self.scan.found;
        let is_over = !self.goes_on() && !found.is_empty();
        self.current = if self.forward {
            let at = found.partition_point(|line| *line < self.from);
            // From the top again, once it is clear that nothing follows.
            Some(at).filter(|at| *at < found.len()).or(is_over.then_some(0))
        } else {
            // One further down may come first, as long as not all are known.
            let before = found.partition_point(|line| *line < self.from);
            is_over.then(|| before.checked_sub(1).unwrap_or(found.len() - 1))
        };
        self.current.map(|at| self.scan.found[at])
    }

    /// Goes on to another match, around the ends: from the current one while the window, which
    /// lies between these lines, shows it, else from the window.
    fn step(&mut self, step: isize, window: &Range<usize>) -> Option<usize> {
        let found = &self.scan.found;
        let count = found.len();
        let current = self.current.filter(|_| count > 0)?;
        let current = match found.get(current) {
            Some(line) if window.contains(line) => current,
            _ if step > 0 => found.partition_point(|line| *line < window.start) + count - 1,
            _ => found.partition_point(|line| *line < window.end),
        };
        let step = step.rem_euclid(isize::try_from(count).unwrap_or(1)).unsigned_abs();
        let next = (current + step) % count;
        self.current = Some(next);
        Some(self.scan.found[next])
    }

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
        let errors = failed.then(|| Search::of_errors(0, true));
        Self { source, follow: true, errors, ..Self::at(LogReader::new(path)) }
    }

    fn at(reader: LogReader) -> Self {
        Self {
            source: Source::Merged(PathBuf::new()),
            reader,
            times: None,
            top: 0,
            follow: false,
            search: None,
            errors: None,
            numbering: 0,
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

    /// Puts an error at the top of the window: what matters comes after it.
    fn go_to_error(&mut self, line: usize, height: usize) {
        self.go_to(line, height);
        if self.filter.is_none() {
            self.top = line.saturating_sub(1);
        }
    }

    fn scans(&mut self) -> impl Iterator<Item = &mut Scan> {
        let searches = self.search.iter_mut().chain(&mut self.errors).map(|it| &mut it.scan);
        self.filter.iter_mut().map(|it| &mut it.scan).chain(searches)
    }

    /// Returns the number of the first line of the window.
    fn first_line(&self) -> usize {
        match &self.filter {
            Some(filter) => filter.scan.found.get(self.top).copied().unwrap_or(0),
            None => self.top,
        }
    }

    /// Returns the lines that the window shows.
    fn window(&self, height: usize) -> Range<usize> {
        let first = self.first_line();
        let end = match &self.filter {
            Some(filter) => filter.scan.found.get(self.top + height).copied(),
            None => Some(self.top + height),
        };
        first..end.unwrap_or(usize::MAX)
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
            // If it fails while somebody follows, the last lines are what they want.
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
        if open.numbering != open.reader.numbering() {
            // Numbers of lines mean other lines now.
            open.numbering = open.reader.numbering();
            open.scans().for_each(Scan::restart);
            (open.marks, open.selection) = (Vec::new(), None);
        }
        let Open { reader, filter, search, errors, .. } = open;
        let filter = filter.iter_mut().map(|it| &mut it.scan);
        let searches = search.iter_mut().chain(errors.iter_mut()).map(|it| &mut it.scan);
        for scan in filter.chain(searches).filter(|it| !it.is_full()) {
            // What cannot be read now is tried again with the next frame.
            let _ = reader.advance(scan);
        }
        let found = search.as_mut().and_then(Search::settle);
        let error = errors.as_mut().and_then(Search::settle);
        if let Some(line) = found {
            open.go_to(line, height);
        } else if let Some(line) = error {
            open.go_to_error(line, height);
        }
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

    /// Tells whether more of the log is to be read or searched at once.
    pub(super) fn is_behind(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let searches = open.search.iter().chain(&open.errors);
            open.reader.is_behind()
                || searches.into_iter().any(Search::goes_on)
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
        let from = open.first_line();
        open.search = (!wanted.is_empty())
            .then(|| Search::new(wanted, Scan::new(wanted, Keeps::Matching), from));
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
        let window = open.window(height);
        if let Some(line) = open.search.as_mut().and_then(|it| it.step(step, &window)) {
            open.go_to(line, height);
        }
    }

    /// Ends the selection, else the search, else the filter; `false` if there was none.
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

    /// Goes to the next line that looks like an error, or to the one before, around the ends;
    /// `false` if the whole log has none.
    pub(super) fn next_error(&mut self, forward: bool) -> bool {
        let height = self.height;
        let Some(open) = &mut self.open else { return false };
        let window = open.window(height);
        let from = if forward { window.start } else { window.end };
        let errors = open.errors.get_or_insert_with(|| Search::of_errors(from, forward));
        if let Some(line) = errors.step(if forward { 1 } else { -1 }, &window) {
            open.go_to_error(line, height);
            return true;
        }
        errors.goes_on() || errors.current.is_some() || !errors.scan.found.is_empty()
    }

    pub(super) fn active_errors(&self) -> Option<&Search> {
        self.open.as_ref()?.errors.as_ref()
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
                let count = (from.abs_diff(to) + 1).min(MOST_COPIED);
                open.reader.lines(from.min(to), count).unwrap_or_default()
            }
            None => self.window.iter().map(|it| it.bytes.clone()).collect(),
        };
        let lines: Vec<String> = lines.iter().map(|it| crate::ansi::plain(it)).collect();
        Some(lines.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of 100 lines with a match in every tenth, seen through ten lines.
    fn pane() -> (tempfile::NamedTempFile, LogPane) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |at: usize| if at % 10 == 5 { format!("error: {at}\n") } else { "-\n".into() };
        std::fs::write(file.path(), (0..100).map(line).collect::<String>()).unwrap();
        let mut pane = LogPane::default();
        pane.show_merged(file.path());
        pane.load(10);
        (file, pane)
    }

    fn first_match(pane: &mut LogPane) -> usize {
        pane.load(10);
        let found = |it: &Line| it.bytes.starts_with(b"error");
        pane.window.iter().find(|it| found(it)).unwrap().number
    }

    #[test]
    fn the_next_match_is_the_next_one_from_what_is_seen() {
        let (_file, mut pane) = pane();
        pane.scroll(isize::MIN / 2);
        pane.search("error");
        assert_eq!(first_match(&mut pane), 5);
        pane.next_match(1);
        assert_eq!(first_match(&mut pane), 15);
        pane.scroll(1_000);
        pane.load(10);
        pane.next_match(-1);
        assert_eq!(first_match(&mut pane), 95);
        pane.next_match(1);
        assert_eq!(first_match(&mut pane), 5, "around the end");
        pane.scroll(40);
        pane.load(10);
        pane.next_match(1);
        assert_eq!(first_match(&mut pane), 45);
    }

    #[test]
    fn the_error_before_is_found_from_the_end() {
        let (_file, mut pane) = pane();
        pane.scroll(1_000);
        pane.load(10);
        pane.next_error(false);
        assert_eq!(first_match(&mut pane), 95);
        pane.next_error(false);
        assert_eq!(first_match(&mut pane), 85);
    }
}
