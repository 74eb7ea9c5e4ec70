//! Moments as people type them.

use super::Failure;
use crate::{host::clock, model::Timestamp};

pub(super) fn parse(text: &str) -> Result<Timestamp, Failure> {
    clock::moment(text, clock::now()).ok_or_else(|| {
        let failure = Failure::usage(format!("`{text}` is no moment to come"));
        failure.hint("write it like 22:00, 2026-12-01T08:30 or 90m")
    })
}
