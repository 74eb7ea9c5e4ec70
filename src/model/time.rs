//! Moments and lengths of time as values. Nobody asks a clock here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment in milliseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the time from `earlier` to this moment, zero if it lies ahead.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }

    /// Returns the moment for people, in UTC.
    pub fn utc(self) -> String {
        chrono::DateTime::from_timestamp_millis(self.0)
            .map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    }

    /// Returns epoch seconds with fractions, the way CodePipeline prints times in JSON.
    pub fn epoch_seconds(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of today fit in 53 bits")]
        let milliseconds = self.0 as f64;
        milliseconds / 1000.0
    }
}

impl std::ops::Add<Span> for Timestamp {
    type Output = Timestamp;

    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

/// A length of time in milliseconds, never negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Span {
    pub const SECOND: Span = Span(1_000);
    pub const MINUTE: Span = Span(60_000);
    pub const HOUR: Span = Span(3_600_000);
    pub const DAY: Span = Span(86_400_000);

    pub fn minutes(count: i64) -> Span {
        Span(count.saturating_mul(Self::MINUTE.0))
    }

    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.unsigned_abs())
    }

    /// Parses `90s`, `20m`, `1h30m`, `7d`.
    pub fn parse(text: &str) -> Option<Span> {
        let mut total = 0_i64;
        let mut rest = text.trim();
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let count: i64 = rest[..digits].parse().ok()?;
            let unit_end = rest[digits..]
                .find(|c: char| c.is_ascii_digit())
                .map_or(rest.len(), |at| digits + at);
            let unit = match &rest[digits..unit_end] {
                "ms" => 1,
                "s" => Self::SECOND.0,
                "m" => Self::MINUTE.0,
                "h" => Self::HOUR.0,
                "d" => Self::DAY.0,
                _ => return None,
            };
            total = total.checked_add(count.checked_mul(unit)?)?;
            rest = &rest[unit_end..];
        }
        Some(Span(total))
    }
}

/// Prints the two largest units that matter: `4s`, `1m12`, `2h05`, `6d23h`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let text = match seconds {
            s if s < 60 => format!("{s}s"),
            s if s < 3600 => format!("{}m{:02}", s / 60, s % 60),
            s if s < 86_400 => format!("{}h{:02}", s / 3600, s % 3600 / 60),
            s => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_people_write_them() {
        assert_eq!(Span::parse("1h30m"), Some(Span(5_400_000)));
        assert_eq!(Span::parse("7d"), Some(Span(7 * Span::DAY.0)));
        assert_eq!(Span::parse("250ms"), Some(Span(250)));
        for wrong in ["", "m", "10", "10 minutes", "-5m", "99999999999999999999d"] {
            assert_eq!(Span::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn spans_show_two_units() {
        for (ms, text) in
            [(900, "0s"), (72_000, "1m12"), (7_500_000, "2h05"), (601_200_000, "6d23h")]
        {
            assert_eq!(Span(ms).to_string(), text);
        }
    }
}
