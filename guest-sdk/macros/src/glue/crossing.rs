//! Which types cross as they are, and which are converted.
//!
//! A user's type crosses if the code that wit-bindgen writes for a type of its own would be the same for it: then
//! values are lifted right into it, and nothing is copied. The others (durations, newtypes, enums without `Clone`,
//! names that are spelled differently) have a type in the bindings, and are converted.

use crate::model::{Class, Definition, Kind, MapKind, Name, Payload, Type};
use crate::names;

/// What is known of the class's types.
pub(super) struct Crossing<'a> {
    pub(super) class: &'a Class,
    /// The map of the bindings; they know one.
    pub(super) map: MapKind,
    /// Whether the definition of the same index is used by a function, however far away.
    used: Vec<bool>,
    crosses: Vec<bool>,
}

impl<'a> Crossing<'a> {
    pub(super) fn new(class: &'a Class) -> Self {
        let mut crossing = Self {
            class,
            map: map_kind(class),
            used: vec![false; class.types.len()],
            crosses: vec![false; class.types.len()],
        };
        for ty in signature_types(class) {
            crossing.visit(ty);
        }
        // Types have no circles, so each round settles at least those whose parts are settled.
        for _ in 0..class.types.len() {
            let next = class.types.iter().map(|definition| crossing.definition_crosses(definition)).collect();
            crossing.crosses = next;
        }
        crossing
    }

    /// The definitions that the bindings take over.
    pub(super) fn crossing(&self) -> impl Iterator<Item = &'a Definition> {
        self.chosen(true)
    }

    /// The definitions that are converted.
    pub(super) fn converted(&self) -> impl Iterator<Item = &'a Definition> {
        self.chosen(false)
    }

    /// Whether values of the type are the same on both sides.
    pub(super) fn is_same(&self, ty: &Type) -> bool {
        match ty {
            Type::Plain(_) => true,
            Type::Duration => false,
            Type::Own(name) => {
                let at = self.class.types.iter().position(|definition| definition.name.rust == *name);
                at.is_some_and(|at| self.crosses[at])
            }
            Type::Map(kind, ..) if *kind != self.map => false,
            other => other.parts().into_iter().all(|part| self.is_same(part)),
        }
    }

    /// The path of the map that the bindings use.
    pub(super) fn map_type(&self) -> &'static str {
        match self.map {
            MapKind::Hash => "::std::collections::HashMap",
            MapKind::BTree => "::std::collections::BTreeMap",
        }
    }

    fn chosen(&self, crosses: bool) -> impl Iterator<Item = &'a Definition> {
        let definitions = self.class.types.iter().zip(&self.used).zip(&self.crosses);
        let chosen = definitions.filter(move |((_, used), crosse)| **used && **crosse == crosses);
        chosen.map(|((definition, _), _)| definition).collect::<Vec<_>>().into_iter()
    }

    fn visit(&mut self, ty: &Type) {
        let Type::Own(name) = ty else {
            return ty.parts().into_iter().for_each(|part| self.visit(part));
        };
        let Some(at) = self.class.types.iter().position(|definition| definition.name.rust == *name) else { return };
        if !std::mem::replace(&mut self.used[at], true) {
            self.class.types[at].parts().into_iter().for_each(|part| self.visit(part));
        }
    }

    fn definition_crosses(&self, definition: &Definition) -> bool {
        match &definition.kind {
            Kind::Unnamed(_) => false,
            Kind::Record(fields) => fields.iter().all(|field| is_spelled_alike(&field.name) && self.is_same(&field.ty)),
            Kind::Enum(cases) => definition.is_clone && cases.iter().all(|case| is_case_spelled_alike(&case.name)),
            Kind::Variant(cases) => cases.iter().all(|case| {
                is_case_spelled_alike(&case.name)
                    && match &case.payload {
                        Payload::Nothing => true,
                        Payload::Values(types) => matches!(types.as_slice(), [ty] if self.is_same(ty)),
                        Payload::Fields(_) => false,
                    }
            }),
        }
    }
}

fn is_spelled_alike(name: &Name) -> bool {
    name.rust == names::in_bindings(&name.wit)
}

fn is_case_spelled_alike(name: &Name) -> bool {
    name.rust == names::case_in_bindings(&name.wit)
}

/// The map that the class uses, or, of two, the ordered one.
fn map_kind(class: &Class) -> MapKind {
    let is_tree = |ty: &Type| matches!(ty, Type::Map(MapKind::BTree, ..));
    let mut types = signature_types(class).chain(class.types.iter().flat_map(Definition::parts));
    if types.any(|ty| ty.any(&is_tree)) { MapKind::BTree } else { MapKind::Hash }
}

fn signature_types(class: &Class) -> impl Iterator<Item = &Type> {
    use crate::model::{Failure, Returned};
    class.functions.iter().flat_map(|function| {
        let ok = match &function.returns.ok {
            Returned::Value(ty) => Some(ty),
            _ => None,
        };
        let err = match &function.returns.failure {
            Some(Failure::Value(ty)) => Some(ty),
            _ => None,
        };
        function.values().map(|(_, ty, _)| ty).chain(ok).chain(err)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::class;

    #[test]
    fn a_type_crosses_if_its_code_would_be_the_same() {
        let class = class(
            "",
            "mod m {
                #[derive(Value)] struct Plain { a: u8, b: Vec<Color> }
                #[derive(Value, Clone)] enum Color { Red, LightBlue }
                #[derive(Value)] enum NoClone { A, B }
                #[derive(Value)] struct Acronym { hTTP: u8 }
                #[derive(Value)] enum Shape { Named(Plain), None }
                #[derive(Value)] struct Timed { at: Duration }
                #[derive(Value)] struct Outer { timed: Option<Timed> }
                #[derive(Value)] struct Id(u64);
                #[derive(Value)] struct Unused { a: u8 }
                #[method] fn f(a: Shape, b: Outer, c: NoClone, d: Id, e: Acronym) {}
            }",
        );
        let crossing = Crossing::new(&class);
        let names = |definitions: &mut dyn Iterator<Item = &Definition>| {
            definitions.map(|definition| definition.name.rust.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut crossing.crossing()), ["Plain", "Color", "Shape"]);
        assert_eq!(names(&mut crossing.converted()), ["NoClone", "Acronym", "Timed", "Outer", "Id"]);
    }

    #[test]
    fn one_kind_of_map_crosses() {
        let tree = "BTreeMap<String, u8>";
        let class = class("", &format!("mod m {{ #[method] fn f(a: HashMap<String, u8>, b: {tree}) {{}} }}"));
        let crossing = Crossing::new(&class);
        let same: Vec<_> = class.functions[0].values().map(|(_, ty, _)| crossing.is_same(ty)).collect();
        assert_eq!(same, [false, true]);
    }
}
