//! CodePipeline's glob patterns (user guide, "Working with glob patterns in syntax"), as triggers
//! have them.
//!
//! `*` stays within a name and `**` does not; `?` is one character of a name; `[abc]`, `[a-z]` and
//! `[!x]` are one character of a set; `{a,b}` is one of several; `\` takes the next character as it
//! is. `/**/` and a leading `**/` stand for no directory too, as the guide's own examples need it.

use globset::{GlobBuilder, GlobMatcher};

#[derive(Clone, Debug)]
pub struct Glob {
    pattern: String,
    matcher: GlobMatcher,
}

impl Glob {
    /// Reads a pattern, or says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let translated = Translation::of(pattern)?;
        let glob = GlobBuilder::new(&translated)
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build()
            .map_err(|error| error.kind().to_string())?;
        Ok(Self { pattern: pattern.to_owned(), matcher: glob.compile_matcher() })
    }

    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }
}

/// `**` for globset where it knows `**` only as a whole name.
const ANYTHING: &str = "{*,*/**/*}";

/// Rewrites what globset understands in another way.
struct Translation {
    written: String,
    previous: Option<char>,
    /// Whether the open `{` stands where a name begins.
    braces: Option<bool>,
}

impl Translation {
    fn of(pattern: &str) -> Result<String, String> {
        let mut translation = Self { written: String::new(), previous: None, braces: None };
        let mut rest = pattern.chars().peekable();
        while let Some(letter) = rest.next() {
            match letter {
                '\\' => {
                    let next = rest.next().ok_or("nothing follows the last `\\`")?;
                    translation.written.extend(['\\', next]);
                }
                '[' => {
                    let mut set = String::new();
                    loop {
                        match rest.next().ok_or("unclosed `[`; missing `]`")? {
                            ']' => break,
                            letter => set.push(letter),
                        }
                    }
                    translation.set(&set)?;
                }
                '*' if rest.peek() == Some(&'*') => {
                    while rest.next_if_eq(&'*').is_some() {}
                    translation.anything(rest.peek().copied());
                }
                '{' if translation.braces.is_some() => {
                    return Err("`{` inside `{…}` is not available".to_owned());
                }
                '{' => {
                    translation.braces = Some(translation.begins_name());
                    translation.written.push('{');
                }
                '}' if translation.braces.take().is_none() => translation.written.push_str("\\}"),
                other => translation.written.push(other),
            }
            translation.previous = Some(letter);
        }
        Ok(translation.written)
    }

    fn begins_name(&self) -> bool {
        match self.previous {
            None | Some('/') => true,
            Some('{' | ',') => self.braces == Some(true),
            Some(_) => false,
        }
    }

    fn anything(&mut self, next: Option<char>) {
        let in_braces = self.braces.is_some();
        let is_whole_name = match next {
            None | Some('/') => self.begins_name(),
            // globset wants a `/` before a `**` that ends an alternative.
            Some(',' | '}') => in_braces && self.previous == Some('/'),
            Some(_) => false,
        };
        self.written.push_str(if is_whole_name { "**" } else { ANYTHING });
    }

    /// A set never matches `/`, and `^` in it is a letter like others.
    fn set(&mut self, set: &str) -> Result<(), String> {
        let (negated, letters) = set.strip_prefix('!').map_or((false, set), |rest| (true, rest));
        if letters.is_empty() {
            return Err("`[]` is empty".to_owned());
        }
        if letters.contains('/') {
            return Err("`/` cannot stand in `[…]`".to_owned());
        }
        let parts = match (negated, letters.strip_prefix('^')) {
            (true, _) => ["[!", letters, "/]"],
            (false, Some("")) => ["\\^", "", ""],
            (false, Some(rest)) => ["[", rest, "^]"],
            (false, None) => ["[", letters, "]"],
        };
        self.written.extend(parts);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_glob(pattern: &str, matching: &[&str], others: &[&str]) {
        let glob = Glob::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for name in matching {
            assert!(glob.matches(name), "{pattern} matches {name}");
        }
        for name in others {
            assert!(!glob.matches(name), "{pattern} does not match {name}");
        }
    }

    #[test]
    fn one_star_stays_within_a_name_and_two_do_not() {
        assert_glob("dir/*", &["dir/a", "dir/.b"], &["dir/a/b", "a", "x/dir/a"]);
        assert_glob("dir/**", &["dir/a", "dir/a/b"], &["dir2/a", "a/dir/b"]);
        assert_glob("**", &["a", "a/b/c"], &[]);
        assert_glob("*.js", &["a.js"], &["a/b.js"]);
        assert_glob("**.js", &["a.js", "a/b.js", "a/b/c.js"], &["a.jsx"]);
        assert_glob("feature**", &["feature", "feature-a", "feature/a", "feature/a/b"], &["fix"]);
        assert_glob("a**b", &["ab", "axb", "a/b", "ax/y/zb"], &["a/c", "b"]);
        assert_glob("x/**y/z", &["x/y/z", "x/ay/z", "x/a/by/z"], &["x/z"]);
    }

    #[test]
    fn two_stars_between_slashes_stand_for_no_directory_too() {
        assert_glob("common/**/*.js", &["common/app.js", "common/a/b/app.js"], &["app.js"]);
        assert_glob("**/README.md", &["README.md", "a/b/README.md"], &["xREADME.md"]);
    }

    #[test]
    fn a_bare_name_is_a_file_at_the_root() {
        assert_glob("file.jar", &["file.jar"], &["lib/file.jar"]);
    }

    #[test]
    fn sets_hold_letters_and_never_a_slash() {
        assert_glob("v[0-9]", &["v1"], &["va", "v10"]);
        assert_glob("v[!0-9]x", &["vax"], &["v1x", "v/x"]);
        assert_glob("[*?\\]", &["*", "?", "\\"], &["a"]);
        assert_glob("[-a]", &["-", "a"], &["b"]);
        assert_glob("[^a]", &["^", "a"], &["b"]);
        assert_glob("[^]", &["^"], &["a"]);
        assert_glob("a?c", &["abc"], &["a/c", "ac"]);
    }

    #[test]
    fn alternatives_hold_patterns() {
        assert_glob("*.{java,class}", &["a.java", "a.class"], &["a.js", "b/a.java"]);
        assert_glob("{src/**,docs/*.md}", &["src/a/b", "docs/a.md"], &["docs/b/a.md", "other"]);
        assert_glob("{**,x}", &["a", "a/b"], &[]);
        assert_glob("x{**/a,b}", &["xb", "xc/a", "xc/d/a"], &["a"]);
        assert_glob("v1{,.0}", &["v1", "v1.0"], &["v1.1"]);
        assert_glob("a}", &["a}"], &["a"]);
    }

    #[test]
    fn a_backslash_takes_the_next_letter_as_it_is() {
        assert_glob("a\\*", &["a*"], &["ab"]);
        assert_glob("a\\{b", &["a{b"], &["ab"]);
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (pattern, word) in [
            ("a[b", "unclosed"),
            ("a{b", "unclosed"),
            ("{a,{b,c}}", "inside"),
            ("a\\", "last"),
            ("[]", "empty"),
            ("[a/b]", "cannot stand"),
            ("[z-a]", "range"),
        ] {
            let error = Glob::new(pattern).expect_err(pattern);
            assert!(error.contains(word), "{pattern}: {error}");
        }
    }
}
