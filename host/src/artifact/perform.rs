//! Carrying out an order: the one way in which anything comes into a store, in this process or in one of its own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wasmtime::component::Component;

use super::Digest;
use super::compile::{compile, engine_kind};
use super::order::{BuildOrder, Event, Listener, Order, PreparePhase, Printing, Task};
use super::store::{Built, ComponentRecord, Outcome, Store, Timings, is_lost, link_below};
use crate::component::{Function, Offer, encode, hollow::hollow, section};
use crate::engine::EngineKind;
use crate::error::{Error, ErrorKind, Result};
use crate::instance::{Blueprint, Live, Replay, Setup};
use crate::linker::Linkers;
use crate::memory::{is_out_of_memory, of_panic};
use crate::snapshot::{self, Building, Snapshot, Taken};
use crate::state::{Directory, Output, Scratch, Turns, WasiSpec};

/// The directory that `build` writes, by its name in the guest.
pub(crate) const IMAGE: &str = "/image";

/// Where an order is carried out.
pub(crate) struct Site {
    pub(crate) store: Arc<Store>,
    pub(crate) linkers: Arc<Linkers>,
    pub(crate) listener: Arc<dyn Listener>,
    /// Cancelled when nobody waits for it any more.
    pub(crate) stop: CancellationToken,
}

/// Carries out an order, whose [`turn`](super::turn::turn) it is. Blocks for as long as it takes: call it off the runtime's
/// workers, on a thread of the runtime.
///
/// # Errors
///
/// `bad-request` where the component is none that this host can run, `build-failed` or `memory-exceeded` from a `build` hook,
/// and what went wrong with the store.
pub(crate) fn perform(order: &Order, site: &Site) -> Result<()> {
    let performing = Performing { order, site };
    let performed = || match &order.task {
        Task::Examine => performing.examine(),
        Task::Compile(kind) => performing.compile_as_it_came(*kind),
        Task::Build(build) => performing.build(build),
    };
    // Parsers and compilers that panic over somebody's bytes end with these bytes, not with the host. What a panic left half
    // done is in the staging area, or was never told of.
    catch_unwind(AssertUnwindSafe(performed)).unwrap_or_else(|panic| {
        let what = format!("`{}` is no component this host can run: preparing it failed", order.name);
        Err(Error::bad_request(of_panic(&what, &*panic)))
    })
}

struct Performing<'a> {
    order: &'a Order,
    site: &'a Site,
}

impl Performing<'_> {
    fn examine(&self) -> Result<()> {
        let Site { store, linkers, .. } = self.site;
        let digest = &self.order.component;
        let raw = store.bytes(digest).map_err(|error| self.of_store(error))?;
        let size_bytes = raw.len() as u64;
        let examined = self.phase(PreparePhase::Examine, Some(size_bytes), || {
            let bytes = encode::component(raw, Path::new(&self.order.name))?;
            let kind = engine_kind(&bytes);
            let engine = linkers.engines().get(kind)?;
            let hollow = hollow(&bytes).and_then(|hollow| compile(engine, &hollow, &self.order.name).ok());
            let component = hollow.map_or_else(|| compile(engine, &bytes, &self.order.name), Ok)?;
            let offer = Offer::read(&component, engine, kind);
            let linked = linkers.get(kind)?.instantiate_pre(&component);
            let unlinkable = linked.err().map(|error| format!("{error:#}"));
            let section = String::from_utf8_lossy(&section::manifest(&bytes)).into_owned();
            Ok::<_, Error>(ComponentRecord { kind, size_bytes, offer, section, unlinkable })
        });
        let record = examined.inspect_err(|_| store.forget_bytes(digest))?;
        store.keep_component(digest, &record).map_err(|error| self.of_store(error))
    }

    fn compile_as_it_came(&self, kind: EngineKind) -> Result<()> {
        let Site { store, linkers, .. } = self.site;
        let digest = &self.order.component;
        let engine = linkers.engines().get(kind)?;
        if store.has_code(digest, kind, engine).map_err(|error| self.of_store(error))?.is_some() {
            return Ok(());
        }
        let bytes = self.component()?;
        let component =
            self.phase(PreparePhase::Compile, Some(bytes.len() as u64), || compile(engine, &bytes, &self.order.name))?;
        self.keep_code(digest, kind, &component)
    }

    fn build(&self, build: &BuildOrder) -> Result<()> {
        let store = &self.site.store;
        // Of several processes that want the same one did it, and the others find it.
        let built = store.built(&build.key).map_err(|error| self.of_store(error))?;
        if let Some(built) = built.filter(|_| !build.again) {
            match built.outcome {
                Outcome::Refused(_) => return self.compile_as_it_came(build.kind),
                Outcome::Taken(taken) => match self.compile_again(build, &taken) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) if is_lost(&error) => {
                        tracing::warn!(%error, "a snapshot was damaged in more than one place: `build` runs again");
                        store.forget_built(&build.key);
                    }
                    done => return done.map_err(|error| self.of_store(error))?,
                },
            }
        }
        self.run_build(build)
    }

    /// Compiles a snapshot that is there already.
    fn compile_again(&self, build: &BuildOrder, taken: &super::store::Taken) -> io::Result<Result<()>> {
        let Site { store, linkers, .. } = self.site;
        let engine = match linkers.engines().get(build.kind) {
            Ok(engine) => engine,
            Err(error) => return Ok(Err(error)),
        };
        let kept = store.take_into_use(&build.key, taken)?;
        if store.has_code(&taken.digest, build.kind, engine)?.is_some() {
            return Ok(Ok(()));
        }
        let bytes = store.snapshotted(&kept)?;
        let compiled = self.phase(PreparePhase::CompileSnapshot, Some(bytes.len() as u64), || {
            compile(engine, &bytes, &self.order.name)
        });
        Ok(compiled.and_then(|component| self.keep_code(&taken.digest, build.kind, &component)))
    }

    fn run_build(&self, build: &BuildOrder) -> Result<()> {
        let Site { store, linkers, .. } = self.site;
        let image = store.staging_dir("image-").map_err(|error| self.of_store(error))?;
        let nothing = store.staging_dir("nothing-").map_err(|error| self.of_store(error))?;
        let mut wasi = world_of_build(&build.wasi, image.path(), nothing.path());
        if let Some(tmp) = &mut wasi.tmp {
            tmp.scratch = Scratch::new(store.staging_home().map(Path::to_owned));
        }
        let printing = Arc::new(Printing::new(self.site.listener.clone()));
        let output = Output::new(build.origin.clone(), printing.clone(), build.output);
        let mut timings = Timings::default();
        let bytes = self.component()?;
        let blueprint = |setup: Setup| Blueprint {
            setup,
            builds: Vec::new(),
            enter: None,
            exit: None,
            methods: Vec::new(),
            #[cfg(feature = "http")]
            handler: None,
            bounds: build.bounds,
            ticker: linkers.engines().ticker().clone(),
            turns: Turns::default(),
            stop: self.site.stop.clone(),
        };
        let taken = snapshot::take(&mut Building {
            component: &bytes,
            linker: linkers.get(build.kind)?,
            kind: build.kind,
            hooks: &self.hooks(build)?,
            wasi: &wasi,
            blueprint: &blueprint,
            output: output.clone(),
            step: &mut |phase, took| match took {
                None => self.begun(phase, Some(bytes.len() as u64)),
                Some(took) => {
                    *match phase {
                        PreparePhase::Instrument => &mut timings.instrument,
                        PreparePhase::Build => &mut timings.build,
                        _ => &mut timings.capture,
                    } += took;
                    self.ended(phase, took, None);
                }
            },
        });
        output.finish();
        let taken = match taken? {
            Taken::Snapshot(snapshot) => {
                match self.usable(&snapshot, build, image.path(), &wasi, &blueprint, &mut timings)? {
                    None => Ok(snapshot),
                    Some(reason) => Err(reason),
                }
            }
            Taken::Refused(reason) => Err(reason),
        };
        if let Err(reason) = &taken
            && is_out_of_memory(reason)
        {
            // It passes, and what is kept stays.
            let message = format!("taking a snapshot of `{}` failed: {reason}", self.order.name);
            return Err(Error::new(ErrorKind::MemoryExceeded, message));
        }
        let (printed, lines_left_out) = printing.printed();
        let at_unix_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let built = |outcome| Built { at_unix_seconds, timings, printed, lines_left_out, outcome };
        let is_refused = taken.is_err();
        self.phase(PreparePhase::Keep, None, || {
            let snapshot = taken.as_ref().map(|snapshot| (&**snapshot, image.path())).map_err(Clone::clone);
            store.keep_built(&build.key, built, snapshot).map_err(|error| self.of_store(error))
        })?;
        if is_refused { self.compile_as_it_came(build.kind) } else { Ok(()) }
    }

    /// Compiles a snapshot and makes one instance of it. Gives the reason why instances cannot start from it, if there is one.
    fn usable(
        &self,
        snapshot: &Snapshot,
        build: &BuildOrder,
        image: &Path,
        wasi: &WasiSpec,
        blueprint: &dyn Fn(Setup) -> Blueprint,
        timings: &mut Timings,
    ) -> Result<Option<String>> {
        if let Some(link) = link_below(image).map_err(|error| Error::io("files of `build`", error))? {
            let link = PathBuf::from(IMAGE).join(link);
            return Ok(Some(format!("`build` left `{}`, which is no file", link.display())));
        }
        let linkers = &self.site.linkers;
        let engine = linkers.engines().get(build.kind)?;
        let began = Instant::now();
        let size = snapshot.component.len() as u64;
        let component = self.phase(PreparePhase::CompileSnapshot, Some(size), || {
            compile(engine, &snapshot.component, &self.order.name)
        });
        let component = match component {
            Ok(component) => component,
            Err(error) => return Ok(Some(format!("it cannot be compiled: {error}"))),
        };
        self.keep_code(&Digest::of(&snapshot.component), build.kind, &component)?;
        timings.compile = began.elapsed();
        let began = Instant::now();
        let verified = self.phase(PreparePhase::Verify, None, || {
            let pre = linkers.get(build.kind)?.instantiate_pre(&component);
            let pre = pre.map_err(|error| Error::internal(format!("it cannot be linked: {error:#}")))?;
            let handles = Replay::find(&component, &snapshot.resources, &snapshot.open)
                .ok_or_else(|| Error::internal("a function is missing in it"))?;
            let handles = Some(Arc::new(handles));
            let blueprint = Arc::new(blueprint(Setup { pre, wasi: wasi.clone(), handles }));
            let silent = Output::new(build.origin.clone(), Arc::new(crate::state::TracingOutput), build.output);
            let live = Live::start_unentered(blueprint, silent, Arc::default());
            Handle::current().block_on(live).map(|_| ())
        });
        timings.verify = began.elapsed();
        if let Err(error) = &verified
            && matches!(error.kind(), ErrorKind::Overloaded | ErrorKind::Draining | ErrorKind::MemoryExceeded)
        {
            return Err(error.clone());
        }
        Ok(verified.err().map(|error| format!("an instance could not be made of it: {error}")))
    }

    /// The hooks as the component declares them.
    fn hooks(&self, build: &BuildOrder) -> Result<Vec<(Option<String>, Arc<Function>)>> {
        let missing = || Error::internal("a `build` hook is not in its component");
        let record = self.site.store.component(&self.order.component).ok_or_else(missing)?;
        let hooks = build.hooks.iter().map(|(export, name)| {
            let interface = record.offer.interfaces.iter().find(|interface| interface.export == *export)?;
            let function = interface.functions.iter().find(|function| function.name == *name)?;
            Some((export.clone(), Arc::new(function.clone())))
        });
        hooks.collect::<Option<Vec<_>>>().ok_or_else(missing)
    }

    /// The bytes of the component, as one.
    fn component(&self) -> Result<Vec<u8>> {
        let raw = self.site.store.bytes(&self.order.component).map_err(|error| self.of_store(error))?;
        encode::component(raw, Path::new(&self.order.name))
    }

    fn keep_code(&self, digest: &Digest, kind: EngineKind, component: &Component) -> Result<()> {
        let engine = self.site.linkers.engines().get(kind)?;
        let kept = self.site.store.keep_code(digest, kind, engine, component);
        kept.map(|_| ()).map_err(|error| self.of_store(error))
    }

    fn of_store(&self, error: io::Error) -> Error {
        self.site.store.failed(&self.order.name, error)
    }

    fn phase<T>(&self, phase: PreparePhase, bytes: Option<u64>, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        self.begun(phase, bytes);
        let done = work();
        self.ended(phase, began.elapsed(), bytes);
        done
    }

    fn begun(&self, phase: PreparePhase, bytes: Option<u64>) {
        self.site.listener.event(Event::Begun { phase, bytes });
    }

    fn ended(&self, phase: PreparePhase, took: Duration, bytes: Option<u64>) {
        self.site.listener.event(Event::Ended { phase, took, bytes });
    }
}

/// What `build` sees: `/image` to write to, and nothing where the host's own directories will be.
fn world_of_build(wasi: &WasiSpec, image: &Path, nothing: &Path) -> WasiSpec {
    let mut wasi = wasi.clone();
    for mount in wasi.directories.iter_mut().filter(|directory| directory.is_mount) {
        nothing.clone_into(&mut mount.host);
        mount.writable = false;
    }
    wasi.directories.push(Directory { writable: true, is_bounded: true, ..Directory::own(image.to_owned(), IMAGE) });
    wasi
}
