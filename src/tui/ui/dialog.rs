//! Dialogs: what is about to happen, in words, before it happens.
//!
//! A dialog never opens by itself. For a moment after it has opened it takes no confirmation, so
//! that typing meant for something else cannot answer it.

use std::sync::Arc;

use super::{Ui, Wish, field::TextField};
use crate::{
    ansi,
    engine::{
        Request, TransitionChange,
        board::{GateAt, LaneCard, StageCard},
    },
    host::clock,
    model::{
        ApprovalStatus, ApprovalToken, ConditionType, ExecutionId, GateRef, Lane, PipelineName,
        RetryMode, Span, StageName, StopMode, Timestamp,
    },
    runtime::{Operation, lookup::ExecutionRecord, review::Review},
    tui::{Leave, Ownership},
};

/// How long a new dialog ignores its confirming key.
const ARMING: Span = Span(300);

pub(crate) struct Dialog {
    pub subject: Subject,
    pub title: String,
    /// What the dialog says, apart from a gate's review.
    pub lines: Vec<String>,
    pub field: Option<Field>,
    /// When a decision takes effect, if not at once.
    pub effect: Option<Field>,
    pub scroll: usize,
    /// The commit that is selected at a gate, and how many there are.
    pub selected: usize,
    pub commits: usize,
    pub opened_at: Timestamp,
}

pub(crate) struct Field {
    pub label: &'static str,
    pub input: TextField,
    /// Keys go into the field until it is left with Tab, Enter or Esc.
    pub active: bool,
    pub required: Required,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Required {
    No,
    Something,
    Exactly(String),
}

/// What the dialog is about; it keeps names and tokens, never positions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Subject {
    Gate {
        gate: GateRef,
        revision: String,
        status: ApprovalStatus,
    },
    /// Several gates, each with its own token.
    Gates {
        gates: Vec<GateRef>,
        status: ApprovalStatus,
    },
    Start {
        pipeline: PipelineName,
        lane: Option<Lane>,
    },
    Rollback {
        pipeline: PipelineName,
        lane: Lane,
        stage: StageName,
        /// The last success before what is there now, if absent.
        target: Option<ExecutionId>,
    },
    /// What is asked for as it stands, apart from the text that is typed.
    Plain {
        verb: &'static str,
        request: Box<Request>,
    },
    Quit,
}

impl Subject {
    fn plain(verb: &'static str, request: Request) -> Self {
        Self::Plain { verb, request: Box::new(request) }
    }
}

impl Dialog {
    fn new(subject: Subject, title: String, lines: Vec<String>, now: Timestamp) -> Self {
        Self {
            subject,
            title,
            lines,
            field: None,
            effect: None,
            scroll: 0,
            selected: 0,
            commits: 0,
            opened_at: now,
        }
    }

    fn with_field(mut self, label: &'static str, required: Required, active: bool) -> Self {
        self.field = Some(Field { label, input: TextField::default(), active, required });
        self
    }

    pub(crate) fn gate(at: GateAt<'_>, status: ApprovalStatus, now: Timestamp) -> Self {
        let subject = Subject::Gate {
            gate: at.reference(),
            revision: at.execution.revision.id.short().to_owned(),
            status,
        };
        let title = format!("Review: {} / {}", at.stage.name, at.action.name);
        Self::new(subject, title, Vec::new(), now).with_words_for(status)
    }

    /// An approval may have a comment, a rejection has its reason.
    fn with_words_for(self, status: ApprovalStatus) -> Self {
        match status {
            ApprovalStatus::Approved => self.with_field("comment", Required::No, false),
            ApprovalStatus::Rejected => self.with_field("reason", Required::Something, true),
        }
    }

    /// Lists what each of the gates would let through.
    pub(crate) fn gates(gates: &[GateAt<'_>], status: ApprovalStatus, now: Timestamp) -> Self {
        let mut lines = Vec::new();
        for at in gates {
            let revision = &at.execution.revision;
            let (pipeline, lane) = (&at.pipeline.name, at.lane.lane.label());
            lines.push(ansi::one_line(&format!("{pipeline} / {lane}: {}", at.stage.name)));
            let there = at.stage.last_success.as_ref().map(|it| &it.revision);
            let there = there.map_or("; nothing is there yet".to_owned(), |it| {
                format!(" in place of {} {}", it.id.short(), it.subject())
            });
            lines.push(ansi::one_line(&format!(
                "brings {} {}{there}",
                revision.id.short(),
                revision.subject()
            )));
        }
        lines.push(String::new());
        lines.push(
            "Each is decided by itself. A downgrade is refused and stays open: review it alone."
                .to_owned(),
        );
        let verb = match status {
            ApprovalStatus::Approved => "Approve",
            ApprovalStatus::Rejected => "REJECT",
        };
        let title = format!("{verb} {} gates", gates.len());
        let gates = gates.iter().map(GateAt::reference).collect();
        let subject = Subject::Gates { gates, status };
        Self::new(subject, title, lines, now).with_words_for(status)
    }

    pub(crate) fn stop(
        pipeline: &PipelineName,
        execution: ExecutionId,
        commit: &str,
        mode: StopMode,
        now: Timestamp,
    ) -> Self {
        let (verb, what) = match mode {
            StopMode::Wait => ("stop", "Running actions finish, nothing further starts."),
            StopMode::Abandon => (
                "abandon",
                "Running actions are ended now (TERM, then KILL) and count as Abandoned.",
            ),
        };
        let lines = vec![
            format!("Stop {} ({commit}) of {pipeline}.", execution.short()),
            what.to_owned(),
            "A waiting execution may enter the stage; disable its transition first to keep it out."
                .to_owned(),
        ];
        let (pipeline, reason) = (pipeline.clone(), String::new());
        let request = Request::StopPipelineExecution { pipeline, execution, mode, reason };
        Self::new(Subject::plain(verb, request), "Stop execution".to_owned(), lines, now)
            .with_field("reason", Required::No, false)
    }

    pub(crate) fn retry_all(
        pipeline: &PipelineName,
        stage: &StageName,
        execution: ExecutionId,
        now: Timestamp,
    ) -> Self {
        let lines = vec![format!(
            "Run all actions of {stage} again for {}, also those that succeeded.",
            execution.short()
        )];
        let (pipeline, stage, mode) = (pipeline.clone(), stage.clone(), RetryMode::AllActions);
        let request = Request::RetryStageExecution { pipeline, stage, execution, mode };
        Self::new(Subject::plain("retry", request), "Retry stage".to_owned(), lines, now)
    }

    pub(crate) fn start(pipeline: &PipelineName, lane: Option<&LaneCard>, now: Timestamp) -> Self {
        let lane = lane.map(|it| it.lane.clone());
        let words = lane.as_ref().map_or("its branch", |lane| lane.label());
        let lines = vec![format!("Start an execution of {pipeline} at the head of {words}.")];
        let subject = Subject::Start { pipeline: pipeline.clone(), lane };
        Self::new(subject, "Start execution".to_owned(), lines, now).with_field(
            "commit (empty: the head)",
            Required::No,
            false,
        )
    }

    pub(crate) fn transition(
        pipeline: &PipelineName,
        stage: &StageName,
        enable: bool,
        now: Timestamp,
    ) -> Self {
        let (verb, change, words) = if enable {
            let words =
                format!("Enable the transition into {stage}: what waits before it may enter.");
            ("enable", TransitionChange::Enable, words)
        } else {
            let words = format!(
                "Disable the transition into {stage}: executions wait before it, in every lane."
            );
            ("disable", TransitionChange::Disable { reason: String::new() }, words)
        };
        let (pipeline, stage) = (pipeline.clone(), stage.clone());
        let request = Request::SetStageTransition { pipeline, stage, change };
        let subject = Subject::plain(verb, request);
        let dialog = Self::new(subject, "Transition".to_owned(), vec![words], now);
        if enable { dialog } else { dialog.with_field("reason", Required::Something, true) }
    }

    pub(crate) fn rollback(
        pipeline: &PipelineName,
        lane: &Lane,
        stage: &StageName,
        target: Option<&ExecutionRecord>,
        now: Timestamp,
    ) -> Self {
        let mut lines = match target.and_then(|it| it.revisions.first()) {
            None => {
                vec![format!("Run {stage} again as the last success before what is there now did:")]
            }
            Some(revision) => vec![
                format!("Run {stage} again as it succeeded with"),
                ansi::one_line(&format!("{} {}:", revision.id.short(), revision.subject())),
            ],
        };
        lines.push(
            "with its commit, artifacts and variables, as an execution of type ROLLBACK."
                .to_owned(),
        );
        let (pipeline, lane, stage) = (pipeline.clone(), lane.clone(), stage.clone());
        let target = target.map(|it| it.id);
        let subject = Subject::Rollback { pipeline, lane, stage, target };
        Self::new(subject, "Roll back stage".to_owned(), lines, now)
    }

    pub(crate) fn override_condition(
        pipeline: &PipelineName,
        stage: &StageName,
        execution: ExecutionId,
        condition: ConditionType,
        now: Timestamp,
    ) -> Self {
        let words = condition.words();
        let lines = vec![format!("Let {stage} go on although its {words} does not hold.")];
        let request = Request::OverrideStageCondition {
            pipeline: pipeline.clone(),
            stage: stage.clone(),
            execution,
            condition,
            reason: String::new(),
        };
        let subject = Subject::plain("override", request);
        Self::new(subject, "Override condition".to_owned(), lines, now).with_field(
            "reason",
            Required::Something,
            true,
        )
    }

    pub(crate) fn give_way(at: GateAt<'_>, now: Timestamp) -> Self {
        let lines = vec![
            format!(
                "Close the gate for {}: it counts as Superseded.",
                at.execution.revision.id.short()
            ),
            "The newest execution behind it enters and comes to the gate itself.".to_owned(),
        ];
        let request = Request::GiveWay { gate: at.reference() };
        let subject = Subject::plain("give way", request);
        Self::new(subject, "Give way".to_owned(), lines, now)
    }

    pub(crate) fn note(at: GateAt<'_>, now: Timestamp) -> Self {
        let request = Request::NoteApproval { gate: at.reference(), text: String::new() };
        let lines =
            vec!["For whoever comes to this gate next; empty takes the note off.".to_owned()];
        let subject = Subject::plain("pin", request);
        Self::new(subject, "Note".to_owned(), lines, now).with_field("note", Required::No, true)
    }

    /// What may become of the runtime when somebody leaves.
    pub(crate) fn quit(ownership: Ownership, something_runs: bool, now: Timestamp) -> Self {
        let mut lines = match ownership {
            Ownership::Attached => vec![
                "The runtime is a process of its own.".to_owned(),
                "y  leave; the runtime goes on".to_owned(),
            ],
            Ownership::Inside | Ownership::Demo => vec![
                "The runtime is part of this dashboard. Gates keep waiting in any case.".to_owned(),
                "b  leave, and the runtime goes on in the background: `stagegate` attaches to it"
                    .to_owned(),
                "y  leave, and commits are not watched until the next start, which also picks up \
                 the actions that run now"
                    .to_owned(),
            ],
        };
        if something_runs {
            lines.push(
                "w  wait: nothing more starts, and the runtime ends when the running actions have"
                    .to_owned(),
            );
            lines.push(
                "X  end the running actions now (TERM, then KILL), and the runtime".to_owned(),
            );
        }
        Self::new(Subject::Quit, "Leave".to_owned(), lines, now)
    }

    fn fields(&mut self) -> impl Iterator<Item = &mut Field> {
        self.field.iter_mut().chain(&mut self.effect)
    }

    pub(crate) fn has_active_field(&self) -> bool {
        self.field.iter().chain(&self.effect).any(|field| field.active)
    }

    pub(crate) fn active_field(&mut self) -> Option<&mut Field> {
        self.fields().find(|field| field.active)
    }

    /// Goes into the first field, on to the next, and after the last one out again.
    pub(crate) fn next_field(&mut self) {
        let mut was_active = !self.has_active_field();
        for field in self.fields() {
            let goes_on = std::mem::replace(&mut field.active, was_active);
            was_active = goes_on;
        }
    }

    pub(crate) fn leave_fields(&mut self) {
        self.fields().for_each(|field| field.active = false);
    }

    /// Asks when the decision is to take effect.
    pub(crate) fn defer(&mut self) {
        if let Subject::Gate { status: ApprovalStatus::Approved, .. } = &self.subject {
            self.leave_fields();
            let field = Field {
                label: "takes effect (22:00, 2026-12-01T08:30, 90m)",
                input: TextField::default(),
                active: true,
                required: Required::No,
            };
            self.effect.get_or_insert(field).active = true;
        }
    }

    /// Moves through the commits of a gate, else through the lines.
    pub(crate) fn scroll_by(&mut self, lines: isize) {
        if self.commits > 0 {
            let last = self.commits - 1;
            self.selected = self.selected.saturating_add_signed(lines).min(last);
            // Beyond the last commit come the files and what runs next.
            let beyond = lines > 0 && self.selected == last;
            self.scroll = if beyond { self.scroll + lines.unsigned_abs() } else { 0 };
        } else {
            self.scroll = self.scroll.saturating_add_signed(lines);
        }
    }

    /// A downgrade wants the revision typed before it can be approved.
    pub(crate) fn review_arrived(&mut self, arrived: ApprovalToken, review: &Arc<Review>) {
        let Subject::Gate { gate, revision, status } = &self.subject else { return };
        if gate.token == arrived {
            self.commits = review.commits.len();
        }
        if gate.token == arrived && *status == ApprovalStatus::Approved && review.is_downgrade() {
            let required = Required::Exactly(revision.clone());
            if let Some(field) = &mut self.field
                && field.required != required
            {
                (field.label, field.required, field.active) = ("type the commit", required, true);
            }
        }
    }

    /// Turns an approval into a rejection that wants its reason.
    pub(crate) fn reject_instead(&mut self) {
        if let Subject::Gate { status, .. } = &mut self.subject {
            *status = ApprovalStatus::Rejected;
            let input = self.field.take().map(|it| it.input).unwrap_or_default();
            let required = Required::Something;
            self.field = Some(Field { label: "reason", input, active: true, required });
            self.effect = None;
        }
    }

    /// Says why `y` would do nothing yet.
    pub(crate) fn missing(&self, now: Timestamp) -> Option<String> {
        if let Some(text) = self.effect_text()
            && clock::moment(text, now).is_none()
        {
            return Some(format!("`{text}` is no moment to come"));
        }
        let field = self.field.as_ref()?;
        let text = field.input.text().trim();
        match &field.required {
            Required::Something if text.is_empty() => Some(format!("a {} is needed", field.label)),
            Required::Exactly(wanted) if text != wanted => {
                Some(format!("type {wanted} to approve a DOWNGRADE"))
            }
            Required::No | Required::Something | Required::Exactly(_) => None,
        }
    }

    fn effect_text(&self) -> Option<&str> {
        self.effect.as_ref().map(|field| field.input.text().trim()).filter(|it| !it.is_empty())
    }

    pub(crate) fn is_armed(&self, now: Timestamp) -> bool {
        now.since(self.opened_at) >= ARMING
    }

    /// Says in one word what `y` does.
    pub(crate) fn verb(&self) -> &'static str {
        match &self.subject {
            Subject::Gate { status: ApprovalStatus::Approved, .. } => "approve",
            Subject::Gate { status: ApprovalStatus::Rejected, .. } => "reject",
            Subject::Gates { status: ApprovalStatus::Approved, .. } => "approve all",
            Subject::Gates { status: ApprovalStatus::Rejected, .. } => "reject all",
            Subject::Start { .. } => "start",
            Subject::Rollback { .. } => "roll back",
            Subject::Plain { verb, .. } => verb,
            Subject::Quit => "leave",
        }
    }

    /// Returns what confirming leads to.
    pub(crate) fn wishes(&self, now: Timestamp) -> Vec<Wish> {
        let typed = || self.field.as_ref().map_or("", |it| it.input.text()).trim().to_owned();
        let operation = match self.subject.clone() {
            Subject::Gates { gates, status } => {
                let decide = |gate| Operation::PutApprovalResult {
                    gate,
                    status,
                    summary: typed(),
                    if_revision: None,
                    effective_at: None,
                };
                return gates.into_iter().map(decide).map(Wish::Submit).collect();
            }
            Subject::Gate { gate, revision, status } => {
                let is_sha = self
                    .field
                    .as_ref()
                    .is_some_and(|field| matches!(field.required, Required::Exactly(_)));
                // What was typed for a downgrade is the commit, not a comment.
                let summary = if is_sha { String::new() } else { typed() };
                let if_revision = is_sha.then_some(revision);
                Operation::PutApprovalResult {
                    gate,
                    status,
                    summary,
                    if_revision,
                    effective_at: self.effect_text().and_then(|text| clock::moment(text, now)),
                }
            }
            Subject::Start { pipeline, lane } => Operation::StartPipelineExecution {
                pipeline,
                branch: lane.and_then(|lane| lane.branch().map(str::to_owned)),
                revision: Some(typed()).filter(|it| !it.is_empty()),
                variables: Vec::new(),
                skip: Vec::new(),
                from: None,
                client_request_token: None,
            },
            Subject::Rollback { pipeline, lane, stage, target } => {
                Operation::RollbackStage { pipeline, lane, stage, target }
            }
            Subject::Plain { mut request, .. } => {
                request.set_words(typed());
                Operation::Plain(request)
            }
            Subject::Quit => return vec![Wish::Quit(Leave::Close)],
        };
        vec![Wish::Submit(operation)]
    }
}

impl Ui {
    /// Returns the stage whose gate the open dialog is about.
    pub(super) fn dialog_stage(&self) -> Option<&StageCard> {
        let Some(super::Overlay::Dialog(dialog)) = self.overlays.last() else { return None };
        let Subject::Gate { gate, .. } = &dialog.subject else { return None };
        self.board.open_gates().find(|at| at.gate.token == gate.token).map(|at| at.stage)
    }

    pub(super) fn dialog_is_about_gate(&self) -> bool {
        self.dialog_stage().is_some()
    }

    pub(super) fn open_dialog(&mut self, dialog: Dialog) -> Vec<Wish> {
        let wish = match &dialog.subject {
            Subject::Gate { gate, .. } => Some(Wish::LoadReview(gate.token)),
            _ => None,
        };
        self.overlays.push(super::Overlay::Dialog(dialog.into()));
        wish.into_iter().collect()
    }
}
