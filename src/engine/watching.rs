//! Watching that an operator has paused: commits start nothing until it goes on, and then the
//! newest of each branch does (ours: CodePipeline has `DetectChanges` in the declaration only).

use std::sync::Arc;

use super::{Engine, Fact, Refusal, Step, WatchingChange};
use crate::model::{ActionName, Operator, PipelineName, SourceRevision};

impl Engine {
    pub(super) fn set_watching(
        &mut self,
        step: &mut Step,
        name: &PipelineName,
        change: WatchingChange,
        by: Operator,
    ) -> Result<(), Refusal> {
        let is_paused = self.pipeline(name)?.watching_paused.is_some();
        match change {
            WatchingChange::Pause if !is_paused => {
                self.record(step, name, Fact::WatchingPaused { by });
            }
            WatchingChange::Resume if is_paused => {
                self.record(step, name, Fact::WatchingResumed { by });
                self.look_at_unseen(step, name);
            }
            // Somebody was faster and wanted the same.
            WatchingChange::Pause | WatchingChange::Resume => {}
        }
        Ok(())
    }

    /// Keeps what was observed for later, while watching is paused. It is no part of what is
    /// stored: a runtime looks at its repositories when it starts.
    pub(super) fn put_off(
        &mut self,
        name: &PipelineName,
        action: &ActionName,
        heads: Vec<Arc<SourceRevision>>,
    ) {
        self.unseen.insert((name.clone(), action.clone()), heads);
    }

    /// Drops what sources have shown while watching was paused, where they look elsewhere now: who
    /// watches them looks again.
    pub(super) fn forget_unseen_elsewhere(&mut self, name: &PipelineName) {
        let Some(pipeline) = self.state.pipelines.get(name) else { return };
        self.unseen.retain(|(it, action), _| it != name || pipeline.sources.contains_key(action));
    }

    fn look_at_unseen(&mut self, step: &mut Step, name: &PipelineName) {
        let (unseen, others) = std::mem::take(&mut self.unseen)
            .into_iter()
            .partition(|((pipeline, _), _)| pipeline == name);
        self.unseen = others;
        for ((_, action), heads) in unseen {
            // A file that was edited meanwhile may look elsewhere.
            let declared = self.state.pipelines.get(name).map(|it| &it.definition);
            if declared.is_some_and(|it| it.source_actions().any(|it| it.name == action)) {
                self.observe(step, name, &action, heads);
            }
        }
    }
}
