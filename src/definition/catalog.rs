//! Which action types there are, and what they take.

use crate::model::Category;

pub(super) struct ProviderSpec {
    pub(super) name: &'static str,
    pub(super) categories: &'static [Category],
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    /// How many input artifacts it takes.
    pub(super) inputs: std::ops::RangeInclusive<usize>,
    /// How many output artifacts it may have.
    pub(super) outputs: std::ops::RangeInclusive<usize>,
    /// The output variables it always has, apart from `output_variables`.
    pub(super) variables: &'static [&'static str],
}

pub(super) const PROVIDERS: &[ProviderSpec] = &[
    ProviderSpec {
        name: "Git",
        categories: &[Category::Source],
        required: &["BranchName"],
        optional: &["RepositoryPath", "PollInterval", "OutputArtifactFormat"],
        inputs: 0..=0,
        outputs: 1..=1,
        variables: &[
            "CommitId",
            "BranchName",
            "CommitMessage",
            "AuthorDisplayName",
            "AuthorEmail",
            "AuthorDate",
        ],
    },
    ProviderSpec {
        name: "Commands",
        categories: &[
            Category::Compute,
            Category::Build,
            Category::Test,
            Category::Deploy,
            Category::Invoke,
        ],
        required: &[],
        optional: &["Shell"],
        inputs: 1..=10,
        outputs: 0..=10,
        variables: &[],
    },
    ProviderSpec {
        name: "Manual",
        categories: &[Category::Approval],
        required: &[],
        optional: &["CustomData", "ExternalEntityLink", "TimeoutResult", "UndoWindow"],
        inputs: 0..=0,
        outputs: 0..=0,
        variables: &[],
    },
    ProviderSpec {
        name: "CodePipeline",
        categories: &[Category::Invoke],
        required: &["PipelineName"],
        optional: &["Variables", "WaitForCompletion"],
        inputs: 0..=1,
        outputs: 0..=0,
        variables: &["PipelineExecutionId"],
    },
    ProviderSpec {
        name: "Directory",
        categories: &[Category::Deploy],
        required: &["TargetPath"],
        optional: &["Extract", "KeepReleases"],
        inputs: 1..=1,
        outputs: 0..=0,
        variables: &["ReleasePath"],
    },
];

pub(super) fn find(category: Category, provider: &str) -> Option<&'static ProviderSpec> {
    PROVIDERS.iter().find(|spec| spec.name == provider && spec.categories.contains(&category))
}
