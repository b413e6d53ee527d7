//! `wasmhost prepare`, hidden: what a process does that another one started to prepare a component.

use std::process::ExitCode;

use super::terminal::Outcome;
use crate::error::Error;
use crate::service::carry_out;

pub(super) async fn prepare() -> Outcome {
    // Files of guests are read and written on such a thread, and whoever waits for one that there is no memory for waits for
    // ever: it is made before memory is limited, and stays.
    let made = tokio::task::spawn_blocking(|| ()).await;
    made.map_err(|error| Error::internal(format!("a thread for files could not be made: {error}")))?;
    tokio::task::block_in_place(carry_out)?;
    Ok(ExitCode::SUCCESS)
}
