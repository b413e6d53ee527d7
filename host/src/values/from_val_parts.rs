//! Hands out the parts of a compound value: what [`FromVal`] gives a target for lists, objects and cases.
//!
//! Errors get their place in the value here, on their way out.

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::error::ValueError;
use super::from_val::FromVal;

/// The elements of a list.
pub(super) struct Elements<I> {
    elements: I,
    index: usize,
}

impl<I> Elements<I> {
    pub(super) fn new(elements: I) -> Self {
        Self { elements, index: 0 }
    }
}

impl<'de, I: ExactSizeIterator<Item = FromVal<'de>>> SeqAccess<'de> for Elements<I> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        let Some(element) = self.elements.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(element).map(Some).map_err(|error| error.inside(format_args!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

/// The members of an object.
pub(super) struct Entries<'a, I> {
    entries: I,
    /// The name of the last key, for errors, and its value.
    pending: Option<(&'a str, FromVal<'a>)>,
}

impl<I> Entries<'_, I> {
    pub(super) fn new(entries: I) -> Self {
        Self { entries, pending: None }
    }
}

impl<'a> Entries<'a, std::option::IntoIter<(FromVal<'a>, FromVal<'a>)>> {
    pub(super) fn one(name: &'a str, value: FromVal<'a>) -> Self {
        Self::new(Some((FromVal::name(name), value)).into_iter())
    }
}

impl<'de, I: ExactSizeIterator<Item = (FromVal<'de>, FromVal<'de>)>> MapAccess<'de> for Entries<'de, I> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.pending = Some((key.key_name(), value));
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ValueError> {
        let (name, value) = self.pending.take().expect("serde asks for a value only after its key");
        seed.deserialize(value).map_err(|error| error.inside(format_args!(".{name}")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// One case, under the name the target has for it.
pub(super) struct Case<'a> {
    pub(super) name: &'a str,
    pub(super) payload: FromVal<'a>,
}

impl<'de> EnumAccess<'de> for Case<'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ValueError> {
        Ok((seed.deserialize(FromVal::name(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Case<'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        self.newtype_variant_seed(std::marker::PhantomData::<()>)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ValueError> {
        seed.deserialize(self.payload).map_err(|error| error.inside(format_args!(".{}", self.name)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.payload.deserialize_seq(visitor).map_err(|error| error.inside(format_args!(".{}", self.name)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let result = self.payload.deserialize_struct("", fields, visitor);
        result.map_err(|error| error.inside(format_args!(".{}", self.name)))
    }
}
