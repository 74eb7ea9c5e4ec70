//! `withdraw`, `give-way` and `note`: what can be done at a gate besides deciding.

use super::{
    Exit, Failure,
    args::{self, Gate},
    operate::{connect, submit},
    target::{self, Target},
};
use crate::{engine::Request, engine::board::GateAt, host::StateDir};

pub(super) async fn withdraw(state_dir: StateDir, arguments: Gate) -> Result<Exit, Failure> {
    at_gate(state_dir, arguments, |at| Request::WithdrawApproval { gate: at.reference() }).await
}

pub(super) async fn give_way(state_dir: StateDir, arguments: Gate) -> Result<Exit, Failure> {
    at_gate(state_dir, arguments, |at| Request::GiveWay { gate: at.reference() }).await
}

pub(super) async fn note(state_dir: StateDir, arguments: args::Note) -> Result<Exit, Failure> {
    let text = arguments.text;
    at_gate(state_dir, arguments.gate, |at| Request::NoteApproval { gate: at.reference(), text })
        .await
}

async fn at_gate(
    state_dir: StateDir,
    arguments: Gate,
    request: impl FnOnce(GateAt<'_>) -> Request,
) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let target = Target::parse(&arguments.target);
    let at = target::open_gate(&board, &target, &arguments.selection)?;
    submit(&handle, request(at).into()).await?;
    Ok(Exit::Done)
}
