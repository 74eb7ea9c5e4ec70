//! What everybody may look at: the board and the definitions, always the newest, never queued.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::watch;

use super::Definitions;
use crate::{
    engine::{
        Board, Engine, Event, Fact,
        board::{Notice, PipelineCard, Severity},
    },
    host::clock,
    model::{ActionName, PipelineName},
};

#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    pub(super) board: Arc<Board>,
    pub(super) definitions: Arc<Definitions>,
}

/// What a notice is about; a newer one about the same thing replaces it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    File(std::path::PathBuf),
    Source(ActionName),
    /// The repository behind a source action.
    Remote(ActionName),
    Serving,
    Ending,
    Keeping,
}

/// What events bring besides what the cards show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    OnCards,
    /// Something that no card shows, and that whoever tells events waits for.
    OffCards,
    Redefined,
}

impl News {
    pub(super) fn of(events: &[Event]) -> Self {
        let any = |is: fn(&Fact) -> bool| events.iter().any(|event| is(&event.fact));
        let redefines = |fact: &Fact| {
            matches!(fact, Fact::PipelineDefined { .. } | Fact::PipelineDeleted { .. })
        };
        if any(redefines) {
            Self::Redefined
        } else if any(|fact| matches!(fact, Fact::StartDeclined { .. } | Fact::ScheduleSet { .. }))
        {
            Self::OffCards
        } else {
            Self::OnCards
        }
    }
}

type Notices = BTreeMap<(Option<PipelineName>, Origin), Notice>;

pub(super) struct Publisher {
    sender: watch::Sender<Published>,
    cards: BTreeMap<PipelineName, Arc<PipelineCard>>,
    notices: Notices,
    watched: BTreeSet<PipelineName>,
}

impl Publisher {
    pub(super) fn new(engine: &Engine) -> (Self, watch::Receiver<Published>) {
        let (sender, receiver) = watch::channel(Published::default());
        let mut publisher = Self {
            sender,
            cards: BTreeMap::new(),
            notices: BTreeMap::new(),
            watched: BTreeSet::new(),
        };
        let all = engine.state().pipelines.keys().cloned().collect();
        publisher.publish(engine, &all, News::Redefined);
        (publisher, receiver)
    }

    /// Notes that a pipeline's repositories are looked at; `true` the first time.
    pub(super) fn watched(&mut self, pipeline: &PipelineName) -> bool {
        self.watched.insert(pipeline.clone())
    }

    pub(super) fn notice(
        &mut self,
        pipeline: Option<PipelineName>,
        origin: Origin,
        notice: Option<Notice>,
    ) {
        let key = (pipeline, origin);
        match notice {
            Some(notice) => self.notices.insert(key, notice),
            None => self.notices.remove(&key),
        };
    }

    /// Rebuilds the cards of the pipelines that changed and shows the result, if it is another.
    pub(super) fn publish(
        &mut self,
        engine: &Engine,
        changed: &BTreeSet<PipelineName>,
        news: News,
    ) {
        if news == News::Redefined {
            self.forget_sources(engine);
        }
        for name in changed {
            let Some(mut card) = engine.pipeline_card(name) else {
                self.forget(name);
                continue;
            };
            card.notices = self.notices_of(Some(name));
            card.notices.extend(card.watching_paused.as_ref().map(|paused| Notice {
                severity: Severity::Remark,
                text: format!(
                    "watching paused by {} since {}",
                    paused.by,
                    clock::local_date(paused.at)
                ),
            }));
            card.is_watched = self.watched.contains(name);
            self.cards.insert(name.clone(), Arc::new(card));
        }
        let board = Board {
            pipelines: self.cards.values().cloned().collect(),
            notices: self.notices_of(None),
        };
        self.sender.send_if_modified(|published| {
            if news == News::Redefined {
                let definitions = engine.state().pipelines.iter();
                let definitions =
                    definitions.map(|(name, it)| (name.clone(), Arc::clone(&it.definition)));
                published.definitions = Arc::new(definitions.collect());
            }
            let another = news != News::OnCards || !same(&published.board, &board);
            if another {
                published.board = Arc::new(board);
            }
            another
        });
    }

    /// Takes off what was said about source actions that are no more.
    fn forget_sources(&mut self, engine: &Engine) {
        self.notices.retain(|(pipeline, origin), _| match (pipeline, origin) {
            (Some(name), Origin::Source(action) | Origin::Remote(action)) => {
                let pipeline = engine.state().pipelines.get(name);
                pipeline.is_some_and(|it| {
                    it.definition.source_actions().any(|source| source.name == *action)
                })
            }
            _ => true,
        });
    }

    fn forget(&mut self, deleted: &PipelineName) {
        self.cards.remove(deleted);
        self.watched.remove(deleted);
        self.notices.retain(|(about, _), _| about.as_ref() != Some(deleted));
    }

    fn notices_of(&self, pipeline: Option<&PipelineName>) -> Vec<Notice> {
        let about = self.notices.iter().filter(|((about, _), _)| about.as_ref() == pipeline);
        about.map(|(_, notice)| notice.clone()).collect()
    }
}

/// Cards that did not change are shared, so most comparisons end at the pointer.
fn same(a: &Board, b: &Board) -> bool {
    let pairs = || a.pipelines.iter().zip(&b.pipelines);
    a.notices == b.notices
        && a.pipelines.len() == b.pipelines.len()
        && pairs().all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
}
