//! Words for people, the same in every front end.

/// Counts things: `1 commit`, `3 commits`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Words an error with all of its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|it| super::count(it, "file")), ["0 files", "1 file", "2 files"]);
    }
}
