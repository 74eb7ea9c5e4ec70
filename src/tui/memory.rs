//! What was open, remembered per state directory.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::ui::{Layout, Selection, Ui};
use crate::model::{ActionName, Lane, PipelineName, StageName};

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    pipeline: Option<PipelineName>,
    lane: Option<Lane>,
    stage: Option<StageName>,
    action: Option<ActionName>,
    layout: Layout,
    /// Chosen in the picker; flags and settings come first.
    pub theme: Option<String>,
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("dashboard.json")
}

impl Memory {
    /// Reads what was remembered; nothing, if that cannot be read any more.
    pub(super) fn read(state_dir: &Path) -> Self {
        let text = std::fs::read_to_string(file(state_dir)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Opens what was open; a gate that waits is more important than that.
    pub(super) fn restore(&self, ui: &mut Ui) {
        ui.layout = self.layout;
        if self.pipeline.is_some() && ui.attention.0 == 0 {
            let (pipeline, lane) = (self.pipeline.clone(), self.lane.clone());
            let (stage, action) = (self.stage.clone(), self.action.clone());
            ui.selection = Selection { pipeline, lane, stage, action };
            ui.selection.repair(&ui.board);
        }
    }

    pub(super) fn of(ui: &Ui, theme: Option<String>) -> Self {
        let Selection { pipeline, lane, stage, action } = ui.selection.clone();
        Self { pipeline, lane, stage, action, layout: ui.layout, theme }
    }

    /// Writes it down. That nothing was remembered is no reason to bother anybody.
    pub(super) fn keep(&self, state_dir: &Path) {
        let Ok(text) = serde_json::to_string(self) else { return };
        let mut options = std::fs::OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(true).mode(0o600).open(file(state_dir));
        let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
    }
}
