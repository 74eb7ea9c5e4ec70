//! What must be known for what is shown.

use std::{path::PathBuf, sync::Arc};

use super::{Merged, Overlay, Tab, Ui, View, Wish, dialog::Subject};
use crate::{
    model::{ActionExecutionId, Timestamp},
    runtime::lookup::{Question, Told},
};

impl Ui {
    /// Points the log pane at what is selected and says what is missing.
    pub(crate) fn follow_selection(
        &mut self,
        path: impl Fn(ActionExecutionId) -> PathBuf,
        now: Timestamp,
    ) -> Vec<Wish> {
        if self.held().is_none() {
            // Whoever has gone on does not come back by scrolling.
            self.let_go();
        }
        let shown = self.shown().filter(|it| !it.is_gate);
        // Whoever goes elsewhere has seen enough of the whole stage.
        let attempts = self.attempts();
        let here = |it: &Merged| self.view == View::Board && it.attempts == attempts;
        self.merged = self.merged.take().filter(here);
        match &self.merged {
            Some(merged) => self.log.show_merged(&merged.file),
            None => self.log.show(shown.as_ref(), path),
        }
        let wanted = self.wanted();
        let mut wishes: Vec<Wish> =
            self.knowledge.missing(wanted, now).into_iter().map(Wish::Ask).collect();
        let token = self.selected_gate().map(|at| at.gate.token);
        let unread = token.filter(|token| self.asked_reviews.insert(*token));
        wishes.extend(unread.map(Wish::LoadReview));
        wishes
    }

    /// Returns the newest attempt of each action of the selected stage.
    pub(crate) fn attempts(&self) -> Vec<ActionExecutionId> {
        let actions = self.stage().into_iter().flat_map(|it| &it.actions);
        actions.filter_map(|it| Some(it.latest.as_ref()?.id)).collect()
    }

    fn wanted(&self) -> Vec<Question> {
        let mut wanted: Vec<Question> = self.table_question().into_iter().collect();
        let place = self.selection.pipeline.clone().zip(self.selection.lane.clone());
        if self.past.is_none() {
            wanted.extend(place.map(|(pipeline, lane)| Question::Usual(pipeline, lane)));
        }
        if self.view == View::Timeline {
            wanted.extend(self.execution().map(Question::Story));
        }
        wanted.extend(self.opens_past.map(Question::Story));
        if let Some(shown) = self.shown() {
            // What has failed is told with its history.
            if self.tab != Tab::Log || shown.has_failed() {
                wanted.push(Question::Action(shown.id));
            }
        }
        for overlay in &self.overlays {
            match overlay {
                Overlay::Reader(reader) => wanted.push(Question::Text(reader.question.clone())),
                Overlay::Dialog(dialog) => {
                    let execution = self.dialog_stage().and_then(|it| it.execution.as_ref());
                    wanted.extend(execution.map(|it| Question::Tests(it.id)));
                    if let Subject::Gate { gate, .. } = &dialog.subject {
                        wanted.push(Question::Decisions(gate.clone()));
                    }
                }
                Overlay::Commands(_) | Overlay::Prompt(_) | Overlay::Themes(_) => {}
            }
        }
        wanted
    }

    /// Takes an answer.
    pub(crate) fn told(&mut self, question: Question, asked: u64, told: Arc<Told>, now: Timestamp) {
        // Only while it is still what somebody waits for: never below a dialog.
        let opens = matches!(&question, Question::Story(id) if self.opens_past == Some(*id))
            && self.overlays.is_empty();
        self.knowledge.told(question, asked, Arc::clone(&told));
        if opens {
            self.opens_past = None;
            self.open_past(told, now);
        }
    }
}
