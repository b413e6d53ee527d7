//! What is wrong between the module's own types.

use crate::model::{Class, Definition, Kind, Name, Type};
use crate::problems::Problems;

/// Reports types that contain themselves, and names that are one in WIT.
pub(super) fn check(class: &Class, problems: &mut Problems) {
    let names = class.type_names();
    distinct(&names.iter().collect::<Vec<_>>(), "type", problems);
    functions(class, problems);
    for definition in &class.types {
        if contains(class, definition, definition, &mut Vec::new()) {
            let message =
                format!("`{}` contains itself, and values have an end; refer to others by a key", definition.name.rust);
            problems.on(&definition.name.rust, message);
        }
        match &definition.kind {
            Kind::Record(fields) => {
                distinct(&fields.iter().map(|field| &field.name).collect::<Vec<_>>(), "field", problems)
            }
            Kind::Enum(cases) | Kind::Variant(cases) => {
                distinct(&cases.iter().map(|case| &case.name).collect::<Vec<_>>(), "variant", problems);
                for (_, _, fields) in definition.records() {
                    distinct(&fields.iter().map(|field| &field.name).collect::<Vec<_>>(), "field", problems);
                }
            }
            Kind::Unnamed(_) => {}
        }
    }
}

/// In WIT, the types and functions of an interface share their names.
fn functions(class: &Class, problems: &mut Problems) {
    for name in &class.type_names() {
        if let Some(method) = class.methods().find(|method| method.name.wit == name.wit) {
            let message = format!(
                "the type `{}` and the method `{}` are both called `{}` in WIT, where types and functions share \
                 their names; rename one",
                name.rust, method.name.rust, name.wit
            );
            problems.on(&method.name.rust, message);
        }
        let is_hook = match name.wit.as_str() {
            "build" => class.builds().next().is_some(),
            "enter" => class.has_enter(),
            "exit" => class.exits().next().is_some(),
            _ => false,
        };
        if is_hook {
            let message = format!(
                "`{}` is the name of a hook in WIT, where types and functions share their names; rename it",
                name.wit
            );
            problems.on(&name.rust, message);
        }
    }
}

fn contains<'a>(class: &'a Class, outer: &Definition, inner: &'a Definition, seen: &mut Vec<&'a str>) -> bool {
    inner.parts().into_iter().any(|part| within(class, outer, part, seen))
}

fn within<'a>(class: &'a Class, outer: &Definition, ty: &'a Type, seen: &mut Vec<&'a str>) -> bool {
    let Type::Own(name) = ty else {
        return ty.parts().into_iter().any(|part| within(class, outer, part, seen));
    };
    if *name == outer.name.rust {
        return true;
    }
    let Some(definition) = class.definition(name) else { return false };
    if seen.contains(&definition.name.wit.as_str()) {
        return false;
    }
    seen.push(&definition.name.wit);
    contains(class, outer, definition, seen)
}

fn distinct(names: &[&Name], what: &str, problems: &mut Problems) {
    for (at, name) in names.iter().enumerate() {
        if names[..at].iter().any(|earlier| earlier.wit == name.wit) {
            problems.on(&name.rust, format!("another {what} is called `{}` in WIT, too; rename one", name.wit));
        }
    }
}
