//! `wasi:filesystem` 0.2: what is bounded is counted, everything else is `wasmtime-wasi`'s.

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, Filesize,
    Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::change::{At, Opening};
use super::stream::FileStream;
use super::{Filesystem, Pair};

type Handle = Resource<Descriptor>;

impl Host for Filesystem<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi.filesystem_error_code(error)
    }
}

/// What changes something.
impl Filesystem<'_> {
    fn stream(&mut self, handle: &Handle, at: At) -> FsResult<Option<Resource<DynOutputStream>>> {
        let Some((tree, file)) = self.file(handle)? else { return Ok(None) };
        let stream: DynOutputStream = Box::new(FileStream::new(tree, file, at));
        Ok(Some(self.wasi.table.push(stream)?))
    }

    /// Makes a private directory, for a change of the directory itself.
    async fn make(&mut self, handle: &Handle) -> FsResult<()> {
        if let Some((tree, dir)) = self.dir(handle)? {
            tree.change(move |change| change.make(&dir)).await?;
            self.settle(handle);
        }
        Ok(())
    }
}

impl HostDescriptor for Filesystem<'_> {
    async fn open_at(
        &mut self,
        handle: Handle,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Handle> {
        let Some((tree, dir)) = self.dir(&handle)? else {
            return self.wasi.open_at(handle, path_flags, path, open_flags, flags).await;
        };
        let opening = Opening { path_flags, path, open_flags, flags };
        let opened = tree.change(move |change| change.open(&dir, opening)).await?;
        Ok(self.wasi.table.push(opened)?)
    }

    async fn write(&mut self, handle: Handle, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let Some((tree, file)) = self.file(&handle)? else {
            return self.wasi.write(handle, bytes, offset).await;
        };
        tree.change(move |change| Ok(change.write(&file, At::Offset(offset), &bytes)? as Filesize)).await
    }

    fn write_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        match self.stream(&handle, At::Offset(offset))? {
            Some(stream) => Ok(stream),
            None => self.wasi.write_via_stream(handle, offset),
        }
    }

    fn append_via_stream(&mut self, handle: Handle) -> FsResult<Resource<DynOutputStream>> {
        match self.stream(&handle, At::End)? {
            Some(stream) => Ok(stream),
            None => self.wasi.append_via_stream(handle),
        }
    }

    async fn set_size(&mut self, handle: Handle, bytes: Filesize) -> FsResult<()> {
        let Some((tree, file)) = self.file(&handle)? else {
            return self.wasi.set_size(handle, bytes).await;
        };
        tree.change(move |change| Ok(change.set_size(&file, bytes)?)).await
    }

    async fn create_directory_at(&mut self, handle: Handle, path: String) -> FsResult<()> {
        let Some((tree, dir)) = self.dir(&handle)? else {
            return self.wasi.create_directory_at(handle, path).await;
        };
        tree.change(move |change| change.create_directory(&dir, path)).await
    }

    async fn symlink_at(&mut self, handle: Handle, target: String, path: String) -> FsResult<()> {
        let Some((tree, dir)) = self.dir(&handle)? else {
            return self.wasi.symlink_at(handle, target, path).await;
        };
        tree.change(move |change| change.symlink(&dir, target, path)).await
    }

    async fn link_at(
        &mut self,
        handle: Handle,
        flags: PathFlags,
        path: String,
        new_handle: Handle,
        new_path: String,
    ) -> FsResult<()> {
        match Pair::of(self.dir(&handle)?, self.dir(&new_handle)?) {
            Pair::Unbounded => self.wasi.link_at(handle, flags, path, new_handle, new_path).await,
            Pair::In(tree, from, to) => {
                tree.change(move |change| change.link(flags, (&from, path), (&to, new_path))).await
            }
            Pair::Apart => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn rename_at(&mut self, handle: Handle, path: String, new_handle: Handle, new_path: String) -> FsResult<()> {
        match Pair::of(self.dir(&handle)?, self.dir(&new_handle)?) {
            Pair::Unbounded => self.wasi.rename_at(handle, path, new_handle, new_path).await,
            Pair::In(tree, from, to) => tree.change(move |change| change.rename((&from, path), (&to, new_path))).await,
            Pair::Apart => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn unlink_file_at(&mut self, handle: Handle, path: String) -> FsResult<()> {
        let Some((tree, dir)) = self.dir(&handle)? else {
            return self.wasi.unlink_file_at(handle, path).await;
        };
        tree.change(move |change| change.unlink(&dir, path)).await
    }

    async fn remove_directory_at(&mut self, handle: Handle, path: String) -> FsResult<()> {
        let Some((tree, dir)) = self.dir(&handle)? else {
            return self.wasi.remove_directory_at(handle, path).await;
        };
        tree.change(move |change| change.remove_directory(&dir, path)).await
    }

    async fn set_times(&mut self, handle: Handle, access: NewTimestamp, modification: NewTimestamp) -> FsResult<()> {
        self.make(&handle).await?;
        self.wasi.set_times(handle, access, modification).await
    }

    async fn set_times_at(
        &mut self,
        handle: Handle,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        self.make(&handle).await?;
        self.wasi.set_times_at(handle, flags, path, access, modification).await
    }

    // What follows reads.

    fn read_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.wasi.read_via_stream(handle, offset)
    }

    async fn read(&mut self, handle: Handle, bytes: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.wasi.read(handle, bytes, offset).await
    }

    async fn advise(&mut self, handle: Handle, offset: Filesize, bytes: Filesize, advice: Advice) -> FsResult<()> {
        self.wasi.advise(handle, offset, bytes, advice).await
    }

    async fn sync_data(&mut self, handle: Handle) -> FsResult<()> {
        self.wasi.sync_data(handle).await
    }

    async fn sync(&mut self, handle: Handle) -> FsResult<()> {
        self.wasi.sync(handle).await
    }

    async fn get_flags(&mut self, handle: Handle) -> FsResult<DescriptorFlags> {
        self.wasi.get_flags(handle).await
    }

    async fn get_type(&mut self, handle: Handle) -> FsResult<DescriptorType> {
        self.wasi.get_type(handle).await
    }

    async fn read_directory(&mut self, handle: Handle) -> FsResult<Resource<DirectoryEntryStream>> {
        self.settle(&handle);
        self.wasi.read_directory(handle).await
    }

    async fn stat(&mut self, handle: Handle) -> FsResult<DescriptorStat> {
        self.settle(&handle);
        self.wasi.stat(handle).await
    }

    async fn stat_at(&mut self, handle: Handle, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.settle(&handle);
        self.wasi.stat_at(handle, flags, path).await
    }

    async fn readlink_at(&mut self, handle: Handle, path: String) -> FsResult<String> {
        self.settle(&handle);
        self.wasi.readlink_at(handle, path).await
    }

    async fn is_same_object(&mut self, handle: Handle, other: Handle) -> wasmtime::Result<bool> {
        self.settle(&handle);
        self.settle(&other);
        self.wasi.is_same_object(handle, other).await
    }

    async fn metadata_hash(&mut self, handle: Handle) -> FsResult<MetadataHashValue> {
        self.settle(&handle);
        self.wasi.metadata_hash(handle).await
    }

    async fn metadata_hash_at(
        &mut self,
        handle: Handle,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.settle(&handle);
        self.wasi.metadata_hash_at(handle, flags, path).await
    }

    fn drop(&mut self, handle: Handle) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.wasi, handle)
    }
}

impl HostDirectoryEntryStream for Filesystem<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.wasi.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.wasi, stream)
    }
}
