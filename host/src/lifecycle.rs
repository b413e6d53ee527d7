//! The order in which the functions of one instance may run: a state machine that knows no guest, no clock and no task.
//!
//! ```text
//!             build           enter            call
//!  Created ───────────▶ Built ───────▶ Ready ◀──────▶ Calling
//!     │                   │              │ exit
//!     │ a hook fails      │              ▼
//!     └─────────┬─────────┘           Exiting ──▶ Gone
//!               ▼                                  ▲
//!            Broken ───────────────────────────────┘   without `exit`
//! ```
//! [`Lifecycle::begin`] is called before guest code runs and [`Lifecycle::end`] after it. When a task is dropped in
//! between, the instance stays in the middle of a step; to everyone else that is the same as broken.

/// Guest code that is about to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All `build` hooks of the component, in the order of its exports. Once per instance, first.
    Build,
    /// The `enter` hook with the parameters. Once per instance, after [`Step::Build`].
    Enter,
    /// One method, any number of times, after [`Step::Enter`].
    Call,
    /// The `exit` hook. At most once, last, only if `enter` had ended well and nothing trapped since.
    Exit,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The function returned, with or without a value.
    Returned,
    /// The function returned an error of its own.
    ReturnedError,
    /// It trapped, ran out of time or memory, ended its process, or could not be called: the store is not to be used again.
    Broke,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Created,
    Building,
    Built,
    Entering,
    Ready,
    Calling,
    Exiting,
    Gone,
    Broken,
}

/// The state of one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifecycle {
    phase: Phase,
}

/// The instance is in a state in which this step may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step:?} cannot begin: the instance is {}", match phase {
    Phase::Broken => "discarded after a failure",
    Phase::Gone => "gone",
    Phase::Building | Phase::Entering | Phase::Calling | Phase::Exiting => "discarded: a task in it was cancelled",
    Phase::Created | Phase::Built => "not entered yet",
    Phase::Ready => "entered already",
})]
pub(crate) struct WrongPhase {
    step: Step,
    phase: Phase,
}

impl Lifecycle {
    /// A fresh store in which no guest code of ours has run.
    pub(crate) fn new() -> Self {
        Self { phase: Phase::Created }
    }

    /// Says that a step begins.
    ///
    /// # Errors
    ///
    /// [`WrongPhase`] when it may not; the state is unchanged.
    pub(crate) fn begin(&mut self, step: Step) -> Result<(), WrongPhase> {
        self.phase = match (self.phase, step) {
            (Phase::Created, Step::Build) => Phase::Building,
            (Phase::Built, Step::Enter) => Phase::Entering,
            (Phase::Ready, Step::Call) => Phase::Calling,
            (Phase::Ready, Step::Exit) => Phase::Exiting,
            (phase, step) => return Err(WrongPhase { step, phase }),
        };
        Ok(())
    }

    /// Says how the step that began last has ended.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.phase = match (self.phase, outcome) {
            // Whatever the exit hook did, it had its turn.
            (Phase::Exiting, _) => Phase::Gone,
            (_, Outcome::Broke) => Phase::Broken,
            // A method may fail as often as it likes; a hook that fails leaves nothing to work with.
            (Phase::Calling, _) => Phase::Ready,
            (Phase::Building, Outcome::Returned) => Phase::Built,
            (Phase::Entering, Outcome::Returned) => Phase::Ready,
            (Phase::Building | Phase::Entering, Outcome::ReturnedError) => Phase::Broken,
            (phase, _) => {
                debug_assert!(false, "no step had begun in {phase:?}");
                Phase::Broken
            }
        };
    }

    /// Whether the instance is entered, idle and sound: it can take a call, and it is owed its `exit`.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ready() -> Lifecycle {
        let mut life = Lifecycle::new();
        for step in [Step::Build, Step::Enter] {
            life.begin(step).unwrap();
            life.end(Outcome::Returned);
        }
        life
    }

    #[test]
    fn a_methods_own_error_leaves_the_instance_ready() {
        let mut life = ready();
        life.begin(Step::Call).unwrap();
        life.end(Outcome::ReturnedError);
        assert!(life.is_ready());
    }

    #[test]
    fn a_failed_enter_owes_no_exit() {
        for outcome in [Outcome::ReturnedError, Outcome::Broke] {
            let mut life = Lifecycle::new();
            life.begin(Step::Build).unwrap();
            life.end(Outcome::Returned);
            life.begin(Step::Enter).unwrap();
            life.end(outcome);
            assert!(life.begin(Step::Exit).is_err());
        }
    }

    #[test]
    fn a_cancelled_call_is_the_same_as_broken() {
        let mut life = ready();
        life.begin(Step::Call).unwrap();
        assert!(!life.is_ready());
        let error = life.begin(Step::Exit).unwrap_err();
        assert!(error.to_string().contains("cancelled"), "{error}");
    }

    proptest! {
        #[test]
        fn exit_runs_at_most_once_and_only_after_a_whole_enter(steps in proptest::collection::vec((0..4u8, 0..3u8), 0..40)) {
            let mut life = Lifecycle::new();
            let (mut entered, mut broke, mut exits) = (false, false, 0);
            for (step, outcome) in steps {
                let step = [Step::Build, Step::Enter, Step::Call, Step::Exit][usize::from(step)];
                let outcome = [Outcome::Returned, Outcome::ReturnedError, Outcome::Broke][usize::from(outcome)];
                if life.begin(step).is_err() {
                    continue;
                }
                prop_assert!(!broke, "nothing runs in a broken instance");
                prop_assert!(exits == 0, "nothing runs after exit");
                if step == Step::Exit {
                    prop_assert!(entered);
                    exits += 1;
                }
                life.end(outcome);
                entered |= step == Step::Enter && outcome == Outcome::Returned;
                broke |= outcome == Outcome::Broke || (outcome == Outcome::ReturnedError && matches!(step, Step::Build | Step::Enter));
            }
        }
    }
}
