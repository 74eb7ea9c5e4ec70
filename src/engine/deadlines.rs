//! What time alone brings about: approvals that time out, schedules that come.

use serde::{Deserialize, Serialize};

use super::{Engine, Step};
use crate::model::{ActionExecutionId, ActionName, PipelineName, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Deadline {
    /// The approval times out.
    Approval(ActionExecutionId),
    /// The schedule of the trigger on this source action comes.
    Schedule { pipeline: PipelineName, action: ActionName },
}

impl Deadline {
    /// Returns the source action whose schedule this is, if it is one of the pipeline's.
    pub(super) fn schedule_of(&self, name: &PipelineName) -> Option<&ActionName> {
        match self {
            Self::Schedule { pipeline, action } => Some(action).filter(|_| pipeline == name),
            Self::Approval(_) => None,
        }
    }
}

impl Engine {
    /// Returns the earliest moment at which `apply(Input::DeadlinePassed)` has work to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.first_deadline().map(|(at, _)| *at)
    }

    pub(super) fn pass_deadlines(&mut self, step: &mut Step) {
        while let Some(first) = self.first_deadline().cloned() {
            if first.0 > step.at {
                break;
            }
            match &first.1 {
                Deadline::Approval(id) => self.expire_approval(step, *id),
                Deadline::Schedule { pipeline, action } => {
                    self.start_on_schedule(step, pipeline, action);
                }
            }
            // Whoever has handled it has recorded a fact that takes it away.
            if self.state.deadlines.contains(&first) {
                break;
            }
        }
    }

    fn first_deadline(&self) -> Option<&(Timestamp, Deadline)> {
        self.state.deadlines.iter().find(|(_, deadline)| match deadline {
            Deadline::Approval(_) => true,
            Deadline::Schedule { pipeline, action } => self.is_looked_at(pipeline, action),
        })
    }
}
