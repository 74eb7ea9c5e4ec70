//! How long things usually take, from what has succeeded before. Waiting at gates is no work and
//! counts nowhere here.

use std::collections::BTreeMap;

use crate::{
    model::{
        ActionName, ExecutionStatus, Lane, PipelineName, RevisionId, Span, StageName, Timestamp,
    },
    store::{ExecutionRecord, History, StoreError},
};

/// Fewer samples than this say nothing.
const FEWEST: usize = 3;
/// How many executions back is usual.
const EXECUTIONS: usize = 30;

/// Lengths of time, shortest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(Vec<Span>);

impl Durations {
    pub fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut sorted: Vec<Span> = spans.into_iter().collect();
        sorted.sort();
        Self(sorted)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns what half of them took at most; nothing under three samples.
    pub fn p50(&self) -> Option<Span> {
        self.percentile(50)
    }

    pub fn p90(&self) -> Option<Span> {
        self.percentile(90)
    }

    /// The nearest-rank percentile.
    fn percentile(&self, percent: usize) -> Option<Span> {
        if self.0.len() < FEWEST {
            return None;
        }
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }
}

/// What is usual in one lane; where the lane is too young, what is usual in the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    actions: BTreeMap<(StageName, ActionName), Durations>,
}

impl Usual {
    pub fn action(&self, stage: &StageName, action: &ActionName) -> Option<&Durations> {
        // A map over pairs of names has no borrowed form of its key.
        self.actions.get(&(stage.clone(), action.clone()))
    }

    pub(super) fn read(
        history: &History,
        pipeline: &PipelineName,
        lane: &Lane,
    ) -> Result<Self, StoreError> {
        let mut everywhere: BTreeMap<_, Vec<Span>> = BTreeMap::new();
        let mut here: BTreeMap<_, Vec<Span>> = BTreeMap::new();
        for run in history.successful_actions(pipeline, 10 * EXECUTIONS)? {
            let key = (run.stage, run.action);
            let span = run.ended_at.since(run.started_at);
            if run.lane == *lane {
                let spans = here.entry(key.clone()).or_default();
                if spans.len() < EXECUTIONS {
                    spans.push(span);
                }
            }
            let spans = everywhere.entry(key).or_default();
            if spans.len() < EXECUTIONS {
                spans.push(span);
            }
        }
        here.retain(|_, spans| spans.len() >= FEWEST);
        everywhere.extend(here);
        let actions = everywhere.into_iter().map(|(key, spans)| (key, Durations::of(spans)));
        Ok(Self { actions: actions.collect() })
    }
}

/// All pipelines, one row each.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    pub rows: Vec<FleetRow>,
}

#[derive(Clone, Debug)]
pub struct FleetRow {
    pub pipeline: PipelineName,
    /// Statuses of the newest executions, oldest first.
    pub statuses: Vec<ExecutionStatus>,
    /// From start to end, waiting included.
    pub durations: Durations,
    /// From commit to the end of its execution.
    pub lead_times: Durations,
    /// How many of those that succeeded or failed have succeeded.
    pub succeeded: usize,
    pub failed: usize,
    pub newest: Option<(RevisionId, String, Timestamp)>,
}

impl Fleet {
    pub(super) fn read(history: &History, names: Vec<PipelineName>) -> Result<Self, StoreError> {
        let rows = names.into_iter().map(|pipeline| {
            let executions = history.executions(&pipeline, EXECUTIONS)?;
            Ok(FleetRow::of(pipeline, &executions))
        });
        Ok(Self { rows: rows.collect::<Result<_, StoreError>>()? })
    }
}

impl FleetRow {
    fn of(pipeline: PipelineName, newest_first: &[ExecutionRecord]) -> Self {
        let with = |status| newest_first.iter().filter(move |it| it.status == status);
        let lead = |it: &ExecutionRecord| {
            let committed = &*it.revisions.first()?.author_date;
            let committed = chrono::DateTime::parse_from_rfc3339(committed).ok()?;
            Some(it.updated_at.since(Timestamp(committed.timestamp_millis())))
        };
        let newest = newest_first.first().and_then(|it| {
            let revision = it.revisions.first()?;
            Some((revision.id.clone(), revision.subject().to_owned(), it.started_at))
        });
        Self {
            pipeline,
            statuses: newest_first.iter().rev().map(|it| it.status).collect(),
            durations: Durations::of(
                with(ExecutionStatus::Succeeded).map(|it| it.updated_at.since(it.started_at)),
            ),
            lead_times: Durations::of(with(ExecutionStatus::Succeeded).filter_map(lead)),
            succeeded: with(ExecutionStatus::Succeeded).count(),
            failed: with(ExecutionStatus::Failed).count(),
            newest,
        }
    }

    /// Returns the share of executions that succeeded, in percent.
    pub fn success_rate(&self) -> Option<usize> {
        let ended = self.succeeded + self.failed;
        (ended > 0).then(|| self.succeeded * 100 / ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_three_samples_nothing_is_usual() {
        assert_eq!(Durations::of([Span(1), Span(2)]).p50(), None);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let durations = Durations::of((1..=10).rev().map(Span));
        assert_eq!((durations.p50(), durations.p90()), (Some(Span(5)), Some(Span(9))));
        let three = Durations::of([Span(30), Span(10), Span(20)]);
        assert_eq!((three.p50(), three.p90()), (Some(Span(20)), Some(Span(30))));
    }
}
