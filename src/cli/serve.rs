//! The dashboard and `watch`: what runs all day.

use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Exit, Failure,
    args::{self, Global},
    background, config, demo, init, output,
};
use crate::{
    host::{
        Git, StateDir, background::leave_terminal, clock, environment, state_dir::StateDirError,
    },
    runtime::{DefinitionFiles, History, Options, Runtime, RuntimeHandle, StartError, narrate},
    tui,
};

/// Finds the pipeline files: those named, else the repository's, else the user's.
pub(super) async fn pipeline_files(global: &Global) -> Result<Vec<PathBuf>, Failure> {
    let absolute = |path: &Path| {
        std::fs::canonicalize(path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
    };
    if !global.files.is_empty() {
        return global.files.iter().map(|path| absolute(path)).collect();
    }
    let here = std::env::current_dir().map_err(|error| Failure::usage(error.to_string()))?;
    let top = Git::inside(&here, "rev-parse").args(["--show-toplevel"]).text().await;
    let top = top.map_or(here, PathBuf::from);
    let file = top.join("stagegate.toml");
    if file.is_file() {
        return Ok(vec![file]);
    }
    let folder = top.join(".stagegate");
    if folder.is_dir() {
        return Ok(vec![folder]);
    }
    let folder = environment::configuration().map(|it| it.join("pipelines"));
    let folder = folder.filter(|it| it.is_dir());
    Ok(folder.into_iter().collect())
}

/// Returns this program, which is also the supervisor and the runtime in the background.
pub(super) fn program() -> Result<PathBuf, Failure> {
    // On Linux this stays right when the file is replaced by a newer build.
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().map_err(|error| Failure::usage(error.to_string()))
}

pub(super) fn options(
    state_dir: StateDir,
    files: Vec<PathBuf>,
    global: &Global,
) -> Result<Options, Failure> {
    let files = DefinitionFiles::new(files);
    let (keep, containers) = config::runtime(global)?;
    let (program, max_actions) = (program()?, global.max_actions);
    Ok(Options { state_dir, files, program, max_actions, keep, containers })
}

/// Decides how the dashboard looks and acts, once it is clear that there is a terminal for it.
pub(super) fn opening(global: &Global) -> Result<tui::Opening, Failure> {
    let file = config::dashboard(global);
    // What is wrong in the settings is told in the dashboard, which reads them again.
    let settings = file.as_ref().and_then(|file| (file.read)(&file.path).ok());
    let settings = settings.map(|(settings, _)| settings).unwrap_or_default();
    let theme = global.theme.as_deref().or(settings.theme.as_deref());
    let glyphs = if global.ascii { Some(tui::GlyphSet::Ascii) } else { settings.glyphs };
    let motion = !global.no_motion && settings.motion.unwrap_or(true);
    let mouse = !global.no_mouse && settings.mouse.unwrap_or(true);
    tui::require_terminal().map_err(|words| {
        Failure::usage(words).hint(
            "`stagegate watch`, `stagegate status` and `stagegate demo --plain` work without one",
        )
    })?;
    let look = tui::Look::choose(theme, global.color, glyphs, motion, mouse)
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(tui::Opening {
        look,
        settings: file,
        theme_is_given: theme.is_some(),
        read_only: global.read_only,
        remark: None,
    })
}

/// Shows the dashboard; what it is left for may lead back to it.
pub(super) async fn dashboard(state_dir: StateDir, global: &Global) -> Result<Exit, Failure> {
    // Before anything is started for it.
    let mut opening = opening(global)?;
    loop {
        let files = pipeline_files(global).await?;
        match show(&state_dir, &files, global, opening.clone()).await? {
            tui::Leave::Close => return Ok(Exit::Done),
            tui::Leave::Background => return background::detach(state_dir, files, global).await,
            tui::Leave::Init => {
                // What is in the way is said where the wish was made.
                let written = init::init(&args::Init::default()).await;
                opening.remark = written.err().map(|failure| failure.message);
            }
            tui::Leave::Demo => return demo::demo(args::Demo::default(), global).await,
        }
    }
}

async fn show(
    state_dir: &StateDir,
    files: &[PathBuf],
    global: &Global,
    opening: tui::Opening,
) -> Result<tui::Leave, Failure> {
    match start_or_attach(state_dir.clone(), files.to_owned(), global).await? {
        Some(Serving::Attached(handle)) => {
            tui::run(handle, tui::Ownership::Attached, opening).await.map_err(terminal_failure)
        }
        Some(Serving::Inside(runtime)) => {
            let shown = tui::run(runtime.handle.clone(), tui::Ownership::Inside, opening);
            let left = tokio::select! {
                left = shown => left.map_err(terminal_failure)?,
                () = runtime.ended() => tui::Leave::Close,
            };
            runtime.shut_down().await?;
            Ok(left)
        }
        // Nothing to serve yet: a greeting, and nothing is written anywhere.
        None => {
            let handle = RuntimeHandle::attach_or_read(state_dir.clone()).await?;
            tui::run(handle, tui::Ownership::Attached, opening).await.map_err(terminal_failure)
        }
    }
}

pub(super) fn terminal_failure(error: std::io::Error) -> Failure {
    Failure::usage(format!("the terminal cannot be used: {error}"))
}

pub(super) fn nothing_to_show() -> Failure {
    Failure::usage("there is no pipeline here").hint(
        "`stagegate init` writes one for this repository, `stagegate demo` shows what it can do, \
         -f FILE opens one that lies elsewhere",
    )
}

pub(super) enum Serving {
    Attached(RuntimeHandle),
    Inside(Box<Runtime>),
}

/// Serves the state directory, or attaches to the runtime that does; nothing if there is nothing
/// to serve.
pub(super) async fn start_or_attach(
    state_dir: StateDir,
    files: Vec<PathBuf>,
    global: &Global,
) -> Result<Option<Serving>, Failure> {
    if let Some(handle) = RuntimeHandle::attach(state_dir.clone()).await? {
        handle.serve_files(files).await?;
        return Ok(Some(Serving::Attached(handle)));
    }
    if files.is_empty() && !state_dir.exists() {
        return Ok(None);
    }
    match Runtime::start(options(state_dir.clone(), files.clone(), global)?).await {
        Ok(runtime) => Ok(Some(Serving::Inside(Box::new(runtime)))),
        // Another one started between our look and our try.
        Err(StartError::StateDir(served @ StateDirError::Served { .. })) => {
            match RuntimeHandle::attach_when_ready(state_dir).await? {
                Some(handle) => {
                    handle.serve_files(files).await?;
                    Ok(Some(Serving::Attached(handle)))
                }
                None => Err(served.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn watch(
    state_dir: StateDir,
    global: &Global,
    arguments: args::Watch,
) -> Result<Exit, Failure> {
    let files = pipeline_files(global).await?;
    if files.is_empty() && !state_dir.exists() {
        return Err(nothing_to_show());
    }
    if arguments.detach {
        return background::detach(state_dir, files, global).await;
    }
    if arguments.background {
        leave_terminal()
            .map_err(|error| Failure::usage(format!("cannot leave the terminal: {error}")))?;
    }
    let mut interrupt = signals(SignalKind::interrupt())?;
    let mut terminate = signals(SignalKind::terminate())?;
    let mut hangup = signals(SignalKind::hangup())?;
    let before = match History::open(&state_dir.database()) {
        Ok(history) => history.newest_event()?,
        Err(_) => 0,
    };
    let empty = !files.is_empty() && DefinitionFiles::new(files.clone()).files().is_empty();
    let runtime = Runtime::start(options(state_dir.clone(), files, global)?).await?;
    tell_systemd();
    output::say(format!(
        "serving {}; Ctrl+C ends it, running actions go on",
        state_dir.path().display()
    ));
    if empty {
        output::say("there is no pipeline file in there yet; one that comes is read at once");
    }
    let handle = runtime.handle.clone();
    let exit = tokio::select! {
        () = runtime.ended() => Exit::Done,
        told = tell(&handle, From::After(before)), if !arguments.background => {
            told?;
            Exit::Done
        }
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Done,
        _ = hangup.recv() => Exit::Done,
    };
    runtime.shut_down().await?;
    Ok(exit)
}

/// Says that the runtime is ready to whatever service manager waits for that.
fn tell_systemd() {
    // Without one, or with one that does not listen, there is nobody to tell.
    let _ = sd_notify::notify(true, &[sd_notify::NotifyState::Ready]);
}

pub(super) fn signals(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(|error| Failure::usage(format!("cannot listen to signals: {error}")))
}

/// Which events are told.
pub(super) enum From {
    Beginning,
    After(i64),
}

/// Prints events as they are recorded, and notices as they come and go.
pub(super) async fn tell(handle: &RuntimeHandle, from: From) -> Result<(), Failure> {
    let history = handle.history()?;
    let mut after = match from {
        From::Beginning => 0,
        From::After(number) => number,
    };
    let mut board = handle.board();
    let mut told = std::collections::BTreeSet::new();
    loop {
        // Before the events are read, so that what comes in between wakes this up again.
        let now = std::sync::Arc::clone(&board.borrow_and_update());
        for (number, event) in history.events_after(after)? {
            after = number;
            if let Some(sentence) = narrate::sentence(&event) {
                output::line(format!("{} {sentence}", clock::local_time(event.at)));
            }
        }
        let about = now.pipelines.iter().flat_map(|card| {
            card.notices.iter().map(|notice| format!("{}: {}", card.name, notice.text))
        });
        let notices: std::collections::BTreeSet<String> =
            about.chain(now.notices.iter().map(|notice| notice.text.clone())).collect();
        for notice in notices.difference(&told) {
            output::line(format!("{} {notice}", clock::local_time(clock::now())));
        }
        told = notices;
        if board.changed().await.is_err() {
            return Ok(());
        }
    }
}
