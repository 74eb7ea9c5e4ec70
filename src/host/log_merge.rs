//! Several logs as one, in the order in which their lines were written.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::TempPath;

use super::{log::LogReader, log_times::LogTimes};
use crate::model::Timestamp;

/// How many lines of each log are merged: the last ones.
const LINES: usize = 50_000;

/// Writes the logs into one temporary file, each line with the name of its log before it.
pub fn merge(logs: &[(String, PathBuf)]) -> io::Result<TempPath> {
    let mut lines = Vec::new();
    for (number, (_, path)) in logs.iter().enumerate() {
        lines.extend(read(path)?.into_iter().map(|(at, line)| (at, number, line)));
    }
    // Stable, so that the lines of one log keep their order.
    lines.sort_by_key(|(at, ..)| *at);
    let width = logs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let file = tempfile::Builder::new().prefix("stagegate-merged-").tempfile()?;
    let mut writer = BufWriter::new(file.as_file());
    for (_, number, line) in &lines {
        write!(writer, "{:<width$} | ", logs[*number].0)?;
        writer.write_all(line)?;
        writer.write_all(b"\n")?;
    }
    writer.flush()?;
    drop(writer);
    Ok(file.into_temp_path())
}

fn read(path: &Path) -> io::Result<Vec<(Timestamp, Vec<u8>)>> {
    let mut reader = LogReader::new(path);
    while reader.refresh()? && reader.is_behind() {}
    let times = LogTimes::beside(path);
    let first = reader.line_count().saturating_sub(LINES);
    // A line without a time of its own was written with the one before it.
    let mut at = Timestamp::default();
    let lines = reader.lines_at(first, LINES)?.into_iter().map(|(offset, line)| {
        at = times.as_ref().and_then(|it| it.at(offset)).unwrap_or(at);
        (at, line)
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, name: &str, lines: &[(i64, &str)]) -> (String, PathBuf) {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let (mut text, mut times) = (String::new(), Vec::new());
        for (at, line) in lines {
            times.extend(u64::try_from(text.len()).unwrap().to_le_bytes());
            times.extend(at.to_le_bytes());
            text.push_str(line);
            text.push('\n');
        }
        std::fs::write(folder.join("log"), text).unwrap();
        std::fs::write(folder.join(crate::supervisor::protocol::TIMES), times).unwrap();
        (name.to_owned(), folder.join("log"))
    }

    #[test]
    fn lines_come_in_the_order_in_which_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let lint = log(folder.path(), "lint", &[(1, "a"), (4, "d")]);
        let unit = log(folder.path(), "unit-1", &[(2, "b"), (3, "c"), (5, "e")]);
        let merged = merge(&[lint, unit]).unwrap();
        let text = std::fs::read_to_string(&merged).unwrap();
        let expected = "lint   | a\nunit-1 | b\nunit-1 | c\nlint   | d\nunit-1 | e\n";
        assert_eq!(text, expected);
    }
}
