//! What the machine gives: git, the clock, the state directory, job directories, workspaces and
//! the object store for artifacts. Mechanisms only; nothing here knows what a stage is.

pub mod artifacts;
pub mod background;
pub mod changes;
pub mod clock;
pub mod clone;
pub mod containers;
pub mod environment;
pub mod foreground;
pub mod git;
mod git_index;
pub mod job_files;
pub mod log;
pub mod log_merge;
pub mod log_scan;
pub mod log_times;
pub mod mirror;
pub mod reports;
pub mod secret_tool;
pub mod state_dir;
pub mod supervisor;
pub mod work_tree;
pub mod workspace;

use std::sync::Arc;

pub use artifacts::ArtifactStore;
pub use containers::ContainerEngine;
pub use git::{Git, GitError, Objects};
pub use job_files::JobFiles;
pub use mirror::Mirror;
pub use state_dir::StateDir;
pub use supervisor::SupervisorClient;
pub use workspace::Workspaces;

use crate::model::{Containers, Keep};

/// Everything a provider works with.
pub struct Tools {
    pub state_dir: StateDir,
    pub artifacts: ArtifactStore,
    pub workspaces: Workspaces,
    pub supervisor: SupervisorClient,
    pub keep: Keep,
    pub containers: Containers,
}

impl Tools {
    pub async fn open(
        state_dir: StateDir,
        program: std::path::PathBuf,
        keep: Keep,
        containers: Containers,
    ) -> Result<Arc<Self>, GitError> {
        let artifacts = ArtifactStore::open(&state_dir.artifacts()).await?;
        let workspaces = Workspaces::new(state_dir.workspaces());
        let supervisor = SupervisorClient::new(program);
        Ok(Arc::new(Self { state_dir, artifacts, workspaces, supervisor, keep, containers }))
    }
}
