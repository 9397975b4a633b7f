//! `PgBouncer` in transaction mode: a session of the server's is a client's for one transaction only.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tempfile::TempDir;
use url::Url;

/// Sessions of the server's that all clients share.
const SESSIONS: u32 = 3;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running pooler, ended with its test.
pub(crate) struct Pooler {
    process: Child,
    url: Url,
    _folder: TempDir,
}

impl Pooler {
    /// Starts one before the database of `url`.
    pub(crate) fn before(url: &str) -> Self {
        let mut url = Url::parse(url).unwrap();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("pgbouncer.ini");
        let address = free_address();
        fs::write(&file, settings(&url, address)).unwrap();
        // It reads its settings as another user when it is started by root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("/usr/sbin/pgbouncer");
        if geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let process = command.arg("-q").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| panic!("PgBouncer does not start ({error}): tests/run installs it"));
        url.set_ip_host(address.ip()).unwrap();
        url.set_port(Some(address.port())).unwrap();
        url.set_query(Some("sslmode=disable"));
        let started = Self { process, url, _folder: folder };
        wait_until_it_listens(address);
        started
    }

    pub(crate) fn url(&self) -> String {
        self.url.to_string()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended by itself, which its test has seen then.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn wait_until_it_listens(address: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "PgBouncer does not listen");
        std::thread::yield_now();
    }
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn settings(url: &Url, address: SocketAddr) -> String {
    let server = url.socket_addrs(|| Some(5432)).unwrap()[0];
    format!(
        "[databases]\n\
        * = host={} port={} user={}\n\
        [pgbouncer]\n\
        listen_addr = {}\n\
        listen_port = {}\n\
        unix_socket_dir =\n\
        auth_type = any\n\
        pool_mode = transaction\n\
        default_pool_size = {SESSIONS}\n",
        server.ip(),
        server.port(),
        url.username(),
        address.ip(),
        address.port(),
    )
}
