//! Sees settings and themes change on disk.

use std::path::{Path, PathBuf};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::{Answer, settings::SettingsFile};
use crate::host::environment;

/// Watching ends when this goes.
pub(super) struct Watched(
    #[expect(dead_code, reason = "watches as long as it lives")] RecommendedWatcher,
);

/// Watches the folders in which settings and themes lie; editors replace files, so a watch on the
/// file itself would see one change and no second.
pub(super) fn watch(
    file: Option<&SettingsFile>,
    theme: &str,
    answers: mpsc::Sender<Answer>,
) -> Option<Watched> {
    let folders = [
        file.and_then(|it| it.path.parent().map(Path::to_owned)),
        environment::configuration().map(|it| it.join("themes")),
        Path::new(theme).parent().filter(|it| it.is_dir()).map(Path::to_owned),
    ];
    let folders: Vec<PathBuf> = folders.into_iter().flatten().filter(|it| it.is_dir()).collect();
    if folders.is_empty() {
        return None;
    }
    let told = move |event: notify::Result<notify::Event>| {
        let changes = event.is_ok_and(|it| it.kind.is_modify() || it.kind.is_create());
        // A full channel has a change in it already, or will be read soon.
        if changes {
            let _ = answers.try_send(Answer::Changed);
        }
    };
    let mut watcher = notify::recommended_watcher(told).ok()?;
    for folder in folders {
        // What cannot be watched is read at the next start.
        let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
    }
    Some(Watched(watcher))
}
