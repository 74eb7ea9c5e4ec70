//! What a board has that an earlier one has not, for those who follow it from outside.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::board::{Board, Notice, PipelineCard};
use crate::model::PipelineName;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoardChange {
    cards: Vec<Arc<PipelineCard>>,
    gone: Vec<PipelineName>,
    notices: Option<Vec<Notice>>,
}

impl Board {
    /// Returns what has changed since `earlier`. Cards that were not built anew are the same.
    pub fn change_since(&self, earlier: &Self) -> BoardChange {
        let known: BTreeMap<&PipelineName, &Arc<PipelineCard>> =
            earlier.pipelines.iter().map(|card| (&card.name, card)).collect();
        let is_new = |card: &&Arc<PipelineCard>| {
            known.get(&card.name).is_none_or(|known| !Arc::ptr_eq(known, card))
        };
        let is_gone = |name: &&PipelineName| self.pipelines.iter().all(|card| card.name != **name);
        BoardChange {
            cards: self.pipelines.iter().filter(is_new).cloned().collect(),
            gone: known.keys().copied().filter(is_gone).cloned().collect(),
            notices: (self.notices != earlier.notices).then(|| self.notices.clone()),
        }
    }

    /// Returns the board that a change leads to.
    #[must_use]
    pub fn after(&self, change: BoardChange) -> Self {
        let BoardChange { cards, gone, notices } = change;
        let mut pipelines: BTreeMap<PipelineName, Arc<PipelineCard>> =
            self.pipelines.iter().map(|card| (card.name.clone(), Arc::clone(card))).collect();
        for name in &gone {
            pipelines.remove(name);
        }
        pipelines.extend(cards.into_iter().map(|card| (card.name.clone(), card)));
        Self {
            pipelines: pipelines.into_values().collect(),
            notices: notices.unwrap_or_else(|| self.notices.clone()),
        }
    }
}
