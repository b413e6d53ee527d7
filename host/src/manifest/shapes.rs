//! Values that may be written in more than one shape: `false` or a table, a number or a list.
//!
//! Serde's `untagged` would read them too, but its error is that nothing matched. Here each shape
//! is read as itself, so that a mistake inside a table is reported inside that table.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use super::class::{Cors, Cpu, EnvName, EnvValue, False, HookName, Hooks, MaxCalls, MinInstances, Star};
use super::problem::brief;
use super::read::deserialize_from_str;

/// Implements `Deserialize` by a visitor with the given arms, one for each shape.
macro_rules! shapes {
    ($type:ty, $expecting:literal, $($arm:item)+) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Shapes;
                impl<'de> Visitor<'de> for Shapes {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    $($arm)+
                }
                deserializer.deserialize_any(Shapes)
            }
        }
    };
}

shapes! { MinInstances, "a number, or a list of `{ parameters = { … }, count = 1 }`",
    fn visit_i64<E: Error>(self, number: i64) -> Result<MinInstances, E> {
        Deserialize::deserialize(serde::de::value::I64Deserializer::new(number)).map(MinInstances::Count)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<MinInstances, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<MinInstances, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(MinInstances::Listed)
    }
}

shapes! { MaxCalls, "a number, or a range such as `\"50..100\"`",
    fn visit_i64<E: Error>(self, number: i64) -> Result<MaxCalls, E> {
        match u32::try_from(number) {
            Ok(calls @ 1..) => Ok(MaxCalls { least: calls, most: calls }),
            _ => Err(E::custom(format!("`{number}` is out of range: at least `1`, at most `{}`", u32::MAX))),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<MaxCalls, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<MaxCalls, E> {
        text.parse().map_err(E::custom)
    }
}

shapes! { Hooks, "`false`, or a table such as `{ exit = \"shutdown\" }`",
    fn visit_bool<E: Error>(self, flag: bool) -> Result<Hooks, E> {
        if flag { Err(E::invalid_type(Unexpected::Bool(flag), &self)) } else { Ok(Hooks::Off(False)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Hooks, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(table)).map(Hooks::Named)
    }
}

shapes! { HookName, "the name of a function, or `false`",
    fn visit_bool<E: Error>(self, flag: bool) -> Result<HookName, E> {
        if flag { Err(E::invalid_type(Unexpected::Bool(flag), &self)) } else { Ok(HookName::Off(False)) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HookName, E> {
        if text.is_empty() { Err(E::invalid_type(Unexpected::Str(text), &self)) } else { Ok(HookName::Function(text.to_owned())) }
    }
}

shapes! { EnvValue, "a text, or `{ from = \"NAME\" }`",
    fn visit_str<E: Error>(self, text: &str) -> Result<EnvValue, E> {
        if text.contains('\0') {
            return Err(E::custom("an environment variable cannot hold the character NUL"));
        }
        Ok(EnvValue::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<EnvValue, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(table)).map(EnvValue::Host)
    }
}

shapes! { Cors, "`\"*\"`, or a list of origins such as `[\"https://app.example.com\"]`",
    fn visit_str<E: Error>(self, text: &str) -> Result<Cors, E> {
        if text == "*" { Ok(Cors::Any(Star::Star)) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Cors, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Cors::Origins)
    }
}

/// Refuses the key with the reason, whatever its value is.
impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "a share of the cpu cannot be enforced inside one process; bound the work with `timeout` and `max-instances`",
        ))
    }
}

/// Why a text is no number of calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no range of calls; write `\"50..100\"`, both at least 1, the smaller first", brief(.0))]
pub(crate) struct MaxCallsError(String);

impl FromStr for MaxCalls {
    type Err = MaxCallsError;

    fn from_str(text: &str) -> Result<Self, MaxCallsError> {
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|number| is_plain && *number >= 1)
        };
        let bounds = text.split_once("..").and_then(|(least, most)| Some((number(least)?, number(most)?)));
        match bounds {
            Some((least, most)) if least <= most => Ok(Self { least, most }),
            _ => Err(MaxCallsError(text.to_owned())),
        }
    }
}

impl fmt::Display for MaxCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.least)?;
        if self.least == self.most { Ok(()) } else { write!(f, "..{}", self.most) }
    }
}

/// Why a text names no environment variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no name of an environment variable, which is not empty and has neither `=` nor NUL", brief(.0))]
pub(crate) struct EnvNameError(String);

impl EnvName {
    /// The name as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = EnvNameError;

    fn from_str(text: &str) -> Result<Self, EnvNameError> {
        if text.is_empty() || text.contains(['=', '\0']) {
            return Err(EnvNameError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

deserialize_from_str!(EnvName, "the name of an environment variable");

impl Serialize for MaxCalls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.least == self.most { serializer.serialize_u32(self.least) } else { serializer.collect_str(self) }
    }
}

impl Serialize for False {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(false)
    }
}

impl JsonSchema for MaxCalls {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MaxCalls".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": u32::MAX },
                { "type": "string", "pattern": r"^[0-9]+\.\.[0-9]+$" },
            ],
            "examples": [100, "50..100"],
        })
    }
}

impl JsonSchema for False {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "False".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean", "const": false })
    }
}

impl JsonSchema for EnvName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EnvName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^=\\x00]+$", "examples": ["DATABASE_URI"] })
    }
}

/// No value at all fits, so an editor marks the key whatever stands behind it.
impl JsonSchema for Cpu {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cpu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "not": {}, "deprecated": true })
    }
}
