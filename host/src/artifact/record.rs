//! The sidecar record of a file in the cache: what it is, how long, and its keyed digest. Pure data, no file access.

use serde::{Deserialize, Serialize};

use crate::engine::EngineKind;

/// The version of this record and of the layout around it. A record of another version is no record.
pub(crate) const FORMAT: u32 = 1;

/// The BLAKE3 digest of a component's bytes: its name in the cache.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(blake3::Hash);

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        blake3::Hash::from_hex(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// What is known of a compiled component without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    engine: String,
    length_bytes: u64,
    keyed_blake3: String,
}

impl Record {
    pub(crate) fn new(kind: EngineKind, length_bytes: u64, keyed_digest: blake3::Hash) -> Self {
        Self {
            format: FORMAT,
            engine: kind.as_str().to_owned(),
            length_bytes,
            keyed_blake3: keyed_digest.to_hex().to_string(),
        }
    }

    /// Reads a record; `None` when it is of another format or not a record at all.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|record| record.format == FORMAT)
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a record is plain strings and numbers")
    }

    /// Whether a file of this length and keyed digest is the one that was recorded. Compares in constant time.
    pub(crate) fn matches(&self, kind: EngineKind, length_bytes: u64, keyed_digest: blake3::Hash) -> bool {
        let Ok(recorded) = blake3::Hash::from_hex(&self.keyed_blake3) else { return false };
        self.engine == kind.as_str() && self.length_bytes == length_bytes && recorded == keyed_digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_matches_only_what_was_recorded() {
        let digest = blake3::hash(b"code");
        let record = Record::new(EngineKind::Sync, 4, digest);
        let read = Record::parse(&record.to_text()).unwrap();
        assert_eq!(read, record);
        assert!(read.matches(EngineKind::Sync, 4, digest));
        assert!(!read.matches(EngineKind::Async, 4, digest));
        assert!(!read.matches(EngineKind::Sync, 5, digest));
        assert!(!read.matches(EngineKind::Sync, 4, blake3::hash(b"cide")));
    }

    #[test]
    fn another_format_is_no_record() {
        let text = Record::new(EngineKind::Sync, 4, blake3::hash(b"code")).to_text();
        assert!(Record::parse(&text.replace("\"format\":1", "\"format\":2")).is_none());
        assert!(Record::parse("").is_none());
        assert!(Record::parse("{}").is_none());
    }
}
