//! Writes `model.bin` from the texts in `corpus/`: `cargo run --example train`, on the machine itself, not in a guest.

#[path = "../src/table.rs"]
#[allow(dead_code, reason = "the trainer does not generate")]
mod table;

use std::path::Path;

use table::Table;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("model.bin");
    std::fs::write(path, model())
}

/// The file's content.
fn model() -> Vec<u8> {
    Table::save(&[
        Table::train("alice", include_str!("../corpus/alice.txt")),
        Table::train("whale", include_str!("../corpus/whale.txt")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_model_is_what_training_makes() {
        assert_eq!(include_bytes!("../model.bin").as_slice(), model());
    }
}
