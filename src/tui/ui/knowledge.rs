//! What was asked about the past, and what has come back.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    model::{Span, Timestamp},
    runtime::lookup::{Question, Told},
};

/// Answers beyond this many that nobody looks at are forgotten.
const KEPT: usize = 48;
/// Boards may come faster than anybody reads: the same is asked once in this time at most.
const AGAIN: Span = Span::SECOND;

#[derive(Default)]
pub(crate) struct Knowledge {
    known: BTreeMap<Question, Known>,
    /// Counts the boards: what was told before the newest may be stale.
    boards: u64,
    /// Something that is stale will be asked again soon.
    waits: bool,
}

struct Known {
    told: Option<Arc<Told>>,
    /// The board at which it was asked last; absent while the answer is on its way.
    asked: Option<u64>,
    at: Timestamp,
}

impl Knowledge {
    pub(crate) fn board_changed(&mut self) {
        self.boards += 1;
    }

    pub(crate) fn get(&self, question: &Question) -> Option<&Told> {
        self.known.get(question)?.told.as_deref()
    }

    /// Returns the answer if no board has come since it was asked.
    pub(crate) fn fresh(&self, question: &Question) -> Option<Arc<Told>> {
        let known = self.known.get(question).filter(|it| it.asked == Some(self.boards))?;
        known.told.clone()
    }

    /// Returns what must be asked now. A question is on its way once at a time; what is stale
    /// stays on the screen until the new answer comes.
    pub(crate) fn missing(&mut self, wanted: Vec<Question>, now: Timestamp) -> Vec<Question> {
        if self.known.len() > KEPT {
            self.known.retain(|it, known| known.asked.is_none() || wanted.contains(it));
        }
        self.waits = false;
        let mut missing = Vec::new();
        for question in wanted {
            match self.known.get_mut(&question) {
                Some(known) if known.is_stale(self.boards) && now.since(known.at) < AGAIN => {
                    self.waits = true;
                }
                Some(known) if known.is_stale(self.boards) => {
                    (known.asked, known.at) = (None, now);
                    missing.push(question);
                }
                Some(_) => {}
                None => {
                    let known = Known { told: None, asked: None, at: now };
                    self.known.insert(question.clone(), known);
                    missing.push(question);
                }
            }
        }
        missing
    }

    /// Tells whether something will be asked again without anything else happening.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Takes the answer to a question that was asked when the board was `asked`.
    pub(crate) fn told(&mut self, question: Question, asked: u64, told: Arc<Told>) {
        let at = self.known.get(&question).map_or(Timestamp::default(), |it| it.at);
        self.known.insert(question, Known { told: Some(told), asked: Some(asked), at });
    }

    pub(crate) fn boards(&self) -> u64 {
        self.boards
    }
}

impl Known {
    fn is_stale(&self, boards: u64) -> bool {
        // Texts are about commits and trees, which never change.
        let lasts = matches!(self.told.as_deref(), Some(Told::Text(_)));
        !lasts && self.asked.is_some_and(|asked| asked < boards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_once_and_again_after_the_board_has_changed() {
        let mut knowledge = Knowledge::default();
        let mut now = Timestamp(0);
        let mut ask = |knowledge: &mut Knowledge| {
            now = now + AGAIN;
            knowledge.missing(vec![Question::Fleet], now).len()
        };
        assert_eq!(ask(&mut knowledge), 1);
        knowledge.board_changed();
        assert_eq!(ask(&mut knowledge), 0, "it is on its way");
        let told = || Arc::new(Told::Nothing(String::new()));
        knowledge.told(Question::Fleet, 0, told());
        assert!(knowledge.fresh(&Question::Fleet).is_none());
        assert_eq!(ask(&mut knowledge), 1, "a board came after it was asked");
        knowledge.told(Question::Fleet, 1, told());
        assert_eq!(ask(&mut knowledge), 0);
        assert!(knowledge.fresh(&Question::Fleet).is_some());
    }

    #[test]
    fn however_fast_boards_come_the_same_is_asked_once_a_second() {
        let mut knowledge = Knowledge::default();
        let mut asked = 0;
        for millisecond in 0..2_500 {
            let now = Timestamp(millisecond);
            knowledge.board_changed();
            for question in knowledge.missing(vec![Question::Fleet], now) {
                asked += 1;
                let boards = knowledge.boards();
                knowledge.told(question, boards, Arc::new(Told::Nothing(String::new())));
            }
            assert!(asked > 0);
        }
        assert_eq!(asked, 3);
        assert!(knowledge.waits());
    }
}
