//! `verify` as a receiver uses it: what it says, and what it ends with.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A published vector of Standard Webhooks.
const HEADERS: &str = "POST /hook HTTP/1.1\r\nHost: receiver.example\r\nWebhook-Id: msg_p5jXN8AQM9LWM0D4loKWxJek\r\n\
    Webhook-Timestamp: 1614265330\r\nWebhook-Signature: v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\r\n";
const BODY: &str = r#"{"test": 2432232314}"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn captured() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("headers"), HEADERS).unwrap();
    fs::write(folder.path().join("body"), BODY).unwrap();
    fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    folder
}

fn verify(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.arg("verify").args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn ends(folder: &Path, arguments: &[&str], code: i32, told: &str) {
    let output = verify(folder, arguments);
    let said = format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(told), "{said}");
}

#[test]
fn a_genuine_request_ends_with_0_another_with_1_and_what_cannot_be_judged_with_2() {
    let captured = captured();
    let folder = captured.path();
    let request = ["--headers", "headers", "--body", "body", "--secret-file", "secret"];
    let with = |more: &[&'static str]| [&request[..], more].concat();

    ends(folder, &with(&["--at", "1614265330"]), 0, "\ngenuine\n");
    ends(folder, &with(&["--at", "2021-02-25T15:07:10Z"]), 0, "webhook-timestamp is 300 s ago");
    ends(folder, &with(&["--at", "2021-02-25T15:07:11Z"]), 1, "301 s ago; 300 s are allowed\n");
    ends(folder, &with(&["--at", "2021-02-25T15:07:11Z", "--tolerance", "301"]), 0, "genuine");
    ends(folder, &with(&[]), 1, "NOT genuine");
    ends(folder, &["--headers", "headers", "--secret", SECRET, "--at", "1614265330"], 1, "the body were changed");
    let line_by_line =
        ["-H", "webhook-id: x", "-H", "webhook-timestamp: 7", "--at", "7", "--secret", SECRET, "-H", "webhook-signature: v1,AAAA"];
    ends(folder, &line_by_line, 1, "wrong: webhook-signature");
    ends(folder, &["--secret", SECRET], 1, "not signed");
    ends(folder, &["--headers", "nowhere", "--secret", SECRET], 2, "nowhere");
    ends(folder, &["--secret", "whsec_short"], 2, "no key");
    ends(folder, &["-H", "no header", "--secret", SECRET], 2, "no header");
    ends(folder, &[], 2, "--secret");
}

#[test]
fn http_message_signatures_are_judged_with_the_url_of_the_request() {
    let captured = captured();
    let folder = captured.path();
    // The request of RFC 9421, B.2, signed as in B.2.6.
    let headers = "POST /foo HTTP/1.1\nHost: example.com\nDate: Tue, 20 Apr 2021 02:07:55 GMT\nContent-Type: application/json\n\
        Content-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\n\
        Content-Length: 18\nSignature-Input: sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
        ;created=1618884473;keyid=\"test-key-ed25519\"\n\
        Signature: sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:\n";
    fs::write(folder.join("headers"), headers).unwrap();
    fs::write(folder.join("body"), r#"{"hello": "world"}"#).unwrap();
    let key = ["--headers", "headers", "--secret", "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=", "--at", "1618884473"];
    let with = |more: &[&'static str]| [&key[..], more].concat();

    ends(folder, &with(&["--url", "https://example.com/foo", "--body", "body"]), 1, "does not cover content-digest");
    ends(folder, &with(&["--url", "https://example.com/foo"]), 1, "content-digest is not that of the body");
    ends(folder, &with(&["--url", "https://example.org/foo"]), 1, "wrong: signature sig-b26");
    ends(folder, &with(&[]), 1, "without the url");
    let without_digest = headers.lines().filter(|line| !line.starts_with("Content-Digest")).collect::<Vec<_>>().join("\n");
    fs::write(folder.join("headers"), without_digest).unwrap();
    ends(
        folder,
        &with(&["--url", "https://example.com/foo"]),
        0,
        "right: signature sig-b26 by key test-key-ed25519 holds over date @method",
    );
}
