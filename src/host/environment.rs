//! Who we are and where: user, host and the environment actions inherit.

use std::path::PathBuf;

use crate::model::Operator;

/// Returns the person behind this process, as the system knows them.
pub fn operator(client: &str) -> Operator {
    let from_environment =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let number = rustix::process::getuid().as_raw();
    let user = from_environment
        .filter(|user| !user.is_empty())
        .or_else(|| name_of(number))
        .unwrap_or_else(|| format!("uid {number}"));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let uid = Some(rustix::process::getuid().as_raw());
    Operator { user, host, client: client.to_owned(), uid }
}

/// Looks a user up in the list every system has.
fn name_of(uid: u32) -> Option<String> {
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut users = list.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = users.find(|it| it.get(2).is_some_and(|it| it.parse() == Ok(uid)))?;
    Some(user[0].to_owned())
}

/// Returns the folder of the user's settings, themes and pipelines.
pub fn configuration() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CONFIG_HOME");
    let base = base.or_else(|| variable("HOME").map(|it| it.join(".config")));
    base.map(|it| it.join("stagegate"))
}

/// Returns the environment that actions start from: the user's, without what would point git or
/// a nested stagegate somewhere else.
pub fn for_actions() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let pair = (name.into_string().ok()?, value.into_string().ok()?);
        (!is_about_git_or_us(&pair.0)).then_some(pair)
    })
}

pub(super) fn is_about_git_or_us(name: &str) -> bool {
    const GIT: [&str; 8] = [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
    ];
    GIT.contains(&name) || name.starts_with("STAGEGATE_")
}
