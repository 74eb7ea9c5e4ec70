//! Which rule providers there are, and the one that compares (CodePipeline user guide, rule
//! references).

use std::cmp::Ordering;

pub const VARIABLE_CHECK: &str = "VariableCheck";
pub const DEPLOYMENT_WINDOW: &str = "DeploymentWindow";
pub const COMMANDS: &str = "Commands";

pub struct RuleSpec {
    pub name: &'static str,
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

pub const PROVIDERS: &[RuleSpec] = &[
    RuleSpec { name: VARIABLE_CHECK, required: &["Variable", "Operator", "Value"], optional: &[] },
    RuleSpec { name: DEPLOYMENT_WINDOW, required: &["Cron"], optional: &["TimeZone"] },
    RuleSpec { name: COMMANDS, required: &[], optional: &["Shell"] },
];

/// CodePipeline's, and one of ours, that nothing here can run yet.
pub const LATER: &[&str] = &["LambdaInvoke", "CloudWatchAlarm", "Http"];

pub fn find(provider: &str) -> Option<&'static RuleSpec> {
    PROVIDERS.iter().find(|spec| spec.name == provider)
}

/// Compares a variable with a value. CodePipeline compares text only; the numeric and version
/// operators are ours.
pub struct VariableCheck<'a> {
    pub variable: &'a str,
    pub operator: &'a str,
    pub value: &'a str,
}

const OPERATORS: [&str; 12] = [
    "EQ",
    "NE",
    "CONTAINS",
    "MATCHES",
    "LT",
    "LE",
    "GT",
    "GE",
    "SEMVER_LT",
    "SEMVER_LE",
    "SEMVER_GT",
    "SEMVER_GE",
];

impl VariableCheck<'_> {
    pub fn check_operator(operator: &str) -> Result<(), String> {
        if OPERATORS.contains(&operator) {
            return Ok(());
        }
        Err(format!("`{operator}` is no operator; there is {}", OPERATORS.join(", ")))
    }

    /// Returns whether the check holds, or why it cannot be made.
    pub fn holds(&self) -> Result<bool, String> {
        let (variable, value) = (self.variable, self.value);
        if let Some(operator) = self.operator.strip_prefix("SEMVER_") {
            let order = version(variable)?.cmp_precedence(&version(value)?);
            return compare(operator, order);
        }
        match self.operator {
            "EQ" => Ok(variable == value),
            "NE" => Ok(variable != value),
            "CONTAINS" => Ok(variable.contains(value)),
            "MATCHES" => regex::Regex::new(&format!("^(?:{value})$"))
                .map(|pattern| pattern.is_match(variable))
                .map_err(|_| format!("`{value}` is no regular expression")),
            operator => {
                let order = number(variable)?.total_cmp(&number(value)?);
                compare(operator, order)
            }
        }
    }

    /// Returns the check in words, with the values that were compared.
    pub fn words(&self) -> String {
        format!("{} {} {}", self.variable, self.operator, self.value)
    }
}

fn compare(operator: &str, order: Ordering) -> Result<bool, String> {
    match operator {
        "LT" => Ok(order.is_lt()),
        "LE" => Ok(order.is_le()),
        "GT" => Ok(order.is_gt()),
        "GE" => Ok(order.is_ge()),
        other => Err(format!("`{other}` is no operator")),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let parsed = text.trim().parse::<f64>().ok().filter(|it| it.is_finite());
    // Minus zero equals zero.
    parsed.map(|it| it + 0.0).ok_or_else(|| format!("`{text}` is no number"))
}

fn version(text: &str) -> Result<semver::Version, String> {
    let bare = text.trim().strip_prefix('v').unwrap_or(text.trim());
    semver::Version::parse(bare).map_err(|_| format!("`{text}` is no version like 1.2.3"))
}

#[cfg(test)]
mod tests {
    use super::VariableCheck;

    fn holds(variable: &str, operator: &str, value: &str) -> Result<bool, String> {
        VariableCheck { variable, operator, value }.holds()
    }

    #[test]
    fn text_is_compared_as_text() {
        assert_eq!(holds("main", "EQ", "main"), Ok(true));
        assert_eq!(holds("main", "NE", "main"), Ok(false));
        assert_eq!(holds("release/1.2", "CONTAINS", "release/"), Ok(true));
        assert_eq!(holds("10", "EQ", "10.0"), Ok(false));
    }

    #[test]
    fn a_pattern_matches_the_whole_value() {
        assert_eq!(holds("v1.2", "MATCHES", r"v\d+\.\d+"), Ok(true));
        assert_eq!(holds("xv1.2", "MATCHES", r"v\d+\.\d+"), Ok(false));
    }

    #[test]
    fn numbers_and_versions_have_their_own_order() {
        assert_eq!(holds("9", "LT", "10"), Ok(true));
        assert_eq!(holds("9.5", "GE", "9.5"), Ok(true));
        assert_eq!(holds("v1.9.0", "SEMVER_LT", "1.10.0"), Ok(true));
        assert_eq!(holds("1.0.0-rc.1", "SEMVER_LT", "1.0.0"), Ok(true));
        assert!(holds("many", "GT", "1").unwrap_err().contains("`many` is no number"));
    }
}
