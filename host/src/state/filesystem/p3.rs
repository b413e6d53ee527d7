//! `wasi:filesystem` 0.3: what is bounded is counted, everything else is `wasmtime-wasi`'s.

use tokio::sync::oneshot;
use wasmtime::AsContextMut as _;
use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize, Host, HostDescriptor,
    HostDescriptorWithStore, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

use super::change::{At, Opening};
use super::codes::{descriptor_flags, failed, open_flags, path_flags};
use super::consumer::FileConsumer;
use super::{BoundedFilesystem, Filesystem, Pair, State};

type Handle = Resource<Descriptor>;
type Ended = FutureReader<Result<(), ErrorCode>>;

impl Host for Filesystem<'_> {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }
}

impl HostDescriptor for Filesystem<'_> {
    fn drop(&mut self, handle: Handle) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.wasi, handle)
    }
}

/// The same store, for a function of `wasmtime-wasi`.
fn wasi(store: &Accessor<State, BoundedFilesystem>) -> Accessor<State, WasiFilesystem> {
    store.with_getter::<WasiFilesystem>(State::filesystem)
}

/// As [`wasi`], where nothing else runs meanwhile.
fn wasi_now<'a>(store: &'a mut Access<'_, State, BoundedFilesystem>) -> Access<'a, State, WasiFilesystem> {
    Access::<State, WasiFilesystem>::new(store.as_context_mut(), State::filesystem)
}

/// Works on the file system of the guest, for as long as nothing is waited for.
fn on<T>(store: &Accessor<State, BoundedFilesystem>, work: impl FnOnce(&mut Filesystem<'_>) -> T) -> T {
    store.with(|mut store| work(&mut store.get()))
}

/// Writes what comes out of a stream, where the file is bounded; else gives the stream back.
fn write(
    store: &mut Access<'_, State, BoundedFilesystem>,
    handle: &Handle,
    bytes: StreamReader<u8>,
    at: At,
) -> wasmtime::Result<Result<Ended, StreamReader<u8>>> {
    let found = store.get().file(handle);
    let Some((tree, file)) = found.map_err(wasmtime::Error::from)? else { return Ok(Err(bytes)) };
    let (ended, end) = oneshot::channel();
    bytes.pipe(&mut *store, FileConsumer::new(tree, file, at, ended))?;
    Ok(Ok(FutureReader::new(store, end)?))
}

/// Makes a private directory, for a change of the directory itself.
async fn make(store: &Accessor<State, BoundedFilesystem>, handle: &Handle) -> FilesystemResult<()> {
    if let Some((tree, dir)) = on(store, |files| files.dir(handle)).map_err(failed)? {
        tree.change(move |change| change.make(&dir)).await.map_err(failed)?;
        on(store, |files| files.settle(handle));
    }
    Ok(())
}

impl HostDescriptorWithStore<State> for BoundedFilesystem {
    fn write_via_stream(
        mut store: Access<'_, State, Self>,
        handle: Handle,
        bytes: StreamReader<u8>,
        offset: Filesize,
    ) -> wasmtime::Result<Ended> {
        match write(&mut store, &handle, bytes, At::Offset(offset))? {
            Ok(ended) => Ok(ended),
            Err(bytes) => WasiFilesystem::write_via_stream(wasi_now(&mut store), handle, bytes, offset),
        }
    }

    fn append_via_stream(
        mut store: Access<'_, State, Self>,
        handle: Handle,
        bytes: StreamReader<u8>,
    ) -> wasmtime::Result<Ended> {
        match write(&mut store, &handle, bytes, At::End)? {
            Ok(ended) => Ok(ended),
            Err(bytes) => WasiFilesystem::append_via_stream(wasi_now(&mut store), handle, bytes),
        }
    }

    async fn open_at(
        store: &Accessor<State, Self>,
        handle: Handle,
        at: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FilesystemResult<Handle> {
        let Some((tree, dir)) = on(store, |files| files.dir(&handle)).map_err(failed)? else {
            return WasiFilesystem::open_at(&wasi(store), handle, at, path, how, flags).await;
        };
        let (path_flags, open_flags, flags) = (path_flags(at), open_flags(how), descriptor_flags(flags));
        let opening = Opening { path_flags, path, open_flags, flags };
        let opened = tree.change(move |change| change.open(&dir, opening)).await.map_err(failed)?;
        Ok(on(store, |files| files.wasi.table.push(opened))?)
    }

    async fn set_size(store: &Accessor<State, Self>, handle: Handle, bytes: Filesize) -> FilesystemResult<()> {
        let Some((tree, file)) = on(store, |files| files.file(&handle)).map_err(failed)? else {
            return WasiFilesystem::set_size(&wasi(store), handle, bytes).await;
        };
        tree.change(move |change| Ok(change.set_size(&file, bytes)?)).await.map_err(failed)
    }

    async fn create_directory_at(store: &Accessor<State, Self>, handle: Handle, path: String) -> FilesystemResult<()> {
        let Some((tree, dir)) = on(store, |files| files.dir(&handle)).map_err(failed)? else {
            return WasiFilesystem::create_directory_at(&wasi(store), handle, path).await;
        };
        tree.change(move |change| change.create_directory(&dir, path)).await.map_err(failed)
    }

    async fn symlink_at(
        store: &Accessor<State, Self>,
        handle: Handle,
        target: String,
        path: String,
    ) -> FilesystemResult<()> {
        let Some((tree, dir)) = on(store, |files| files.dir(&handle)).map_err(failed)? else {
            return WasiFilesystem::symlink_at(&wasi(store), handle, target, path).await;
        };
        tree.change(move |change| change.symlink(&dir, target, path)).await.map_err(failed)
    }

    async fn link_at(
        store: &Accessor<State, Self>,
        handle: Handle,
        at: PathFlags,
        path: String,
        new_handle: Handle,
        new_path: String,
    ) -> FilesystemResult<()> {
        let pair = on(store, |files| Ok(Pair::of(files.dir(&handle)?, files.dir(&new_handle)?)));
        match pair.map_err(failed)? {
            Pair::Unbounded => WasiFilesystem::link_at(&wasi(store), handle, at, path, new_handle, new_path).await,
            Pair::In(tree, from, to) => {
                let flags = path_flags(at);
                let linked = tree.change(move |change| change.link(flags, (&from, path), (&to, new_path))).await;
                linked.map_err(failed)
            }
            Pair::Apart => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn rename_at(
        store: &Accessor<State, Self>,
        handle: Handle,
        path: String,
        new_handle: Handle,
        new_path: String,
    ) -> FilesystemResult<()> {
        let pair = on(store, |files| Ok(Pair::of(files.dir(&handle)?, files.dir(&new_handle)?)));
        match pair.map_err(failed)? {
            Pair::Unbounded => WasiFilesystem::rename_at(&wasi(store), handle, path, new_handle, new_path).await,
            Pair::In(tree, from, to) => {
                let renamed = tree.change(move |change| change.rename((&from, path), (&to, new_path))).await;
                renamed.map_err(failed)
            }
            Pair::Apart => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn unlink_file_at(store: &Accessor<State, Self>, handle: Handle, path: String) -> FilesystemResult<()> {
        let Some((tree, dir)) = on(store, |files| files.dir(&handle)).map_err(failed)? else {
            return WasiFilesystem::unlink_file_at(&wasi(store), handle, path).await;
        };
        tree.change(move |change| change.unlink(&dir, path)).await.map_err(failed)
    }

    async fn remove_directory_at(store: &Accessor<State, Self>, handle: Handle, path: String) -> FilesystemResult<()> {
        let Some((tree, dir)) = on(store, |files| files.dir(&handle)).map_err(failed)? else {
            return WasiFilesystem::remove_directory_at(&wasi(store), handle, path).await;
        };
        tree.change(move |change| change.remove_directory(&dir, path)).await.map_err(failed)
    }

    async fn set_times(
        store: &Accessor<State, Self>,
        handle: Handle,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FilesystemResult<()> {
        make(store, &handle).await?;
        WasiFilesystem::set_times(&wasi(store), handle, access, modification).await
    }

    async fn set_times_at(
        store: &Accessor<State, Self>,
        handle: Handle,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FilesystemResult<()> {
        make(store, &handle).await?;
        WasiFilesystem::set_times_at(&wasi(store), handle, flags, path, access, modification).await
    }

    // What follows reads.

    fn read_via_stream(
        mut store: Access<'_, State, Self>,
        handle: Handle,
        offset: Filesize,
    ) -> wasmtime::Result<(StreamReader<u8>, Ended)> {
        WasiFilesystem::read_via_stream(wasi_now(&mut store), handle, offset)
    }

    fn read_directory(
        mut store: Access<'_, State, Self>,
        handle: Handle,
    ) -> wasmtime::Result<(StreamReader<DirectoryEntry>, Ended)> {
        store.get().settle(&handle);
        WasiFilesystem::read_directory(wasi_now(&mut store), handle)
    }

    async fn advise(
        store: &Accessor<State, Self>,
        handle: Handle,
        offset: Filesize,
        bytes: Filesize,
        advice: Advice,
    ) -> FilesystemResult<()> {
        WasiFilesystem::advise(&wasi(store), handle, offset, bytes, advice).await
    }

    async fn sync_data(store: &Accessor<State, Self>, handle: Handle) -> FilesystemResult<()> {
        WasiFilesystem::sync_data(&wasi(store), handle).await
    }

    async fn sync(store: &Accessor<State, Self>, handle: Handle) -> FilesystemResult<()> {
        WasiFilesystem::sync(&wasi(store), handle).await
    }

    async fn get_flags(store: &Accessor<State, Self>, handle: Handle) -> FilesystemResult<DescriptorFlags> {
        WasiFilesystem::get_flags(&wasi(store), handle).await
    }

    async fn get_type(store: &Accessor<State, Self>, handle: Handle) -> FilesystemResult<DescriptorType> {
        WasiFilesystem::get_type(&wasi(store), handle).await
    }

    async fn stat(store: &Accessor<State, Self>, handle: Handle) -> FilesystemResult<DescriptorStat> {
        on(store, |files| files.settle(&handle));
        WasiFilesystem::stat(&wasi(store), handle).await
    }

    async fn stat_at(
        store: &Accessor<State, Self>,
        handle: Handle,
        flags: PathFlags,
        path: String,
    ) -> FilesystemResult<DescriptorStat> {
        on(store, |files| files.settle(&handle));
        WasiFilesystem::stat_at(&wasi(store), handle, flags, path).await
    }

    async fn readlink_at(store: &Accessor<State, Self>, handle: Handle, path: String) -> FilesystemResult<String> {
        on(store, |files| files.settle(&handle));
        WasiFilesystem::readlink_at(&wasi(store), handle, path).await
    }

    async fn is_same_object(store: &Accessor<State, Self>, handle: Handle, other: Handle) -> wasmtime::Result<bool> {
        on(store, |files| {
            files.settle(&handle);
            files.settle(&other);
        });
        WasiFilesystem::is_same_object(&wasi(store), handle, other).await
    }

    async fn metadata_hash(store: &Accessor<State, Self>, handle: Handle) -> FilesystemResult<MetadataHashValue> {
        on(store, |files| files.settle(&handle));
        WasiFilesystem::metadata_hash(&wasi(store), handle).await
    }

    async fn metadata_hash_at(
        store: &Accessor<State, Self>,
        handle: Handle,
        flags: PathFlags,
        path: String,
    ) -> FilesystemResult<MetadataHashValue> {
        on(store, |files| files.settle(&handle));
        WasiFilesystem::metadata_hash_at(&wasi(store), handle, flags, path).await
    }
}
