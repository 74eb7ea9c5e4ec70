//! Searches a log of any size: matches come while it goes on, and go on as the log grows.

use std::{io, os::unix::fs::FileExt};

use super::log::{AT_ONCE, LogReader};

/// How much a search reads at a time.
const SCAN_BLOCK: usize = 1 << 20;
/// How many lines a search keeps at most.
const MOST_FOUND: usize = 1_000_000;

/// A search through a log that goes on as the log grows; it keeps the numbers of the lines found.
pub struct Scan {
    pattern: regex::bytes::Regex,
    keeps: Keeps,
    pub found: Vec<usize>,
    offset: u64,
    line: usize,
    in_line: bool,
    /// The line that is still being written has been looked at.
    open_line: bool,
    /// It is the last one in `found`.
    open_line_found: bool,
    is_behind: bool,
}

/// Which lines a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    Matching,
    Others,
}

/// Where a block of a log ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    WithNewline,
    WithinLine,
}

impl Scan {
    /// Searches for words as they stand; without a capital letter in them case does not matter.
    pub fn new(words: &str, keeps: Keeps) -> Self {
        let ignore_case = words.to_lowercase() == words;
        let pattern = regex::bytes::RegexBuilder::new(&regex::escape(words))
            .case_insensitive(ignore_case)
            .unicode(!words.is_ascii())
            .build()
            .expect("escaped words are a pattern");
        Self::of(pattern, keeps)
    }

    /// Searches for what looks like an error.
    pub fn for_errors() -> Self {
        let words: Vec<String> = ERRORS.iter().map(|word| regex::escape(word)).collect();
        let pattern = regex::bytes::RegexBuilder::new(&words.join("|")).unicode(false).build();
        Self::of(pattern.expect("escaped words are a pattern"), Keeps::Matching)
    }

    fn of(pattern: regex::bytes::Regex, keeps: Keeps) -> Self {
        Self {
            pattern,
            keeps,
            found: Vec::new(),
            offset: 0,
            line: 0,
            in_line: false,
            open_line: false,
            open_line_found: false,
            is_behind: true,
        }
    }

    /// Begins again, for a log whose lines were numbered anew.
    pub fn restart(&mut self) {
        *self = Self::of(self.pattern.clone(), self.keeps);
    }

    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Tells whether no more lines are kept.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MOST_FOUND
    }

    fn forget_open_line(&mut self) {
        if std::mem::take(&mut self.open_line_found) {
            self.found.pop();
        }
        self.open_line = false;
    }

    fn look_at_open_line(&mut self, bytes: &[u8]) {
        self.open_line = true;
        let keeps = self.pattern.is_match(bytes) == (self.keeps == Keeps::Matching);
        if keeps && !bytes.is_empty() && !self.is_full() {
            self.found.push(self.line);
            self.open_line_found = true;
        }
    }

    fn keep(&mut self, line: usize) {
        if self.found.last() != Some(&line) {
            self.found.push(line);
        }
    }

    fn take(&mut self, block: &[u8], ends: Ends) {
        let mut at = 0;
        while !self.is_full() {
            let found = self.pattern.find_at(block, at);
            let upto = found.as_ref().map_or(block.len(), regex::bytes::Match::start);
            let line = self.line + memchr::memchr_iter(b'\n', &block[at..upto]).count();
            if self.keeps == Keeps::Others {
                let room = MOST_FOUND - self.found.len();
                (self.line..line).take(room).for_each(|line| self.keep(line));
                if found.is_none() && ends == Ends::WithinLine {
                    self.keep(line);
                }
            } else if found.is_some() {
                self.keep(line);
            }
            self.line = line;
            let Some(found) = found else { return };
            // On with the next line: one match a line is enough.
            match memchr::memchr(b'\n', &block[found.start()..]) {
                Some(end) => {
                    at = found.start() + end + 1;
                    self.line += 1;
                }
                None => return,
            }
        }
    }
}

impl LogReader {
    /// Goes on with a search through the whole log, as far as can be read without a pause that
    /// people notice.
    pub fn advance(&self, scan: &mut Scan) -> io::Result<()> {
        let Some(file) = &self.file else {
            // Nothing was written yet, or ever: there is nothing to go on with.
            scan.is_behind = false;
            return Ok(());
        };
        scan.forget_open_line();
        let end = scan.offset.saturating_add(AT_ONCE);
        let mut block = vec![0; SCAN_BLOCK];
        while scan.offset < end && scan.offset < self.indexed {
            if let Some(cut) = self.cut.as_ref().filter(|cut| cut.start == scan.offset) {
                // The line with the mark, and the one before it that has no end.
                scan.line += 1 + usize::from(scan.in_line);
                (scan.offset, scan.in_line) = (cut.end, false);
            }
            let before_cut = self.cut.as_ref().filter(|cut| scan.offset < cut.start);
            let upto = before_cut.map_or(self.indexed, |cut| cut.start);
            let room = usize::try_from(upto - scan.offset).unwrap_or(SCAN_BLOCK).min(SCAN_BLOCK);
            let count = file.read_at(&mut block[..room], scan.offset)?;
            let newline = memchr::memrchr(b'\n', &block[..count]).map(|at| at + 1);
            let is_last = scan.offset + count as u64 == self.indexed;
            match newline {
                Some(take) => scan.take(&block[..take], Ends::WithNewline),
                // A line that is still being written is looked at and not passed.
                None if is_last && count < SCAN_BLOCK => {
                    scan.look_at_open_line(&block[..count]);
                    break;
                }
                None if count == 0 => break,
                // Longer than any line people read, or cut: its pieces count as one line.
                None => scan.take(&block[..count], Ends::WithinLine),
            }
            scan.offset += newline.unwrap_or(count) as u64;
            scan.in_line = newline.is_none();
        }
        scan.is_behind = scan.offset < self.indexed && !scan.open_line;
        Ok(())
    }
}

/// What stands in the lines that people look for first.
const ERRORS: [&str; 12] = [
    "error:",
    "error[",
    "Error:",
    "ERROR",
    "panicked at",
    "FAILED",
    "fatal:",
    "FAIL ",
    "FAIL:",
    "make: *** [",
    "Traceback (most recent",
    "not found",
];

/// Tells whether a line looks like a warning.
pub fn looks_like_warning(line: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b"warning:", b"Warning:", b"WARN", b"deprecated"];
    words.iter().any(|word| memchr::memmem::find(line, word).is_some())
}

/// Tells whether a line looks like the error people look for first.
pub fn looks_like_error(line: &[u8]) -> bool {
    ERRORS.iter().any(|word| memchr::memmem::find(line, word.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_search_finds_what_reading_every_line_finds_also_while_the_log_grows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut reader = LogReader::new(file.path());
        let all: Vec<String> = (0..60_000)
            .map(|n| {
                format!("{n} {}{}", "x".repeat(n % 60), if n % 7 == 0 { " Error" } else { "" })
            })
            .collect();
        let mut scans = [
            Scan::new("error", Keeps::Matching),
            Scan::new("Error", Keeps::Others),
            Scan::new("error: none", Keeps::Matching),
        ];
        for part in all.chunks(25_000) {
            file.as_file().write_all((part.join("\n") + "\n").as_bytes()).unwrap();
            reader.refresh().unwrap();
            for scan in &mut scans {
                reader.advance(scan).unwrap();
                assert!(!scan.is_behind());
            }
        }
        let (matching, others): (Vec<usize>, Vec<usize>) = (0..60_000).partition(|n| n % 7 == 0);
        assert_eq!(scans[0].found, matching);
        assert_eq!(scans[1].found, others);
        assert_eq!(scans[2].found, Vec::<usize>::new());
        let at = reader.lines_at(300, 2).unwrap();
        let offset: usize = all[..300].iter().map(|line| line.len() + 1).sum();
        assert_eq!(at[0], (offset as u64, all[300].clone().into_bytes()));
    }

    #[test]
    fn a_log_that_is_not_there_is_searched_at_once() {
        let mut reader = LogReader::new(std::path::Path::new("/nowhere/log"));
        reader.refresh().unwrap();
        let mut scan = Scan::for_errors();
        reader.advance(&mut scan).unwrap();
        assert!(!scan.is_behind());
    }

    #[test]
    fn a_line_that_is_being_written_counts_once_and_as_what_it_is_in_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut reader = LogReader::new(file.path());
        let mut words = Scan::new("needle", Keeps::Matching);
        let mut others = Scan::new("needle", Keeps::Others);
        for (piece, matching, rest) in [
            ("first\n.", &[][..], &[0, 1][..]),
            ("...nee", &[], &[0, 1]),
            ("dle.", &[1], &[0]),
            (".. needle\nlast", &[1], &[0, 2]),
        ] {
            file.as_file().write_all(piece.as_bytes()).unwrap();
            reader.refresh().unwrap();
            reader.advance(&mut words).unwrap();
            reader.advance(&mut others).unwrap();
            assert_eq!((words.found.as_slice(), others.found.as_slice()), (matching, rest));
            assert!(!words.is_behind() && !others.is_behind());
        }
    }
}
