//! Moments as people type them: `22:00`, `2026-12-01T08:30`, `90m`.

use chrono::{Local, NaiveDateTime, NaiveTime, TimeZone};

use super::Failure;
use crate::{
    host::clock,
    model::{Span, Timestamp},
};

pub(super) fn parse(text: &str) -> Result<Timestamp, Failure> {
    let now = clock::now();
    let moment = Span::parse(text).map(|span| now + span).or_else(|| on_the_clock(text, now));
    moment.filter(|at| *at > now).ok_or_else(|| {
        let failure = Failure::usage(format!("`{text}` is no moment to come"));
        failure.hint("write it like 22:00, 2026-12-01T08:30 or 90m")
    })
}

/// A time of day is the next one, by the clock on the wall.
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
