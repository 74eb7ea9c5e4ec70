//! `rollback` and `override-condition`.

use super::{
    Exit, Failure, args,
    operate::{connect, submit},
    output,
    read::find_execution,
    target::{self, Target},
};
use crate::{
    engine::{Request, board::StageCard},
    host::StateDir,
    model::{ConditionStatus, ConditionType},
    runtime::Operation,
};

pub(super) async fn rollback(
    state_dir: StateDir,
    arguments: args::Rollback,
) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let target = Target::parse(&arguments.target);
    let card = target::pipeline(&board, &target.pipeline)?;
    let name = target.stage.ok_or_else(|| Failure::usage("say which: PIPELINE/STAGE"))?;
    let stage = target::stage(card, &name)?.into();
    let lane = target::lane(card, arguments.lane.as_deref())?;
    let history = handle.history()?;
    let target_execution = match arguments.to {
        Some(prefix) => {
            let record = find_execution(&history, &prefix, None)?;
            if record.version != card.version {
                output::say(format!(
                    "{prefix} ran under version {}; the stage runs as version {} declares it",
                    record.version, card.version
                ));
            }
            Some(record.id)
        }
        None => None,
    };
    let (pipeline, target) = (target.pipeline, target_execution);
    let operation = Operation::RollbackStage { pipeline, lane, stage, target };
    let receipt = submit(&handle, operation).await?;
    if let Some(execution) = receipt.execution {
        output::line(execution.to_string());
    }
    Ok(Exit::Done)
}

pub(super) async fn override_condition(
    state_dir: StateDir,
    arguments: args::OverrideCondition,
) -> Result<Exit, Failure> {
    let (handle, board) = connect(state_dir).await?;
    let target = Target::parse(&arguments.target);
    let wanted = arguments.condition_type.as_deref().map(condition_type).transpose()?;
    let in_the_way = |stage: &StageCard| {
        let mut conditions = stage.conditions.iter();
        let found = conditions.find(|it| match wanted {
            Some(kind) => it.kind == kind,
            None => {
                matches!(it.status, Some(ConditionStatus::InProgress | ConditionStatus::Failed))
            }
        });
        found.map(|it| it.kind)
    };
    let (stage, execution, condition) =
        target::with_condition(&board, &target, &arguments.selection, in_the_way)?;
    let request = Request::OverrideStageCondition {
        pipeline: target.pipeline,
        stage: stage.name.clone(),
        execution: execution.id,
        condition,
        reason: arguments.reason,
    };
    submit(&handle, request.into()).await?;
    output::line(execution.id.to_string());
    Ok(Exit::Done)
}

fn condition_type(text: &str) -> Result<ConditionType, Failure> {
    let kinds = [ConditionType::BeforeEntry, ConditionType::OnSuccess, ConditionType::OnFailure];
    let words = kinds.map(ConditionType::as_str).join(", ");
    let found = kinds.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| Failure::usage(format!("`{text}` is none of {words}")))
}
