//! Sends to the server what is to be sent, at once.
//!
//! The driver leaves the algorithm of RFC 896 (Nagle) on, and over TLS it writes a statement of more than 16 KiB in
//! several pieces. The last piece then waits for the server's acknowledgement of the one before, which the server holds
//! back for 40 ms because it has nothing to say yet: a busy node does 20 statements a second on a connection instead of
//! hundreds. The driver does not show its socket. Linux gives a process a second handle of a socket of its own by number,
//! and an option that is set through one handle holds for both.

use std::io;

/// Turns the delay off for every connection of this process to `port`.
///
/// # Errors
///
/// When the system does not let a process have a second handle of its own sockets (Linux before 5.6, some sandboxes).
#[cfg(target_os = "linux")]
pub(super) fn send_at_once(port: u16) -> io::Result<()> {
    use rustix::net::{getpeername, sockopt};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let this_process = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in std::fs::read_dir("/proc/self/fd")?.flatten() {
        let is_socket = std::fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"socket:"));
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| is_socket) else { continue };
        let socket = match pidfd_getfd(&this_process, number, PidfdGetfdFlags::empty()) {
            // Closed in the meantime.
            Err(rustix::io::Errno::BADF) => continue,
            handle => handle?,
        };
        let peer = getpeername(&socket).ok().flatten().and_then(|peer| std::net::SocketAddr::try_from(peer).ok());
        if peer.is_some_and(|peer| peer.port() == port) {
            sockopt::set_tcp_nodelay(&socket, true)?;
        }
    }
    Ok(())
}

/// Elsewhere there is no such way.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_at_once(_port: u16) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_to_the_port_and_no_others_send_at_once() {
        let (server, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let connection = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let elsewhere = TcpStream::connect(other.local_addr().unwrap()).unwrap();
        assert!(!connection.nodelay().unwrap());

        send_at_once(server.local_addr().unwrap().port()).unwrap();

        assert!(connection.nodelay().unwrap());
        assert!(!elsewhere.nodelay().unwrap());
    }
}
