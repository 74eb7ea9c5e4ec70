//! The program: a supervisor if asked for by its hidden verb, else the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    keep_out_of_core_dumps();
    // Before anything else is set up: the supervisor is to stay small.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == stagegate::host::supervisor::VERB) {
        return match stagegate::supervisor::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        .enable_all()
        .build()
        .expect("the system gives a process its threads");
    let exit = runtime.block_on(stagegate::cli::main());
    // Threads that wait for jobs of an earlier supervisor must not hold us back.
    runtime.shutdown_background();
    exit.into()
}

/// Runtime and supervisor hold secrets in their memory. Actions are their own again once they
/// have started.
fn keep_out_of_core_dumps() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A kernel that refuses is no reason not to work.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
