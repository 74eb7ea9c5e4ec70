//! How a runtime ends on request.

use serde::{Deserialize, Serialize};

use crate::{
    engine::{Engine, Input, Request},
    model::{Operator, StopMode},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// At once. Running actions go on under their supervisors; the next runtime picks them up.
    Now,
    /// When the running actions have ended; none starts any more.
    WhenIdle,
    /// At once, and running actions are ended with their executions.
    Abandon,
}

/// Returns what ends everything that works now.
pub(super) fn stops(engine: &Engine, by: &Operator) -> Vec<Input> {
    let stop = |(pipeline, execution)| Input::Operator {
        request: Request::StopPipelineExecution {
            pipeline,
            execution,
            mode: StopMode::Abandon,
            reason: "the runtime was ended".to_owned(),
        },
        by: by.clone(),
    };
    engine.executions_at_work().into_iter().map(stop).collect()
}
