//! Signatures as receivers see them: over the bytes that went over the wire, by every key that is valid at the moment.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use webhook_dispatcher::domain::ids::WebhookId;
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::domain::signature::captured::{Captured, check};
use webhook_dispatcher::domain::signature::{Scheme, SigningKey, SigningSecret, VerifyingKey};
use webhook_dispatcher::domain::time::{Clock, Timestamp};
use webhook_dispatcher::domain::webhook::WebhookDefinition;
use webhook_dispatcher::store::records::{Scope, SigningRotation};

use crate::support::dispatcher::Dispatcher;
use crate::support::receiver::{Receiver, Reply, Seen};

/// Awkward bytes: what is not JSON, not UTF-8, and would look different if anybody wrote it anew.
const AWKWARD: &[u8] = b"{ \"a\": 1.0,\r\n\t\"b\": \"\\u00e9\xFF\", \"a\": 2 }\n";

const DAY: Duration = Duration::from_hours(24);

fn secret(scheme: Scheme, number: u8) -> SigningSecret {
    SigningSecret::new(scheme, &[number; 32]).unwrap()
}

fn verifying(secret: &SigningSecret) -> VerifyingKey {
    secret.text_for_receiver().parse().unwrap()
}

/// Gives a webhook a new key, and lets the dispatcher hear of it.
async fn rotate(app: &Dispatcher, id: WebhookId, secret: &SigningSecret, overlap: Duration) {
    rotate_unheard(app, id, secret, overlap).await;
    app.heed_signals().await;
}

/// The same as another node does it of which no word comes.
async fn rotate_unheard(app: &Dispatcher, id: WebhookId, secret: &SigningSecret, overlap: Duration) {
    let now = app.clock.now();
    let id_of_key = uuid::Uuid::from_u128(secret.expose()[0].into()).into();
    let key = SigningKey { id: id_of_key, secret: secret.clone(), created_at: now, valid_until: None };
    let rotated = app.store.rotate_signing_key(Scope::All, id, key, overlap, now, None).await.unwrap();
    assert!(matches!(rotated, SigningRotation::Rotated { .. }));
}

fn signed_with_http(webhook: &mut WebhookDefinition) {
    webhook.delivery.http_signature = true;
}

/// Whether what the receiver saw is genuine by this key, and how many signatures of each kind it carried.
fn judged(receiver: &Receiver, seen: &Seen, secret: &SigningSecret, now: Timestamp) -> bool {
    let pairs = seen.headers.iter().map(|(name, value)| (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap()));
    let headers: HeaderMap = pairs.collect();
    let url = receiver.url(&seen.target).parse().unwrap();
    let request = Captured { method: &seen.method, url: Some(&url), headers: &headers, body: &seen.body };
    check(request, &verifying(secret), now, Duration::ZERO).is_genuine
}

fn count(seen: &Seen, header: &str, separator: &str) -> usize {
    seen.header(header).map_or(0, |value| value.split(separator).count())
}

#[tokio::test]
async fn a_webhook_without_a_key_is_not_signed() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/:id"), signed_with_http).await;

    app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    for header in ["webhook-signature", "signature", "signature-input", "content-digest"] {
        assert_eq!(receiver.seen()[0].header(header), None, "{header}");
    }
}

#[tokio::test]
async fn the_bytes_that_are_sent_are_signed_whatever_they_are() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let secret = secret(Scheme::HmacSha256, 1);
    for method in [Method::Post, Method::Put, Method::Get, Method::Delete] {
        let url = receiver.url(&format!("/{method}/:id?for=:id&x=%7E"));
        let change = |webhook: &mut WebhookDefinition| {
            webhook.method = method;
            signed_with_http(webhook);
        };
        let id = app.webhook(&url, change).await;
        rotate(&app, id, &secret, DAY).await;
    }

    app.enqueue_payload("doc 1/ü", Bytes::from_static(AWKWARD)).await;
    app.enqueue_payload("doc-2", Bytes::new()).await;
    app.run_until_idle().await;

    let seen = receiver.seen();
    assert_eq!(seen.len(), 8);
    assert_eq!(seen.iter().filter(|seen| seen.body == AWKWARD).count(), 2);
    for seen in seen {
        assert!(judged(&receiver, &seen, &secret, app.clock.now()), "{seen:?}");
        assert!(!judged(&receiver, &Seen { target: format!("{}&", seen.target), ..seen.clone() }, &secret, app.clock.now()));
        assert!(!judged(&receiver, &Seen { body: b"other".to_vec(), ..seen }, &secret, app.clock.now()));
    }
}

#[tokio::test]
async fn http_message_signatures_are_an_option() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let secret = secret(Scheme::Ed25519, 1);
    let id = app.webhook(&receiver.url("/:id"), |_| {}).await;
    rotate(&app, id, &secret, DAY).await;

    app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let seen = &receiver.seen()[0];
    assert!(judged(&receiver, seen, &secret, app.clock.now()));
    assert!(seen.header("webhook-signature").unwrap().starts_with("v1a,"));
    assert_eq!((seen.header("signature"), seen.header("content-digest")), (None, None));
}

#[tokio::test]
async fn every_attempt_is_signed_anew_under_the_same_id() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Status(500)]).await);
    let secret = secret(Scheme::HmacSha256, 1);
    let id = app.webhook(&receiver.url("/:id"), signed_with_http).await;
    rotate(&app, id, &secret, DAY).await;
    app.enqueue_one("doc-1").await;

    app.run_until_idle().await;
    let first = app.clock.now();
    app.advance(Duration::from_mins(1)).await;

    let seen = receiver.seen();
    assert!(judged(&receiver, &seen[0], &secret, first) && judged(&receiver, &seen[1], &secret, app.clock.now()));
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_ne!(seen[0].header("webhook-timestamp"), seen[1].header("webhook-timestamp"));
    assert_ne!(seen[0].header("webhook-signature"), seen[1].header("webhook-signature"));
}

#[tokio::test]
async fn both_keys_sign_until_the_overlap_ends_and_the_new_one_alone_afterwards() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let (old, new) = (secret(Scheme::HmacSha256, 1), secret(Scheme::Ed25519, 2));
    let id = app.webhook(&receiver.url("/:id"), signed_with_http).await;
    rotate(&app, id, &old, DAY).await;
    app.enqueue_one("before").await;
    app.run_until_idle().await;
    rotate(&app, id, &new, Duration::from_mins(10)).await;

    let mut signatures = Vec::new();
    for (subject, wait) in [("at once", 0), ("last second", 599), ("ended", 1)] {
        app.advance(Duration::from_secs(wait)).await;
        app.enqueue_one(subject).await;
        app.run_until_idle().await;
        let seen = receiver.seen().pop().unwrap();
        let by = [&old, &new].map(|secret| judged(&receiver, &seen, secret, app.clock.now()));
        signatures.push((by, count(&seen, "webhook-signature", " "), count(&seen, "signature", ", ")));
    }

    assert!(judged(&receiver, &receiver.seen()[0], &old, app.clock.now() - Duration::from_mins(10)));
    assert_eq!(signatures, [([true, true], 2, 2), ([true, true], 2, 2), ([false, true], 1, 1)]);
}

#[tokio::test]
async fn a_key_that_another_node_made_signs_what_is_claimed_next() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let (old, new) = (secret(Scheme::HmacSha256, 1), secret(Scheme::HmacSha256, 2));
    let id = app.webhook(&receiver.url("/:id"), |_| {}).await;
    rotate(&app, id, &old, DAY).await;
    app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    rotate_unheard(&app, id, &new, Duration::ZERO).await;
    app.enqueue_one("doc-2").await;
    app.run_until_idle().await;

    let by = |seen: &Seen| [&old, &new].map(|secret| judged(&receiver, seen, secret, app.clock.now()));
    assert_eq!(receiver.seen().iter().map(by).collect::<Vec<_>>(), [[true, false], [false, true]]);
}

/// What Python makes of a request, with nothing but its standard library and `cryptography`.
const PYTHON: &str = r#"
import base64, hashlib, hmac, json, re, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

given = json.load(sys.stdin)
headers, body = given["headers"], bytes.fromhex(given["body"])
shared = base64.b64decode(given["shared"].removeprefix("whsec_"))
public = Ed25519PublicKey.from_public_bytes(base64.b64decode(given["public"].removeprefix("whpk_")))

signed = ".".join([headers["webhook-id"], headers["webhook-timestamp"], ""]).encode() + body
by_version = dict(entry.split(",") for entry in headers["webhook-signature"].split(" "))
assert hmac.compare_digest(base64.b64decode(by_version["v1"]), hmac.digest(shared, signed, "sha256"))
public.verify(base64.b64decode(by_version["v1a"]), signed)

assert headers["content-digest"] == "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
signatures = dict(re.findall(r"(sig\d+)=:([^:]*):", headers["signature"]))
inputs = re.findall(r"(sig\d+)=(\(([^)]*)\)[^,]*)", headers["signature-input"])
algorithms = set()
for label, parameters, names in inputs:
    values = {"@method": given["method"], "@target-uri": given["url"], **headers}
    lines = [f'"{name}": {values[name]}' for name in re.findall(r'"([^"]*)"', names)]
    base = "\n".join([*lines, f'"@signature-params": {parameters}']).encode()
    signature = base64.b64decode(signatures[label])
    algorithm = re.search(r'alg="([^"]*)"', parameters)[1]
    algorithms.add(algorithm)
    if algorithm == "ed25519":
        public.verify(signature, base)
    else:
        assert hmac.compare_digest(signature, hmac.digest(shared, base, "sha256"))
assert algorithms == {"ed25519", "hmac-sha256"}
print("genuine")
"#;

/// `Ok` with what it printed, or what it complained of.
fn python(given: &Value) -> Result<String, String> {
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
#[ignore = "needs Python's cryptography, which tests/run installs"]
async fn python_verifies_what_is_sent() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let (shared, private) = (secret(Scheme::HmacSha256, 1), secret(Scheme::Ed25519, 2));
    let id = app.webhook(&receiver.url("/:id?for=:id"), signed_with_http).await;
    rotate(&app, id, &shared, DAY).await;
    rotate(&app, id, &private, DAY).await;

    app.enqueue_payload("doc 1", Bytes::from_static(AWKWARD)).await;
    app.run_until_idle().await;

    let seen = receiver.seen().remove(0);
    let headers: Value = seen.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), json!(value))).collect();
    let body: String = seen.body.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let given = json!({
        "method": seen.method, "url": receiver.url(&seen.target), "headers": headers, "body": body,
        "shared": *shared.text_for_receiver(), "public": *private.text_for_receiver(),
    });
    let mut changed = given.clone();
    changed["body"] = json!("00");
    assert_eq!(python(&given), Ok("genuine\n".to_owned()));
    assert!(python(&changed).is_err());
}
