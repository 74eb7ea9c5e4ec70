//! Gates on stages that no person opens: conditions and their rules, and what follows a failure
//! (CodePipeline user guide, "Stage conditions", "Stage retry", "Stage rollback").

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{ArtifactName, RetryMode, RuleName, Span};

/// Where in a stage a condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConditionType {
    BeforeEntry,
    OnSuccess,
    OnFailure,
}

impl ConditionType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeEntry => "BEFORE_ENTRY",
            Self::OnSuccess => "ON_SUCCESS",
            Self::OnFailure => "ON_FAILURE",
        }
    }

    /// Returns the condition in the words of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::BeforeEntry => "entry condition",
            Self::OnSuccess => "success condition",
            Self::OnFailure => "failure condition",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a condition makes of its stage: of a failed one before entry and on success, of a met one
/// on failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConditionResult {
    Fail,
    Rollback,
    Retry,
    Skip,
}

impl ConditionResult {
    pub const ALL: [(&'static str, Self); 4] = [
        ("FAIL", Self::Fail),
        ("ROLLBACK", Self::Rollback),
        ("RETRY", Self::Retry),
        ("SKIP", Self::Skip),
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "FAIL",
            Self::Rollback => "ROLLBACK",
            Self::Retry => "RETRY",
            Self::Skip => "SKIP",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub result: ConditionResult,
    pub rules: Vec<Rule>,
}

impl Condition {
    pub fn rule(&self, name: &RuleName) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == *name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub name: RuleName,
    pub provider: String,
    pub configuration: BTreeMap<String, String>,
    pub commands: Vec<String>,
    pub input_artifacts: Vec<ArtifactName>,
    pub timeout: Option<Span>,
}

impl Rule {
    /// Returns the timeout that holds, an hour where none is given, as for actions.
    pub fn effective_timeout(&self) -> Span {
        self.timeout.unwrap_or(Span::HOUR)
    }
}

/// What a stage does about its failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    Fail,
    Rollback,
    Retry(RetryConfiguration),
    /// The result follows if every rule is met; else the stage just stays failed.
    Conditional(Condition),
}

/// How often something is tried again by itself. CodePipeline knows the mode only and tries once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryConfiguration {
    pub mode: RetryMode,
    pub attempts: u32,
    pub delay: Span,
    /// The delay is multiplied by this after every attempt.
    pub backoff: u32,
}

impl RetryConfiguration {
    /// Returns how long to wait before the retry `number`, which counts from 1.
    pub fn delay_before(&self, number: u32) -> Span {
        let factor = i64::from(self.backoff).saturating_pow(number.saturating_sub(1));
        Span(self.delay.0.saturating_mul(factor)).min(Self::LONGEST_DELAY)
    }

    /// Back-off stops growing here.
    const LONGEST_DELAY: Span = Span::DAY;
}
