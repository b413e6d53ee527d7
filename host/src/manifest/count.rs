//! Whole numbers within a range that is part of their type, like that of the [quantities with
//! units](super::units).

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::units::out_of_range;

/// A whole number within `LEAST..=MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Count<LEAST, MOST> {
    /// The number itself.
    #[must_use]
    pub(crate) fn get(self) -> u32 {
        self.0
    }

    /// A number within the limits, for the defaults.
    pub(super) const fn of(number: u32) -> Self {
        assert!(LEAST <= number && number <= MOST, "a default lies within its own limits");
        Self(number)
    }
}

impl<const LEAST: u32, const MOST: u32> fmt::Display for Count<LEAST, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Count<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Wider than any limit and signed, so that whatever does not fit is still shown as it was
        // written.
        let number = i64::deserialize(deserializer)?;
        match u32::try_from(number) {
            Ok(number) if (LEAST..=MOST).contains(&number) => Ok(Self(number)),
            _ => Err(de::Error::custom(out_of_range(number, LEAST, MOST))),
        }
    }
}

impl<const LEAST: u32, const MOST: u32> Serialize for Count<LEAST, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Count<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Count_{LEAST}_{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_range_is_shown_as_it_was_written() {
        let count = serde_json::from_str::<Count<1, 9>>;
        assert_eq!(count("9").map(Count::get).ok(), Some(9));
        for text in ["0", "10", "-1", "5000000000"] {
            let message = count(text).unwrap_err().to_string();
            let expected = format!("`{text}` is out of range: at least `1`, at most `9`");
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}
