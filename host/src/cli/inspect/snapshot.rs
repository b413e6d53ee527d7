//! What `inspect` prints of a snapshot.

use std::fmt::Write as _;

use super::{count, row, size};
use crate::service::SnapshotReport;

/// Lines of `build` that are printed; `--json` has more.
const MAX_LINES: usize = 10;

pub(super) fn print(out: &mut String, snapshot: &SnapshotReport) {
    match (snapshot.state, &snapshot.reason) {
        ("none-yet", _) => row(out, "snapshot", "none yet: `run` and `serve` run `build` and take one"),
        (_, Some(reason)) => row(out, "snapshot", &format!("refused, `build` runs in each instance: {reason}")),
        _ => row(out, "snapshot", "taken after `build`"),
    }
    if let Some(captured) = &snapshot.captured {
        let code = captured
            .code_bytes
            .map_or("not compiled for this host".to_owned(), |bytes| format!("code {}", size(bytes)));
        let image = match captured.image_files {
            0 => "nothing in `/image`".to_owned(),
            files => format!("{} with {} in `/image`", count(files, "file"), size(captured.image_bytes)),
        };
        let _ = writeln!(out, "    component {}, {code}, {image}", size(captured.component_bytes));
        if !captured.open.is_empty() {
            let _ = writeln!(out, "    open from the start: {}", captured.open.join(", "));
        }
    }
    if let Some(took) = &snapshot.took {
        let seconds = |ms: u64| std::time::Duration::from_millis(ms).as_secs_f64();
        let _ = writeln!(
            out,
            "    took {:.2} s to instrument, {:.2} s to build, {:.2} s to capture, {:.2} s to compile, {:.2} s to verify",
            seconds(took.instrument_ms),
            seconds(took.build_ms),
            seconds(took.capture_ms),
            seconds(took.compile_ms),
            seconds(took.verify_ms),
        );
    }
    if !snapshot.printed.is_empty() {
        out.push_str("    `build` printed\n");
    }
    for line in snapshot.printed.iter().take(MAX_LINES) {
        let _ = writeln!(out, "      {line}");
    }
    let left_out = snapshot.printed.len().saturating_sub(MAX_LINES) as u64 + snapshot.lines_left_out;
    if left_out > 0 {
        let _ = writeln!(out, "      … and {left_out} more");
    }
}
