//! What a `build` can leave open.

use std::fs::File;
use std::mem::forget;

use crate::wasi::clocks::monotonic_clock;
use crate::wasi::filesystem::preopens;
use crate::wasi::sockets::network::IpAddressFamily;
use crate::wasi::sockets::tcp_create_socket;

/// Opens what is named, and never closes it.
///
/// # Errors
///
/// It cannot be opened, or nothing has that name.
pub(crate) fn open(what: &str) -> Result<(), String> {
    match what {
        "" => {}
        "file" => forget(File::open(crate::IMAGE).map_err(|error| error.to_string())?),
        "directory-stream" => {
            // The directory itself is closed again.
            let (directory, _) = preopens::get_directories().into_iter().next().ok_or("there is no directory")?;
            forget(directory.read_directory().map_err(|error| error.to_string())?);
        }
        "tcp-socket" => {
            let socket = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4);
            forget(socket.map_err(|error| error.to_string())?);
        }
        "timer" => forget(monotonic_clock::subscribe_duration(u64::MAX)),
        other => return Err(format!("nothing named `{other}` can be left open")),
    }
    Ok(())
}
