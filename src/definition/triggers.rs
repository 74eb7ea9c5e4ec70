//! Reads `triggers`: our TOML, or CodePipeline's JSON with its `gitConfiguration`.

use std::ops::Range;

use super::{
    node::Node,
    reader::{Located, Problems, TableReader, texts},
};
use crate::model::{Patterns, PipelineTrigger, PushFilter, Schedule};

#[derive(Debug)]
pub(super) struct DraftTrigger {
    pub(super) source_action: Located<String>,
    pub(super) push: Vec<DraftPushFilter>,
    pub(super) schedule: Option<DraftSchedule>,
}

#[derive(Debug)]
pub(super) struct DraftPushFilter {
    pub(super) branches: Option<DraftPatterns>,
    pub(super) tags: Option<DraftPatterns>,
    pub(super) file_paths: Option<DraftPatterns>,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) struct DraftPatterns {
    /// Present if the key is, even with nothing in it.
    pub(super) includes: Option<Located<Vec<Located<String>>>>,
    pub(super) excludes: Option<Located<Vec<Located<String>>>>,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) struct DraftSchedule {
    pub(super) cron: Located<String>,
    pub(super) time_zone: Option<Located<String>>,
    pub(super) branch: Option<Located<String>>,
    pub(super) span: Range<usize>,
}

pub(super) fn decode(node: &Node, problems: &Problems) -> Option<DraftTrigger> {
    let mut table = TableReader::new(node, "a trigger", problems)?;
    // CodePipeline knows one type of provider here, the connection; ours is the local repository.
    table.ignore(&["provider_type"]);
    let (source_action, push) = match table.node("git_configuration") {
        Some(node) => {
            let mut inner = TableReader::new(node, "`gitConfiguration`", problems)?;
            let source_action = inner.required_string("source_action_name");
            let push = decode_push(&mut inner, problems);
            inner.finish();
            (source_action, push)
        }
        None => {
            let source_action = table.required_string("source_action");
            (source_action, decode_push(&mut table, problems))
        }
    };
    let schedule = table.node("schedule").and_then(|node| decode_schedule(node, problems));
    table.finish();
    Some(DraftTrigger { source_action: source_action?, push, schedule })
}

fn decode_push(table: &mut TableReader<'_>, problems: &Problems) -> Vec<DraftPushFilter> {
    table.refuse(
        "pull_request",
        "there are no pull requests in a local repository",
        "filter pushes to the branch that they would be merged into",
    );
    let filters = table.list("push").iter();
    filters.filter_map(|node| decode_filter(node, problems)).collect()
}

fn decode_filter(node: &Node, problems: &Problems) -> Option<DraftPushFilter> {
    let mut table = TableReader::new(node, "a push filter", problems)?;
    let mut patterns = |key: &str| {
        let node = table.node(key)?;
        let mut table = TableReader::new(node, key, problems)?;
        let mut list = |key: &str| {
            let span = table.node(key)?.span.clone();
            Some(Located::new(table.strings(key), &span))
        };
        let (includes, excludes) = (list("includes"), list("excludes"));
        table.finish();
        Some(DraftPatterns { includes, excludes, span: node.span.clone() })
    };
    let (branches, tags) = (patterns("branches"), patterns("tags"));
    let file_paths = patterns("file_paths");
    table.finish();
    Some(DraftPushFilter { branches, tags, file_paths, span: node.span.clone() })
}

fn decode_schedule(node: &Node, problems: &Problems) -> Option<DraftSchedule> {
    let mut table = TableReader::new(node, "a schedule", problems)?;
    let cron = table.required_string("cron");
    let (time_zone, branch) = (table.string("time_zone"), table.string("branch"));
    table.finish();
    Some(DraftSchedule { cron: cron?, time_zone, branch, span: node.span.clone() })
}

impl DraftTrigger {
    pub(super) fn into_trigger(self) -> PipelineTrigger {
        PipelineTrigger {
            source_action: self.source_action.value.into(),
            push: self.push.iter().map(DraftPushFilter::filter).collect(),
            schedule: self.schedule.map(|it| Schedule {
                cron: it.cron.value,
                time_zone: it
                    .time_zone
                    .map_or_else(|| Schedule::DEFAULT_TIME_ZONE.to_owned(), |it| it.value),
                branch: it.branch.map(|it| it.value),
            }),
        }
    }
}

impl DraftPushFilter {
    pub(super) fn filter(&self) -> PushFilter {
        let patterns = |draft: &Option<DraftPatterns>| draft.as_ref().map(DraftPatterns::patterns);
        PushFilter {
            branches: patterns(&self.branches),
            tags: patterns(&self.tags),
            file_paths: patterns(&self.file_paths),
        }
    }

    /// Returns the parts that are given, each with its name.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &DraftPatterns)> {
        let parts =
            [("branches", &self.branches), ("tags", &self.tags), ("file_paths", &self.file_paths)];
        parts.into_iter().filter_map(|(name, patterns)| Some((name, patterns.as_ref()?)))
    }
}

impl DraftPatterns {
    fn patterns(&self) -> Patterns {
        let list = |list: &Option<Located<Vec<Located<String>>>>| {
            list.as_ref().map(|it| texts(it.value.clone())).unwrap_or_default()
        };
        Patterns { includes: list(&self.includes), excludes: list(&self.excludes) }
    }

    /// Returns the lists that are given, each with its name.
    pub(super) fn lists(
        &self,
    ) -> impl Iterator<Item = (&'static str, &Located<Vec<Located<String>>>)> {
        let lists = [("includes", &self.includes), ("excludes", &self.excludes)];
        lists.into_iter().filter_map(|(name, list)| Some((name, list.as_ref()?)))
    }
}
