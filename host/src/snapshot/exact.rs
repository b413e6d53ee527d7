//! Whether a snapshot is what was captured: its bytes are read as an engine reads them, and compared with what the
//! instance had.
//!
//! Instances start from these bytes alone, and nothing else would tell that some of them are wrong. Pure: bytes to values.

use std::collections::HashSet;

use wasmparser::{BinaryReaderError, DataKind, Instance, Operator, OperatorsReader, Parser, Payload, TypeRef};

const PAGE_BYTES: u64 = 64 << 10;

/// The mutable globals and the memories of all modules that a component instantiates, module by module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// The bits of each value.
    pub(super) globals: Vec<u64>,
    pub(super) memories: Vec<Memory>,
}

/// What a memory holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Memory {
    bytes: usize,
    digest: blake3::Hash,
}

impl Memory {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), digest: blake3::hash(bytes) }
    }
}

impl Contents {
    /// What an instance of a component begins with.
    ///
    /// # Errors
    ///
    /// What cannot be read, in plain words.
    pub(super) fn of(component: &[u8]) -> Result<Self, String> {
        let mut contents = Self::default();
        for module in instantiated(component).map_err(|error| error.to_string())? {
            contents.add(module)?;
        }
        Ok(contents)
    }

    /// Shows that an instance which begins with `restored` has what was captured.
    ///
    /// # Errors
    ///
    /// The first difference, in plain words.
    pub(super) fn same(&self, restored: &Self) -> Result<(), String> {
        if self == restored {
            return Ok(());
        }
        let differs = |what: &str, at: Option<usize>| match at {
            Some(at) => format!("an instance would begin with another {what} than `build` left (number {at})"),
            None => format!("an instance would begin with another number of {what} values than `build` left"),
        };
        if self.globals != restored.globals {
            let at = self.globals.iter().zip(&restored.globals).position(|(captured, restored)| captured != restored);
            return Err(differs("global", at));
        }
        let at = self.memories.iter().zip(&restored.memories).position(|(captured, restored)| captured != restored);
        Err(differs("memory", at))
    }

    fn add(&mut self, module: &[u8]) -> Result<(), String> {
        let text = |error: BinaryReaderError| error.to_string();
        // Memories that are not the module's own come first in its numbers.
        let (mut imported, mut memories) = (0, Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(text)? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        imported += u32::from(matches!(import.map_err(text)?.ty, TypeRef::Memory(_)));
                    }
                }
                Payload::MemorySection(declared) => {
                    for memory in declared {
                        memories.push(zeroed(memory.map_err(text)?.initial)?);
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        let global = global.map_err(text)?;
                        if global.ty.mutable {
                            self.globals.push(constant(global.init_expr.get_operators_reader())?);
                        }
                    }
                }
                Payload::DataSection(segments) => {
                    for segment in segments {
                        let segment = segment.map_err(text)?;
                        if let DataKind::Active { memory_index, offset_expr } = segment.kind {
                            let memory =
                                memory_index.checked_sub(imported).and_then(|own| memories.get_mut(own as usize));
                            let memory = memory.ok_or("its data is for a memory of another module")?;
                            write(memory, constant(offset_expr.get_operators_reader())?, segment.data)?;
                        }
                    }
                }
                _ => {}
            }
        }
        self.memories.extend(memories.iter().map(|memory| Memory::of(memory)));
        Ok(())
    }
}

/// The modules that a component itself instantiates, in their order.
fn instantiated(component: &[u8]) -> Result<Vec<&[u8]>, BinaryReaderError> {
    let (mut modules, mut made, mut depth) = (Vec::new(), HashSet::new(), 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ if depth > 1 => {}
            Payload::ModuleSection { unchecked_range, .. } => modules.push(&component[unchecked_range]),
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        made.insert(module_index as usize);
                    }
                }
            }
            _ => {}
        }
    }
    let modules = modules.into_iter().enumerate();
    Ok(modules.filter(|(index, _)| made.contains(index)).map(|(_, module)| module).collect())
}

fn zeroed(pages: u64) -> Result<Vec<u8>, String> {
    let bytes = pages.checked_mul(PAGE_BYTES).and_then(|bytes| usize::try_from(bytes).ok());
    Ok(vec![0; bytes.ok_or("it has a memory without end")?])
}

fn write(memory: &mut [u8], offset: u64, data: &[u8]) -> Result<(), String> {
    let start = usize::try_from(offset).ok();
    let range = start.and_then(|start| Some(start..start.checked_add(data.len())?));
    let place = range.and_then(|range| memory.get_mut(range)).ok_or("its data is beyond its memory")?;
    place.copy_from_slice(data);
    Ok(())
}

/// The bits of a constant.
fn constant(mut operators: OperatorsReader<'_>) -> Result<u64, String> {
    Ok(match operators.read().map_err(|error| error.to_string())? {
        Operator::I32Const { value } => u64::from(value.cast_unsigned()),
        Operator::I64Const { value } => value.cast_unsigned(),
        Operator::F32Const { value } => u64::from(value.bits()),
        Operator::F64Const { value } => value.bits(),
        _ => return Err("a value in it is no constant".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        ComponentBuilder, ConstExpr, DataSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module,
        ModuleArg, ValType,
    };

    fn module(global: i32, offset: i32, data: &[u8]) -> Module {
        let (mut memories, mut globals, mut segments) =
            (MemorySection::new(), GlobalSection::new(), DataSection::new());
        let memory = MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None };
        memories.memory(memory);
        let of = |mutable| GlobalType { val_type: ValType::I32, mutable, shared: false };
        globals.global(of(false), &ConstExpr::i32_const(1)).global(of(true), &ConstExpr::i32_const(global));
        // As wizer leaves what was active.
        segments.passive([]).active(0, &ConstExpr::i32_const(offset), data.iter().copied());
        let mut module = Module::new();
        module.section(&memories).section(&globals).section(&segments);
        module
    }

    fn component(modules: &[(Module, bool)]) -> Vec<u8> {
        let mut component = ComponentBuilder::default();
        for (module, is_made) in modules {
            let index = component.core_module(None, module);
            if *is_made {
                component.core_instantiate(None, index, std::iter::empty::<(&str, ModuleArg)>());
            }
        }
        component.finish()
    }

    fn contents(global: i32, offset: i32, data: &[u8]) -> Contents {
        Contents::of(&component(&[(module(global, offset, data), true)])).unwrap()
    }

    #[test]
    fn what_is_read_is_what_an_engine_would_begin_with() {
        let modules = [(module(9, 0, b"not made"), false), (module(-1, 65_534, b"abcd"), true)];
        let mut bytes = vec![0; 2 * 65_536];
        bytes[65_534..65_538].copy_from_slice(b"abcd");
        let expected = Contents { globals: vec![0xffff_ffff], memories: vec![Memory::of(&bytes)] };
        assert_eq!(Contents::of(&component(&modules)).unwrap(), expected);
    }

    #[test]
    fn each_difference_is_found() {
        let captured = contents(7, 8, b"abc");
        captured.same(&contents(7, 8, b"abc")).unwrap();
        captured.same(&contents(7, 8, b"ab\0")).unwrap_err();
        captured.same(&contents(7, 9, b"abc")).unwrap_err();
        assert!(captured.same(&contents(8, 8, b"abc")).unwrap_err().contains("global"));
        assert!(captured.same(&Contents::default()).unwrap_err().contains("global"));
    }

    #[test]
    fn data_beyond_a_memory_is_refused() {
        Contents::of(&component(&[(module(0, -1, b"abc"), true)])).unwrap_err();
        Contents::of(b"nothing").unwrap_err();
    }
}
