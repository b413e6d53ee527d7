//! What went wrong in the functions of one `exit`.

/// Errors of functions that all run, though one fails.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Keeps the error, if there is one.
    pub fn note(&mut self, result: Result<(), String>) {
        self.0.extend(result.err());
    }

    /// Returns all errors as one text.
    ///
    /// # Errors
    ///
    /// If one was noted.
    pub fn into_result(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_are_told() {
        let mut failures = Failures::default();
        failures.note(Ok(()));
        assert_eq!(Failures::default().into_result(), Ok(()));
        failures.note(Err("one".to_owned()));
        failures.note(Err("two".to_owned()));
        assert_eq!(failures.into_result(), Err("one; two".to_owned()));
    }
}
