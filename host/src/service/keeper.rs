//! What the pools of a class keep: guests, started with the pool's parameters, and what is told of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug_span, field};

use super::HostInner;
use super::metrics::ClassMetrics;
use super::nested::Way;
use super::prepared::Prepared;
use crate::config::OutputLimits;
use crate::error::Result;
use crate::instance::{CallSlot, Live, SharedLive};
use crate::pool::{Condition, Event, Exit, Held, Keeper, Lease, Started, Task};
use crate::state::{GuestOutput, Identity, Output, OutputOrigin};
use crate::values::json::Json;
use crate::values::{Signature, Value};

/// Bytes of parameters that log lines carry.
const MAX_LOGGED_PARAMETERS_BYTES: usize = 200;

/// All that starting and ending an instance of a class takes. It does not hold the host: instances outlive no host.
#[derive(Clone)]
pub(super) struct ClassKeeper {
    pub(super) prepared: Arc<Prepared>,
    pub(super) app: String,
    pub(super) class: String,
    pub(super) parameters: Signature,
    /// Calls inside one instance at a time.
    pub(super) concurrency: u32,
    /// How instances reach other classes.
    peers: Arc<Way>,
    output: Arc<dyn GuestOutput>,
    output_limits: OutputLimits,
    next_instance: Arc<AtomicU64>,
    drivers: TaskTracker,
    metrics: Arc<ClassMetrics>,
}

impl CallSlot for Lease<ClassKeeper> {
    fn retirer(&self) -> Box<dyn FnOnce() + Send> {
        let retirer = Lease::retirer(self);
        Box::new(move || retirer.retire())
    }
}

impl ClassKeeper {
    pub(super) fn new(
        host: &HostInner,
        prepared: Arc<Prepared>,
        names: (&str, &str, Arc<Way>),
        parameters: Signature,
        concurrency: u32,
    ) -> Self {
        let (app, class, peers) = names;
        Self {
            prepared,
            app: app.to_owned(),
            class: class.to_owned(),
            parameters,
            concurrency,
            peers,
            output: host.output.0.clone(),
            output_limits: host.config.output,
            next_instance: host.next_instance.clone(),
            drivers: host.drain.drivers().clone(),
            metrics: host.metrics.class(app, class),
        }
    }

    /// Starts an instance, entered with its number.
    pub(super) async fn start_live(&self, parameters: &[Value]) -> Result<(u64, Live)> {
        let id = self.next_instance.fetch_add(1, Ordering::Relaxed);
        Span::current().record("instance", id);
        let identity = Identity {
            app: self.app.as_str().into(),
            class: Some(self.class.as_str().into()),
            parameters: self.parameters_json(parameters).to_string(),
            peers: Some(self.peers.clone()),
        };
        let origin = OutputOrigin {
            app: self.app.clone(),
            class: self.class.clone(),
            parameters: shortened(&identity.parameters),
            instance: id.to_string(),
        };
        let output = Output::new(origin, self.output.clone(), self.output_limits);
        let blueprint = self.prepared.blueprint().await?;
        let started = Live::start(blueprint, parameters.to_vec(), output.clone(), Arc::new(identity)).await;
        if started.is_err() {
            output.finish();
        }
        Ok((id, started?))
    }

    /// The parameters by name.
    pub(super) fn parameters_json(&self, parameters: &[Value]) -> serde_json::Value {
        let json = |value, shape| serde_json::to_value(Json { value, shape }).unwrap_or_default();
        let named = self.parameters.iter().zip(parameters);
        named.map(|((name, shape), value)| (name.to_owned(), json(value, shape))).collect()
    }

    fn log_exit(&self, exited: Result<()>) -> Exit {
        match exited {
            Ok(()) => Exit::Ok,
            Err(error) => {
                tracing::warn!(app = %self.app, class = %self.class, %error, "`exit` failed");
                Exit::Failed
            }
        }
    }
}

/// Parameters as log lines have them.
fn shortened(parameters: &str) -> String {
    if parameters.len() <= MAX_LOGGED_PARAMETERS_BYTES {
        return parameters.to_owned();
    }
    format!("{}…", &parameters[..parameters.floor_char_boundary(MAX_LOGGED_PARAMETERS_BYTES)])
}

/// A span of its own that says what it came of. What a caller causes goes on without the caller, and is others' as well.
fn after_current(span: Span) -> Span {
    span.follows_from(Span::current());
    span
}

impl Keeper for ClassKeeper {
    type Parameters = Arc<[Value]>;
    type Exclusive = Live;
    type Shared = SharedLive;

    async fn start(&self, parameters: &Arc<[Value]>) -> Result<Started<Self>> {
        let (id, live) = self.start_live(parameters).await?;
        if self.concurrency == 1 {
            return Ok(Started { id, instance: Held::Exclusive(Box::new(live)) });
        }
        let (shared, driver) = live.share()?;
        let span = debug_span!(parent: None, "instance", app = self.app, class = self.class, instance = id);
        self.drivers.spawn(driver.instrument(after_current(span)));
        Ok(Started { id, instance: Held::Shared(Arc::new(shared)) })
    }

    async fn exit(&self, instance: Held<Self>) -> Exit {
        match instance {
            Held::Exclusive(live) => self.log_exit(live.exit().await),
            Held::Shared(shared) => self.log_exit(shared.exit().await),
        }
    }

    fn exits_silently(&self, instance: &Held<Self>) -> bool {
        matches!(instance, Held::Exclusive(live) if !live.has_exit())
    }

    fn condition(&self, instance: &Held<Self>) -> Condition {
        let is_sound = match instance {
            Held::Exclusive(live) => live.is_ready(),
            Held::Shared(shared) => shared.is_sound(),
        };
        match instance {
            _ if !is_sound => Condition::Broken,
            Held::Exclusive(live) if live.is_worn() => Condition::Worn,
            _ => Condition::Sound,
        }
    }

    fn memory_bytes(&self, instance: &Held<Self>) -> u64 {
        match instance {
            Held::Exclusive(live) => live.grown_bytes(),
            Held::Shared(shared) => shared.grown_bytes(),
        }
    }

    fn span(&self, task: Task) -> Span {
        let Self { app, class, .. } = self;
        after_current(match task {
            Task::Start => debug_span!(parent: None, "start", app, class, instance = field::Empty),
            Task::Exit(instance) => debug_span!(parent: None, "exit", app, class, instance),
        })
    }

    fn describe(&self, parameters: &Arc<[Value]>) -> String {
        let parameters = self.parameters_json(parameters).to_string();
        format!("`{}` with the parameters {}", self.class, shortened(&parameters))
    }

    fn note(&self, event: Event<'_>) {
        let Self { app, class, metrics, .. } = self;
        match event {
            Event::Started { took, error } => {
                metrics.start_ended(error.is_none(), took);
                match error {
                    None => tracing::debug!(app, class, ?took, "an instance was entered"),
                    Some(error) => tracing::warn!(app, class, ?took, %error, "an instance could not be started"),
                }
            }
            Event::Evicted => {
                metrics.evicted();
                tracing::debug!(app, class, "an idle instance had to go");
            }
            Event::Exited(exit) => metrics.exited(exit == Exit::Ok),
        }
    }
}
