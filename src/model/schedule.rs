//! Times that come again and again: a cron expression and the time zone it is meant in.

use std::fmt;

use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use serde::{Deserialize, Serialize};

use super::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// A name of the IANA database.
    pub time_zone: String,
    /// The branch whose head is released; the source's `BranchName` if absent.
    pub branch: Option<String>,
}

impl Schedule {
    pub const DEFAULT_TIME_ZONE: &'static str = "UTC";

    /// Returns the first of its times after a moment; nothing if there is none.
    ///
    /// When clocks go forward, a time in the hour that is left out comes at the end of it; when they
    /// go back, a fixed time in the hour that comes twice comes the first time only.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let cron = parse_cron(&self.cron).ok()?;
        let zone = parse_time_zone(&self.time_zone)?;
        let moment = chrono::DateTime::from_timestamp_millis(moment.0)?.with_timezone(&zone);
        let next = cron.find_next_occurrence(&moment, false).ok()?;
        Some(Timestamp(next.timestamp_millis()))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cron, self.time_zone)
    }
}

/// Tells what is wrong with a cron expression, if something is.
pub fn check_cron(cron: &str) -> Result<(), String> {
    parse_cron(cron).map(|_| ()).map_err(|error| error.to_string().trim_end_matches('.').to_owned())
}

pub fn is_time_zone(name: &str) -> bool {
    parse_time_zone(name).is_some()
}

/// Returns the names of all time zones.
pub fn time_zones() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
}

fn parse_cron(cron: &str) -> Result<Cron, croner::errors::CronError> {
    let (seconds, year) = (Seconds::Disallowed, Year::Disallowed);
    CronParser::builder().seconds(seconds).year(year).build().parse(cron)
}

fn parse_time_zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    fn next(cron: &str, time_zone: &str, after: &str) -> Option<Timestamp> {
        let schedule =
            Schedule { cron: cron.to_owned(), time_zone: time_zone.to_owned(), branch: None };
        schedule.next_after(at(after))
    }

    #[test]
    fn a_time_is_meant_in_its_zone() {
        let found = next("0 3 * * MON-FRI", "Europe/Berlin", "2026-01-02T12:00:00Z");
        assert_eq!(found, Some(at("2026-01-05T03:00:00+01:00")), "Friday is over, Monday comes");
        let found = next("*/15 * * * *", "UTC", "2026-01-02T12:15:00Z");
        assert_eq!(found, Some(at("2026-01-02T12:30:00Z")), "a moment does not come after itself");
    }

    #[test]
    fn three_o_clock_stays_three_o_clock_when_the_clocks_change() {
        let found = next("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert_eq!(found, Some(at("2026-03-29T03:00:00+02:00")));
        let found = next("0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
        assert_eq!(found, Some(at("2026-10-25T03:00:00+01:00")));
    }

    #[test]
    fn a_time_that_is_left_out_comes_at_the_end_of_the_gap() {
        let found = next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert_eq!(found, Some(at("2026-03-29T03:00:00+02:00")));
    }

    #[test]
    fn a_time_in_the_hour_that_comes_twice_comes_once() {
        let first = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
        assert_eq!(first, Some(at("2026-10-25T02:30:00+02:00")));
        let second = next("30 2 * * *", "Europe/Berlin", "2026-10-25T02:30:00+02:00");
        assert_eq!(second, Some(at("2026-10-26T02:30:00+01:00")));
    }

    #[test]
    fn what_never_comes_has_no_next_time() {
        assert_eq!(next("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z"), None);
        assert!(check_cron("0 3 * *").is_err());
        assert!(check_cron("0 0 3 * * *").is_err(), "seconds are not available");
        assert!(!is_time_zone("Europe/Berlim"));
    }
}
