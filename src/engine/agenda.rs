//! What a step has yet to look at, in order.

use std::{cmp::Reverse, collections::BinaryHeap};

/// A set that gives its least element first. Unlike a tree it keeps its memory while elements come
/// and go, which they do with every event.
#[derive(Debug)]
pub(super) struct Agenda<T>(BinaryHeap<Reverse<T>>);

impl<T: Ord> Agenda<T> {
    pub(super) fn insert(&mut self, item: T) {
        if self.0.peek().is_none_or(|Reverse(first)| *first != item) {
            self.0.push(Reverse(item));
        }
    }

    pub(super) fn pop_first(&mut self) -> Option<T> {
        let Reverse(first) = self.0.pop()?;
        while self.0.peek().is_some_and(|Reverse(next)| *next == first) {
            self.0.pop();
        }
        Some(first)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Ord> Default for Agenda<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T: Ord> Extend<T> for Agenda<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.0.extend(items.into_iter().map(Reverse));
    }
}

#[cfg(test)]
mod tests {
    use super::Agenda;

    #[test]
    fn an_agenda_gives_everything_once_and_in_order() {
        let mut agenda = Agenda::default();
        agenda.extend([3, 1, 3]);
        agenda.insert(2);
        agenda.insert(1);
        agenda.insert(3);
        assert_eq!(std::iter::from_fn(|| agenda.pop_first()).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(agenda.is_empty());
    }
}
