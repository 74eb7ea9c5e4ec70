//! `gc`: removes what is no longer kept.

use bytesize::ByteSize;

use super::{Exit, Failure, args, args::Global, config, output, serve};
use crate::{
    host::{StateDir, Tools},
    runtime::{Amount, RuntimeHandle, gc},
};

pub(super) async fn gc(
    state_dir: StateDir,
    global: &Global,
    arguments: args::Gc,
) -> Result<Exit, Failure> {
    if !state_dir.exists() {
        output::say("nothing has run yet");
        return Ok(Exit::Done);
    }
    let dry_run = arguments.dry_run;
    let removed = if let Some(handle) = RuntimeHandle::attach(state_dir.clone()).await? {
        // It knows which workspaces are in use, and has settings of its own.
        handle.collect(dry_run).await?
    } else {
        let _lock = state_dir.lock()?;
        let failed = |words: String| Failure::usage(words);
        let (keep, containers) = config::runtime(global)?;
        let tools = Tools::open(state_dir, serve::program()?, keep, containers)
            .await
            .map_err(|error| failed(error.to_string()))?;
        gc::collect(tools, dry_run).await.map_err(|error| failed(error.to_string()))?
    };
    if arguments.json {
        output::json(&serde_json::json!(removed));
        return Ok(Exit::Done);
    }
    let did = if dry_run { "would remove" } else { "removed" };
    let amount = |it: Amount| format!("{:>6}  {}", it.count, ByteSize(it.bytes));
    output::line(did);
    output::line(format!("  {:>6}  executions of the history", removed.executions));
    for (what, it) in [
        ("logs", removed.logs),
        ("artifacts", removed.artifacts),
        ("workspaces", removed.workspaces),
        ("mirrors of repositories", removed.repositories),
    ] {
        output::line(format!("  {}  {what}", amount(it)));
    }
    Ok(Exit::Done)
}
