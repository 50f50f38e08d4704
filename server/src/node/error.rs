//! Why a node does not start.

use std::io;
use std::net::SocketAddr;

use crate::pdx::RegistryFileError;
use crate::region::RegistryError;
use crate::tls::TlsError;

/// Why a node does not start, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nobody has said who may come in.
    #[error(
        "no security manager is configured; choose one, or ask by the name `none` for a node that is open to everybody"
    )]
    NoSecurity,
    /// A port cannot be listened on.
    #[error("cannot listen on {address} for {purpose}: {}", hint(source))]
    Listen {
        /// What the port is for.
        purpose: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A region cannot be created.
    #[error("a configured region cannot be created")]
    Region(#[from] RegistryError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The file of PDX types cannot be used.
    #[error("the file of PDX types cannot be used")]
    Pdx(#[from] RegistryFileError),
    /// The system gives no random numbers, and ids that can be guessed are worse than no node.
    #[error("the system gives no random numbers")]
    Random,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use; stop what uses it, or choose another (0 takes a free one)"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose a higher one",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "the system refuses",
    }
}
