//! `wasmhost prepare`, hidden: what a process does that another one started to prepare a component.

use std::process::ExitCode;

use super::terminal::Outcome;
use crate::error::Error;
use crate::service::carry_out;

pub(super) async fn prepare() -> Outcome {
    let carried_out = tokio::task::spawn_blocking(carry_out).await;
    carried_out.map_err(|error| Error::internal(format!("preparing a component failed: {error}")))??;
    Ok(ExitCode::SUCCESS)
}
