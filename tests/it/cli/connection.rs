//! Which dispatcher is called, with whose key, how patiently, and how a command ends that cannot do what it was asked.

use std::collections::HashSet;
use std::fs;

use serde_json::json;
use tokio::process::Command;

use super::{Scene, command, run};
use crate::support::process::ROOT_KEY;
use crate::support::receiver::{Receiver, Reply};
use crate::support::tls::Authority;

const LIST: &[&str] = &["deliveries", "list"];
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";
const SOMEBODY: &str = "00000000-0000-7000-8000-000000000001";

/// Every command, as `help` lists them.
const COMMANDS: [&str; 14] = [
    "serve",
    "demo",
    "backup",
    "catalogs",
    "check-config",
    "secrets",
    "verify",
    "deliveries",
    "dead-letters",
    "webhooks",
    "stats",
    "tail",
    "completions",
    "help",
];

/// An answer of somebody who plays the dispatcher.
fn empty_list() -> Reply {
    Reply::json(r#"{"items": [], "nextCursor": null}"#)
}

#[tokio::test]
async fn every_kind_of_end_has_its_own_code() {
    let scene = Scene::new(|_, _| Reply::Status(200)).await;
    scene.webhook(json!({})).await;
    let delivered = scene.hand_in(["1".to_owned()]).await.remove(0);
    scene.until("delivered", 1).await;
    let url = format!("http://{}", scene.process.address);
    let producer = scene.post("/v1/api-keys", &json!({"role": "producer"})).await["key"].as_str().unwrap().to_owned();
    let with_key = |key: &str, arguments: &[&str]| {
        let mut command = command(&url, arguments);
        command.env("DISPATCHER_API_KEY", key);
        command
    };

    assert!(run(&mut command(&url, LIST)).await.refusal(2).contains("an API key is needed"));
    assert!(scene.run(&["deliveries", "show", "7"]).await.refusal(2).contains("ID"));
    assert!(scene.run(&["deliveries", "show", NOBODY]).await.refusal(3).contains("there is no such thing (404)"));
    assert!(run(&mut with_key("whd_unknown", LIST)).await.refusal(4).contains("a known API key is needed"));
    assert!(run(&mut with_key(&producer, LIST)).await.refusal(4).contains("role does not allow"));
    let without_client = run(&mut with_key(ROOT_KEY, &["dead-letters", "redeliver", "--yes"])).await;
    assert!(without_client.refusal(5).contains("X-Client-Id must name the client"));
    assert!(scene.run(&["deliveries", "cancel", &delivered]).await.refusal(8).contains("refused for every delivery"));
    let some = scene.run(&["deliveries", "redeliver", &delivered, NOBODY]).await;
    assert!(some.stdout.starts_with(&format!("{delivered}  ")), "{}", some.stdout);
    assert!(some.stdout.ends_with(&format!("\n{NOBODY}  refused: there is no such thing\n")), "{}", some.stdout);
    assert!(some.refusal(7).contains("refused for 1 of 2 deliveries"));
}

#[tokio::test]
async fn nobody_there_is_told_as_such() {
    let gone = Receiver::answering([]).await.url("");

    let ended = run(command(&gone, LIST).env("DISPATCHER_API_KEY", "k")).await;

    let told = ended.refusal(6);
    assert!(told.starts_with(&format!("webhook-dispatcher: no answer from {gone}/: no connection: ")), "{told}");
}

#[tokio::test]
async fn what_a_stranger_answers_makes_no_terminal_do_anything() {
    let hostile = json!({"detail": "\u{1b}[2Jgone\u{9b}31m\u{202e}", "errors": [{"field": "\u{7}", "message": "\r"}]}).to_string();
    let stranger = Receiver::start(move |_, _| Reply::Full(422, "", hostile.clone().into_bytes())).await;

    let told = run(command(&stranger.url(""), LIST).env("DISPATCHER_API_KEY", "k")).await.refusal(5);

    assert!(told.contains("\\u001b[2Jgone\\u009b31m\\u202e (422): \\u0007 \\r"), "{told}");
    assert!(!told.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{told:?}");
}

#[tokio::test]
async fn whoever_is_asked_to_come_again_does() {
    let come_again = |status| Reply::Full(status, "retry-after: 0\r\n", Vec::new());
    let busy = Receiver::answering([come_again(503), come_again(429), Reply::Close, empty_list()]).await;

    let ended = run(command(&busy.url(""), &["deliveries", "list", "--json"]).env("DISPATCHER_API_KEY", "k")).await;

    assert_eq!(ended.expect(0), "{\"items\":[],\"nextCursor\":null}\n");
    assert_eq!(busy.seen().len(), 4);
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_not_repeated_without_an_answer() {
    let silent = Receiver::answering([Reply::Close]).await;

    let ended = run(command(&silent.url(""), &["deliveries", "redeliver", NOBODY]).env("DISPATCHER_API_KEY", "k")).await;

    ended.refusal(6);
    assert_eq!(silent.seen().len(), 1);
}

#[tokio::test]
async fn the_key_goes_to_the_named_address_alone() {
    let elsewhere = Receiver::answering([]).await;
    let proxy = elsewhere.url("");
    let moved = format!("HTTP/1.1 302 X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url("/v1/deliveries"));
    let here = Receiver::start(move |_, _| Reply::Raw(moved.clone().into_bytes())).await;
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    fs::write(&key_file, "the-key\n").unwrap();

    let mut command = command(&here.url("/below"), LIST);
    command.args(["--key-file", key_file.to_str().unwrap(), "--client", NOBODY]);
    let ended = run(command.env("HTTP_PROXY", &proxy).env("http_proxy", &proxy).env("ALL_PROXY", &proxy)).await;

    assert!(ended.refusal(1).contains("found (302)"));
    assert_eq!(elsewhere.seen().len(), 0);
    let seen = &here.seen()[0];
    assert_eq!(seen.target, "/below/v1/deliveries?limit=50");
    assert_eq!((seen.header("x-api-key"), seen.header("x-client-id")), (Some("the-key"), Some(NOBODY)));
}

#[tokio::test]
async fn the_environment_says_what_no_flag_does() {
    let here = Receiver::start(|_, _| empty_list()).await;
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    fs::write(&key_file, "of-the-file\n").unwrap();
    let named = |command: &mut Command| {
        command.env("DISPATCHER_API_KEY_FILE", &key_file).env("DISPATCHER_API_KEY", "of-the-variable").env("DISPATCHER_CLIENT_ID", NOBODY);
    };
    let mut by_variables = command(&here.url(""), LIST);
    named(&mut by_variables);
    let mut by_flags = command("http://127.0.0.1:1", LIST);
    named(&mut by_flags);
    by_flags.args(["--url", &here.url(""), "--client", SOMEBODY]);

    run(&mut by_variables).await.expect(0);
    run(&mut by_flags).await.expect(0);

    let shown =
        here.seen().iter().map(|seen| ["x-api-key", "x-client-id"].map(|name| seen.header(name).unwrap().to_owned())).collect::<Vec<_>>();
    assert_eq!(shown, [["of-the-file", NOBODY], ["of-the-file", SOMEBODY]]);
    let no_id = run(command(&here.url(""), LIST).env("DISPATCHER_API_KEY", "k").env("DISPATCHER_CLIENT_ID", "7")).await;
    assert!(no_id.refusal(2).contains("DISPATCHER_CLIENT_ID is no id"));
}

#[tokio::test]
async fn only_a_dispatcher_with_a_trusted_certificate_is_called() {
    let authority = Authority::new();
    let receiver = Receiver::speaking_tls(authority.server("localhost")).await;
    let url = format!("https://localhost:{}", receiver.address.port());
    let ca_file = authority.file();

    let untrusted = run(command(&url, LIST).env("DISPATCHER_API_KEY", "k")).await;
    let trusted = run(command(&url, LIST).args(["--ca-file", ca_file.to_str().unwrap()]).env("DISPATCHER_API_KEY", "k")).await;
    let no_file = run(command(&url, LIST).args(["--ca-file", "/nowhere"]).env("DISPATCHER_API_KEY", "k")).await;

    assert!(untrusted.refusal(6).contains("no trusted connection"));
    // Who answers there is no dispatcher.
    assert!(trusted.refusal(1).contains("is not what the contract says"));
    assert!(no_file.refusal(1).contains("(--ca-file) cannot be used"));
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn every_shell_is_told_the_commands() {
    let shells = [
        ("bash", "complete -F"),
        ("elvish", "edit:completion:arg-completer"),
        ("fish", "complete -c"),
        ("powershell", "Register-ArgumentCompleter"),
        ("zsh", "#compdef"),
    ];
    let help = run(&mut command("", &["help"])).await.expect(0);
    let is_name = |text: &&str| !text.is_empty() && text.chars().all(|character| character.is_ascii_lowercase() || character == '-');
    let commands: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")?.split("  ").next()).filter(is_name).collect();
    assert_eq!(commands, COMMANDS);

    for (shell, its_own) in shells {
        let script = run(&mut command("", &["completions", shell])).await.expect(0);

        assert!(script.contains(its_own) && script.contains("key-file"), "{shell}");
        let words: HashSet<&str> = script.split(|character: char| !character.is_ascii_alphanumeric() && character != '-').collect();
        for name in COMMANDS {
            assert!(words.contains(name), "{shell} {name}");
        }
    }
}
