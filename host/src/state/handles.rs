//! What a guest's handles stand for, and the same things made again for another guest.
//!
//! A snapshot holds the *numbers* of handles that a guest had open: of its standard streams once it has printed, of its
//! directories once it has opened a file, of what its C library waits for. This module tells which of the host's resources
//! can be made again, and makes them. Whose number they have is the business of [`instance`](crate::instance).

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::sockets::instance_network;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Network};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::State;
use super::filesystem::Bounds;
use super::wasi::WasiSpec;

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standard {
    Input,
    Output,
    Error,
}

/// What a handle stands for that can be made again in any instance of the same class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Thing {
    Stream(Standard),
    /// A directory that every instance is given, by its place among them.
    Directory(usize),
    /// The network of WASI 0.2, which C libraries keep for the next connection. It is a mere name, and allows nothing.
    Network,
    /// What waits for a standard stream, which is the thing at this place of the same list.
    Pollable(usize),
}

/// A thing made in a store, to be handed to its guest.
#[derive(Debug)]
pub(crate) enum Made {
    Input(Resource<DynInputStream>),
    Output(Resource<DynOutputStream>),
    Directory(Resource<Descriptor>),
    Network(Resource<Network>),
    Pollable(Resource<DynPollable>),
}

/// A thing that a guest has open, with the number that the host has for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) rep: u32,
    pub(crate) thing: Thing,
}

/// The standard streams that a guest has taken, by the place in memory of each: they are behind a trait that tells nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(Arc<Mutex<BTreeMap<usize, Standard>>>);

impl Streams {
    pub(super) fn taken<T>(&self, stream: &T, standard: Standard) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(address(stream), standard);
    }

    pub(super) fn dropped<T>(&self, stream: &T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&address(stream));
    }

    fn find<T: ?Sized>(&self, stream: &T) -> Option<Standard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&address(stream)).copied()
    }
}

fn address<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).cast::<()>().addr()
}

impl State {
    /// What the guest has open, in the order of the host's numbers.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be made again, in plain words.
    pub(crate) fn open_handles(&mut self, spec: &WasiSpec) -> Result<Vec<Open>, String> {
        let given = self.given_directories().map_err(|error| format!("its directories are not known: {error:#}"))?;
        let mut open = Vec::new();
        let mut pollables = Vec::new();
        let mut unknown = 0;
        let occupied = self.table.iter_mut().count();
        let mut rep = 0;
        while open.len() + pollables.len() + unknown < occupied {
            if let Ok(entry) = self.table.get_any_mut(rep) {
                match self
                    .streams
                    .as_ref()
                    .map_or(Kind::Unknown, |streams| kind(entry, streams, &given, (spec, &self.bounds)))
                {
                    Kind::Thing(thing) => open.push(Open { rep, thing }),
                    Kind::Pollable(address) => pollables.push((rep, address)),
                    Kind::Other(what) => return Err(what),
                    Kind::Unknown => unknown += 1,
                }
            }
            rep += 1;
        }
        for (rep, pollable) in pollables {
            let parent = open.iter().position(|open| self.has_child(open, pollable));
            let Some(parent) = parent else {
                return Err("something that waits for no standard stream, such as a timer or a file".to_owned());
            };
            open.push(Open { rep, thing: Thing::Pollable(parent) });
        }
        // Told last: a timer is a resource without a name, and what waits for it has one.
        if unknown > 0 {
            return Err("a resource that is neither a stream nor a directory".to_owned());
        }
        Ok(open)
    }

    /// Makes things anew, in their order.
    ///
    /// # Errors
    ///
    /// The table is full, or a directory has no counterpart.
    pub(crate) fn make(&mut self, things: &[Thing]) -> wasmtime::Result<Vec<Made>> {
        let mut directories = Vec::new();
        if things.iter().any(|thing| matches!(thing, Thing::Directory(_))) {
            directories = preopens::Host::get_directories(&mut self.filesystem())?.into_iter().map(Some).collect();
        }
        let mut made: Vec<Made> = Vec::with_capacity(things.len());
        for thing in things {
            made.push(match thing {
                Thing::Stream(Standard::Input) => Made::Input(stdin::Host::get_stdin(&mut self.cli())?),
                Thing::Stream(Standard::Output) => Made::Output(stdout::Host::get_stdout(&mut self.cli())?),
                Thing::Stream(Standard::Error) => Made::Output(stderr::Host::get_stderr(&mut self.cli())?),
                Thing::Directory(place) => {
                    let directory =
                        directories.get_mut(*place).ok_or_else(|| wasmtime::Error::msg("no such directory"))?;
                    Made::Directory(match directory.take() {
                        Some((directory, _)) => directory,
                        // Opened twice: another handle of the same directory.
                        None => self.directory_again(*place)?,
                    })
                }
                Thing::Network => Made::Network(instance_network::Host::instance_network(&mut self.sockets())?),
                Thing::Pollable(of) => Made::Pollable(match made.get(*of) {
                    Some(Made::Input(stream)) => wasmtime_wasi::p2::subscribe(
                        &mut self.table,
                        Resource::<DynInputStream>::new_borrow(stream.rep()),
                    )?,
                    Some(Made::Output(stream)) => wasmtime_wasi::p2::subscribe(
                        &mut self.table,
                        Resource::<DynOutputStream>::new_borrow(stream.rep()),
                    )?,
                    _ => return Err(wasmtime::Error::msg("a pollable of no stream")),
                }),
            });
        }
        for (directory, _) in directories.into_iter().flatten() {
            self.table.delete(directory)?;
        }
        Ok(made)
    }

    fn directory_again(&mut self, place: usize) -> wasmtime::Result<Resource<Descriptor>> {
        let all = preopens::Host::get_directories(&mut self.filesystem())?;
        let mut wanted = None;
        for (at, (directory, _)) in all.into_iter().enumerate() {
            if at == place { wanted = Some(directory) } else { drop(self.table.delete(directory)?) }
        }
        wanted.ok_or_else(|| wasmtime::Error::msg("no such directory"))
    }

    /// The directories that the instance was given, in order.
    pub(super) fn given_directories(&mut self) -> wasmtime::Result<Vec<Arc<std::fs::File>>> {
        // In a table of its own: numbers that were used and freed would come in another order than the guest's.
        let guests = std::mem::take(&mut self.table);
        let given = preopens::Host::get_directories(&mut self.filesystem());
        let mut own = std::mem::replace(&mut self.table, guests);
        let given = given?;
        let mut files = Vec::with_capacity(given.len());
        for (directory, _) in given {
            if let Descriptor::Dir(dir) = own.delete(directory)? {
                files.push(dir.dir);
            }
        }
        Ok(files)
    }

    fn has_child(&self, parent: &Open, child: usize) -> bool {
        fn is_among<T: 'static>(table: &ResourceTable, parent: u32, child: usize) -> bool {
            let children = table.iter_children(&Resource::<T>::new_borrow(parent));
            children.is_ok_and(|mut children| children.any(|other| address(other) == child))
        }
        match parent.thing {
            Thing::Stream(Standard::Input) => is_among::<DynInputStream>(&self.table, parent.rep, child),
            Thing::Stream(_) => is_among::<DynOutputStream>(&self.table, parent.rep, child),
            Thing::Directory(_) | Thing::Network | Thing::Pollable(_) => false,
        }
    }
}

enum Kind {
    Thing(Thing),
    /// With its place in memory.
    Pollable(usize),
    /// Something that cannot be made again.
    Other(String),
    Unknown,
}

fn kind(entry: &mut dyn Any, streams: &Streams, given: &[Arc<std::fs::File>], seen: (&WasiSpec, &Bounds)) -> Kind {
    if entry.is::<wasmtime_wasi::p2::ReaddirIterator>() {
        return Kind::Other("the listing of a directory".to_owned());
    }
    if let Some(stream) = entry.downcast_ref::<DynOutputStream>() {
        return match streams.find(&**stream) {
            Some(standard) => Kind::Thing(Thing::Stream(standard)),
            None => Kind::Other("a stream that it writes to, which is no standard stream".to_owned()),
        };
    }
    if let Some(stream) = entry.downcast_ref::<DynInputStream>() {
        return match streams.find(&**stream) {
            Some(standard) => Kind::Thing(Thing::Stream(standard)),
            None => Kind::Other("a stream that it reads from, which is no standard stream".to_owned()),
        };
    }
    if entry.is::<DynPollable>() {
        return Kind::Pollable(address(entry));
    }
    if entry.is::<Network>() {
        return Kind::Thing(Thing::Network);
    }
    if let Some(what) = connection(entry) {
        return Kind::Other(what.to_owned());
    }
    match entry.downcast_ref::<Descriptor>() {
        Some(Descriptor::File(file)) => Kind::Other(format!("the file {}", seen_by_guest(&file.file, seen))),
        Some(Descriptor::Dir(dir)) => match given.iter().position(|given| seen.1.is_given(given, &dir.dir)) {
            Some(place) => Kind::Thing(Thing::Directory(place)),
            None => Kind::Other(format!("the directory {}", seen_by_guest(&dir.dir, seen))),
        },
        None => Kind::Unknown,
    }
}

/// What of a connection to somebody else this is.
fn connection(entry: &dyn Any) -> Option<&'static str> {
    if entry.is::<wasmtime_wasi::p2::TcpSocket>() || entry.is::<wasmtime_wasi::sockets::TcpSocket>() {
        return Some("a TCP connection");
    }
    #[cfg(feature = "http")]
    {
        use wasmtime_wasi_http::p2::{body, types};
        use wasmtime_wasi_http::p3;

        if entry.is::<types::HostOutgoingRequest>() || entry.is::<body::HostOutgoingBody>() || entry.is::<p3::Request>()
        {
            return Some("an HTTP request");
        }
        if entry.is::<types::HostFutureIncomingResponse>()
            || entry.is::<types::HostIncomingResponse>()
            || entry.is::<body::HostIncomingBody>()
            || entry.is::<body::HostFutureTrailers>()
            || entry.is::<p3::Response>()
        {
            return Some("the answer to an HTTP request");
        }
    }
    None
}

/// The path of an open file as its guest knows it, in quotes; where it is not known, the words say so.
fn seen_by_guest(file: &std::fs::File, (spec, bounds): (&WasiSpec, &Bounds)) -> String {
    use std::os::fd::AsRawFd as _;
    let Ok(host) = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) else {
        return "whose name is not known".to_owned();
    };
    let below = |root: &Path| Some(host.strip_prefix(root.canonicalize().ok()?).ok()?.to_owned());
    let of = spec.directories.iter().find_map(|directory| Some((&directory.guest, below(&directory.host)?)));
    let of = of.map(|(guest, rest)| PathBuf::from(guest).join(rest));
    match of.or_else(|| bounds.seen_by_guest(&host)) {
        Some(path) => format!("`{}`", path.display()),
        None => "whose name is not known".to_owned(),
    }
}
