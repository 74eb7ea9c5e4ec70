//! Reads typed fields from a tree and notes what does not fit, without stopping at the first.

use std::{cell::RefCell, collections::BTreeSet, ops::Range};

use super::{
    node::{Entry, Node, Value},
    problem::Problem,
};

/// A value and its bytes in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

pub(super) fn texts(located: Vec<Located<String>>) -> Vec<String> {
    located.into_iter().map(|it| it.value).collect()
}

impl<T> Located<T> {
    pub(super) fn new(value: T, span: &Range<usize>) -> Self {
        Self { value, span: span.clone() }
    }
}

#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    pub(super) fn extend(&self, problems: Vec<Problem>) {
        self.0.borrow_mut().extend(problems);
    }

    pub(super) fn into_inner(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One table. Fields are named by their TOML key; CodePipeline's JSON spelling is known too.
pub(super) struct TableReader<'a> {
    entries: &'a [Entry],
    pub(super) span: Range<usize>,
    problems: &'a Problems,
    asked: BTreeSet<String>,
}

impl<'a> TableReader<'a> {
    pub(super) fn new(node: &'a Node, what: &str, problems: &'a Problems) -> Option<Self> {
        if let Value::Table(entries) = &node.value {
            let (span, asked) = (node.span.clone(), BTreeSet::new());
            return Some(Self { entries, span, problems, asked });
        }
        let found = node.value.kind();
        problems.push(Problem::new(&node.span, format!("{what} is a table, not {found}")));
        None
    }

    fn take(&mut self, key: &str) -> Option<&'a Entry> {
        let spellings = [key.to_owned(), camel_case(key), format!("{}s", camel_case(key))];
        let mut found = self.entries.iter().filter(|entry| spellings.contains(&entry.key));
        let first = found.next();
        if let Some(second) = found.next() {
            let message = format!("`{}` and another spelling of it are both given", second.key);
            self.problems.push(Problem::new(&second.key_span, message));
        }
        self.asked.insert(key.to_owned());
        first.filter(|entry| !matches!(entry.node.value, Value::Null))
    }

    pub(super) fn node(&mut self, key: &str) -> Option<&'a Node> {
        self.take(key).map(|entry| &entry.node)
    }

    /// Accepts a key without using it: part of CodePipeline's declaration, without meaning here.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.take(key);
        }
    }

    /// Accepts a key only to say that this version cannot honour it.
    pub(super) fn unavailable(&mut self, keys: &[&str]) {
        for key in keys {
            if let Some(entry) = self.take(key) {
                let message = format!("`{}` is not available in this version", entry.key);
                let remedy = "remove it: it would otherwise be silently without effect";
                self.problems.push(Problem::new(&entry.key_span, message).remedy(remedy));
            }
        }
    }

    /// Accepts a key only to say why there is nothing for it here.
    pub(super) fn refuse(&mut self, key: &str, message: &str, remedy: &str) {
        if let Some(entry) = self.take(key) {
            let problem = Problem::new(&entry.key_span, message).remedy(remedy);
            self.problems.push(problem);
        }
    }

    pub(super) fn string(&mut self, key: &str) -> Option<Located<String>> {
        let entry = self.take(key)?;
        self.string_of(&entry.node, key)
    }

    fn string_of(&self, node: &Node, key: &str) -> Option<Located<String>> {
        match &node.value {
            Value::String(text) => Some(Located::new(text.clone(), &node.span)),
            other => {
                let mut problem =
                    Problem::new(&node.span, format!("`{key}` is a string, not {}", other.kind()));
                if let Value::Integer(_) | Value::Boolean(_) = other {
                    problem = problem.remedy("put it in quotes");
                }
                self.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn integer(&mut self, key: &str) -> Option<Located<i64>> {
        let entry = self.take(key)?;
        match &entry.node.value {
            Value::Integer(number) => Some(Located::new(*number, &entry.node.span)),
            other => {
                let message = format!("`{key}` is a whole number, not {}", other.kind());
                self.problems.push(Problem::new(&entry.node.span, message));
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        let entry = self.take(key)?;
        match &entry.node.value {
            Value::Boolean(value) => Some(*value),
            other => {
                let message = format!("`{key}` is true or false, not {}", other.kind());
                self.problems.push(Problem::new(&entry.node.span, message));
                None
            }
        }
    }

    /// Reads a list; a missing key is an empty one.
    pub(super) fn list(&mut self, key: &str) -> &'a [Node] {
        match self.take(key).map(|entry| &entry.node) {
            None => &[],
            Some(Node { value: Value::Array(items), .. }) => items,
            Some(node) => {
                let message = format!("`{key}` is a list, not {}", node.value.kind());
                self.problems.push(Problem::new(&node.span, message));
                &[]
            }
        }
    }

    pub(super) fn strings(&mut self, key: &str) -> Vec<Located<String>> {
        let items = self.list(key);
        items.iter().filter_map(|node| self.string_of(node, key)).collect()
    }

    /// Reads a list whose items are names, or tables that hold one under `name`.
    pub(super) fn names(&mut self, key: &str) -> Vec<Located<String>> {
        let items = self.list(key);
        let names = items.iter().filter_map(|node| match &node.value {
            Value::Table(_) => {
                let mut table = TableReader::new(node, key, self.problems)?;
                let name = table.required_string("name");
                table.finish();
                name
            }
            _ => self.string_of(node, key),
        });
        names.collect()
    }

    /// Reads a table of strings, each with the bytes of its key.
    pub(super) fn string_map(&mut self, key: &str) -> Vec<(Located<String>, Located<String>)> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        let Some(table) = TableReader::new(&entry.node, key, self.problems) else {
            return Vec::new();
        };
        let pairs = table.entries.iter().filter_map(|entry| {
            let value = table.string_of(&entry.node, &entry.key)?;
            Some((Located::new(entry.key.clone(), &entry.key_span), value))
        });
        pairs.collect()
    }

    pub(super) fn required_string(&mut self, key: &str) -> Option<Located<String>> {
        if self.entries.iter().any(|entry| entry.key == key || entry.key == camel_case(key)) {
            return self.string(key);
        }
        self.asked.insert(key.to_owned());
        let start = self.span.start;
        let here = start..self.span.end.min(start + 1).max(start);
        self.problems.push(Problem::new(&here, format!("`{key}` is missing")));
        None
    }

    /// Reads a string that must be one of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let chosen = choices.iter().find(|(word, _)| *word == text.value);
        if chosen.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let message = format!("`{}` is none of {}", text.value, words.join(", "));
            let problem = Problem::new(&text.span, message);
            self.problems.push(match nearest(&text.value, words.iter().copied()) {
                Some(word) => problem.remedy(format!("did you mean `{word}`?")),
                None => problem,
            });
        }
        chosen.map(|(_, value)| *value)
    }

    /// Notes every key nobody asked for, with the nearest one that is known.
    pub(super) fn finish(self) {
        for entry in self.entries {
            let known = self.asked.iter().any(|key| {
                entry.key == *key
                    || entry.key == camel_case(key)
                    || entry.key == format!("{}s", camel_case(key))
            });
            if known {
                continue;
            }
            let problem = Problem::new(&entry.key_span, format!("unknown key `{}`", entry.key));
            let known = self.asked.iter().map(String::as_str);
            self.problems.push(match nearest(&entry.key, known.clone()) {
                Some(key) => problem.remedy(format!("did you mean `{key}`?")),
                None => {
                    problem.remedy(format!("known here: {}", known.collect::<Vec<_>>().join(", ")))
                }
            });
        }
    }
}

/// Returns the known word that is most like `wrong`, if one is close enough to be meant.
pub(super) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let scored = known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&wrong.to_lowercase(), &word.to_lowercase()), word));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}

fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}
