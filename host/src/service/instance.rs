//! An instance in a caller's hands, and the list of those a shutdown has to end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tokio_util::task::TaskTracker;

use super::bound::ok_shape;
use super::class::{Class, Method};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Live;
use crate::pool::Stake;
use crate::state::Frame;
use crate::values::{Value, from_value};

/// One live guest, entered with its parameters: state set by one call is there for the next.
///
/// Calls of one instance run one after another. [`exit`](Self::exit) ends it; dropping it does the same in the background,
/// as long as the runtime lives.
#[derive(Debug)]
pub struct Instance {
    class: Class,
    id: u64,
    slot: Arc<Slot>,
}

/// Where an instance is kept; empty once it is gone.
type Slot = AsyncMutex<Option<Kept>>;

/// An instance and its place in the host.
#[derive(Debug)]
struct Kept {
    live: Live,
    _stake: Stake,
}

impl Instance {
    pub(super) fn new(class: Class, id: u64, live: Live, stake: Stake) -> Self {
        let slot = Arc::new(AsyncMutex::new(Some(Kept { live, _stake: stake })));
        class.inner.host.inner.instances.add(id, slot.clone());
        Self { class, id, slot }
    }

    /// The instance's number, unique in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The class it was entered for.
    pub fn class(&self) -> &Class {
        &self.class
    }

    /// Calls a method; arguments and result as for [`Bound::call`](super::Bound::call).
    ///
    /// # Errors
    ///
    /// As [`Bound::call`](super::Bound::call). After `returned-error`, `bad-request` or `too-large` arguments the instance
    /// goes on; after anything else from the guest it is gone, without `exit`, and further calls are refused with
    /// `conflict`.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped while the guest runs, the instance is gone, without `exit`.
    pub async fn call<A, R>(&self, method: &str, arguments: &A) -> Result<R>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let method = self.class.method(method)?;
        let arguments = method.argument_signature().from_serde(arguments, &self.class.limits())?;
        let value = self.call_values(method, arguments).await?;
        Ok(from_value(value, ok_shape(method))?)
    }

    pub(super) async fn call_values(&self, method: Method<'_>, arguments: Vec<Value>) -> Result<Value> {
        self.class.check_body(method.name(), &arguments)?;
        let _working = self.class.inner.host.inner.drain.work()?;
        // Almost always free, and then this is the shorter way.
        let slot = self.slot.try_lock();
        let mut busy = Busy(match slot {
            Ok(slot) => slot,
            Err(_) => self.slot.lock().await,
        });
        busy.live()?.call(method.index(), arguments, Frame::default()).await
    }

    /// Bytes in all of the guest's memories and tables; `None` once the instance is gone, or while a call runs.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.slot.try_lock().ok()?.as_ref().map(|kept| kept.live.memory_bytes())
    }

    /// Whether the instance can take a call: false once it is gone.
    pub async fn is_ready(&self) -> bool {
        self.slot.lock().await.as_ref().is_some_and(|kept| kept.live.is_ready())
    }

    /// Ends the instance: its `exit` runs, if it was not gone before.
    ///
    /// # Errors
    ///
    /// What `exit` failed with. The instance is gone all the same.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped a running `exit` is cut off.
    pub async fn exit(self) -> Result<()> {
        let _working = self.class.inner.host.inner.drain.last_work();
        let kept = self.slot.lock().await.take();
        self.class.inner.host.inner.instances.remove(self.id);
        exit(kept).await.unwrap_or(Ok(()))
    }
}

impl Drop for Instance {
    #[expect(
        clippy::disallowed_methods,
        reason = "registered as the drain's last work, so that a shutdown waits for it"
    )]
    fn drop(&mut self) {
        let host = self.class.inner.host.clone();
        // Nothing to end: it has exited, or failed.
        if self.slot.try_lock().is_ok_and(|slot| slot.is_none()) {
            host.inner.instances.remove(self.id);
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            host.inner.instances.lose(self.id);
            return;
        };
        let (id, slot) = (self.id, self.slot.clone());
        let working = host.inner.drain.last_work();
        runtime.spawn(async move {
            let live = slot.lock().await.take();
            host.inner.instances.remove(id);
            if let Some(Err(error)) = exit(live).await {
                tracing::warn!(instance = id, %error, "`exit` failed");
            }
            drop(working);
        });
    }
}

async fn exit(kept: Option<Kept>) -> Option<Result<()>> {
    Some(kept?.live.exit().await)
}

/// A slot while a call runs in it: whatever way the call ends, an instance that is of no more use leaves the slot.
struct Busy<'a>(MutexGuard<'a, Option<Kept>>);

impl Busy<'_> {
    fn live(&mut self) -> Result<&mut Live> {
        let kept = self.0.as_mut();
        kept.map(|kept| &mut kept.live)
            .ok_or_else(|| Error::new(ErrorKind::Conflict, "the instance is gone: it failed or has exited"))
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        drop(self.0.take_if(|kept| !kept.live.is_ready()));
    }
}

/// The instances of a host that a shutdown has to end.
#[derive(Debug, Default)]
pub(super) struct Registry {
    slots: Mutex<HashMap<u64, Arc<Slot>>>,
    exits: TaskTracker,
    lost: AtomicUsize,
}

impl Registry {
    fn add(&self, id: u64, slot: Arc<Slot>) {
        self.lock().insert(id, slot);
    }

    fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Ends all instances at once, and waits for exits that another call began.
    ///
    /// # Cancel safety
    ///
    /// The exits go on when the future is dropped.
    pub(super) async fn exit_all(&self) {
        let slots: Vec<_> = self.lock().drain().collect();
        for (id, slot) in slots {
            self.exits.spawn(async move {
                let live = slot.lock().await.take();
                if let Some(Err(error)) = exit(live).await {
                    tracing::warn!(instance = id, %error, "`exit` failed");
                }
            });
        }
        self.exits.close();
        self.exits.wait().await;
    }

    /// Says that an instance went without `exit`.
    fn lose(&self, id: u64) {
        self.remove(id);
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Instances that went without `exit`, or go so now.
    pub(super) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed) + self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
