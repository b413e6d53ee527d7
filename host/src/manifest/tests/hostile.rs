//! No input panics, overflows the stack or takes long.

use proptest::prelude::*;

use super::super::*;
use super::{EXAMPLE, parse, problems};

#[test]
fn hostile_depth_and_length_are_errors() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    parse(&format!("version = 1\nx = {}", deep("[", "]"))).unwrap_err();
    parse(&format!("version = 1\nx = {}", deep("{a=", "}"))).unwrap_err();
    parse(&format!("{}a = 1", "a.".repeat(200_000))).unwrap_err();
    parse(&format!("[{}a]", "a.".repeat(200_000))).unwrap_err();
    parse_section(deep("[", "]").as_bytes()).unwrap_err();
    parse_section(deep("{\"a\":", "}").as_bytes()).unwrap_err();
    let many: String = (0..40_000).map(|n| format!("k{n} = {n}\n")).collect();
    assert_eq!(problems(&many).len(), 52);
    assert!(problems(&many)[0].2.contains("more than 50 problems"));
}

proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = parse(&text);
        let _ = parse_section(text.as_bytes());
    }

    #[test]
    fn no_mutation_of_the_example_panics(
        start in 0..EXAMPLE.len(),
        length in 0..40_usize,
        with in prop_oneof![
            Just(String::new()),
            "[\\[\\]{}=\"',.#\n]{1,3}",
            "(true|1|-1|1.5|nan|1979-05-27|\"x\"|\\[1\\]|\\{ a = 1 \\})",
            ".{0,5}",
        ],
    ) {
        let (Some(head), Some(tail)) = (EXAMPLE.get(..start), EXAMPLE.get((start + length).min(EXAMPLE.len())..)) else {
            return Ok(());
        };
        match parse(&format!("{head}{with}{tail}")) {
            Ok(manifest) => for (name, class) in &manifest.classes {
                let _ = ClassSettings::resolve(name, Some(class), None);
            },
            Err(error) => prop_assert!(!error.problems().is_empty()),
        }
    }
}
