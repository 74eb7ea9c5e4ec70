//! Reads logs of any size through a window; memory grows with the index, not with the log.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A line start is remembered every so many lines.
const STRIDE: usize = 256;
const BLOCK: usize = 1 << 18;
/// How many bytes one `refresh` indexes at most.
pub(super) const AT_ONCE: u64 = 64 << 20;
/// What is shown of one line at most.
pub const LINE_LIMIT: usize = 8 * 1024;

pub struct LogReader {
    path: PathBuf,
    pub(super) file: Option<File>,
    /// Where line `n * STRIDE` begins.
    starts: Vec<u64>,
    pub(super) indexed: u64,
    lines: usize,
    /// The last byte was no newline: one more line is being written.
    open_line: bool,
    behind: bool,
    pub(super) cut: Option<Range<u64>>,
    /// Counts how often lines were numbered anew, because something was cut.
    numbering: u64,
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
            cut: None,
            numbering: 0,
        }
    }

    /// Returns a number that changes when lines are numbered anew.
    pub fn numbering(&self) -> u64 {
        self.numbering
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
        let cut = cut(file);
        if cut != self.cut {
            // What was known about the middle is about lines that are not there any more.
            let numbering = self.numbering + 1;
            *self = Self { file: self.file.take(), cut, numbering, ..Self::new(&self.path) };
        }
        self.index()
    }

    fn index(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let before = self.indexed;
        let mut block = vec![0; BLOCK];
        loop {
            if let Some(cut) = self.cut.as_ref().filter(|cut| cut.start == self.indexed) {
                if self.open_line {
                    self.lines += 1;
                    self.open_line = false;
                    note_start(&mut self.starts, self.lines, cut.start);
                }
                self.indexed = cut.end;
                self.lines += 1;
                note_start(&mut self.starts, self.lines, cut.end);
            }
            let room = room_before(self.cut.as_ref(), self.indexed);
            let count = file.read_at(&mut block[..room], self.indexed)?;
            if count == 0 {
                self.behind = false;
                break;
            }
            for at in memchr::memchr_iter(b'\n', &block[..count]) {
                self.lines += 1;
                note_start(&mut self.starts, self.lines, self.indexed + at as u64 + 1);
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
        Ok(self.lines_at(first, count)?.into_iter().map(|(_, line)| line).collect())
    }

    /// Reads `count` lines from line `first` on, each with the offset at which it begins.
    pub fn lines_at(&self, first: usize, count: usize) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut found = Vec::new();
        let count = count.min(self.line_count().saturating_sub(first));
        self.scan(first, |offset, line| {
            if found.len() < count {
                found.push((offset, line.to_vec()));
            }
            found.len() < count
        })?;
        Ok(found)
    }

    /// Visits lines from `first` on, each with the offset at which it begins, until `visit` says to
    /// stop.
    fn scan(&self, first: usize, mut visit: impl FnMut(u64, &[u8]) -> bool) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let slot = (first / STRIDE).min(self.starts.len() - 1);
        let (mut offset, mut skip) = (self.starts[slot], first - slot * STRIDE);
        let (mut line, mut begun) = (Vec::new(), offset);
        let mut block = vec![0; BLOCK];
        let mut see = |begun: u64, line: &[u8]| {
            if skip == 0 {
                return visit(begun, line);
            }
            skip -= 1;
            true
        };
        loop {
            if let Some(cut) = self.cut.as_ref().filter(|cut| cut.start == offset) {
                let open_line = !line.is_empty();
                if open_line && !see(begun, &line) || !see(offset, cut_words(cut).as_bytes()) {
                    return Ok(());
                }
                line.clear();
                (offset, begun) = (cut.end, cut.end);
            }
            let left = usize::try_from(self.indexed - offset).unwrap_or(BLOCK);
            let room = room_before(self.cut.as_ref(), offset).min(left);
            let count = if room == 0 { 0 } else { file.read_at(&mut block[..room], offset)? };
            if count == 0 {
                if !line.is_empty() {
                    see(begun, &line);
                }
                return Ok(());
            }
            let mut from = 0;
            for at in memchr::memchr_iter(b'\n', &block[..count]) {
                extend_limited(&mut line, &block[from..at]);
                if !see(begun, &line) {
                    return Ok(());
                }
                line.clear();
                from = at + 1;
                begun = offset + from as u64;
            }
            extend_limited(&mut line, &block[from..count]);
            offset += count as u64;
        }
    }
}

fn note_start(starts: &mut Vec<u64>, lines: usize, at: u64) {
    if lines.is_multiple_of(STRIDE) {
        starts.push(at);
    }
}

fn room_before(cut: Option<&Range<u64>>, offset: u64) -> usize {
    let room = cut.filter(|cut| offset < cut.start).map_or(u64::MAX, |cut| cut.start - offset);
    usize::try_from(room).unwrap_or(usize::MAX).min(BLOCK)
}

/// Returns what the supervisor has cut out of a log that is too long: it is a hole in the file.
pub fn cut(file: &File) -> Option<Range<u64>> {
    let seek = |from| rustix::fs::seek(file, from);
    let start = seek(rustix::fs::SeekFrom::Hole(0)).ok()?;
    let length = file.metadata().ok()?.len();
    if start >= length {
        return None;
    }
    // A hole up to the end has no end yet.
    seek(rustix::fs::SeekFrom::Data(start)).ok().map(|end| start..end)
}

/// Returns the line that stands where something was cut.
pub fn cut_words(cut: &Range<u64>) -> String {
    let bytes = bytesize::ByteSize(cut.end - cut.start);
    format!("----- {bytes} cut here: the log was too long -----")
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::host::log_scan::{Keeps, Scan};

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
        let mut scan = Scan::new("line 4321 ", Keeps::Matching);
        reader.advance(&mut scan).unwrap();
        assert_eq!(scan.found, [4_321]);
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

    #[test]
    fn a_log_that_was_cut_reads_as_its_beginning_a_mark_and_its_end() {
        const HEAD: u64 = 1 << 16;
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<String> = (0..40_000).map(|n| format!("line {n}")).collect();
        let all = lines.join("\n") + "\n";
        file.as_file().write_all(all.as_bytes()).unwrap();
        let mut reader = LogReader::new(file.path());
        reader.refresh().unwrap();
        assert_eq!(reader.line_count(), 40_000);
        for end in [3 * HEAD, 5 * HEAD] {
            let flags =
                rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
            if rustix::fs::fallocate(file.as_file(), flags, HEAD, end - HEAD).is_err() {
                // Then nothing is ever cut.
                return;
            }
            reader.refresh().unwrap();
            let (head, rest) = all.split_at(usize::try_from(HEAD).unwrap());
            let tail = &rest[usize::try_from(end - HEAD).unwrap()..];
            let mark = cut_words(&(HEAD..end));
            let whole = format!("{head}\n{mark}\n{tail}");
            let expected: Vec<&[u8]> = whole.lines().map(str::as_bytes).collect();
            assert_eq!(reader.line_count(), expected.len());
            for first in [0, 255, 256, head.lines().count() - 1, head.lines().count(), 9_000, 9_728]
            {
                let lines = reader.lines(first, 300).unwrap();
                let wanted = &expected[first..(first + 300).min(expected.len())];
                assert_eq!(lines, wanted, "from {first}");
            }
        }
    }
}
