//! A gate, as whoever does something about it must name it.

use serde::{Deserialize, Serialize};

use super::{ActionName, ApprovalToken, PipelineName, StageName};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GateRef {
    pub pipeline: PipelineName,
    pub stage: StageName,
    pub action: ActionName,
    /// Of this opening of the gate and no other.
    pub token: ApprovalToken,
}
