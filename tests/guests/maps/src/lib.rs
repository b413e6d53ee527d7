//! Serves the promises about `map`: an object where the key is a string, pairs where it is not. A component of its own,
//! for the type is younger than the rest and an engine may have it switched off.

use std::collections::BTreeMap;

use exports::test::maps::maps::Guest;

wit_bindgen::generate!({ path: "wit", map_type: "std::collections::BTreeMap" });

struct Maps;

impl Guest for Maps {
    fn echo_counts(counts: BTreeMap<String, u32>) -> BTreeMap<String, u32> {
        counts
    }

    fn echo_names(names: BTreeMap<u32, String>) -> BTreeMap<u32, String> {
        names
    }
}

export!(Maps);
