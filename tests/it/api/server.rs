//! What clients may take of the server, seen from a socket. The runtime's time stands still while anything is to be done.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use futures_util::stream::repeat_with;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use webhook_dispatcher::api::{self, BodyPace, ServerLimits};

use crate::support::rest::Rest;

const LIMITS: ServerLimits = ServerLimits {
    max_connections: 16,
    max_requests: 8,
    max_header_bytes: 16_384,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(75),
    body: BodyPace { grace: Duration::from_secs(15), bytes_per_second: 16_384 },
};

const GET: &str = "GET /here HTTP/1.1\r\nHost: x\r\n\r\n";

/// A server that answers `/here` at once, `/wait` once it may, and `/healthz`.
struct Server {
    address: SocketAddr,
    /// As many of those that wait may go on.
    permits: Arc<Semaphore>,
    /// One that waits has come.
    came: Arc<Notify>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: ServerLimits) -> Self {
        let (permits, came) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        let wait = {
            let (permits, came) = (Arc::clone(&permits), Arc::clone(&came));
            async move || {
                came.notify_one();
                permits.acquire().await.unwrap().forget();
                "waited"
            }
        };
        let here = async |ConnectInfo(remote): ConnectInfo<SocketAddr>| remote.to_string();
        let router = Router::new().route("/here", get(here)).route("/wait", get(wait)).route("/healthz", get(async || "well"));
        let (address, stop, serving) = serve(router, limits).await;
        Self { address, permits, came, stop, serving }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// A connection with a request under way that waits.
    async fn waiting(&self) -> Client {
        let mut client = self.connect().await;
        client.send(&GET.replace("/here", "/wait")).await;
        self.came.notified().await;
        client
    }
}

async fn serve(router: Router, limits: ServerLimits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    (address, stop.clone(), tokio::spawn(api::serve(listener, router, limits, stop)))
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// An answer, which must have a length.
    async fn answer(&mut self) -> String {
        let mut read = String::new();
        loop {
            if let Some((head, body)) = read.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    return read;
                }
            }
            let mut buffer = [0; 4_096];
            let length = self.0.read(&mut buffer).await.unwrap();
            assert!(length > 0, "closed after {read:?}");
            read.push_str(str::from_utf8(&buffer[..length]).unwrap());
        }
    }

    /// What comes until the connection is closed, and after how long that is.
    async fn rest(&mut self) -> (String, Duration) {
        let (before, mut read) = (Instant::now(), Vec::new());
        // The system resets a connection of which something was never read.
        drop(self.0.read_to_end(&mut read).await);
        (String::from_utf8(read).unwrap(), before.elapsed())
    }

    /// After how many seconds the connection is closed without a word.
    async fn seconds_until_closed(&mut self) -> u64 {
        let (said, after) = self.rest().await;
        assert_eq!(said, "");
        after.as_secs()
    }
}

/// Sends a byte of `text` every second, as long as anybody takes it.
async fn trickle(mut client: tokio::net::tcp::OwnedWriteHalf, text: String) {
    let mut seconds = interval(Duration::from_secs(1));
    for byte in text.bytes() {
        seconds.tick().await;
        if client.write_all(&[byte]).await.is_err() {
            return;
        }
    }
    pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_half_a_head_is_cut_off() {
    let server = Server::start(LIMITS).await;
    let (mut silent, mut half) = (server.connect().await, server.connect().await);
    half.send("GET /here HTTP/1.1\r\nHo").await;

    assert_eq!((silent.seconds_until_closed().await, half.seconds_until_closed().await), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let server = Server::start(LIMITS).await;
    let (read, write) = server.connect().await.0.into_split();
    let trickling = tokio::spawn(trickle(write, GET.to_owned()));
    let (before, mut answer) = (Instant::now(), Vec::new());

    drop({ read }.read_to_end(&mut answer).await);

    assert_eq!((answer.len(), before.elapsed().as_secs()), (0, 10));
    trickling.abort();
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_rest_between_requests_for_a_while() {
    let server = Server::start(LIMITS).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    assert!(client.answer().await.ends_with(&client.0.local_addr().unwrap().to_string()));
    tokio::time::advance(Duration::from_secs(70)).await;
    client.send(GET).await;
    client.answer().await;

    assert_eq!(client.seconds_until_closed().await, 75);
}

#[tokio::test(start_paused = true)]
async fn a_later_head_has_as_long_as_the_first() {
    let server = Server::start(LIMITS).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.answer().await;
    tokio::time::advance(Duration::from_secs(30)).await;

    client.send("G").await;

    assert_eq!(client.seconds_until_closed().await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_take_as_long_as_it_takes() {
    let server = Server::start(LIMITS).await;
    let mut client = server.waiting().await;

    assert!(timeout(Duration::from_hours(1), client.answer()).await.is_err());

    server.permits.add_permits(1);
    assert!(client.answer().await.ends_with("waited"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let (held, dropped) = oneshot::channel::<()>();
    let endless = Body::from_stream(repeat_with(move || {
        let _held = &held;
        Ok::<_, std::io::Error>(vec![0_u8; 65_536])
    }));
    let once = Arc::new(Mutex::new(Some(endless)));
    let answer = move || {
        let body = once.lock().unwrap().take().unwrap();
        async { body }
    };
    let router = Router::new().route("/here", get(answer));
    let (address, ..) = serve(router, LIMITS).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let before = Instant::now();

    client.write_all(GET.as_bytes()).await.unwrap();
    dropped.await.unwrap_err();

    assert_eq!(before.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn heads_that_are_too_large_are_refused() {
    let server = Server::start(LIMITS).await;
    let head = |lines: &str| format!("GET /here HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    let with_bytes = |bytes: usize| head(&format!("X: {}\r\n", "x".repeat(bytes - head("X: \r\n").len())));
    let with_headers = |count: usize| head(&"X: x\r\n".repeat(count - 1));

    for request in [with_bytes(16_384), with_headers(100)] {
        let mut client = server.connect().await;
        client.send(&request).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200 "));
    }
    for request in [with_bytes(16_385), with_headers(101), format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000))] {
        let mut client = server.connect().await;
        client.send(&request).await;
        assert!(client.rest().await.0.starts_with("HTTP/1.1 431 "), "{}", request.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_takes_the_place_of_the_one_that_was_waited_for_the_longest() {
    let server = Server::start(ServerLimits { max_connections: 3, ..LIMITS }).await;
    let mut busy = server.waiting().await;
    let mut resting = server.connect().await;
    resting.send(GET).await;
    resting.answer().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut silent = server.connect().await;
    silent.send("GET /he").await;

    let mut new = server.connect().await;
    new.send(&GET.replace("/here", "/healthz")).await;

    assert!(new.answer().await.ends_with("well"));
    assert_eq!(resting.seconds_until_closed().await, 0);
    silent.send("re HTTP/1.1\r\nHost: x\r\n\r\n").await;
    silent.answer().await;
    server.permits.add_permits(1);
    assert!(busy.answer().await.ends_with("waited"));
}

#[tokio::test(start_paused = true)]
async fn while_all_connections_are_busy_a_new_one_waits() {
    let server = Server::start(ServerLimits { max_connections: 2, ..LIMITS }).await;
    let mut busy = [server.waiting().await, server.waiting().await];
    let mut new = server.connect().await;
    new.send(GET).await;
    assert!(timeout(Duration::from_mins(1), new.answer()).await.is_err());

    server.permits.add_permits(1);

    new.answer().await;
    server.permits.add_permits(1);
    let [first, second] = &mut busy;
    assert!(first.answer().await.ends_with("waited") && second.answer().await.ends_with("waited"));
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_told_to_come_later_and_health_is_told_all_the_same() {
    let server = Server::start(ServerLimits { max_requests: 2, ..LIMITS }).await;
    let mut busy = [server.waiting().await, server.waiting().await];
    let mut client = server.connect().await;

    client.send(GET).await;
    let refused = client.answer().await;
    client.send(&GET.replace("/here", "/healthz")).await;
    let health = client.answer().await;
    server.permits.add_permits(2);
    for client in &mut busy {
        client.answer().await;
    }
    client.send(GET).await;
    let answered = client.answer().await;

    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("application/problem+json") && refused.contains("nosniff"), "{refused}");
    assert!(health.ends_with("well"), "{health}");
    assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_requests_and_not_for_clients() {
    let server = Server::start(LIMITS).await;
    let (mut busy, mut silent, mut half, mut resting) =
        (server.waiting().await, server.connect().await, server.connect().await, server.connect().await);
    half.send("GET /he").await;
    resting.send(GET).await;
    resting.answer().await;

    server.stop.cancel();

    assert_eq!((resting.seconds_until_closed().await, silent.seconds_until_closed().await), (0, 0));
    assert_eq!(half.seconds_until_closed().await, 2);
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(timeout(Duration::from_secs(20), busy.rest()).await.is_err());
    server.permits.add_permits(1);
    let (answer, _) = busy.rest().await;
    assert!(answer.contains("connection: close") && answer.ends_with("waited"), "{answer}");
    server.serving.await.unwrap();
}

/// What a producer with a key sends before the body of a completion.
fn completion_head(key: &str, length: usize) -> String {
    format!(
        "POST /api_document/completions HTTP/1.1\r\nHost: x\r\nX-API-KEY: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_refused() {
    let rest = Rest::new().await;
    let producer = rest.tenant("acme").await.producer;
    let (address, ..) = serve(rest.router(), LIMITS).await;
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    client.send(&completion_head(&producer, 100_000)).await;
    tokio::time::pause();
    let (read, write) = client.0.into_split();
    let trickling = tokio::spawn(trickle(write, "x".repeat(100_000)));
    let (before, mut answer) = (Instant::now(), Vec::new());

    drop({ read }.read_to_end(&mut answer).await);

    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""detail":"the body came too slowly""#), "{answer}");
    assert!((15..=16).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    assert_eq!(rest.events_stored().await, 0);
    trickling.abort();
}

#[tokio::test]
async fn a_body_that_keeps_pace_may_take_its_time() {
    let rest = Rest::new().await;
    let producer = rest.tenant("acme").await.producer;
    let pace = BodyPace { grace: Duration::from_secs(2), bytes_per_second: 10_000 };
    let (address, ..) = serve(rest.router(), ServerLimits { body: pace, ..LIMITS }).await;
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    let body = format!(r#"{{"id": "7", "data": "{}"}}"#, "x".repeat(100_000));
    client.send(&completion_head(&producer, body.len())).await;
    tokio::time::pause();
    let (before, mut half_seconds) = (Instant::now(), interval(Duration::from_millis(500)));

    for piece in body.as_bytes().chunks(6_000) {
        half_seconds.tick().await;
        client.0.write_all(piece).await.unwrap();
    }
    tokio::time::resume();

    assert!(client.answer().await.starts_with("HTTP/1.1 202 "));
    assert!(before.elapsed() >= Duration::from_secs(8));
    assert_eq!(rest.events_stored().await, 1);
}

#[tokio::test]
async fn who_has_no_key_is_refused_before_its_body_is_read() {
    let rest = Rest::new().await;
    let (address, ..) = serve(rest.router(), LIMITS).await;
    let mut client = Client(TcpStream::connect(address).await.unwrap());

    client.send(&completion_head("unknown", 1_000_000)).await;

    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn a_slow_body_holds_up_no_stop() {
    let rest = Rest::new().await;
    let producer = rest.tenant("acme").await.producer;
    let (address, stop, serving) = serve(rest.router(), LIMITS).await;
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    client.send(&completion_head(&producer, 100).replacen("\r\n", "\r\nExpect: 100-continue\r\n", 1)).await;
    let mut asked_for_the_body = [0; 25];
    client.0.read_exact(&mut asked_for_the_body).await.unwrap();
    assert_eq!(&asked_for_the_body, b"HTTP/1.1 100 Continue\r\n\r\n");
    tokio::time::pause();
    let before = Instant::now();

    stop.cancel();
    serving.await.unwrap();

    assert!(before.elapsed() <= Duration::from_secs(3), "{:?}", before.elapsed());
    assert_eq!(client.rest().await.0, "");
}
