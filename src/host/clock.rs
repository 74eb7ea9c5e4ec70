//! The clock: the only place that asks what time it is.

#![expect(clippy::disallowed_methods, reason = "this module is the clock")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Waits until `deadline`; without one, for ever.
pub async fn sleep_until(deadline: Option<Timestamp>) {
    // The system may sleep and its clock may be set: look at it again every now and then.
    const LOOK_AGAIN: Duration = Duration::from_secs(600);
    match deadline {
        None => std::future::pending().await,
        Some(deadline) => loop {
            let left = deadline.since(now()).to_std();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        },
    }
}

/// Returns the moment in the local time zone, as `14:32:05`.
pub fn local_time(at: Timestamp) -> String {
    local(at, "%H:%M:%S")
}

/// Returns date and minute in the local time zone.
pub fn local_date(at: Timestamp) -> String {
    local(at, "%Y-%m-%d %H:%M")
}

fn local(at: Timestamp, format: &str) -> String {
    chrono::DateTime::from_timestamp_millis(at.0)
        .map(|at| at.with_timezone(&chrono::Local).format(format).to_string())
        .unwrap_or_default()
}
