//! Watches repositories that lie elsewhere: they are asked from time to time, and only what a fetch
//! has brought just now is looked at. Whatever else happens to a mirror says nothing about them.

use std::{pin::pin, time::Duration};

use tokio::sync::mpsc;

use super::{
    Message,
    published::Origin,
    refs::{Look, Watched},
};
use crate::{
    engine::board::{Notice, Severity},
    host::{GitError, Mirror},
};

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
        if fetch(mirror, watched, inbox).await
            && look.again(mirror.git_dir(), &mut None).await.is_none()
        {
            look = Look::new(watched, inbox);
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
            tell(Some((Severity::Remark, words)), watched, inbox).await;
            fetching.await
        }
    };
    let problem = fetched.err().map(|error| (Severity::Problem, with_cause(&error)));
    let has_answered = problem.is_none();
    tell(problem, watched, inbox).await;
    has_answered
}

fn with_cause(error: &GitError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}; it is tried again"),
        None => format!("{error}; it is tried again"),
    }
}

pub(super) async fn tell(
    words: Option<(Severity, String)>,
    watched: &[Watched],
    inbox: &mpsc::Sender<Message>,
) {
    for (pipeline, source) in watched {
        let notice = words.clone().map(|(severity, text)| Notice { severity, text });
        let (pipeline, origin) = (Some(pipeline.clone()), Origin::Remote(source.action.clone()));
        let _ = inbox.send(Message::Notice { pipeline, origin, notice }).await;
    }
}
