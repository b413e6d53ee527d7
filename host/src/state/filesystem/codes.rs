//! Flags of `wasi:filesystem` 0.3 as those of 0.2, and errors of 0.2 as those of 0.3: changes are made in words of 0.2.

use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::types as p2;
use wasmtime_wasi::p3::bindings::filesystem::types as p3;
use wasmtime_wasi::p3::filesystem::FilesystemError;

pub(super) fn path_flags(flags: p3::PathFlags) -> p2::PathFlags {
    let pairs = [(p3::PathFlags::SYMLINK_FOLLOW, p2::PathFlags::SYMLINK_FOLLOW)];
    pairs.iter().filter(|(of, _)| flags.contains(*of)).fold(p2::PathFlags::empty(), |all, (_, flag)| all | *flag)
}

pub(super) fn open_flags(flags: p3::OpenFlags) -> p2::OpenFlags {
    let pairs = [
        (p3::OpenFlags::CREATE, p2::OpenFlags::CREATE),
        (p3::OpenFlags::DIRECTORY, p2::OpenFlags::DIRECTORY),
        (p3::OpenFlags::EXCLUSIVE, p2::OpenFlags::EXCLUSIVE),
        (p3::OpenFlags::TRUNCATE, p2::OpenFlags::TRUNCATE),
    ];
    pairs.iter().filter(|(of, _)| flags.contains(*of)).fold(p2::OpenFlags::empty(), |all, (_, flag)| all | *flag)
}

pub(super) fn descriptor_flags(flags: p3::DescriptorFlags) -> p2::DescriptorFlags {
    let pairs = [
        (p3::DescriptorFlags::READ, p2::DescriptorFlags::READ),
        (p3::DescriptorFlags::WRITE, p2::DescriptorFlags::WRITE),
        (p3::DescriptorFlags::FILE_INTEGRITY_SYNC, p2::DescriptorFlags::FILE_INTEGRITY_SYNC),
        (p3::DescriptorFlags::DATA_INTEGRITY_SYNC, p2::DescriptorFlags::DATA_INTEGRITY_SYNC),
        (p3::DescriptorFlags::REQUESTED_WRITE_SYNC, p2::DescriptorFlags::REQUESTED_WRITE_SYNC),
        (p3::DescriptorFlags::MUTATE_DIRECTORY, p2::DescriptorFlags::MUTATE_DIRECTORY),
    ];
    pairs.iter().filter(|(of, _)| flags.contains(*of)).fold(p2::DescriptorFlags::empty(), |all, (_, flag)| all | *flag)
}

/// An error of a change.
pub(super) fn failed(error: FsError) -> FilesystemError {
    match error.downcast() {
        Ok(code) => error_code(code).into(),
        Err(trap) => FilesystemError::trap(trap),
    }
}

fn error_code(code: p2::ErrorCode) -> p3::ErrorCode {
    match code {
        p2::ErrorCode::Access => p3::ErrorCode::Access,
        p2::ErrorCode::WouldBlock => p3::ErrorCode::Other(Some("would block".to_owned())),
        p2::ErrorCode::Already => p3::ErrorCode::Already,
        p2::ErrorCode::BadDescriptor => p3::ErrorCode::BadDescriptor,
        p2::ErrorCode::Busy => p3::ErrorCode::Busy,
        p2::ErrorCode::Deadlock => p3::ErrorCode::Deadlock,
        p2::ErrorCode::Quota => p3::ErrorCode::Quota,
        p2::ErrorCode::Exist => p3::ErrorCode::Exist,
        p2::ErrorCode::FileTooLarge => p3::ErrorCode::FileTooLarge,
        p2::ErrorCode::IllegalByteSequence => p3::ErrorCode::IllegalByteSequence,
        p2::ErrorCode::InProgress => p3::ErrorCode::InProgress,
        p2::ErrorCode::Interrupted => p3::ErrorCode::Interrupted,
        p2::ErrorCode::Invalid => p3::ErrorCode::Invalid,
        p2::ErrorCode::Io => p3::ErrorCode::Io,
        p2::ErrorCode::IsDirectory => p3::ErrorCode::IsDirectory,
        p2::ErrorCode::Loop => p3::ErrorCode::Loop,
        p2::ErrorCode::TooManyLinks => p3::ErrorCode::TooManyLinks,
        p2::ErrorCode::MessageSize => p3::ErrorCode::MessageSize,
        p2::ErrorCode::NameTooLong => p3::ErrorCode::NameTooLong,
        p2::ErrorCode::NoDevice => p3::ErrorCode::NoDevice,
        p2::ErrorCode::NoEntry => p3::ErrorCode::NoEntry,
        p2::ErrorCode::NoLock => p3::ErrorCode::NoLock,
        p2::ErrorCode::InsufficientMemory => p3::ErrorCode::InsufficientMemory,
        p2::ErrorCode::InsufficientSpace => p3::ErrorCode::InsufficientSpace,
        p2::ErrorCode::NotDirectory => p3::ErrorCode::NotDirectory,
        p2::ErrorCode::NotEmpty => p3::ErrorCode::NotEmpty,
        p2::ErrorCode::NotRecoverable => p3::ErrorCode::NotRecoverable,
        p2::ErrorCode::Unsupported => p3::ErrorCode::Unsupported,
        p2::ErrorCode::NoTty => p3::ErrorCode::NoTty,
        p2::ErrorCode::NoSuchDevice => p3::ErrorCode::NoSuchDevice,
        p2::ErrorCode::Overflow => p3::ErrorCode::Overflow,
        p2::ErrorCode::NotPermitted => p3::ErrorCode::NotPermitted,
        p2::ErrorCode::Pipe => p3::ErrorCode::Pipe,
        p2::ErrorCode::ReadOnly => p3::ErrorCode::ReadOnly,
        p2::ErrorCode::InvalidSeek => p3::ErrorCode::InvalidSeek,
        p2::ErrorCode::TextFileBusy => p3::ErrorCode::TextFileBusy,
        p2::ErrorCode::CrossDevice => p3::ErrorCode::CrossDevice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flag_is_lost() {
        assert_eq!(path_flags(p3::PathFlags::all()), p2::PathFlags::all());
        assert_eq!(open_flags(p3::OpenFlags::all()), p2::OpenFlags::all());
        assert_eq!(descriptor_flags(p3::DescriptorFlags::all()), p2::DescriptorFlags::all());
        assert_eq!(open_flags(p3::OpenFlags::CREATE), p2::OpenFlags::CREATE);
    }
}
