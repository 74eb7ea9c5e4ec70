//! What is looked at, copied and watched: nothing here changes anything.

use super::{Opens, Overlay, Ui, View, Wish, dialog::Subject};
use crate::{
    ansi, engine::board::Severity, model::Timestamp, runtime::lookup::TextQuestion,
    tui::commands::Command,
};

impl Ui {
    /// Watches the execution of the lane that is under way, or watches it no longer.
    pub(super) fn watch(&mut self, now: Timestamp) {
        let stage = self.stage().filter(|it| it.is_occupied());
        let here = stage.and_then(|it| it.execution.as_ref());
        let newest = || self.lane().and_then(|it| it.alive.first());
        let Some((id, commit)) =
            here.or_else(newest).map(|it| (it.id, it.revision.id.short().to_owned()))
        else {
            return self.say(Severity::Remark, "nothing is under way in this lane", now);
        };
        let words = if self.watched.remove(&id) {
            format!("{commit} is not watched any more")
        } else {
            self.watched.insert(id);
            format!("you will be told when {commit} has ended")
        };
        self.say(Severity::Remark, words, now);
    }

    /// Shows what the stage would bring, compared with what it last succeeded with.
    pub(super) fn diff(&mut self, now: Timestamp) {
        let stage = self.dialog_stage().or_else(|| self.stage());
        let found = stage.and_then(|stage| {
            let to = &stage.execution.as_ref()?.revision;
            let from = stage.last_success.as_ref().map(|it| it.revision.id.to_string());
            let title = match &from {
                Some(from) => format!("{} to {}", from.get(..7).unwrap_or(from), to.id.short()),
                None => format!("everything up to {}", to.id.short()),
            };
            let (git_dir, to) = (to.git_dir.to_path_buf(), to.id.to_string());
            Some(Opens::Text { title, question: TextQuestion::Diff { git_dir, from, to } })
        });
        if found.is_none() {
            self.say(Severity::Remark, "nothing has come to this stage yet", now);
        }
        self.show(found);
    }

    /// Shows the commit that is selected in the gate's dialog.
    pub(super) fn patch(&mut self) {
        let Some(Overlay::Dialog(dialog)) = self.overlays.last() else { return };
        let Subject::Gate { gate, .. } = &dialog.subject else { return };
        let review = self.reviews.get(&gate.token);
        let commit = review.and_then(|it| it.commits.get(dialog.selected));
        let git_dir = self.dialog_stage().and_then(|it| it.execution.as_ref());
        let opens = commit.zip(git_dir).map(|(commit, execution)| Opens::Text {
            title: format!(
                "{} {}",
                commit.id.get(..7).unwrap_or(&commit.id),
                ansi::one_line(&commit.subject)
            ),
            question: TextQuestion::Patch {
                git_dir: execution.revision.git_dir.to_path_buf(),
                commit: commit.id.clone(),
            },
        });
        self.show(opens);
    }

    /// Shows the commits among which the one must be that broke the action.
    pub(super) fn bisect(&mut self, now: Timestamp) {
        let found = self.details().and_then(|details| {
            let good = details.failing_since()?.last_good?;
            let bad = details.execution.revisions.first()?;
            let title = format!("since {} it was green: {}", good.id.short(), bad.id.short());
            let (from, to) = (good.id.to_string(), bad.id.to_string());
            let git_dir = bad.git_dir.to_path_buf();
            Some(Opens::Text { title, question: TextQuestion::Log { git_dir, from, to } })
        });
        if found.is_none() {
            let words = "no earlier success of this action is known in this lane";
            self.say(Severity::Remark, words, now);
        }
        self.show(found);
    }

    /// Shows the logs of all actions of the stage as one, or the selected one's again.
    pub(super) fn merge(&mut self, now: Timestamp) -> Vec<Wish> {
        if self.merged.take().is_some() {
            return Vec::new();
        }
        let actions = self.stage().into_iter().flat_map(|it| &it.actions);
        let actions = actions.filter(|_| self.view == View::Board);
        let logs: Vec<_> =
            actions.filter_map(|it| Some((it.name.to_string(), it.latest.as_ref()?.id))).collect();
        if logs.is_empty() {
            self.say(Severity::Remark, "no action of this stage has started", now);
            return Vec::new();
        }
        vec![Wish::Merge(logs)]
    }

    pub(super) fn yank(&mut self, command: Command, now: Timestamp) -> Vec<Wish> {
        let execution = self.stage().and_then(|it| it.execution.as_ref());
        let opened = self.story().and_then(|it| it.execution.revisions.first());
        let text = match command {
            Command::YankRevision if self.opened.is_some() => opened.map(|it| it.id.to_string()),
            Command::YankRevision => execution.map(|it| it.revision.id.to_string()),
            Command::YankExecution => self.execution().map(|it| it.to_string()),
            _ => self.command_line(),
        };
        if text.is_none() {
            self.say(Severity::Remark, "there is nothing to copy here", now);
        }
        text.into_iter().map(Wish::Copy).collect()
    }

    /// Returns the command line for what can be done here.
    fn command_line(&self) -> Option<String> {
        if let Some(at) = self.gate().filter(|_| self.view == View::Board) {
            let place = format!("{}/{}/{}", at.pipeline.name, at.stage.name, at.action.name);
            return Some(format!("stagegate approve {place} --token {}", at.gate.token));
        }
        let shown = self.shown()?;
        Some(format!("stagegate logs {} {}/{}", self.execution()?, shown.stage, shown.name))
    }
}
