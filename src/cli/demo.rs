use super::{Exit, Failure, args::Demo};
pub(super) async fn demo(_: Demo) -> Result<Exit, Failure> {
    Ok(Exit::Done)
}
