//! Mistakes, as the compiler shows them: each is on its token, says what is allowed or what to do, and none hides
//! another.

#[test]
fn mistakes_are_told_on_their_tokens() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
