//! Reads logs of any size through a window; memory grows with the index, not with the log.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A line start is remembered every so many lines.
const STRIDE: usize = 256;
const BLOCK: usize = 1 << 18;
/// How many bytes one `refresh` indexes at most.
const AT_ONCE: u64 = 64 << 20;
/// What is shown of one line at most.
pub const LINE_LIMIT: usize = 8 * 1024;

pub struct LogReader {
    path: PathBuf,
    file: Option<File>,
    /// Where line `n * STRIDE` begins.
    starts: Vec<u64>,
    indexed: u64,
    lines: usize,
    /// The last byte was no newline: one more line is being written.
    open_line: bool,
    behind: bool,
}

impl LogReader {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            starts: vec![0],
            indexed: 0,
            lines: 0,
            open_line: false,
            behind: false,
        }
    }

    /// Tells whether the last `refresh` has left something for the next one.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Takes in what was written since the last time, up to what can be read without a pause
    /// that people notice; `true` if there was something.
    pub fn refresh(&mut self) -> io::Result<bool> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let Some(file) = &self.file else { return Ok(false) };
        let before = self.indexed;
        let mut block = vec![0; BLOCK];
        loop {
            let count = file.read_at(&mut block, self.indexed)?;
            if count == 0 {
                self.behind = false;
                break;
            }
            for at in memchr::memchr_iter(b'\n', &block[..count]) {
                self.lines += 1;
                if self.lines.is_multiple_of(STRIDE) {
                    self.starts.push(self.indexed + at as u64 + 1);
                }
            }
            self.open_line = block[count - 1] != b'\n';
            self.indexed += count as u64;
            self.behind = self.indexed - before >= AT_ONCE;
            if self.behind {
                break;
            }
        }
        Ok(self.indexed > before)
    }

    pub fn line_count(&self) -> usize {
        self.lines + usize::from(self.open_line)
    }

    pub fn bytes(&self) -> u64 {
        self.indexed
    }

    /// Reads `count` lines from line `first` on; long lines are cut at [`LINE_LIMIT`].
    pub fn lines(&self, first: usize, count: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        let end = first.saturating_add(count).min(self.line_count());
        self.scan(first, |line| {
            if found.len() < end.saturating_sub(first) {
                found.push(line.to_vec());
            }
            found.len() < end.saturating_sub(first)
        })?;
        Ok(found)
    }

    /// Finds the first line at or after `first` that `wanted` accepts.
    pub fn find(&self, first: usize, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Option<usize>> {
        let mut at = first;
        let mut found = None;
        self.scan(first, |line| {
            if wanted(line) {
                found = Some(at);
            }
            at += 1;
            found.is_none()
        })?;
        Ok(found)
    }

    /// Visits lines from `first` on until `visit` says to stop.
    fn scan(&self, first: usize, mut visit: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let slot = (first / STRIDE).min(self.starts.len() - 1);
        let (mut offset, mut skip) = (self.starts[slot], first - slot * STRIDE);
        let mut line = Vec::new();
        let mut block = vec![0; BLOCK];
        loop {
            let room = usize::try_from(self.indexed - offset).unwrap_or(BLOCK).min(BLOCK);
            let count = if room == 0 { 0 } else { file.read_at(&mut block[..room], offset)? };
            if count == 0 {
                if !line.is_empty() && skip == 0 {
                    visit(&line);
                }
                return Ok(());
            }
            offset += count as u64;
            let mut rest = &block[..count];
            while let Some(at) = memchr::memchr(b'\n', rest) {
                if skip > 0 {
                    skip -= 1;
                } else {
                    extend_limited(&mut line, &rest[..at]);
                    if !visit(&line) {
                        return Ok(());
                    }
                }
                line.clear();
                rest = &rest[at + 1..];
            }
            if skip == 0 {
                extend_limited(&mut line, rest);
            }
        }
    }
}

fn extend_limited(line: &mut Vec<u8>, bytes: &[u8]) {
    let room = LINE_LIMIT.saturating_sub(line.len());
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// Reads the last line with something in it, from the end of the file only.
pub fn last_line(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut tail = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(4096)];
    let from = length - tail.len() as u64;
    file.read_exact_at(&mut tail, from).ok()?;
    let lines = tail.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.rev().find(|line| !line.trim_ascii().is_empty()).map(<[u8]>::to_vec)
}

/// Tells whether a line looks like the error people look for first.
pub fn looks_like_error(line: &[u8]) -> bool {
    let words: [&[u8]; 8] =
        [b"error:", b"error[", b"Error:", b"ERROR", b"panicked at", b"FAILED", b"fatal:", b"FAIL "];
    let traceback: [&[u8]; 2] = [b"Traceback (most recent", b"not found"];
    words.iter().chain(&traceback).any(|word| memchr::memmem::find(line, word).is_some())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn any_window_of_a_growing_log_reads_the_same_as_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut reader = LogReader::new(file.path());
        let all: Vec<String> =
            (0..5_000).map(|n| format!("line {n} {}", "x".repeat(n % 90))).collect();
        for part in all.chunks(1_700) {
            let text: String = part.join("\n") + "\n";
            file.as_file().write_all(text.as_bytes()).unwrap();
            assert!(reader.refresh().unwrap());
        }
        assert!(!reader.refresh().unwrap());
        assert_eq!(reader.line_count(), all.len());
        for first in [0, 1, 255, 256, 257, 2_560, 4_990, 5_000, 9_000] {
            let lines = reader.lines(first, 20).unwrap();
            let expected: Vec<_> =
                all.iter().skip(first).take(20).map(std::string::String::as_bytes).collect();
            assert_eq!(lines, expected, "from {first}");
        }
        let found = reader.find(10, |line| line.starts_with(b"line 4321 ")).unwrap();
        assert_eq!(found, Some(4_321));
    }

    #[test]
    fn an_unfinished_line_counts_and_long_ones_are_cut() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut reader = LogReader::new(file.path());
        file.as_file().write_all(&vec![b'y'; 1_000_000]).unwrap();
        reader.refresh().unwrap();
        assert_eq!(reader.line_count(), 1);
        assert_eq!(reader.lines(0, 5).unwrap()[0].len(), LINE_LIMIT);
    }
}
