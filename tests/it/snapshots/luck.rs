//! Randomness after a snapshot: what comes from the host is fresh in each clone, and what a guest keeps in its memory is what
//! `build` left. The guests have drawn from each source in `build`, so that whatever warms up is warm.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use wasmhost::Class;

/// What every guest draws from WASI.
pub(super) const WASI: [&str; 5] =
    ["get-random-bytes", "get-random-u64", "get-insecure-random-bytes", "get-insecure-random-u64", ONE_PER_INSTANCE];

/// By its own documentation an instance is always given the same.
const ONE_PER_INSTANCE: &str = "insecure-seed";

#[derive(Debug, Deserialize)]
struct Drawn {
    source: String,
    bytes: Vec<u8>,
}

/// Draws twice from each source in each clone. `again` are the sources of which all clones have the same.
pub(super) async fn no_clone_draws_what_another_drew(class: &Class, clones: usize, fresh: &[&str], again: &[&str]) {
    let bound = class.bind(&("somebody",)).unwrap();
    let mut seen = HashSet::new();
    let mut is_new = |Drawn { source, bytes }: Drawn| {
        assert!(bytes.len() >= 16, "{source}: {bytes:?}");
        assert!(seen.insert(bytes), "`{source}` gave what was there before, after {} draws", seen.len());
    };
    let mut frozen = BTreeMap::new();
    for clone in 0..clones {
        let instance = bound.start().await.unwrap();
        if clone == 0 {
            instance.call::<_, Vec<Drawn>>("drawn-in-build", &()).await.unwrap().into_iter().for_each(&mut is_new);
        }
        let drawn: Vec<Drawn> = instance.call("draw", &()).await.unwrap();
        assert_eq!(drawn.iter().map(|drawn| drawn.source.as_str()).collect::<Vec<_>>(), fresh);
        drawn.into_iter().for_each(&mut is_new);
        let more: Vec<Drawn> = instance.call("draw", &()).await.unwrap();
        more.into_iter().filter(|drawn| drawn.source != ONE_PER_INSTANCE).for_each(&mut is_new);
        for Drawn { source, bytes } in instance.call::<_, Vec<Drawn>>("draw-again", &()).await.unwrap() {
            let first = frozen.entry(source.clone()).or_insert_with(|| bytes.clone());
            assert_eq!(*first, bytes, "`{source}` is no longer what `build` left: correct the documentation");
        }
        instance.exit().await.unwrap();
    }
    assert_eq!(frozen.keys().map(String::as_str).collect::<Vec<_>>(), again);
}
