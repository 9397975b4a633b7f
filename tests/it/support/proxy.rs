//! A way to a server that can be cut, silenced and mended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It arrives, both ways.
    Open,
    /// Connections end, and new ones end at once: the server is away.
    Cut,
    /// Nothing arrives, and nobody is told: the network swallows it.
    Silent,
    /// The server gets what is sent; its answers are swallowed from when these words pass.
    DeafFrom(&'static str),
}

/// A port before a server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(watch::Sender::new(Way::Open));
        let told = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, told.subscribe()));
            }
        });
        Self { address, way }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn relay(client: TcpStream, server: SocketAddr, way: watch::Receiver<Way>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (mut cut, is_deaf) = (way.clone(), AtomicBool::new(false));
    tokio::select! {
        () = carry(from_client, to_server, |bytes| asks(bytes, *way.borrow(), &is_deaf)) => {}
        () = carry(from_server, to_client, |_| *way.borrow() != Way::Silent && !is_deaf.load(Ordering::SeqCst)) => {}
        _ = cut.wait_for(|way| *way == Way::Cut) => {}
    }
}

/// Whether what a client sends arrives.
fn asks(bytes: &[u8], way: Way, is_deaf: &AtomicBool) -> bool {
    if let Way::DeafFrom(words) = way
        && bytes.windows(words.len()).any(|window| window == words.as_bytes())
    {
        is_deaf.store(true, Ordering::SeqCst);
    }
    way != Way::Silent
}

/// Carries the bytes that arrive; the others are lost for good.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, arrives: impl Fn(&[u8]) -> bool) {
    let mut bytes = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if arrives(&bytes[..read]) && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
