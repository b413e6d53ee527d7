//! Components made to do harm to whoever loads them, and a way to damage others. Everything comes out the same in each run:
//! what looks random follows from a seed. Those that can be written down are in `tests/guests/text`.

use std::ops::Range;

use wasm_encoder::{
    CodeSection, ComponentBuilder, ComponentExportKind, ExportKind, ExportSection, Function, FunctionSection, Module,
    ModuleArg, TypeSection, ValType,
};

/// The most that a function's body may have, by the specification of WebAssembly's limits for the web.
const MAX_BODY_BYTES: usize = 7_654_321;

/// Numbers that look random: SplitMix64, the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound that is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.any() % bound as u64).expect("it is below a usize")
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(self.any().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// What begins like a component, and goes on at random.
pub fn random_bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = wasm_encoder::Component::HEADER.to_vec();
    bytes.extend(Numbers::new(seed).bytes(length.saturating_sub(bytes.len())));
    bytes
}

/// A class, named after its file, with a `build` of about so many bytes of code, in functions as large as may be, each of them a knot of
/// jumps and of variables that live across all of them: what register allocation takes longest for.
pub fn slow_to_compile(bytes: usize) -> Vec<u8> {
    const LOCALS: u32 = 120;
    let mut numbers = Numbers::new(1);
    let mut local = || u8::try_from(numbers.below(LOCALS as usize)).expect("it is below 120");
    let mut knot = Vec::with_capacity(1 << 16);
    while knot.len() + 32 < 1 << 16 {
        let (a, b, c, d) = (local(), local(), local(), local());
        // (block (br_if 0 (local.get a)) (local.set c (i32.add (local.get b) (local.get d))))
        knot.extend([0x02, 0x40, 0x20, a, 0x0d, 0x00, 0x20, b, 0x20, d, 0x6a, 0x21, c, 0x0b]);
    }
    let mut code = CodeSection::new();
    let mut functions = FunctionSection::new();
    let mut left = bytes;
    while left > 0 || functions.is_empty() {
        let body = left.min(MAX_BODY_BYTES - knot.len());
        let mut function = Function::new([(LOCALS, ValType::I32)]);
        for _ in 0..body.div_ceil(knot.len()).max(1) {
            function.raw(knot.iter().copied());
        }
        function.instructions().end();
        code.function(&function);
        functions.function(0);
        left -= body;
    }
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut exports = ExportSection::new();
    exports.export("build", ExportKind::Func, 0);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    class_of(&module)
}

/// The class, named after its file, of a module whose function `build` takes and returns nothing.
fn class_of(module: &Module) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let module = component.core_module(None, module);
    let instance = component.core_instantiate(None, module, std::iter::empty::<(&str, ModuleArg)>());
    let build = component.core_alias_export(None, instance, "build", ExportKind::Func);
    let (ty, encoder) = component.ty(None);
    encoder.function().params(std::iter::empty::<(&str, wasm_encoder::ComponentValType)>()).result(None);
    let build = component.lift_func(None, build, ty, []);
    component.export("build", ComponentExportKind::Func, build, None);
    component.finish()
}

/// A component of instances of a component of instances, and so on, `depth` times: small, with `width` to the power of `depth`
/// instances of a module.
pub fn instances_in_instances(depth: u32, width: usize) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let module = component.core_module(None, &Module::new());
    component.core_instantiate(None, module, std::iter::empty::<(&str, ModuleArg)>());
    for _ in 0..depth {
        let mut outer = ComponentBuilder::default();
        let inner = outer.component(None, component);
        for _ in 0..width {
            outer.instantiate(None, inner, std::iter::empty::<(&str, ComponentExportKind, u32)>());
        }
        component = outer;
    }
    component.finish()
}

/// Damages components.
#[derive(Clone, Debug)]
pub struct Mutator(Numbers);

impl Mutator {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(Numbers::new(seed))
    }

    /// Does one to three kinds of damage: flips bits, cuts the end off, writes over a part, and removes, repeats or swaps
    /// sections or takes one of another component.
    pub fn mutate(&mut self, component: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = component.to_vec();
        for _ in 0..=self.0.below(3) {
            if !bytes.is_empty() {
                self.damage(&mut bytes, other);
            }
        }
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        match self.0.below(8) {
            0..=2 => {
                for _ in 0..=self.0.below(8) {
                    let place = self.0.below(bytes.len());
                    bytes[place] ^= 1 << self.0.below(8);
                }
            }
            3 => bytes.truncate(self.0.below(bytes.len())),
            4 => {
                let at = self.0.below(bytes.len());
                let end = bytes.len().min(at + 1 + self.0.below(16));
                let random = self.0.bytes(end - at);
                bytes[at..end].copy_from_slice(&random);
            }
            5 => {
                if let Some(section) = self.section(bytes) {
                    bytes.drain(section);
                }
            }
            6 => {
                if let (Some(section), Some(place)) = (self.section(bytes), self.section(bytes)) {
                    let copy = bytes[section].to_vec();
                    bytes.splice(place.start..place.start, copy);
                }
            }
            _ => {
                if let (Some(place), Some(section)) = (self.section(bytes), self.section(other)) {
                    bytes.splice(place, other[section].iter().copied());
                }
            }
        }
    }

    fn section(&mut self, bytes: &[u8]) -> Option<Range<usize>> {
        let all = sections(bytes);
        if all.is_empty() { None } else { Some(all[self.0.below(all.len())].clone()) }
    }
}

/// Where the outermost sections of a component lie, until one does not fit.
fn sections(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = wasm_encoder::Component::HEADER.len();
    while let Some((size, size_bytes)) = bytes.get(start + 1..).and_then(leb128) {
        let end = (start + 1 + size_bytes).saturating_add(size);
        if end > bytes.len() {
            break;
        }
        found.push(start..end);
        start = end;
    }
    found
}

/// A number in LEB128 of at most 32 bits, and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, place + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload, Validator, WasmFeatures};

    use super::*;

    fn is_valid(component: &[u8]) -> bool {
        Validator::new_with_features(WasmFeatures::all()).validate_all(component).is_ok()
    }

    #[test]
    fn what_is_slow_to_compile_is_valid_and_as_large_as_asked_for() {
        for (bytes, functions) in [(1, 1), (1 << 20, 1), (20 << 20, 3)] {
            let component = slow_to_compile(bytes);
            assert!(component.len() >= bytes && component.len() < bytes + (1 << 18) * functions, "{}", component.len());
            assert!(is_valid(&component), "{bytes}");
        }
    }

    #[test]
    fn random_bytes_are_a_component_by_their_header_alone() {
        let bytes = random_bytes(1000, 7);
        assert_eq!(bytes.len(), 1000);
        assert!(Parser::is_component(&bytes) && !is_valid(&bytes));
        assert_ne!(bytes, random_bytes(1000, 8));
    }

    #[test]
    fn instances_in_instances_are_valid_and_small() {
        let component = instances_in_instances(3, 10);
        assert!(is_valid(&component) && component.len() < 1000, "{}", component.len());
        let modules = Parser::new(0).parse_all(&component);
        assert_eq!(modules.filter(|payload| matches!(payload, Ok(Payload::ModuleSection { .. }))).count(), 1);
    }

    #[test]
    fn sections_cover_a_component() {
        let component = crate::text_guest("twice");
        let found = sections(&component);
        assert!(found.len() > 5);
        assert_eq!((found[0].start, found[found.len() - 1].end), (8, component.len()));
        assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(sections(&[]).is_empty() && sections(&random_bytes(9, 1)).is_empty());
    }

    #[test]
    fn damage_is_the_same_for_the_same_seed_and_leaves_little_valid() {
        let (component, other) = (crate::text_guest("twice"), crate::text_guest("composed"));
        let damaged = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..1000).map(|_| mutator.mutate(&component, &other)).collect::<Vec<_>>()
        };
        assert_eq!(damaged(1), damaged(1));
        let changed = damaged(2).into_iter().filter(|damaged| *damaged != component).count();
        let valid = damaged(2).iter().filter(|damaged| is_valid(damaged)).count();
        assert!(changed > 950, "{changed}");
        assert!((10..500).contains(&valid), "some get past the parser: {valid}");
    }
}
