//! What signing costs a delivery: a body of 512 bytes, by one key of each scheme and by two.
//!
//! `cargo bench --bench signing`

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nobody to tell but its caller")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use uuid::Uuid;
use webhook_dispatcher::domain::signature::http_message::{self, Message};
use webhook_dispatcher::domain::signature::{Scheme, SigningKey, SigningSecret, digest, standard};
use webhook_dispatcher::domain::time::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_712_855_553_741_194);
const ID: &str = "018ecd5a-0000-7000-8000-000000000001";
const BODY: &[u8] = &[b'x'; 512];

fn key(scheme: Scheme) -> SigningKey {
    let secret = SigningSecret::new(scheme, &[7; 32]).expect("32 bytes make a key of either scheme");
    SigningKey { id: Uuid::from_u128(7).into(), secret, created_at: NOW, valid_until: None }
}

fn request_headers() -> HeaderMap {
    let lines =
        [("content-type", "application/json".to_owned()), ("webhook-id", ID.to_owned()), (digest::HEADER, digest::header_value(BODY))];
    let header = |(name, value): (&'static str, String)| (HeaderName::from_static(name), HeaderValue::try_from(value).expect("plain text"));
    lines.into_iter().map(header).collect()
}

fn signing(criterion: &mut Criterion) {
    let url: Url = "https://receiver.example/ocr_feedback/doc-1".parse().expect("a url");
    let headers = request_headers();
    let (shared, private) = (key(Scheme::HmacSha256), key(Scheme::Ed25519));
    let sets = [("hmac-sha256", vec![shared.clone()]), ("ed25519", vec![private.clone()]), ("both", vec![private, shared])];
    for (name, keys) in &sets {
        criterion.bench_function(&format!("Standard Webhooks, {name}"), |bencher| {
            bencher.iter(|| standard::header_value(keys.iter().map(|key| &key.secret), ID, NOW.as_seconds(), black_box(BODY)));
        });
        criterion.bench_function(&format!("HTTP message, {name}"), |bencher| {
            let message = Message { method: "POST", url: &url, headers: &headers };
            bencher.iter(|| (digest::header_value(black_box(BODY)), http_message::sign(message, keys.iter(), NOW)));
        });
    }
}

criterion_group!(benches, signing);
criterion_main!(benches);
