//! A runtime apart from any terminal: `watch --detach`, `attach` and `shutdown`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use super::{
    Exit, Failure,
    args::{Demo, Global, Init, Shutdown},
    demo, init, output, serve,
};
use crate::{
    host::{StateDir, background, environment, state_dir::StateDirError},
    runtime::{Ending, RuntimeHandle},
    tui,
};

/// How often to look whether a runtime that ends has let go of its directory.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Starts a runtime that goes on when this process and its terminal are gone, and waits until it
/// can be talked to.
pub(super) async fn detach(
    state_dir: StateDir,
    files: Vec<PathBuf>,
    global: &Global,
) -> Result<Exit, Failure> {
    if let Some(handle) = RuntimeHandle::attach(state_dir.clone()).await? {
        handle.serve_files(files).await?;
        output::say(format!("a runtime serves {} already", state_dir.path().display()));
        return Ok(Exit::Done);
    }
    state_dir.create()?;
    let path = state_dir.runtime_log();
    let mut arguments: Vec<OsString> = vec!["--state-dir".into(), state_dir.path().into()];
    for file in files {
        arguments.extend(["--file".into(), file.into()]);
    }
    if let Some(most) = global.max_actions {
        arguments.extend(["--max-actions".into(), most.to_string().into()]);
    }
    if let Some(config) = &global.config {
        arguments.extend(["--config".into(), config.into()]);
    }
    arguments.extend(["watch".into(), "--background".into()]);
    let mut child = background::start(&serve::program()?, &arguments, &path)
        .map_err(|error| Failure::usage(format!("cannot start a runtime: {error}")))?;
    tokio::select! {
        ready = RuntimeHandle::attach_when_ready(state_dir.clone()) => match ready? {
            Some(_) => {
                let at = state_dir.path().display();
                output::say(format!(
                    "a runtime serves {at} in the background; `stagegate` attaches to it, \
                     `stagegate shutdown` ends it"
                ));
                Ok(Exit::Done)
            }
            None => Err(Failure::usage("the runtime did not come up")
                .hint(format!("{} has what it said", path.display()))),
        },
        _ = child.wait() => {
            let said = std::fs::read_to_string(&path).unwrap_or_default();
            let last = said.trim_end().rsplit('\n').next().unwrap_or_default().to_owned();
            Err(Failure::usage(format!("the runtime has ended at once: {last}"))
                .hint(format!("{} has all it said", path.display())))
        }
    }
}

/// Shows the dashboard of a runtime that is there, and never starts one.
pub(super) async fn attach(state_dir: StateDir, global: &Global) -> Result<Exit, Failure> {
    let Some(handle) = RuntimeHandle::attach(state_dir.clone()).await? else {
        let words = format!("no runtime serves {}", state_dir.path().display());
        return Err(Failure::usage(words)
            .hint("`stagegate watch --detach` starts one, `stagegate` runs one inside itself"));
    };
    let opening = serve::opening(global)?;
    if !global.files.is_empty() {
        handle.serve_files(serve::pipeline_files(global).await?).await?;
    }
    let left = tui::run(handle, tui::Ownership::Attached, opening).await;
    match left.map_err(serve::terminal_failure)? {
        tui::Leave::Close | tui::Leave::Background => Ok(Exit::Done),
        tui::Leave::Init => init::init(&Init::default()).await,
        tui::Leave::Demo => demo::demo(Demo::default(), global).await,
    }
}

/// Ends the runtime and waits until it is gone.
pub(super) async fn shutdown(state_dir: StateDir, arguments: Shutdown) -> Result<Exit, Failure> {
    let at = state_dir.path().display();
    let Some(handle) = RuntimeHandle::attach(state_dir.clone()).await? else {
        output::say(format!("no runtime serves {at}"));
        return Ok(Exit::Done);
    };
    let ending = match (arguments.when_idle, arguments.abandon) {
        (true, _) => Ending::WhenIdle,
        (_, true) => Ending::Abandon,
        (false, false) => Ending::Now,
    };
    let ended = state_dir.holder();
    handle.end(ending, environment::operator("cli")).await?;
    let mut board = handle.board();
    if ending == Ending::WhenIdle && board.borrow().running_actions() > 0 {
        output::say("nothing more starts; waiting for the running actions, Ctrl+C waits no longer");
    }
    while board.changed().await.is_ok() {}
    let left = board.borrow().running_actions();
    // Until it lets go of the directory; whoever has it then may be the next runtime already.
    while matches!(state_dir.lock(), Err(StateDirError::Served { pid, .. }) if pid == ended) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let rest = match (ending, left) {
        (Ending::Now, 1) => "; one action goes on, the next runtime picks it up".to_owned(),
        (Ending::Now, 2..) => format!("; {left} actions go on, the next runtime picks them up"),
        _ => String::new(),
    };
    output::say(format!("the runtime of {at} has ended{rest}"));
    Ok(Exit::Done)
}
