//! Quantities as a manifest spells them: sizes and durations with a unit.
//!
//! The range is part of the type, so that a value that was parsed is a value that holds, and the
//! schema states the same limits as the error. Nothing here knows which setting it is used for.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::problem::brief;

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text is no quantity, or not one this setting takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UnitError(String);

/// A number of bytes within `LEAST..=MOST`, written as a whole number and a unit: `256MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> ByteSize<LEAST, MOST> {
    /// The size in bytes.
    #[must_use]
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }

    /// A size of `mebibytes`, for the defaults.
    pub(super) const fn of_mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }
}

impl<const LEAST: u64, const MOST: u64> FromStr for ByteSize<LEAST, MOST> {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let parsed = take_number(text).and_then(|(number, unit)| {
            let (_, factor) = SIZE_UNITS.into_iter().find(|(name, _)| *name == unit)?;
            Some(number.saturating_mul(factor))
        });
        match parsed {
            Some(bytes) if (LEAST..=MOST).contains(&bytes) => Ok(Self(bytes)),
            Some(_) => Err(out_of_range(text, AnySize::from(LEAST), AnySize::from(MOST))),
            None => Err(not_a_quantity(text, "size", "256MiB", "`B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`")),
        }
    }
}

/// A size without limits, to print the limits of another.
pub(crate) type AnySize = ByteSize<0, { u64::MAX }>;

impl From<u64> for AnySize {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

/// Prints the largest unit that divides the size.
impl<const LEAST: u64, const MOST: u64> fmt::Display for ByteSize<LEAST, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        let (unit, factor) = SIZE_UNITS.into_iter().find(fits).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// A duration of more than nothing and at most `MOST_HOURS`, written as whole numbers with units:
/// `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeSpan<const MOST_HOURS: u64 = 24>(Duration);

impl<const MOST_HOURS: u64> TimeSpan<MOST_HOURS> {
    const MOST: Self = Self(Duration::from_hours(MOST_HOURS));

    /// The duration itself.
    #[must_use]
    pub(crate) fn duration(self) -> Duration {
        self.0
    }

    /// A duration of `seconds`, for the defaults.
    pub(super) const fn of_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl<const MOST_HOURS: u64> FromStr for TimeSpan<MOST_HOURS> {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match parse_millis(text).map(Duration::from_millis) {
            Some(span) if !span.is_zero() && span <= Self::MOST.0 => Ok(Self(span)),
            Some(_) => Err(out_of_range(text, "1ms", Self::MOST)),
            None => Err(not_a_quantity(text, "duration", "30s", "`d`, `h`, `m`, `s` and `ms`, in this order")),
        }
    }
}

/// Adds up the units of `text`, each at most once and the larger first, so that a duration reads in
/// one way only.
fn parse_millis(text: &str) -> Option<u64> {
    let (mut rest, mut units, mut millis) = (text, TIME_UNITS.as_slice(), 0_u64);
    loop {
        let (number, after) = take_number(rest)?;
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let at = units.iter().position(|(name, _)| *name == unit)?;
        millis = millis.saturating_add(number.saturating_mul(units[at].1));
        if after.is_empty() {
            return Some(millis);
        }
        (rest, units) = (after, &units[at + 1..]);
    }
}

/// Splits a number off the front. One too long for `u64` is above every limit anyway, so it may
/// saturate.
fn take_number(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    (!digits.is_empty()).then(|| (digits.parse().unwrap_or(u64::MAX), rest))
}

/// Prints the duration in the largest units, leaving out those that are nothing.
impl<const MOST_HOURS: u64> fmt::Display for TimeSpan<MOST_HOURS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        for (unit, factor) in TIME_UNITS {
            let factor = u128::from(factor);
            if millis >= factor {
                write!(f, "{}{unit}", millis / factor)?;
                millis %= factor;
            }
        }
        Ok(())
    }
}

fn not_a_quantity(text: &str, kind: &str, example: &str, units: &str) -> UnitError {
    let text = brief(text);
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return UnitError(format!("`{text}` has no unit; a {kind} is written like `\"{example}\"`"));
    }
    UnitError(format!("`{text}` is no {kind}; write whole numbers with the units {units}, such as `\"{example}\"`"))
}

pub(super) fn out_of_range(value: impl fmt::Display, least: impl fmt::Display, most: impl fmt::Display) -> UnitError {
    UnitError(format!("`{value}` is out of range: at least `{least}`, at most `{most}`"))
}

/// Takes a text with a unit, and says of a bare number what it lacks.
struct WithUnit<T> {
    kind: &'static str,
    example: &'static str,
    parse: fn(&str) -> Result<T, UnitError>,
}

impl<T> WithUnit<T> {
    fn refuse_bare<E: de::Error>(&self, number: impl fmt::Display) -> Result<T, E> {
        Err(E::custom(format!("`{number}` has no unit; a {} is written like `\"{}\"`", self.kind, self.example)))
    }
}

impl<T> Visitor<'_> for WithUnit<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} such as `\"{}\"`", self.kind, self.example)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.refuse_bare(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.refuse_bare(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.refuse_bare(number)
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for ByteSize<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WithUnit { kind: "size", example: "256MiB", parse: Self::from_str })
    }
}

impl<'de, const MOST_HOURS: u64> Deserialize<'de> for TimeSpan<MOST_HOURS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WithUnit { kind: "duration", example: "30s", parse: Self::from_str })
    }
}

impl<const LEAST: u64, const MOST: u64> Serialize for ByteSize<LEAST, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<const MOST_HOURS: u64> Serialize for TimeSpan<MOST_HOURS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<const LEAST: u64, const MOST: u64> JsonSchema for ByteSize<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ByteSize_{LEAST}_{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The description is the setting's own, so the limits go into the title.
        let limits = format!("size from {} to {}", AnySize::from(LEAST), AnySize::from(MOST));
        json_schema!({
            "type": "string",
            "title": limits,
            "pattern": "^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)$",
            "examples": ["256MiB", "1GiB"],
        })
    }
}

impl<const MOST_HOURS: u64> JsonSchema for TimeSpan<MOST_HOURS> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("TimeSpan_{MOST_HOURS}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": format!("duration from 1ms to {}", Self::MOST),
            "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "examples": ["30s", "250ms", "1m30s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Memory = ByteSize<65_536, 4_294_967_296>;

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        let bytes = |text: &str| text.parse::<AnySize>().map(AnySize::bytes);
        assert_eq!(bytes("256MiB"), Ok(256 << 20));
        assert_eq!(bytes("4GiB"), Ok(4 << 30));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(
            [bytes("1kB"), bytes("2MB"), bytes("3GB"), bytes("7B")],
            [Ok(1000), Ok(2_000_000), Ok(3_000_000_000), Ok(7)]
        );
        for text in ["", "MiB", "1.5GiB", "1 MiB", "1mib", "1KB", "-1B", "12", "1MiB2KiB", "٣MiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_take_several_units_the_larger_first() {
        let millis = |text: &str| text.parse::<TimeSpan<720>>().map(|span| span.duration().as_millis());
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("1m30s"), Ok(90_000));
        assert_eq!([millis("5m"), millis("1h"), millis("2d")], [Ok(300_000), Ok(3_600_000), Ok(172_800_000)]);
        assert_eq!(millis("1d2h3m4s5ms"), Ok(93_784_005));
        for text in ["", "s", "30", "30s1m", "1s1s", "1.5s", "1 s", "0s", "0h0m", "-1s", "31d", "1s ", "1min"] {
            assert!(millis(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_quantity_out_of_range_is_told_its_limits() {
        let message = "1KiB".parse::<Memory>().unwrap_err().to_string();
        assert_eq!(message, "`1KiB` is out of range: at least `64KiB`, at most `4GiB`");
        let message = "99999999999999999999999GiB".parse::<Memory>().unwrap_err().to_string();
        assert!(message.ends_with("at most `4GiB`"), "{message}");
        let message = "25h".parse::<TimeSpan>().unwrap_err().to_string();
        assert_eq!(message, "`25h` is out of range: at least `1ms`, at most `1d`");
    }

    #[test]
    fn a_bare_number_is_told_that_it_lacks_a_unit() {
        let message = "30".parse::<TimeSpan>().unwrap_err().to_string();
        assert_eq!(message, "`30` has no unit; a duration is written like `\"30s\"`");
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(bytes: u64, millis in 1_u64..86_400_000) {
            let size = AnySize::from(bytes);
            proptest::prop_assert_eq!(size.to_string().parse(), Ok(size));
            let span = TimeSpan::<24>(Duration::from_millis(millis));
            proptest::prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
