//! The clock: the only place that asks what time it is.

#![expect(clippy::disallowed_methods, reason = "this module is the clock")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{Local, NaiveDateTime, NaiveTime, TimeZone};

use crate::model::{Span, Timestamp};

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Waits until `deadline`; without one, for ever.
pub async fn sleep_until(deadline: Option<Timestamp>) {
    // Timers stand still while the system is suspended, and its clock may be set: what was due
    // meanwhile is no later than this.
    const LOOK_AGAIN: Duration = Duration::from_secs(30);
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

/// Returns when something was, as exactly as its age allows: today the time, else the date.
pub fn local_moment(at: Timestamp, now: Timestamp) -> String {
    if local(at, "%F") == local(now, "%F") { local_time(at) } else { local_date(at) }
}

/// Returns date and minute in the local time zone.
pub fn local_date(at: Timestamp) -> String {
    local(at, "%Y-%m-%d %H:%M")
}

/// Reads a moment to come as people type it: `22:00`, `2026-12-01T08:30`, `90m`. A time of day is
/// the next one by the clock on the wall.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let moment = Span::parse(text).map(|span| now + span).or_else(|| on_the_clock(text, now));
    moment.filter(|at| *at > now)
}

fn on_the_clock(text: &str, now: Timestamp) -> Option<Timestamp> {
    let local = |at: NaiveDateTime| {
        let at = Local.from_local_datetime(&at).earliest()?;
        Some(Timestamp(at.timestamp_millis()))
    };
    if let Ok(moment) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M") {
        return local(moment);
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    let today = Local.timestamp_millis_opt(now.0).single()?.date_naive();
    let at = local(today.and_time(time))?;
    if at > now { Some(at) } else { local(today.succ_opt()?.and_time(time)) }
}

fn local(at: Timestamp, format: &str) -> String {
    chrono::DateTime::from_timestamp_millis(at.0)
        .map(|at| at.with_timezone(&chrono::Local).format(format).to_string())
        .unwrap_or_default()
}
