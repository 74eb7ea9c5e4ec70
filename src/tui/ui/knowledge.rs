//! What was asked about the past, and what has come back.

use std::{collections::BTreeMap, sync::Arc};

use crate::runtime::lookup::{Question, Told};

/// Answers beyond this many that nobody looks at are forgotten.
const KEPT: usize = 48;

#[derive(Default)]
pub(crate) struct Knowledge {
    known: BTreeMap<Question, Known>,
    /// Counts the boards: what was told before the newest may be stale.
    boards: u64,
}

#[derive(Default)]
struct Known {
    told: Option<Arc<Told>>,
    /// The board at which it was asked last; absent while the answer is on its way.
    asked: Option<u64>,
}

impl Knowledge {
    pub(crate) fn board_changed(&mut self) {
        self.boards += 1;
    }

    pub(crate) fn get(&self, question: &Question) -> Option<&Told> {
        self.known.get(question)?.told.as_deref()
    }

    pub(crate) fn shared(&self, question: &Question) -> Option<Arc<Told>> {
        self.known.get(question)?.told.clone()
    }

    /// Returns what must be asked now. A question is on its way once at a time; what is stale
    /// stays on the screen until the new answer comes.
    pub(crate) fn missing(&mut self, wanted: Vec<Question>) -> Vec<Question> {
        if self.known.len() > KEPT {
            self.known.retain(|it, known| known.asked.is_none() || wanted.contains(it));
        }
        let boards = self.boards;
        let mut missing = Vec::new();
        for question in wanted {
            match self.known.get_mut(&question) {
                Some(known) => {
                    // Texts are about commits and trees, which never change.
                    let lasts = matches!(question, Question::Text(_));
                    if known.asked.is_some_and(|asked| asked < boards && !lasts) {
                        known.asked = None;
                        missing.push(question);
                    }
                }
                None => {
                    self.known.insert(question.clone(), Known::default());
                    missing.push(question);
                }
            }
        }
        missing
    }

    /// Takes the answer to a question that was asked when the board was `asked`.
    pub(crate) fn told(&mut self, question: Question, asked: u64, told: Arc<Told>) {
        self.known.insert(question, Known { told: Some(told), asked: Some(asked) });
    }

    pub(crate) fn boards(&self) -> u64 {
        self.boards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_once_and_again_after_the_board_has_changed() {
        let mut knowledge = Knowledge::default();
        let ask = |knowledge: &mut Knowledge| knowledge.missing(vec![Question::Fleet]).len();
        assert_eq!(ask(&mut knowledge), 1);
        knowledge.board_changed();
        assert_eq!(ask(&mut knowledge), 0, "it is on its way");
        knowledge.told(Question::Fleet, 0, Arc::new(Told::Text(Vec::new())));
        assert_eq!(ask(&mut knowledge), 1, "a board came after it was asked");
        knowledge.told(Question::Fleet, 1, Arc::new(Told::Text(Vec::new())));
        assert_eq!(ask(&mut knowledge), 0);
    }
}
