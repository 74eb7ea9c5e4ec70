//! Watches repositories that lie elsewhere: they are asked from time to time, and only what a fetch
//! has brought just now is looked at. Whatever else happens to a mirror says nothing about them.

use std::{pin::pin, time::Duration};

use tokio::sync::mpsc;

use super::{
    Message,
    published::Origin,
    refs::{Look, Watched, tell_all},
};
use crate::{engine::board::Severity, host::Mirror, words::with_causes};

/// How long a repository may take to answer before that is worth a word.
const SLOW: Duration = Duration::from_secs(5);

pub(super) async fn watch(
    mirror: &Mirror,
    pause: Duration,
    watched: &[Watched],
    inbox: &mpsc::Sender<Message>,
) {
    let mut look = Look::new(watched, inbox);
    loop {
        if fetch(mirror, watched, inbox).await {
            look.again(mirror.git_dir(), &mut None).await;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Asks a remote repository what is new; tells whether it has answered. As long as it does not, the
/// board says so.
async fn fetch(mirror: &Mirror, watched: &[Watched], inbox: &mpsc::Sender<Message>) -> bool {
    let mut fetching = pin!(mirror.fetch());
    let fetched = match tokio::time::timeout(SLOW, &mut fetching).await {
        Ok(fetched) => fetched,
        Err(_) => {
            let words = format!("fetching {}, which has not answered yet", mirror.url());
            tell_all(inbox, watched, Origin::Remote, Some((Severity::Remark, words))).await;
            fetching.await
        }
    };
    let problem = fetched
        .err()
        .map(|error| (Severity::Problem, format!("{}; it is tried again", with_causes(&error))));
    let has_answered = problem.is_none();
    tell_all(inbox, watched, Origin::Remote, problem).await;
    has_answered
}
