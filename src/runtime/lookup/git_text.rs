//! Commits, differences and files as text to read, straight from git.

use std::path::Path;

use super::TextQuestion;
use crate::host::{Git, GitError, git::empty_tree};

/// Reading ends here; a patch or a file may be of any size.
const MOST_BYTES: u64 = 8 << 20;
/// More lines than this are not for reading on a screen.
const MOST_LINES: usize = 50_000;

pub(super) async fn answer(
    question: TextQuestion,
    artifacts: &Path,
) -> Result<Vec<String>, GitError> {
    let command = match &question {
        TextQuestion::Patch { git_dir, commit } => {
            let format = "--format=commit %H%nauthor %an <%ae>%ndate   %ad%n%n%B";
            let options = [
                "--no-show-signature",
                "--no-ext-diff",
                "--no-textconv",
                "--date=iso",
                "--stat",
                "--patch",
            ];
            Git::at(git_dir, "show").args(options).args([format, commit, "--"])
        }
        TextQuestion::Diff { git_dir, from, to } => {
            let from = match from {
                Some(from) => from.clone(),
                None => empty_tree(git_dir).await?,
            };
            let options = ["--no-ext-diff", "--no-textconv", "--stat", "--patch"];
            Git::at(git_dir, "diff").args(options).args([&from, to, "--"])
        }
        TextQuestion::Log { git_dir, from, to } => {
            let range = format!("{from}..{to}");
            let options = ["--no-show-signature", "--date=iso", "--stat"];
            Git::at(git_dir, "log").args(options).args([&range, "--"])
        }
        TextQuestion::Files { git_dir, tree } => {
            let git_dir = git_dir.as_deref().unwrap_or(artifacts);
            Git::at(git_dir, "ls-tree").args(["-r", "-l", "-z", tree])
        }
        TextQuestion::File { git_dir, tree, path } => {
            let git_dir = git_dir.as_deref().unwrap_or(artifacts);
            let object = format!("{tree}:{path}");
            Git::at(git_dir, "cat-file").args(["blob", &object])
        }
    };
    let output = command.output_up_to(MOST_BYTES).await?;
    if let TextQuestion::Files { .. } = question {
        return Ok(files(&output));
    }
    let text = String::from_utf8_lossy(&output);
    let mut lines: Vec<String> = text.lines().take(MOST_LINES).map(str::to_owned).collect();
    if output.len() as u64 == MOST_BYTES || lines.len() == MOST_LINES {
        lines.push("----- the rest is not shown -----".to_owned());
    }
    Ok(lines)
}

/// Makes `SIZE PATH` of each entry of `ls-tree -l`.
fn files(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let entries = text.split('\0').filter_map(|entry| {
        let (about, path) = entry.split_once('\t')?;
        let size = about.split_whitespace().last()?;
        Some(format!("{size:>10} {path}"))
    });
    entries.take(MOST_LINES).collect()
}
