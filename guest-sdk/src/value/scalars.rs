//! Values without parts, as JSON.

use std::time::Duration;

use super::{Kind, Value, nanoseconds};
use crate::json::{Reader, Unread, Writer};

macro_rules! whole {
    ($($ty:ty, $kind:expr, $or_text:literal;)*) => {$(
        impl Value for $ty {
            const KIND: Kind = $kind;

            fn write_json(value: &Self, json: &mut Writer) {
                json.shown(value);
            }

            fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
                let digits = if $or_text && json.is_string() { json.string()? } else { json.digits().into() };
                digits.parse().map_err(|_| json.unread(concat!("a number that is ", stringify!($ty))))
            }

            fn to_byte(value: &Self) -> u8 {
                // Of one type this is asked, and there it is whole.
                u8::try_from(*value).unwrap_or_default()
            }

            fn from_byte(byte: u8) -> Option<Self> {
                Self::try_from(byte).ok()
            }
        }
    )*};
}

// Those of 64 bits may be text: many readers of JSON have no numbers as large.
whole! {
    i8, Kind::Other, false;
    i16, Kind::Other, false;
    i32, Kind::Other, false;
    i64, Kind::Other, true;
    u8, Kind::Byte, false;
    u16, Kind::Other, false;
    u32, Kind::Other, false;
    u64, Kind::Other, true;
}

macro_rules! floats {
    ($($ty:ident)*) => {$(
        impl Value for $ty {
            fn write_json(value: &Self, json: &mut Writer) {
                if value.is_finite() {
                    // As `Debug` writes it: with an exponent, where all digits would be hundreds.
                    json.shown(format_args!("{value:?}"));
                } else if value.is_nan() {
                    json.string("NaN");
                } else {
                    json.string(if *value > 0.0 { "Infinity" } else { "-Infinity" });
                }
            }

            fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
                if json.is_string() {
                    return match &*json.string()? {
                        "NaN" => Ok($ty::NAN),
                        "Infinity" => Ok($ty::INFINITY),
                        "-Infinity" => Ok($ty::NEG_INFINITY),
                        _ => Err(json.unread("a number")),
                    };
                }
                json.digits().parse().map_err(|_| json.unread("a number"))
            }
        }
    )*};
}

floats! { f32 f64 }

impl Value for bool {
    fn write_json(value: &Self, json: &mut Writer) {
        json.raw(if *value { "true" } else { "false" });
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        json.bool()
    }
}

impl Value for char {
    fn write_json(value: &Self, json: &mut Writer) {
        json.string(value.encode_utf8(&mut [0; 4]));
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        let text = json.string()?;
        let mut chars = text.chars();
        let first = chars.next().filter(|_| chars.next().is_none());
        first.ok_or_else(|| json.unread("a single character"))
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;

    fn write_json(value: &Self, json: &mut Writer) {
        json.string(value);
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        json.string().map(Into::into)
    }
}

impl Value for Duration {
    fn write_json(value: &Self, json: &mut Writer) {
        json.shown(nanoseconds(*value));
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        u64::read_json(json).map(Self::from_nanos)
    }
}

/// What a method without an answer answers.
impl Value for () {
    fn write_json((): &Self, json: &mut Writer) {
        json.raw("null");
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        if json.null() { Ok(()) } else { Err(json.unread("nothing, which is `null`,")) }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[track_caller]
    fn both_ways<T: Value + PartialEq + Debug>(value: T, json: &str) {
        assert_eq!(Writer::text(&value), json);
        assert_eq!(Reader::text::<T>(json), Ok(value));
    }

    #[test]
    fn scalars_are_written_as_the_host_reads_them() {
        both_ways(true, "true");
        both_ways(i8::MIN, "-128");
        both_ways(u64::MAX, "18446744073709551615");
        both_ways(0.1_f32, "0.1");
        both_ways(-0.0_f64, "-0.0");
        both_ways(f64::MAX, "1.7976931348623157e308");
        both_ways(5.162364250564572e-119, "5.162364250564572e-119");
        both_ways(f64::NEG_INFINITY, "\"-Infinity\"");
        both_ways('ö', "\"ö\"");
        both_ways(Duration::from_micros(3), "3000");
        both_ways((), "null");
        assert!(Reader::text::<f32>("\"NaN\"").is_ok_and(f32::is_nan));
    }

    #[test]
    fn only_the_largest_numbers_may_be_text() {
        assert_eq!(Reader::text("\"-7\""), Ok(-7_i64));
        assert!(Reader::text::<i32>("\"-7\"").is_err());
        assert!(Reader::text::<f64>("\"1.5\"").is_err());
    }

    #[test]
    fn nothing_is_taken_for_what_it_is_not() {
        assert!(Reader::text::<u8>("256").is_err());
        assert!(Reader::text::<u8>("1.0").is_err());
        assert!(Reader::text::<bool>("null").is_err());
        assert!(Reader::text::<char>("\"ab\"").is_err() && Reader::text::<char>("\"\"").is_err());
        assert!(Reader::text::<()>("1").is_err());
    }
}
