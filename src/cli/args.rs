//! What can be typed. The words here are the `--help` pages.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::tui;

/// CodePipeline on your own machine, with a dashboard you can live in.
///
/// Without a verb: the dashboard. It attaches to the runtime that serves the state directory, or
/// runs one inside itself.
#[derive(Parser)]
#[command(name = "stagegate", version, propagate_version = true, after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
    #[command(flatten)]
    pub(super) global: Global,
}

const AFTER_HELP: &str = "\
Targets are written PIPELINE, PIPELINE/STAGE or PIPELINE/STAGE/ACTION.

Exit codes: 0 done, 1 the pipeline failed, 2 wrong usage or file, 3 stale or superseded,
4 rejected or refused, 5 timed out, 6 stopped at a gate, 130 interrupted.

Begin with `stagegate demo`, or in a repository with `stagegate init`.";

#[derive(Args)]
pub(super) struct Global {
    /// Where state is kept [default: `$XDG_STATE_HOME/stagegate`]
    #[arg(long, global = true, value_name = "DIR", env = "STAGEGATE_STATE_DIR")]
    pub(super) state_dir: Option<PathBuf>,

    /// A pipeline file, or a folder of them; may be repeated [default: stagegate.toml or
    /// .stagegate/*.toml of this repository, else `$XDG_CONFIG_HOME/stagegate/pipelines/`]
    #[arg(short = 'f', long = "file", global = true, value_name = "FILE|DIR")]
    pub(super) files: Vec<PathBuf>,

    /// A theme by name, a theme file, `base16:FILE`, or `auto` for one that fits the terminal's
    /// background; the dashboard's Ctrl+T shows them all
    #[arg(long, global = true, value_name = "NAME|FILE", env = "STAGEGATE_THEME")]
    pub(super) theme: Option<String>,

    /// Draw with ASCII characters only
    #[arg(long, global = true)]
    pub(super) ascii: bool,

    /// When to use colour; `auto` heeds `NO_COLOR`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: tui::ColorChoice,

    /// A dashboard that only looks: nothing can be started, decided or stopped from it
    #[arg(long, global = true)]
    pub(super) read_only: bool,

    /// Leave the mouse to the terminal
    #[arg(long, global = true)]
    pub(super) no_mouse: bool,

    /// Nothing moves on the screen by itself but elapsed times
    #[arg(long, global = true)]
    pub(super) no_motion: bool,

    /// How many actions run at a time, of all pipelines; who is over it waits in the order of the
    /// executions. Counts in the runtime that is started here [default: no limit]
    #[arg(long, global = true, value_name = "N", env = "STAGEGATE_MAX_ACTIONS")]
    pub(super) max_actions: Option<NonZeroUsize>,

    /// The settings [default: `$XDG_CONFIG_HOME/stagegate/config.toml`]
    #[arg(long, global = true, value_name = "FILE", env = "STAGEGATE_CONFIG")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Shows everything on a throw-away repository; nothing of yours is touched
    Demo(Demo),
    /// Writes a starter pipeline for the repository it stands in
    Init(Init),
    /// Runs without a screen and prints one line an event
    Watch(Watch),
    /// Shows the dashboard of the runtime that is there; never starts one
    Attach,
    /// Ends the runtime that serves the state directory
    Shutdown(Shutdown),
    /// Starts an execution, follows it, and exits with its result
    Run(Run),
    /// Starts an execution (`StartPipelineExecution`)
    Start(Start),
    /// Stops an execution (`StopPipelineExecution`)
    Stop(Stop),
    /// Runs a failed or stopped stage again (`RetryStageExecution`)
    Retry(Retry),
    /// Runs a stage as an earlier execution did (`RollbackStage`)
    Rollback(Rollback),
    /// Lets a stage go on although its condition does not (`OverrideStageCondition`)
    OverrideCondition(OverrideCondition),
    /// Approves at a gate (`PutApprovalResult`)
    Approve(Decide),
    /// Rejects at a gate (`PutApprovalResult`)
    Reject(Decide),
    /// Takes back an approval that has not taken effect yet
    Withdraw(Gate),
    /// Closes a gate for the newest execution that waits behind it
    GiveWay(Gate),
    /// Pins a note to a waiting gate for whoever comes next
    Note(Note),
    /// Enables or disables the inbound transition of a stage
    #[command(subcommand)]
    Transition(Transition),
    /// Pauses watching: new commits start nothing until it is resumed
    Pause(Watching),
    /// Resumes watching; the newest commit of each branch starts an execution, if there is a new one
    Resume(Watching),
    /// Forgets a pipeline whose file is gone; its history stays (`DeletePipeline`)
    Delete(Delete),
    /// Shows where every execution stands (`GetPipelineState`)
    Status(Status),
    /// Lists executions, newest first (`ListPipelineExecutions`)
    History(History),
    /// Shows one execution with its actions (`GetPipelineExecution`)
    Show(Show),
    /// Waits until an execution has ended, or stands at a gate, or has passed a stage
    Wait(Wait),
    /// Prints the logs of an execution's actions
    Logs(Logs),
    /// Prints what has happened, a line each, and with -F what happens
    Events(Events),
    /// Explains whether a commit would start an execution, filter by filter
    Triggers(Triggers),
    /// Removes logs, artifacts, workspaces and executions that the settings no longer keep. A
    /// runtime does so by itself every day
    Gc(Gc),
    /// Looks at what this machine offers: git, disk, history, runtime, watching, files, terminal
    Doctor(Doctor),
    /// Prints the JSON Schema of pipeline files, by which editors complete them
    Schema,
    /// Checks pipeline files and prints every problem
    Validate(Validate),
    /// Lists the themes of the dashboard, those in your own folder too
    Themes,
    /// Prints what a shell needs to complete stagegate's verbs and flags
    Completions(Completions),
}

#[derive(Args, Default)]
pub(super) struct Demo {
    /// Make the demo's repository and pipelines in this new folder and keep them
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
    /// Print plain lines instead of the dashboard, until every state has been reached
    #[arg(long)]
    pub(super) plain: bool,
}

#[derive(Args)]
pub(super) struct Watch {
    /// Go on in the background, whatever becomes of this terminal
    #[arg(long)]
    pub(super) detach: bool,
    #[arg(long, hide = true)]
    pub(super) background: bool,
}

/// Without an option at once: running actions go on, and the next runtime picks them up.
#[derive(Args)]
pub(super) struct Shutdown {
    /// Start nothing more, and end when the running actions have ended
    #[arg(long)]
    pub(super) when_idle: bool,
    /// End the running actions too; their executions count as Stopped
    #[arg(long, conflicts_with = "when_idle")]
    pub(super) abandon: bool,
}

#[derive(Args, Default)]
pub(super) struct Init {
    /// Replace a pipeline file that is there already
    #[arg(long)]
    pub(super) force: bool,
    /// Print the pipeline instead of writing it
    #[arg(long)]
    pub(super) print: bool,
}

#[derive(Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) start: Start,
    /// Wait at gates for somebody else to decide
    #[arg(long)]
    pub(super) wait_for_approval: bool,
}

#[derive(Args)]
pub(super) struct Start {
    pub(super) pipeline: String,
    /// The commit to release; anything git understands [default: the head of the branch]
    #[arg(long, value_name = "COMMIT")]
    pub(super) revision: Option<String>,
    /// The branch, and with it the lane, where a pipeline has several
    #[arg(long)]
    pub(super) branch: Option<String>,
    /// A pipeline variable for this execution; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(super) variables: Vec<String>,
    /// Leave a stage out of this execution; may be repeated
    #[arg(long, value_name = "STAGE")]
    pub(super) skip: Vec<String>,
    /// Begin with this stage, after the source stage; those before it are skipped
    #[arg(long, value_name = "STAGE")]
    pub(super) from: Option<String>,
    /// The same token twice starts one execution
    #[arg(long, value_name = "TOKEN")]
    pub(super) client_request_token: Option<String>,
}

#[derive(Args)]
pub(super) struct Selection {
    /// The execution, by its id or the beginning of it
    #[arg(long, value_name = "ID")]
    pub(super) execution: Option<String>,
    /// The lane, which is the branch
    #[arg(long)]
    pub(super) lane: Option<String>,
}

#[derive(Args)]
pub(super) struct Stop {
    /// PIPELINE
    pub(super) target: String,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// End running actions now instead of letting them finish
    #[arg(long)]
    pub(super) abandon: bool,
    /// Why
    #[arg(short = 'm', long = "message", default_value = "")]
    pub(super) reason: String,
}

#[derive(Args)]
pub(super) struct Retry {
    /// PIPELINE or PIPELINE/STAGE
    pub(super) target: String,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Run all actions of the stage again, not only the failed ones
    #[arg(long)]
    pub(super) all_actions: bool,
}

#[derive(Args)]
pub(super) struct Decide {
    /// PIPELINE/STAGE/ACTION; less is enough where only one gate is open
    pub(super) target: String,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// The token of the gate, as `status --json` shows it
    #[arg(long)]
    pub(super) token: Option<String>,
    /// Decide only if the gate holds this commit; required for a downgrade
    #[arg(long, value_name = "COMMIT")]
    pub(super) if_revision: Option<String>,
    /// A comment; a rejection needs one
    #[arg(short = 'm', long = "message", default_value = "")]
    pub(super) summary: String,
    /// When it takes effect: HH:MM today or tomorrow, YYYY-MM-DDTHH:MM, or in a while like 90m;
    /// until then `withdraw` takes it back
    #[arg(long, value_name = "WHEN")]
    pub(super) at: Option<String>,
}

#[derive(Args)]
pub(super) struct Gate {
    /// PIPELINE/STAGE/ACTION; less is enough where only one gate is open
    pub(super) target: String,
    #[command(flatten)]
    pub(super) selection: Selection,
}

#[derive(Args)]
pub(super) struct Note {
    #[command(flatten)]
    pub(super) gate: Gate,
    /// What to pin; an empty note takes the old one off
    #[arg(short = 'm', long = "message", required = true)]
    pub(super) text: String,
}

#[derive(Args)]
pub(super) struct Rollback {
    /// PIPELINE/STAGE
    pub(super) target: String,
    /// The execution to go back to [default: the last that succeeded before what is there now]
    #[arg(long, value_name = "ID")]
    pub(super) to: Option<String>,
    /// The lane, which is the branch; needed where a pipeline has several
    #[arg(long)]
    pub(super) lane: Option<String>,
}

#[derive(Args)]
pub(super) struct OverrideCondition {
    /// PIPELINE/STAGE
    pub(super) target: String,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Which condition: `BEFORE_ENTRY`, `ON_SUCCESS` or `ON_FAILURE` [default: the one in the way]
    #[arg(long, value_name = "TYPE")]
    pub(super) condition_type: Option<String>,
    /// Why
    #[arg(short = 'm', long = "reason", required = true)]
    pub(super) reason: String,
}

#[derive(Args)]
pub(super) struct Watching {
    pub(super) pipeline: String,
}

#[derive(Args)]
pub(super) struct Delete {
    pub(super) pipeline: String,
}

#[derive(Subcommand)]
pub(super) enum Transition {
    /// Lets executions into the stage again
    Enable(TransitionTarget),
    /// Holds executions before the stage
    Disable(TransitionDisable),
}

#[derive(Args)]
pub(super) struct TransitionTarget {
    /// PIPELINE/STAGE
    pub(super) target: String,
}

#[derive(Args)]
pub(super) struct TransitionDisable {
    /// PIPELINE/STAGE
    pub(super) target: String,
    /// Why
    #[arg(short = 'm', long = "reason", required = true)]
    pub(super) reason: String,
}

#[derive(Args)]
pub(super) struct Status {
    /// PIPELINE; all of them if absent
    pub(super) pipeline: Option<String>,
    /// Print `GetPipelineState`'s response
    #[arg(long)]
    pub(super) json: bool,
    /// Only this lane
    #[arg(long)]
    pub(super) lane: Option<String>,
}

#[derive(Args)]
pub(super) struct History {
    /// Whose executions; `--decisions` without one shows those about every pipeline
    #[arg(required_unless_present = "decisions")]
    pub(super) pipeline: Option<String>,
    /// Show what operators have decided, for which revision and why: approvals, overrides, stops,
    /// retries, transitions. These are kept for ever
    #[arg(long)]
    pub(super) decisions: bool,
    /// Print `ListPipelineExecutions`' response
    #[arg(long)]
    pub(super) json: bool,
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub(super) limit: usize,
}

#[derive(Args)]
pub(super) struct Gc {
    /// Only say what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print counts and bytes as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The exit code is 2 if something is bad.
#[derive(Args)]
pub(super) struct Doctor {
    /// Print a list of what was found
    #[arg(long)]
    pub(super) json: bool,
}

/// The exit code says how it ended, as that of `run` does.
#[derive(Args)]
pub(super) struct Wait {
    /// The execution, by its id or the beginning of it; by a pipeline's name its newest
    pub(super) execution: String,
    /// The execution of the pipeline that releases this commit, also if it has yet to start
    #[arg(long, value_name = "COMMIT")]
    pub(super) revision: Option<String>,
    /// The newest execution of the pipeline in this lane, which is the branch
    #[arg(long)]
    pub(super) lane: Option<String>,
    /// What to wait for: `end`, `gate`, or the name of a stage that is to succeed
    #[arg(long = "for", value_name = "WHAT", default_value = "end")]
    pub(super) goal: String,
    /// How long, such as 90s or 20m; then the exit code is 5
    #[arg(long, value_name = "TIME")]
    pub(super) timeout: Option<String>,
}

#[derive(Args)]
pub(super) struct Show {
    /// The execution, by its id or the beginning of it; by a pipeline's name its newest
    pub(super) execution: String,
    /// Of a pipeline the newest in this lane
    #[arg(long)]
    pub(super) lane: Option<String>,
    /// Print `GetPipelineExecution`'s response with actionExecutionDetails
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
pub(super) struct Logs {
    /// The execution, by its id or the beginning of it; or PIPELINE, PIPELINE/STAGE,
    /// PIPELINE/STAGE/ACTION of its newest
    #[arg(value_name = "EXECUTION|TARGET")]
    pub(super) execution: String,
    /// STAGE/ACTION; all actions if absent
    pub(super) target: Option<String>,
    /// Of a pipeline the newest execution in this lane
    #[arg(long)]
    pub(super) lane: Option<String>,
    /// Go on printing until the execution has ended
    #[arg(short = 'F', long)]
    pub(super) follow: bool,
}

#[derive(Args)]
pub(super) struct Events {
    /// Of one pipeline only
    pub(super) pipeline: Option<String>,
    /// Go on until the runtime ends
    #[arg(short = 'F', long)]
    pub(super) follow: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
    /// How many of the past at most
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub(super) limit: usize,
}

#[derive(Args)]
pub(super) struct Completions {
    pub(super) shell: clap_complete::Shell,
}

#[derive(Args)]
pub(super) struct Triggers {
    pub(super) pipeline: String,
    /// The commit; anything git understands
    pub(super) commit: String,
    /// The branch it is pushed to [default: those whose tip it is, else the source's `BranchName`]
    #[arg(long, conflicts_with = "tag")]
    pub(super) branch: Option<String>,
    /// The tag it is given
    #[arg(long)]
    pub(super) tag: Option<String>,
    /// Where the branch stood before [default: the commit's first parent]
    #[arg(long, value_name = "COMMIT")]
    pub(super) since: Option<String>,
    /// Print the explanation as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
pub(super) struct Validate {
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// Print the problems as JSON
    #[arg(long)]
    pub(super) json: bool,
}
