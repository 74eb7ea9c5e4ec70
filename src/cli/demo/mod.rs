//! `demo`: a throw-away repository, pipelines that show every state, and commits played into it.

mod world;

use std::time::Duration;

use world::World;

use super::{Exit, Failure, args, output, serve};
use crate::{
    engine::Board,
    host::StateDir,
    model::{ExecutionStatus, StageStatus},
    runtime::{Runtime, RuntimeHandle},
    tui,
};

/// How long the demo's states may take to show in plain mode.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn demo(arguments: args::Demo, global: &args::Global) -> Result<Exit, Failure> {
    let opening = if arguments.plain { None } else { Some(serve::opening(global)?) };
    let unusable = |error: std::io::Error| Failure::usage(format!("cannot make the demo: {error}"));
    let world = World::create(arguments.keep.as_deref()).await.map_err(unusable)?;
    let state_dir = StateDir::resolve(Some(&world.state_dir()))?;
    let options = serve::options(state_dir, vec![world.pipelines()], global)?;
    let runtime = Runtime::start(options).await?;
    let handle = runtime.handle.clone();
    let script = world.play(handle.board());
    let showing = async {
        let Some(opening) = opening else { return show_plainly(&handle).await };
        tui::run(handle.clone(), tui::Ownership::Demo, opening)
            .await
            .map(drop)
            .map_err(serve::terminal_failure)
    };
    let shown = tokio::select! {
        shown = showing => shown,
        failed = script => failed.map_err(unusable),
        () = runtime.ended() => Ok(()),
    };
    world.stop_actions(&runtime.handle).await;
    runtime.shut_down().await?;
    if let Some(kept) = world.kept() {
        output::say(format!("the demo stays in {}", kept.display()));
    }
    shown.map(|()| Exit::Done)
}

/// The states the demo promises.
struct Reached {
    running: bool,
    waiting: bool,
    failed: bool,
    superseded: bool,
    two_lanes: bool,
}

impl Reached {
    fn on(board: &Board) -> Self {
        let lanes = || board.pipelines.iter().flat_map(|it| &it.lanes);
        let stages = || lanes().flat_map(|it| &it.stages);
        Self {
            running: stages().any(|it| it.is_occupied() && it.open_gate().is_none()),
            waiting: board.open_gates().next().is_some(),
            failed: stages().any(|it| it.status == Some(StageStatus::Failed)),
            superseded: lanes()
                .flat_map(|it| &it.recent)
                .any(|it| it.status == ExecutionStatus::Superseded),
            two_lanes: board.pipelines.iter().any(|it| it.lanes.len() > 1),
        }
    }

    fn missing(&self) -> Vec<&'static str> {
        let all = [
            (self.running, "a running stage"),
            (self.waiting, "a gate that waits"),
            (self.failed, "a failed stage"),
            (self.superseded, "a superseded execution"),
            (self.two_lanes, "two lanes"),
        ];
        all.into_iter().filter(|(reached, _)| !reached).map(|(_, words)| words).collect()
    }
}

async fn show_plainly(handle: &RuntimeHandle) -> Result<(), Failure> {
    let telling = serve::tell(handle, serve::From::Beginning);
    let mut board = handle.board();
    let reached = async {
        let all = board.wait_for(|board| Reached::on(board).missing().is_empty());
        tokio::time::timeout(PATIENCE, all).await.is_ok()
    };
    tokio::select! {
        told = telling => told,
        reached = reached => {
            if reached {
                output::say("every state has been reached");
                return Ok(());
            }
            let missing = Reached::on(&handle.board().borrow()).missing().join(", ");
            Err(Failure::new(Exit::TimedOut, format!("after a minute still without {missing}")))
        }
    }
}
