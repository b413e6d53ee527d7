//! A function of a guest and its place in a component that exports it.

use std::ops::Deref;
use std::sync::Arc;

use wasmtime::component::{Component, ComponentExportIndex};

use crate::component::Function;

/// A function, found in the component that instances are made of.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    function: Arc<Function>,
    pub(super) index: ComponentExportIndex,
}

impl Linked {
    /// Finds a function below `export`, an interface, or at the root. `None` where the component does not have it.
    pub(crate) fn find(component: &Component, export: Option<&str>, function: &Arc<Function>) -> Option<Self> {
        let index = export_index(component, export, &function.name)?;
        Some(Self { function: function.clone(), index })
    }
}

impl Deref for Linked {
    type Target = Function;

    fn deref(&self) -> &Function {
        &self.function
    }
}

/// The place of the export `name` below an interface, or at the root.
fn export_index(component: &Component, export: Option<&str>, name: &str) -> Option<ComponentExportIndex> {
    match export {
        None => component.get_export_index(None, name),
        Some(export) => {
            let interface = component.get_export_index(None, export)?;
            component.get_export_index(Some(&interface), name)
        }
    }
}
