//! What the SDK costs beside bindings that somebody calls by hand.

use std::fs;

use wasmhost_guest_it::component;

#[test]
fn a_component_is_hardly_larger_than_one_by_hand() {
    let [made, by_hand] = ["model", "by-hand"].map(|guest| fs::metadata(component(guest)).expect("it was built").len());
    assert!(made * 100 <= by_hand * 110, "{made} bytes, and {by_hand} by hand");
}
