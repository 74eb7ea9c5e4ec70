//! Finds what a target on the command line means on the board.

use super::{Failure, args::Selection};
use crate::{
    engine::{
        Board, Refusal,
        board::{ExecutionCard, GateAt, LaneCard, PipelineCard, StageCard},
    },
    model::{ConditionType, Lane, PipelineName, StageName, StageStatus},
};

/// `PIPELINE`, `PIPELINE/STAGE` or `PIPELINE/STAGE/ACTION`.
pub(super) struct Target {
    pub(super) pipeline: PipelineName,
    pub(super) stage: Option<String>,
    pub(super) action: Option<String>,
}

impl Target {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/');
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        Self { pipeline: next().unwrap_or_default().into(), stage: next(), action: next() }
    }
}

pub(super) fn pipeline<'a>(
    board: &'a Board,
    name: &PipelineName,
) -> Result<&'a PipelineCard, Refusal> {
    board.pipeline(name).ok_or_else(|| Refusal::UnknownPipeline {
        pipeline: name.clone(),
        known: board.pipelines.iter().map(|it| it.name.to_string()).collect(),
    })
}

pub(super) fn stage<'a>(card: &'a PipelineCard, name: &str) -> Result<&'a str, Refusal> {
    card.stages.iter().map(StageName::as_str).find(|it| *it == name).ok_or_else(|| {
        Refusal::UnknownStage {
            pipeline: card.name.clone(),
            stage: name.into(),
            known: card.stages.iter().map(ToString::to_string).collect(),
        }
    })
}

/// Refuses a lane that none of the pipelines has.
pub(super) fn known_lane(cards: &[&PipelineCard], name: &str) -> Result<(), Failure> {
    let lanes = || cards.iter().flat_map(|card| &card.lanes).map(|it| it.lane.as_str());
    if lanes().any(|it| it == name) {
        return Ok(());
    }
    let known: std::collections::BTreeSet<&str> = lanes().collect();
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    let hint = if known.is_empty() {
        "a commit opens the first one".to_owned()
    } else {
        format!("there are: {known}")
    };
    Err(Failure::usage(format!("there is no lane {name}")).hint(hint))
}

/// Returns the pipeline, if it has the stage and the lane that are named.
fn known<'a>(
    board: &'a Board,
    target: &Target,
    selection: &Selection,
) -> Result<&'a PipelineCard, Failure> {
    let card = pipeline(board, &target.pipeline)?;
    if let Some(name) = &target.stage {
        stage(card, name)?;
    }
    if let Some(name) = &selection.lane {
        known_lane(&[card], name)?;
    }
    Ok(card)
}

fn matches(selection: &Selection, lane: &LaneCard, execution: &ExecutionCard) -> bool {
    let id = execution.id.to_string();
    selection.execution.as_ref().is_none_or(|prefix| id.starts_with(prefix.as_str()))
        && selection.lane.as_ref().is_none_or(|name| lane.lane.as_str() == name)
}

fn only<T>(
    mut found: Vec<T>,
    describe: impl Fn(&T) -> String,
    nothing: Refusal,
) -> Result<T, Refusal> {
    match found.len() {
        0 => Err(nothing),
        1 => Ok(found.remove(0)),
        _ => Err(Refusal::Ambiguous { candidates: found.iter().map(describe).collect() }),
    }
}

fn nothing(target: &Target, selection: &Selection, wanted: &str) -> Refusal {
    Refusal::NothingMatches {
        pipeline: target.pipeline.clone(),
        lane: selection.lane.as_deref().map(Lane::from),
        wanted: wanted.to_owned(),
    }
}

fn words(lane: &LaneCard, execution: &ExecutionCard) -> String {
    format!("{} ({}, {})", execution.id.short(), lane.lane.label(), execution.revision.id.short())
}

/// Finds the one open gate that is meant.
pub(super) fn open_gate<'a>(
    board: &'a Board,
    target: &Target,
    selection: &Selection,
) -> Result<GateAt<'a>, Failure> {
    known(board, target, selection)?;
    let gates = board.open_gates().filter(|at| {
        at.pipeline.name == target.pipeline
            && target.stage.as_ref().is_none_or(|stage| at.stage.name.as_str() == stage)
            && target.action.as_ref().is_none_or(|action| at.action.name.as_str() == action)
            && matches(selection, at.lane, at.execution)
    });
    let describe = |at: &GateAt<'_>| {
        format!("{}/{} {}", at.stage.name, at.action.name, words(at.lane, at.execution))
    };
    let none = nothing(target, selection, "waits at such a gate");
    Ok(only(gates.collect(), describe, none)?)
}

/// Finds the one execution under way that is meant.
pub(super) fn alive<'a>(
    board: &'a Board,
    target: &Target,
    selection: &Selection,
) -> Result<&'a ExecutionCard, Failure> {
    let card = known(board, target, selection)?;
    let is_there = |lane: &LaneCard, execution: &ExecutionCard| {
        target.stage.as_ref().is_none_or(|name| {
            let mut stages = lane.stages.iter().filter(|it| it.name.as_str() == name);
            stages.any(|it| it.execution.as_ref().is_some_and(|it| it.id == execution.id))
        })
    };
    let executions = card.lanes.iter().flat_map(|lane| lane.alive.iter().map(move |it| (lane, it)));
    let meant = |(lane, it): &(&LaneCard, &ExecutionCard)| {
        matches(selection, lane, it) && is_there(lane, it)
    };
    let found = executions.filter(meant).collect();
    let none = nothing(target, selection, "is under way there");
    Ok(only(found, |(lane, it)| words(lane, it), none)?.1)
}

/// Finds the one failed or stopped stage that is meant.
pub(super) fn retryable<'a>(
    board: &'a Board,
    target: &Target,
    selection: &Selection,
) -> Result<(&'a StageCard, &'a ExecutionCard), Failure> {
    let card = known(board, target, selection)?;
    let failed = |stage: &StageCard| {
        matches!(stage.status, Some(StageStatus::Failed | StageStatus::Stopped))
    };
    let stages = card.lanes.iter().flat_map(|lane| lane.stages.iter().map(move |it| (lane, it)));
    let found = stages
        .filter(|(_, stage)| {
            failed(stage) && target.stage.as_ref().is_none_or(|name| stage.name.as_str() == name)
        })
        .filter_map(|(lane, stage)| Some((lane, stage, stage.execution.as_ref()?)))
        .filter(|(lane, _, execution)| matches(selection, lane, execution))
        .collect();
    let none = nothing(target, selection, "has failed or stopped there");
    let (_, stage, execution) =
        only(found, |(lane, stage, it)| format!("{} {}", stage.name, words(lane, it)), none)?;
    Ok((stage, execution))
}

/// Finds the lane that is meant; it may be left out where there is only one.
pub(super) fn lane(card: &PipelineCard, name: Option<&str>) -> Result<Lane, Failure> {
    let lanes = card.lanes.iter().map(|it| &it.lane);
    let found: Vec<&Lane> =
        lanes.filter(|lane| name.is_none_or(|name| lane.as_str() == name)).collect();
    let none = Refusal::NothingMatches {
        pipeline: card.name.clone(),
        lane: name.map(Lane::from),
        wanted: "was ever there".to_owned(),
    };
    Ok(only(found, |lane| lane.label().to_owned(), none)?.clone())
}

/// Finds the one stage with a condition that is meant.
pub(super) fn with_condition<'a>(
    board: &'a Board,
    target: &Target,
    selection: &Selection,
    condition: impl Fn(&StageCard) -> Option<ConditionType>,
) -> Result<(&'a StageCard, &'a ExecutionCard, ConditionType), Failure> {
    let card = known(board, target, selection)?;
    let stages = card.lanes.iter().flat_map(|lane| lane.stages.iter().map(move |it| (lane, it)));
    let found = stages
        .filter(|(_, it)| target.stage.as_ref().is_none_or(|name| it.name.as_str() == name))
        .filter_map(|(lane, it)| Some((lane, it, it.execution.as_ref()?, condition(it)?)))
        .filter(|(lane, _, execution, _)| matches(selection, lane, execution))
        .collect();
    let none = nothing(target, selection, "is held by a condition there");
    let describe = |(lane, stage, it, kind): &(&LaneCard, &StageCard, &ExecutionCard, _)| {
        format!("{} {kind} {}", stage.name, words(lane, it))
    };
    let (_, stage, execution, kind) = only(found, describe, none)?;
    Ok((stage, execution, kind))
}
