//! What was promised, and whether it was kept: judged by `cargo bench` alone, for tests are brief and in another profile.

use std::process::ExitCode;

/// The goals of one bench.
pub(crate) struct Goals {
    are_measured: bool,
    is_missed: bool,
}

impl Goals {
    pub(crate) fn of_arguments() -> Self {
        Self { are_measured: std::env::args().any(|argument| argument == "--bench"), is_missed: false }
    }

    /// Whether there is time for figures that can be judged.
    pub(crate) fn are_measured(&self) -> bool {
        self.are_measured
    }

    /// Prints a goal and what came of it.
    pub(crate) fn judge(&mut self, is_kept: bool, goal: &str) {
        let verdict = match (self.are_measured, is_kept) {
            (false, _) => "not judged: too brief, and not the release profile",
            (true, true) => "kept",
            (true, false) => "MISSED",
        };
        self.is_missed |= self.are_measured && !is_kept;
        println!("  {goal}: {verdict}");
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
