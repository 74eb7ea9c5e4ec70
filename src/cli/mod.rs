//! The command line: one file a verb. Data goes to standard output, everything else to standard
//! error.

mod args;
mod background;
mod config;
mod decide;
mod demo;
mod doctor;
mod events;
mod exit;
mod gate;
mod gc;
mod init;
mod json;
mod logs;
mod operate;
mod output;
mod read;
mod rollback;
mod run;
mod serve;
mod target;
mod triggers;
mod validate;
mod wait;
mod when;

use args::{Arguments, Verb};
use clap::{CommandFactory, Parser};
pub use exit::{Exit, Failure};

use crate::{
    definition::schema::SCHEMA, engine::WatchingChange, host::StateDir, runtime::RuntimeHandle, tui,
};

/// Runs what the command line asks for and returns the exit code.
pub async fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    match dispatch(arguments).await {
        Ok(exit) => exit,
        Err(failure) => {
            output::failure(&failure);
            failure.exit
        }
    }
}

/// Attaches to the runtime, or reads what is on disk; says so if there is one that does not answer.
async fn open(state_dir: StateDir) -> Result<RuntimeHandle, Failure> {
    let handle = RuntimeHandle::attach_or_read(state_dir).await?;
    if let Some(silence) = handle.silence() {
        output::say(format!("{silence}; this is what it wrote last"));
    }
    Ok(handle)
}

async fn dispatch(arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { verb, global } = arguments;
    let state_dir = || StateDir::resolve(global.state_dir.as_deref()).map_err(Failure::from);
    match verb {
        None => serve::dashboard(state_dir()?, &global).await,
        Some(Verb::Demo(it)) => demo::demo(it, &global).await,
        Some(Verb::Init(it)) => init::init(&it).await,
        Some(Verb::Watch(it)) => serve::watch(state_dir()?, &global, it).await,
        Some(Verb::Attach) => background::attach(state_dir()?, &global).await,
        Some(Verb::Shutdown(it)) => background::shutdown(state_dir()?, it).await,
        Some(Verb::Run(it)) => run::run(state_dir()?, &global, it).await,
        Some(Verb::Start(it)) => operate::start(state_dir()?, it).await,
        Some(Verb::Stop(it)) => operate::stop(state_dir()?, it).await,
        Some(Verb::Retry(it)) => operate::retry(state_dir()?, it).await,
        Some(Verb::Pause(it)) => operate::watching(state_dir()?, it, WatchingChange::Pause).await,
        Some(Verb::Resume(it)) => operate::watching(state_dir()?, it, WatchingChange::Resume).await,
        Some(Verb::Transition(it)) => operate::transition(state_dir()?, it).await,
        Some(Verb::Rollback(it)) => rollback::rollback(state_dir()?, it).await,
        Some(Verb::OverrideCondition(it)) => rollback::override_condition(state_dir()?, it).await,
        Some(Verb::Withdraw(it)) => gate::withdraw(state_dir()?, it).await,
        Some(Verb::GiveWay(it)) => gate::give_way(state_dir()?, it).await,
        Some(Verb::Note(it)) => gate::note(state_dir()?, it).await,
        Some(Verb::Delete(it)) => operate::delete(state_dir()?, it).await,
        Some(Verb::Approve(it)) => decide::approve(state_dir()?, it).await,
        Some(Verb::Reject(it)) => decide::reject(state_dir()?, it).await,
        Some(Verb::Status(it)) => read::status(state_dir()?, &global, it).await,
        Some(Verb::History(it)) => read::history(state_dir()?, &it).await,
        Some(Verb::Show(it)) => read::show(state_dir()?, &it).await,
        Some(Verb::Wait(it)) => wait::wait(state_dir()?, it).await,
        Some(Verb::Logs(it)) => logs::logs(state_dir()?, it).await,
        Some(Verb::Events(it)) => events::events(state_dir()?, it).await,
        Some(Verb::Triggers(it)) => triggers::triggers(state_dir()?, &global, it).await,
        Some(Verb::Gc(it)) => gc::gc(state_dir()?, &global, it).await,
        Some(Verb::Validate(it)) => validate::validate(&it),
        Some(Verb::Doctor(it)) => doctor::doctor(state_dir()?, &global, it).await,
        Some(Verb::Schema) => {
            output::line(SCHEMA.trim_end());
            Ok(Exit::Done)
        }
        Some(Verb::Themes) => {
            let own = tui::theme::own_themes();
            let bundled = tui::theme::BUNDLED.iter().map(|(name, _)| (*name).to_owned());
            bundled.chain(own).for_each(output::line);
            Ok(Exit::Done)
        }
        Some(Verb::Completions(it)) => {
            let mut script = Vec::new();
            clap_complete::generate(it.shell, &mut Arguments::command(), "stagegate", &mut script);
            output::bytes(&script);
            Ok(Exit::Done)
        }
    }
}
