//! Everything about one job lies in one directory.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::supervisor::protocol;

#[derive(Clone, Debug)]
pub struct JobFiles(PathBuf);

impl JobFiles {
    pub fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    pub fn create(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self(directory))
    }

    pub fn directory(&self) -> &Path {
        &self.0
    }

    pub fn log(&self) -> PathBuf {
        self.0.join(protocol::LOG)
    }

    /// Returns where the output variables of a shell are left.
    pub fn variables(&self) -> PathBuf {
        self.0.join("variables")
    }

    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        Ok(path)
    }

    /// Adds a line to the log, for what we do ourselves.
    pub fn note(&self, line: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(self.log())?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    /// Notes that the work is done in a container, which nothing but its engine can end for sure.
    pub fn note_container(&self) -> io::Result<()> {
        self.write("container", b"").map(drop)
    }

    pub fn has_container(&self) -> bool {
        self.0.join("container").exists()
    }

    /// Remembers where the job works, for a runtime that comes after this one.
    pub fn remember_workspace(&self, directory: &Path) -> io::Result<()> {
        self.write("workspace", directory.as_os_str().as_encoded_bytes()).map(drop)
    }

    pub fn workspace(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let bytes = std::fs::read(self.0.join("workspace")).ok()?;
        Some(std::ffi::OsString::from_vec(bytes).into())
    }
}
