//! The state directory: where everything lies, readable by its owner only.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use crate::model::ActionExecutionId;

#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

#[derive(Debug, Error)]
pub enum StateDirError {
    #[error("there is no home directory to keep state in")]
    NoHome,
    #[error("cannot use the state directory {}", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("the state directory {} belongs to another user (uid {owner})", path.display())]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("another runtime{} serves {}", process(*.pid), path.display())]
    Served { path: PathBuf, pid: Option<u32> },
}

impl StateDirError {
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoHome => Some("set HOME, or give --state-dir DIR"),
            Self::Unusable { .. } | Self::NotOurs { .. } => {
                Some("give a directory you may write to with --state-dir DIR")
            }
            Self::Served { .. } => Some(
                "`stagegate` shows it; the other verbs reach it too; --state-dir picks another",
            ),
        }
    }
}

impl StateDir {
    /// Returns the directory the user named, else the XDG one.
    pub fn resolve(given: Option<&Path>) -> Result<Self, StateDirError> {
        if let Some(path) = given {
            let absolute = std::path::absolute(path);
            return absolute
                .map(Self)
                .map_err(|source| StateDirError::Unusable { path: path.to_owned(), source });
        }
        let variable = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let base = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
        base.or_else(|| variable("HOME").map(|home| home.join(".local/state")))
            .map(|base| Self(base.join("stagegate")))
            .ok_or(StateDirError::NoHome)
    }

    /// Makes the directory and its parts, if they are not there yet.
    pub fn create(&self) -> Result<(), StateDirError> {
        let unusable = |source| StateDirError::Unusable { path: self.0.clone(), source };
        let make = |path: &Path| {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)
        };
        make(&self.0)?;
        let metadata = std::fs::metadata(&self.0).map_err(unusable)?;
        let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != us {
            return Err(StateDirError::NotOurs { path: self.0.clone(), owner });
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(&self.0, private).map_err(unusable)?;
        }
        [self.logs(), self.artifacts(), self.workspaces()]
            .iter()
            .try_for_each(|path| make(path))?;
        // SQLite would make it readable for everybody.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.database()).map(drop).map_err(unusable)
    }

    pub fn exists(&self) -> bool {
        self.database().exists()
    }

    /// Takes the directory for this process until the file is dropped.
    pub fn lock(&self) -> Result<RuntimeLock, StateDirError> {
        let path = self.0.join("runtime.lock");
        let unusable = |source| StateDirError::Unusable { path: self.0.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(unusable)?;
        for _ in 0..LOCK_TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    let pid = std::process::id().to_string();
                    file.set_len(0)
                        .and_then(|()| io::Seek::rewind(&mut file))
                        .and_then(|()| io::Write::write_all(&mut file, pid.as_bytes()))
                        .map_err(unusable)?;
                    return Ok(RuntimeLock { _file: file });
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(unusable(error.into())),
            }
            // A command that writes a decision down holds it for a moment; so does a child that a
            // dead runtime was just starting.
            std::thread::sleep(LOCK_PAUSE);
        }
        let pid = holder(&mut file);
        Err(StateDirError::Served { path: self.0.clone(), pid })
    }

    /// Returns the process that has taken the directory last.
    pub fn holder(&self) -> Option<u32> {
        holder(&mut File::open(self.0.join("runtime.lock")).ok()?)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns where the mirrors of remote repositories lie.
    pub fn repositories(&self) -> PathBuf {
        self.0.join("repositories")
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("stagegate.db")
    }

    /// Returns where a runtime in the background writes what it has to say.
    pub fn runtime_log(&self) -> PathBuf {
        self.0.join("runtime.log")
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("runtime.sock")
    }

    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    pub fn workspaces(&self) -> PathBuf {
        self.0.join("workspaces")
    }

    /// Returns the directory with everything about one job.
    pub fn job(&self, id: ActionExecutionId) -> PathBuf {
        self.logs().join(id.to_string())
    }
}

const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Returns the process that says it holds the lock.
fn holder(file: &mut File) -> Option<u32> {
    let mut pid = String::new();
    io::Seek::rewind(file).and_then(|()| io::Read::read_to_string(file, &mut pid)).ok()?;
    pid.trim().parse().ok()
}

/// One runtime a state directory; held by the operating system, so it cannot go stale.
pub struct RuntimeLock {
    _file: File,
}

/// Names a process in a sentence.
pub(crate) fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
