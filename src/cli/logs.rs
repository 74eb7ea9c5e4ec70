//! `logs`: what the actions of an execution have printed.

use std::{
    io::{BufRead, IsTerminal, Read, Seek, SeekFrom},
    time::Duration,
};

use super::{Exit, Failure, args::Logs, output, read::find_execution};
use crate::{
    ansi,
    host::{StateDir, log},
    model::ActionExecutionId,
    runtime::lookup::{ActionRecord, ExecutionRecord},
};

const PIECE: u64 = 1 << 16;
const BLOCK: u64 = 1 << 18;
/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn logs(state_dir: StateDir, arguments: Logs) -> Result<Exit, Failure> {
    let handle = super::open(state_dir).await?;
    if !handle.state_dir().exists() {
        return Err(Failure::usage("nothing has run yet"));
    }
    let history = handle.history()?;
    // PIPELINE/STAGE/ACTION is written with one word, an execution and its action with two.
    let (name, place) = match arguments.execution.split_once('/') {
        Some((name, place)) => (name, Some(place.to_owned())),
        None => (arguments.execution.as_str(), None),
    };
    let target = place.or(arguments.target);
    let execution = find_execution(&history, name, arguments.lane.as_deref())?;
    let wanted = |record: &ActionRecord| {
        target.as_ref().is_none_or(|target| match target.split_once('/') {
            Some((stage, action)) => {
                record.stage.as_str() == stage && record.action.as_str() == action
            }
            None => record.action.as_str() == target || record.stage.as_str() == target,
        })
    };
    let mut printer = Printer::default();
    loop {
        // While a stop waits for actions, they still write.
        let over = history.execution(execution.id)?.is_none_or(|it| it.status.has_ended());
        let actions: Vec<_> = history.actions(execution.id)?.into_iter().filter(wanted).collect();
        if actions.is_empty() && over {
            return Err(nothing_ran(&execution, target));
        }
        for action in &actions {
            printer.print(action, &handle.log_path(action.id), actions.len() > 1)?;
        }
        if over || !arguments.follow {
            return match (actions.is_empty(), printer.last) {
                (true, _) => Err(nothing_ran(&execution, target)),
                (false, Some(_)) => Ok(Exit::Done),
                (false, None) => {
                    let id = execution.id.short();
                    output::say(format!(
                        "there is no log; `stagegate show {id}` says what became of it"
                    ));
                    Ok(Exit::Done)
                }
            };
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn nothing_ran(execution: &ExecutionRecord, target: Option<String>) -> Failure {
    let (id, lane) = (execution.id.short(), execution.lane.label());
    let what = target.map_or_else(|| "no action".to_owned(), |it| format!("no action {it}"));
    let words = format!("execution {id} ({lane}, {}) has run {what}", execution.status);
    Failure::usage(words).hint("name another one; `stagegate history PIPELINE` lists them")
}

/// Remembers how far each log was printed.
#[derive(Default)]
struct Printer {
    printed: std::collections::BTreeMap<ActionExecutionId, u64>,
    last: Option<ActionExecutionId>,
}

impl Printer {
    fn print(
        &mut self,
        action: &ActionRecord,
        path: &std::path::Path,
        with_title: bool,
    ) -> Result<(), Failure> {
        let unreadable = |error: std::io::Error| {
            Failure::usage(format!("cannot read {}: {error}", path.display()))
        };
        let from = self.printed.entry(action.id).or_default();
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            // Gates and sources have no log.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        let cut = log::cut(&file);
        file.seek(SeekFrom::Start(*from)).map_err(unreadable)?;
        let before_cut = cut.as_ref().and_then(|cut| cut.start.checked_sub(*from));
        let mut reader = std::io::BufReader::new(file).take(before_cut.unwrap_or(u64::MAX));
        let for_people = std::io::stdout().is_terminal();
        let mut chunk = Vec::new();
        loop {
            chunk.clear();
            let count = if for_people {
                // People get lines, and a line without an end in pieces.
                reader.by_ref().take(PIECE).read_until(b'\n', &mut chunk)
            } else {
                reader.by_ref().take(BLOCK).read_to_end(&mut chunk)
            };
            let count = count.map_err(unreadable)?;
            if count == 0 {
                let Some(cut) = cut.as_ref().filter(|cut| cut.start == *from) else {
                    return Ok(());
                };
                output::line(format!("\n{}", log::cut_words(cut)));
                *from = cut.end;
                reader.get_mut().seek(SeekFrom::Start(*from)).map_err(unreadable)?;
                reader.set_limit(u64::MAX);
                continue;
            }
            if self.last.replace(action.id) != Some(action.id) && with_title {
                output::line(format!(
                    "==> {}/{} attempt {}",
                    action.stage, action.action, action.attempt
                ));
            }
            *from += count as u64;
            if for_people {
                output::line(ansi::plain(chunk.strip_suffix(b"\n").unwrap_or(&chunk)));
            } else {
                output::bytes(&chunk);
            }
        }
    }
}
