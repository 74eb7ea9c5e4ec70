//! Named places at which a test lets the whole process die, as by `kill -9`.
//!
//! With the feature `fault-injection`, `STAGEGATE_FAULT=PLACE:COUNT` aborts when the place is
//! passed that often. Without the feature nothing of this is there.

/// Every place there is, in the order in which an execution passes them.
pub const PLACES: [&str; 12] = [
    "definition-loaded",
    "before-append",
    "in-append",
    "after-append",
    "before-effect",
    "job-directory-made",
    "before-supervisor",
    "artifact-packed",
    "before-report",
    "release-laid-out",
    "release-switched",
    "before-answer",
];

#[cfg(feature = "fault-injection")]
pub fn passed(place: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };
    static WANTED: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        let wanted = std::env::var("STAGEGATE_FAULT").ok()?;
        let (place, count) = wanted.split_once(':')?;
        Some((place.to_owned(), count.parse().ok()?))
    });
    static PASSED: AtomicU32 = AtomicU32::new(0);
    debug_assert!(PLACES.contains(&place), "{place} is no place of the list");
    if let Some((wanted, count)) = WANTED.as_ref()
        && wanted == place
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}

#[cfg(not(feature = "fault-injection"))]
pub const fn passed(_place: &str) {}
