//! How the snapshotter asks an instrumented instance for its state.

use std::collections::HashSet;

use wasmtime::Store;
use wasmtime::component::{Instance, Lift, WasmList};
use wasmtime_wizer::ComponentInstanceState;

use super::exact::{Contents, Memory};
use crate::state::State;

/// An instance of an instrumented component.
pub(super) struct Access<'a> {
    store: &'a mut Store<State>,
    instance: Instance,
    /// What the snapshotter was told, in the order in which it asked.
    told: Contents,
    /// The memories it was told: it asks twice for each, and each answer makes the memory longer.
    memories: HashSet<String>,
}

impl<'a> Access<'a> {
    pub(super) fn new(store: &'a mut Store<State>, instance: Instance) -> Self {
        Self { store, instance, told: Contents::default(), memories: HashSet::new() }
    }

    pub(super) fn into_told(self) -> Contents {
        self.told
    }

    fn tell(&mut self, global: u64) {
        self.told.globals.push(global);
    }

    /// Calls one of the functions that the snapshotter has put there. The trait has no way to fail: whoever takes a snapshot
    /// catches the panic.
    async fn call<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> R {
        let (store, of) = (&mut *self.store, self.instance);
        let parent = of.get_export_index(&mut *store, None, instance).expect("the instrumented interface is exported");
        let index = of.get_export_index(&mut *store, Some(&parent), function).expect("its function is exported");
        let function = of.get_typed_func::<(), (R,)>(&mut *store, index).expect("of this type");
        function.call_async(store, ()).await.expect("it only reads").0
    }
}

impl ComponentInstanceState for Access<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        let list = self.call::<WasmList<u8>>(instance, func).await;
        let bytes = list.as_le_slice(&*self.store);
        if self.memories.insert(func.to_owned()) {
            self.told.memories.push(Memory::of(bytes));
        }
        contents(bytes);
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        let value: i32 = self.call(instance, func).await;
        self.tell(u64::from(value.cast_unsigned()));
        value
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        let value: i64 = self.call(instance, func).await;
        self.tell(value.cast_unsigned());
        value
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        let bits = self.call::<f32>(instance, func).await.to_bits();
        self.tell(u64::from(bits));
        bits
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        let bits = self.call::<f64>(instance, func).await.to_bits();
        self.tell(bits);
        bits
    }
}
