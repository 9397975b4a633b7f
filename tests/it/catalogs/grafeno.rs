//! Grafeno's signature: made with the client's key over a header, in lines of 60 columns, and verified by OpenSSL with the
//! public key that the API gives.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::tempdir;
use webhook_dispatcher::catalog::Catalogs;
use webhook_dispatcher::domain::signature::in_lines;

use super::scene::{Scene, headers, json_of};
use crate::support::receiver::{Reply, Seen};

const KEYS: &str = "/v1/catalogs/grafeno/signing-keys";
const APPROVED: &str = r#"{"change":"approved","data":{"id":"4056455d-8614-45a9-adf5-1592c28499fc"}}"#;

/// Made with OpenSSL over the text below, by a key that nobody has any more.
const VECTOR_TEXT: &str = "4056455d-8614-45a9-adf5-1592c28499fc-approved";
const VECTOR_PEM: &str = concat!(
    "-----BEGIN PUBLIC KEY-----\n",
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA09t93XoAQ0Vl2zn7wWdi\n",
    "OtIT6N3PcFpUl2baKy1/xNUapoGSrCmzB6SGsadn0YNyhtsnDnKOv13pW66lXAoq\n",
    "XSqW84oESIGatvyj9xv7D/OIY/44vDqv/Ix6smcJi8F5jcStlFNCvJATcM+dgxVd\n",
    "HhnoLRCvpF45mp0rZDP6oTgvRu4g+AB91hLyXMRnTe+rfzgyDDQytOmk4HTP9cPN\n",
    "zSe5ERQji8f2VJVb0CARRwSNCYR6II+xNPqJJmy0NCG83x5WP+dYRjMbOBYmWUJ9\n",
    "E1UC0a/FHpydH9CfyP5wRvzGqIzFwVzA2VEILaQkkF4WD3BMff3c0nQToX35u42b\n",
    "7wIDAQAB\n",
    "-----END PUBLIC KEY-----\n"
);
const VECTOR_SIGNATURE: &str = concat!(
    "pYuaV/iyTt70zTip1ZNhdtpbnFq2DZEW0WcHhhVkwFZ95ZeQkLkYrcBhn4d0\n",
    "zeE9bYBA07sBP2DX+D5KbroftDDFiPrMmzyGg+FUmPP2YSaEKzyrJgVWSp7+\n",
    "Sha8yr0tRNq+OYINUlhwdD2tottbjON3r8TK4drKXVQIiOCnDumYLcybXb88\n",
    "rim+pKh5GwJ/j30q2GMtIMWmknWN/JaWwH+xw1+LRFh2Pofe1c2lyB9Ojzx6\n",
    "8nfTzexwyzYpligptAMbpioBGXxqIDH8keqVabGAX/TXpVeBHP+P783SjMFl\n",
    "V1Q21uzF+ks3O5/hYBc2hEkTMh+IXVEbaPh6HMh5QQ==\n"
);

/// Whether OpenSSL takes `signature`, as a body has it, for one over `text` by the key in `pem`.
fn verifies(pem: &str, text: &str, signature: &str, options: &[&str]) -> bool {
    let folder = tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let bytes = BASE64_STANDARD.decode(signature.replace('\n', "")).unwrap();
    let (pem, text, signature) = (put("key.pem", pem.as_bytes()), put("text", text.as_bytes()), put("signature", &bytes));
    let mut openssl = Command::new("openssl");
    openssl.arg("dgst").args(options).arg("-verify").arg(pem).arg("-signature").arg(signature).arg(text);
    openssl.output().expect("openssl is installed").status.success()
}

const PYTHON: &str = r#"
import base64, json, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

given = json.load(sys.stdin)
key = serialization.load_pem_public_key(given["pem"].encode())
key.verify(base64.b64decode(given["body"]["signature"]), given["uniqueKey"].encode(), padding.PKCS1v15(), hashes.SHA256())
print("genuine")
"#;

/// Whether Python's library takes a request for genuine, as a customer's program would judge it.
fn python_takes(pem: &str, seen: &Seen) -> bool {
    let given = json!({"pem": pem, "uniqueKey": seen.header("x-unique-key"), "body": json_of(seen)});
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    python.wait_with_output().unwrap().stdout == b"genuine\n"
}

/// The text that was signed, and the signature.
fn signed(seen: &Seen) -> (String, String) {
    (seen.header("x-unique-key").unwrap().to_owned(), json_of(seen)["signature"].as_str().unwrap().to_owned())
}

async fn keys(scene: &Scene) -> Vec<Value> {
    scene.rest.get(KEYS).key(&scene.tenant.viewer).send().await.expect(200)["items"].as_array().unwrap().clone()
}

async fn new_key(scene: &Scene, body: &Value) -> Value {
    scene.rest.post(KEYS).key(&scene.tenant.admin).json(body).send().await.expect(201)
}

async fn scene(replies: Vec<Reply>) -> Scene {
    let scene = Scene::with(Catalogs::built_in().unwrap(), replies).await;
    scene.webhook("grafeno", &json!(["approved", "rejected", "validation_pendencies"]), "/grafeno").await;
    scene
}

#[test]
fn the_published_vector_verifies_and_has_our_form() {
    assert!(verifies(VECTOR_PEM, VECTOR_TEXT, VECTOR_SIGNATURE, &["-sha256"]));
    assert!(!verifies(VECTOR_PEM, "another text", VECTOR_SIGNATURE, &["-sha256"]));
    let bytes = BASE64_STANDARD.decode(VECTOR_SIGNATURE.replace('\n', "")).unwrap();
    assert_eq!(in_lines(&bytes, 60), VECTOR_SIGNATURE);
}

#[tokio::test]
async fn a_notification_is_signed_over_its_unique_key_by_a_key_that_the_webhook_brought_about() {
    let scene = scene(Vec::new()).await;

    let seen = scene.told("approved", APPROVED).await;

    let (unique_key, signature) = signed(&seen);
    let (uuid, change) = unique_key.split_at(36);
    assert_eq!((uuid.parse::<uuid::Uuid>().unwrap().get_version_num(), change), (4, "-approved"));
    let lines: Vec<usize> = signature.split_inclusive('\n').map(str::len).collect();
    assert_eq!(lines, [61, 61, 61, 61, 61, 45]);
    assert_eq!(seen.body_text(), format!(r#"{{"signature":{},{}"#, json!(signature), &APPROVED[1..]));
    let expected = [("content-type", "application/json"), ("user-agent", "webhook-dispatcher"), ("x-unique-key", unique_key.as_str())];
    assert_eq!(headers(&seen), expected);
    let pem = keys(&scene).await[0]["publicKey"].as_str().unwrap().to_owned();
    assert!(verifies(&pem, &unique_key, &signature, &["-sha256"]));
}

#[tokio::test]
async fn text_stays_as_it_is_written() {
    let scene = scene(Vec::new()).await;
    let payload = r#"{"change":"validation_pendencies","data":{"id":"8ecd3308","pendencies":[{"text":"O RG do sócio está expirado."}]}}"#;

    let seen = scene.told("validation_pendencies", payload).await;

    assert!(seen.body_text().ends_with(&payload[1..]));
    assert!(seen.header("x-unique-key").unwrap().ends_with("-validation_pendencies"));
}

#[tokio::test]
async fn every_attempt_carries_the_same_key_and_signature_also_after_a_rotation() {
    let scene = scene(vec![Reply::Status(500), Reply::Status(500)]).await;
    scene.accept("approved", APPROVED).await;
    scene.run_until_idle().await;
    scene.rest.clock.advance(Duration::from_secs(1));

    let second = new_key(&scene, &json!({})).await;
    scene.advance(Duration::from_mins(1)).await;
    scene.advance(Duration::from_mins(10)).await;

    let seen = scene.receiver.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|other| signed(other) == signed(&seen[0])));
    // What comes in now is signed by the new key, under a unique key of its own.
    let (unique_key, signature) = signed(&scene.told("approved", APPROVED).await);
    assert_ne!(unique_key, signed(&seen[0]).0);
    assert!(verifies(second["publicKey"].as_str().unwrap(), &unique_key, &signature, &["-sha256"]));
    let kept = keys(&scene).await;
    assert_eq!(kept.iter().map(|key| key["current"].clone()).collect::<Vec<_>>(), [json!(true), json!(false)]);
}

#[tokio::test]
async fn keys_are_imported_and_the_algorithm_is_chosen_with_them() {
    let scene = scene(Vec::new()).await;
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]).output().unwrap();
    let pem = String::from_utf8(made.stdout).unwrap();
    let cases = [
        ("rsa-pkcs1-sha256", &["-sha256"][..]),
        ("rsa-pkcs1-sha512", &["-sha512"]),
        ("rsa-pss-sha256", &["-sha256", "-sigopt", "rsa_padding_mode:pss"]),
    ];

    for (algorithm, options) in cases {
        scene.rest.clock.advance(Duration::from_secs(1));
        let key = new_key(&scene, &json!({"algorithm": algorithm, "privateKey": pem})).await;
        assert_eq!(key["algorithm"], algorithm);
        assert!(!key.to_string().contains("PRIVATE"));
        let (unique_key, signature) = signed(&scene.told("rejected", r#"{"change":"rejected","data":{"id":"1"}}"#).await);
        assert!(verifies(key["publicKey"].as_str().unwrap(), &unique_key, &signature, options), "{algorithm}");
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_says_nothing_of_it() {
    let scene = scene(Vec::new()).await;
    let wrong = json!({"privateKey": "-----BEGIN PRIVATE KEY-----\naHVzaA==\n-----END PRIVATE KEY-----", "algorithm": "rsa-md5"});

    let refused = scene.rest.post(KEYS).key(&scene.tenant.admin).json(&wrong).send().await;

    assert_eq!(refused.problem(422), ["algorithm", "privateKey"]);
    assert!(!refused.text.contains("aHVzaA"));
    let no_signer = scene.rest.post("/v1/catalogs/sienge/signing-keys").key(&scene.tenant.admin).send().await;
    assert_eq!(no_signer.problem(422), ["name"]);
    scene.rest.post(KEYS).key(&scene.tenant.operator).send().await.expect(403);
}

#[tokio::test]
async fn the_unique_key_can_begin_with_the_registrations_id() {
    let scene = scene(Vec::new()).await;
    scene.settle("grafeno", &json!({"uniqueKeySource": "data.id"})).await;

    let seen = scene.told("approved", APPROVED).await;

    assert_eq!(seen.header("x-unique-key"), Some("4056455d-8614-45a9-adf5-1592c28499fc-approved"));
}

#[tokio::test]
#[ignore = "needs Python's cryptography, which tests/run installs"]
async fn python_verifies_what_is_sent() {
    let scene = scene(Vec::new()).await;

    let seen = scene.told("approved", APPROVED).await;

    let pem = keys(&scene).await[0]["publicKey"].as_str().unwrap().to_owned();
    let mut changed = seen.clone();
    changed.headers.iter_mut().find(|(name, _)| name == "x-unique-key").unwrap().1.push('x');
    assert!(python_takes(&pem, &seen));
    assert!(!python_takes(&pem, &changed));
}
