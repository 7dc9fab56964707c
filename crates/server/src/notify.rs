//! Tells the service manager how far we are (systemd's `Type=notify`), where there is one.
use std::os::{
    linux::net::SocketAddrExt,
    unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
};

/// Says e.g. `READY=1`. Without a service manager nothing happens.
pub fn say(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    // A name that begins with @ is in the abstract name space.
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    let said = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = said {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
