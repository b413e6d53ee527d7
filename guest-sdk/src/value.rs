//! Types of values.

use std::time::Duration;

/// A struct or enum that is passed between the host and a class.
///
/// It is derived in the `#[class]` module that uses it, which makes it a record, a variant or an enum of the class's
/// WIT. Structs have named fields, or one without a name; a variant of an enum has nothing in it or values without
/// names. Inside are scalars, `char`, `String`, [`Bytes`], [`Duration`], `Vec`, `Option`, `Result`, tuples, `HashMap`,
/// `BTreeMap`, and other types with `#[derive(Value)]`.
///
/// A [`Duration`] is a whole number of nanoseconds for callers, as durations of WASI are; a longer one than `u64`
/// holds, some 584 years, is that long.
///
/// Values are passed without a copy of their own, unless a type has to be converted: durations, structs without field
/// names, variants with several values, enums without `#[derive(Clone)]`, names that WIT spells differently
/// (`HTTPError`), and what contains one of these.
pub trait Value {}

/// Bytes: passed in one piece, and base64 in JSON. It is `Vec<u8>`, under the name that says what is meant.
pub type Bytes = Vec<u8>;

/// Returns a duration as the host sees it.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_nanoseconds() {
        assert_eq!(nanoseconds(Duration::from_micros(3)), 3000);
        assert_eq!(nanoseconds(Duration::MAX), u64::MAX);
    }
}
