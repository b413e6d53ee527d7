//! How the snapshotter asks an instrumented instance for its state.

use wasmtime::Store;
use wasmtime::component::{Instance, Lift, WasmList};
use wasmtime_wizer::ComponentInstanceState;

use crate::state::State;

/// An instance of an instrumented component.
pub(super) struct Access<'a> {
    pub(super) store: &'a mut Store<State>,
    pub(super) instance: Instance,
}

impl Access<'_> {
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
        contents(list.as_le_slice(&*self.store));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call::<f32>(instance, func).await.to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call::<f64>(instance, func).await.to_bits()
    }
}
