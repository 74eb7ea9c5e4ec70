//! Deployment windows: when something may happen, by cron, in a time zone (CodePipeline user
//! guide, rule reference of `DeploymentWindow`).
//!
//! The reference leaves open what a window of `0 0 9-17 ? * MON-FRI *` is: an hour, or the first
//! second of it. Here the seconds never matter and a minute of `0` stands for its whole hour;
//! any other minute field is meant as it is written.

use chrono::{DateTime, FixedOffset, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use super::Timestamp;

#[derive(Clone, Debug)]
pub struct DeploymentWindow {
    cron: Cron,
    zone: Zone,
    zone_name: String,
}

#[derive(Clone, Copy, Debug)]
enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl DeploymentWindow {
    /// Reads CodePipeline's `Cron` and `TimeZone`; an error is a sentence about what is wrong.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, String> {
        let mut fields: Vec<&str> = cron.split_whitespace().collect();
        if !(6..=7).contains(&fields.len()) {
            return Err(format!(
                "it has {} fields, not the 6 or 7 of seconds, minutes, hours, day of month, month, \
                 day of week and year",
                fields.len()
            ));
        }
        fields[0] = "*";
        if fields[1] == "0" {
            fields[1] = "*";
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Optional)
            .alternative_weekdays(true)
            .build();
        let cron = parser.parse(&fields.join(" ")).map_err(|error| error.to_string())?;
        Ok(Self { cron, zone: Zone::parse(zone)?, zone_name: zone.to_owned() })
    }

    pub fn is_open(&self, at: Timestamp) -> bool {
        let matches = match self.zone {
            Zone::Named(zone) => self.cron.is_time_matching(&local(at, &zone)),
            Zone::Fixed(zone) => self.cron.is_time_matching(&local(at, &zone)),
        };
        matches.unwrap_or(false)
    }

    /// Returns when it opens next; never, if its years are over.
    pub fn opens_after(&self, at: Timestamp) -> Option<Timestamp> {
        match self.zone {
            Zone::Named(zone) => self.next(&local(at, &zone)),
            Zone::Fixed(zone) => self.next(&local(at, &zone)),
        }
    }

    fn next<Z: TimeZone + 'static>(&self, at: &DateTime<Z>) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(at, false).ok()?;
        Some(Timestamp(next.timestamp_millis()))
    }

    /// Says a moment as people in the window's zone would: `Mon 09:00 (Europe/Berlin)`.
    pub fn words(&self, at: Timestamp, now: Timestamp) -> String {
        let soon = at.since(now).0 < 6 * super::Span::DAY.0;
        let format = if soon { "%a %H:%M" } else { "%Y-%m-%d %H:%M" };
        let moment = match self.zone {
            Zone::Named(zone) => local(at, &zone).format(format).to_string(),
            Zone::Fixed(zone) => local(at, &zone).format(format).to_string(),
        };
        format!("{moment} ({})", self.zone_name)
    }
}

impl Zone {
    fn parse(name: &str) -> Result<Self, String> {
        if let Some(offset) = name.strip_prefix("UTC").filter(|it| !it.is_empty()) {
            let offset = offset.parse::<FixedOffset>();
            return offset
                .map(Self::Fixed)
                .map_err(|_| format!("`{name}` is no offset like UTC+02:00"));
        }
        name.parse().map(Self::Named).map_err(|_| format!("there is no time zone `{name}`"))
    }
}

fn local<Z: TimeZone>(at: Timestamp, zone: &Z) -> DateTime<Z> {
    DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn office_hours_are_open_from_the_first_to_the_end_of_the_last_hour() {
        let window = DeploymentWindow::parse("0 0 9-17 ? * MON-FRI *", "Europe/Berlin").unwrap();
        assert!(window.is_open(at("2026-11-23T09:00:00+01:00")));
        assert!(window.is_open(at("2026-11-23T17:59:59+01:00")));
        assert!(!window.is_open(at("2026-11-23T18:00:00+01:00")));
        assert!(!window.is_open(at("2026-11-22T12:00:00+01:00")), "a Sunday");
    }

    #[test]
    fn it_opens_by_the_clock_on_the_wall_also_after_the_clocks_change() {
        let window = DeploymentWindow::parse("0 0 9 ? * SUN", "Europe/Berlin").unwrap();
        let saturday = at("2026-10-24T12:00:00+02:00");
        let opens = window.opens_after(saturday).unwrap();
        assert_eq!(opens, at("2026-10-25T09:00:00+01:00"));
        assert_eq!(window.words(opens, saturday), "Sun 09:00 (Europe/Berlin)");
    }

    #[test]
    fn minutes_other_than_zero_are_meant_as_written() {
        let window = DeploymentWindow::parse("0 30-59 22 * * ?", "UTC+02:00").unwrap();
        assert!(!window.is_open(at("2026-11-23T22:29:00+02:00")));
        assert!(window.is_open(at("2026-11-23T22:30:00+02:00")));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(DeploymentWindow::parse("0 9 * * *", "UTC").unwrap_err().contains("5 fields"));
        assert!(DeploymentWindow::parse("0 0 99 ? * *", "UTC").is_err());
        let wrong = DeploymentWindow::parse("0 0 9 ? * *", "Europe/Berln").unwrap_err();
        assert_eq!(wrong, "there is no time zone `Europe/Berln`");
    }
}
