//! Finds the custom section `wasmhost:manifest` of a component.

use wasmparser::{Parser, Payload};

/// The section's name.
const NAME: &str = "wasmhost:manifest";

/// The bytes of the manifest section: in the component itself, else of its direct core modules, back to back in order.
/// Empty when there is none.
pub(crate) fn manifest(component: &[u8]) -> Vec<u8> {
    let mut own = Vec::new();
    let mut of_modules = Vec::new();
    // How many modules and components enclose the payload, counting the outermost component.
    let mut depth = 0_u32;
    let mut in_module = false;
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::Version { encoding, .. }) => {
                depth += 1;
                in_module = encoding == wasmparser::Encoding::Module;
            }
            Ok(Payload::End(_)) => {
                depth = depth.saturating_sub(1);
                in_module = false;
            }
            Ok(Payload::CustomSection(section)) if section.name() == NAME => match (depth, in_module) {
                (1, false) => own.extend_from_slice(section.data()),
                (2, true) => of_modules.extend_from_slice(section.data()),
                _ => {}
            },
            // The engine tells better what is wrong with a component than this search.
            Err(_) => break,
            Ok(_) => {}
        }
    }
    if own.is_empty() { of_modules } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{ComponentBuilder, CustomSection, Module};

    fn module(section: &[u8]) -> Module {
        let mut module = Module::new();
        module.section(&CustomSection { name: NAME.into(), data: section.into() });
        module
    }

    #[test]
    fn direct_modules_are_read_in_order_and_nested_ones_not() {
        let mut inner = ComponentBuilder::default();
        inner.core_module(None, &module(b"{inner}"));
        let mut component = ComponentBuilder::default();
        component.core_module(None, &module(b"{one}"));
        component.component(None, inner);
        component.core_module(None, &module(b"{two}"));
        assert_eq!(manifest(&component.finish()), b"{one}{two}");
    }

    #[test]
    fn the_components_own_section_wins() {
        let mut component = ComponentBuilder::default();
        component.core_module(None, &module(b"{module}"));
        component.custom_section(&CustomSection { name: NAME.into(), data: b"{own}".as_slice().into() });
        assert_eq!(manifest(&component.finish()), b"{own}");
    }
}
