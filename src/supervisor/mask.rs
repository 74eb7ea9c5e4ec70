//! Replaces secret values in a stream, also when a value is split over several writes.

use std::io;

use memchr::memmem;

const MASK: &[u8] = b"****";

pub(crate) struct Masker {
    /// Longest first, so that a secret inside another does not uncover its rest.
    secrets: Vec<Vec<u8>>,
    /// The end of the stream so far, if it may be the beginning of a secret.
    held: Vec<u8>,
}

impl Masker {
    pub(crate) fn new(secrets: &[String]) -> Self {
        let mut secrets: Vec<Vec<u8>> = secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .map(|secret| secret.as_bytes().to_vec())
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets, held: Vec::new() }
    }

    /// Returns a whole text without the secrets.
    pub(crate) fn whole(secrets: &[String], text: &[u8]) -> Vec<u8> {
        let mut masker = Self::new(secrets);
        let mut clear = Vec::with_capacity(text.len());
        // Writing to memory cannot fail.
        let _ = masker.feed(text, |bytes| {
            clear.extend_from_slice(bytes);
            Ok(())
        });
        clear.extend(masker.finish());
        clear
    }

    /// Passes on what is safe to show and holds back what may turn out to be a secret.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.secrets.is_empty() {
            return write(bytes);
        }
        self.held.extend_from_slice(bytes);
        let text = std::mem::take(&mut self.held);
        let mut from = 0;
        while let Some((at, length)) = self.first_secret(&text[from..]) {
            let rest = &text[from..];
            // What began earlier, or here, may still turn out to be a longer secret.
            let open_from = rest.len() - self.possible_beginning(rest);
            if open_from <= at && open_from < rest.len() {
                break;
            }
            write(&text[from..from + at])?;
            write(MASK)?;
            from += at + length;
        }
        let rest = &text[from..];
        let safe = rest.len() - self.possible_beginning(rest);
        write(&rest[..safe])?;
        self.held = rest[safe..].to_vec();
        Ok(())
    }

    /// Returns what was held back, now that nothing follows.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let text = std::mem::take(&mut self.held);
        let mut shown = Vec::new();
        let mut rest = text.as_slice();
        while let Some((at, length)) = self.first_secret(rest) {
            shown.extend_from_slice(&rest[..at]);
            shown.extend_from_slice(MASK);
            rest = &rest[at + length..];
        }
        shown.extend_from_slice(rest);
        shown
    }

    fn first_secret(&self, text: &[u8]) -> Option<(usize, usize)> {
        let found = self
            .secrets
            .iter()
            .filter_map(|secret| memmem::find(text, secret).map(|at| (at, secret.len())));
        found.min_by_key(|(at, length)| (*at, std::cmp::Reverse(*length)))
    }

    /// Returns how many bytes at the end of `text` are the beginning of some secret.
    fn possible_beginning(&self, text: &[u8]) -> usize {
        let of = |secret: &[u8]| {
            let longest = (secret.len() - 1).min(text.len());
            (1..=longest).rev().find(|length| text.ends_with(&secret[..*length])).unwrap_or(0)
        };
        self.secrets.iter().map(|secret| of(secret)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secrets: &[&str], pieces: &[&str]) -> String {
        let secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        let mut masker = Masker::new(&secrets);
        let mut out = Vec::new();
        for piece in pieces {
            masker
                .feed(piece.as_bytes(), |bytes| {
                    out.extend_from_slice(bytes);
                    Ok(())
                })
                .unwrap();
        }
        out.extend(masker.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_masked_however_it_is_split() {
        let text = "token=hunter2, again hunter2hunter2 and hunte";
        for at in 0..text.len() {
            let shown = masked(&["hunter2"], &[&text[..at], &text[at..]]);
            assert_eq!(shown, "token=****, again ******** and hunte", "split at {at}");
        }
    }

    #[test]
    fn the_longer_of_two_secrets_wins() {
        assert_eq!(masked(&["abc", "abcdef"], &["x abcdef abc"]), "x **** ****");
        assert_eq!(masked(&["abc", "abcdef"], &["x abc", "def abc"]), "x **** ****");
    }

    #[test]
    fn a_secret_around_another_is_masked_however_it_is_split() {
        let text = "x abcdef y";
        for at in 0..text.len() {
            let shown = masked(&["bcd", "abcdef"], &[&text[..at], &text[at..]]);
            assert_eq!(shown, "x **** y", "split at {at}");
        }
    }

    #[test]
    fn without_secrets_everything_passes() {
        assert_eq!(masked(&[], &["a", "b"]), "ab");
        assert_eq!(masked(&[""], &["a", "b"]), "ab");
    }
}
