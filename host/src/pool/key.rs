//! The key of a pool: a class's parameters in their canonical encoding. The bytes themselves, never a hash of them.

use std::borrow::Borrow;
use std::fmt;

use smallvec::SmallVec;

/// Bytes of a key that stand in the map itself: a short string and a few numbers. A longer key costs the look-up of one
/// among many pools a further miss of the cache.
const INLINE_BYTES: usize = 24;

/// Which pool of a class: equal exactly if the parameters are, with defaults filled in. At most 16 KiB.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(SmallVec<[u8; INLINE_BYTES]>);

impl Key {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

// Pools are looked up by borrowed bytes: a call that finds its pool copies no key.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn a_key_hashes_as_its_bytes_do() {
        let hasher = std::hash::RandomState::new();
        let bytes: &[u8] = b"hedgehog";
        assert_eq!(hasher.hash_one(Key::from(bytes)), hasher.hash_one(bytes));
    }
}
