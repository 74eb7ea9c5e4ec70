//! Directory deploy: releases side by side under the target, `current` switched atomically.

use std::{
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{failed, with_causes};
use crate::{
    fault,
    host::{JobFiles, Tools, work_tree},
    model::{ErrorDetails, FailureType, Job, JobSuccess},
    supervisor::protocol,
};

const KEEP_RELEASES: usize = 5;

pub(super) async fn run(
    job: &Job,
    tools: &Tools,
    files: &JobFiles,
) -> Result<JobSuccess, ErrorDetails> {
    let configuration = &job.instructions.configuration;
    let target = configuration.get("TargetPath").map(String::as_str).unwrap_or_default();
    let target = job.base_directory().join(target);
    let keep = configuration.get("KeepReleases").and_then(|it| it.parse().ok());
    let input = job
        .inputs
        .first()
        .ok_or_else(|| failed(FailureType::ConfigurationError, "there is no input artifact"))?;

    let revision = job.revisions.first().map_or("none", |revision| revision.id.short());
    let name = format!("{revision}-{}", job.id.short());
    let releases = target.join("releases");
    let release = releases.join(&name);
    let problem = |doing: &str, error: io::Error| {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => FailureType::PermissionError,
            _ => FailureType::JobFailed,
        };
        failed(code, format!("cannot {doing} {}: {error}", target.display()))
    };
    let note = |line: String| files.note(&line).map_err(|error| problem("log about", error));

    note(format!("deploying artifact {} of {revision} to {}", input.name, target.display()))?;
    std::fs::create_dir_all(&releases).map_err(|error| problem("make releases under", error))?;
    check_current(&target)?;
    if !release.exists() {
        let staging = releases.join(format!(".{name}.tmp"));
        let index = releases.join(format!(".{name}.index"));
        let (git_dir, tree) = tools.artifacts.locate(&input.content);
        work_tree::reset(&staging, git_dir, tree, &index, &[])
            .await
            .map_err(|error| failed(FailureType::RevisionUnavailable, with_causes(&error)))?;
        let _ = std::fs::remove_file(&index);
        std::fs::rename(&staging, &release)
            .map_err(|error| problem("finish a release in", error))?;
    }
    note(format!("release {name} is complete"))?;
    fault::passed("release-laid-out");
    let before = std::fs::read_link(target.join("current")).ok();
    // The last moment: after an abandon, another execution may deploy here any time.
    if protocol::stop_was_requested(files.directory()) {
        let words = format!("stopped by an operator before the switch to releases/{name}");
        return Err(failed(FailureType::JobFailed, words));
    }
    switch(&target, &name).map_err(|error| problem("switch `current` in", error))?;
    fault::passed("release-switched");
    match before {
        Some(before) => note(format!("current: {} -> releases/{name}", before.display()))?,
        None => note(format!("current -> releases/{name}"))?,
    }
    for gone in prune(&releases, &name, keep.unwrap_or(KEEP_RELEASES))
        .map_err(|error| problem("remove old releases from", error))?
    {
        note(format!("removed the old release {gone}"))?;
    }
    Ok(JobSuccess {
        summary: format!("current -> releases/{name}"),
        variables: Arc::new([("ReleasePath".into(), release.to_string_lossy().into())].into()),
        ..JobSuccess::default()
    })
}

/// A `current` that is no link belongs to somebody else; replacing it could lose their files.
fn check_current(target: &Path) -> Result<(), ErrorDetails> {
    let current = target.join("current");
    match std::fs::symlink_metadata(&current) {
        Ok(metadata) if !metadata.is_symlink() => Err(failed(
            FailureType::ConfigurationError,
            format!("{} is not a link made by a deploy; move it away first", current.display()),
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn switch(target: &Path, name: &str) -> io::Result<()> {
    let temporary = target.join(format!(".current-{name}"));
    let _ = std::fs::remove_file(&temporary);
    symlink(Path::new("releases").join(name), &temporary)?;
    std::fs::rename(&temporary, target.join("current"))
}

/// Removes all but the newest releases and the current one; returns the names of those gone.
fn prune(releases: &Path, current: &str, keep: usize) -> io::Result<Vec<String>> {
    let mut others: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(releases)? {
        let entry = entry?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        if !hidden && name != current && entry.file_type()?.is_dir() {
            // The time of the directory itself is that of its last rename or change.
            others.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    others.sort();
    let surplus = (others.len() + 1).saturating_sub(keep.max(1));
    let mut gone = Vec::new();
    for (_, path) in others.into_iter().take(surplus) {
        std::fs::remove_dir_all(&path)?;
        gone.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
    }
    Ok(gone)
}
