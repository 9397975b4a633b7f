//! A fifth system: one file, and nothing else. It is what the README shows how to write.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::tempdir;
use webhook_dispatcher::catalog::Catalogs;

use super::scene::{Scene, headers};

/// The whole system.
const FILE: &str = include_str!("lumber-yard.toml");

fn catalogs() -> Catalogs {
    let mut catalogs = Catalogs::built_in().unwrap();
    catalogs.add("lumber-yard.toml", FILE).unwrap();
    catalogs
}

/// What `catalogs check` says of a file, and whether it is content.
fn check(text: &str) -> (bool, String) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("yard.toml");
    fs::write(&path, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher")).args(["catalogs", "check"]).arg(&path).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap().replace(&path.display().to_string(), "yard.toml"))
}

#[tokio::test]
async fn its_events_are_checked_and_sent_in_its_own_way() {
    let scene = Scene::with(catalogs(), Vec::new()).await;
    let id = scene.webhook("lumber-yard", &json!(["load.left", "load.back"]), "/gate").await;

    let seen = scene.told("load.left", r#"{"planks": 12, "driver": "Ana"}"#).await;
    let returned = scene.told("load.back", r#"{"kilograms": 80.5}"#).await;

    assert_eq!(seen.method, "PUT");
    assert_eq!(seen.body_text(), format!(r#"{{"what":"load.left","to":"{id}","is":{{"planks": 12, "driver": "Ana"}}}}"#));
    let expected = [("content-type", "application/json"), ("user-agent", "webhook-dispatcher"), ("x-yard", "acme")];
    assert_eq!(headers(&seen)[..2], expected[..2]);
    assert_eq!(seen.header("x-yard"), Some("acme"));
    assert!(seen.header("webhook-id").is_some(), "its file does not say otherwise");
    assert!(returned.body_text().contains("load.returned"));
    assert_eq!(scene.hand_in("load.left", r#"{"planks": "twelve"}"#).await.problem(422), ["payload/planks"]);
}

#[tokio::test]
async fn a_webhook_whose_system_is_not_known_any_more_waits_and_is_not_called_in_another_way() {
    let mut scene = Scene::with(catalogs(), Vec::new()).await;
    scene.webhook("lumber-yard", &json!(["load.left"]), "/gate").await;
    let event = scene.accept("load.left", r#"{"planks": 12}"#).await;

    scene.deliver_knowing(Catalogs::built_in().unwrap()).await;
    scene.run_until_idle().await;

    assert_eq!(scene.receiver.seen().len(), 0);
    let waiting = scene.delivery_of(&event).await;
    assert_eq!(waiting["state"], "pending");
    assert_eq!(waiting["attempts"][0]["detail"], "the catalogue lumber-yard is not known any more", "{waiting}");
    scene.deliver_knowing(catalogs()).await;
    scene.advance(Duration::from_mins(1)).await;
    assert_eq!(scene.receiver.seen().iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), ["PUT"]);
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_not_kept_because_its_file_says_so() {
    let scene = Scene::with(catalogs(), Vec::new()).await;

    scene.hand_in("load.left", r#"{"planks": 12}"#).await.expect(202);

    assert_eq!(scene.rest.events_stored().await, 0);
}

#[test]
fn a_folder_is_read_and_whatever_is_wrong_in_it_is_told() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("yard.toml"), FILE).unwrap();
    fs::write(folder.path().join("notes.txt"), "no catalogue").unwrap();

    let catalogs = Catalogs::load(&["ocr".to_owned()], Some(folder.path())).unwrap();
    assert_eq!(catalogs.iter().map(|catalog| catalog.name.as_str()).collect::<Vec<_>>(), ["lumber-yard", "ocr"]);

    fs::write(folder.path().join("yard2.toml"), FILE.replace("lumber-yard", "other-yard")).unwrap();
    let said = Catalogs::load(&[], Some(folder.path())).unwrap_err().to_string();
    assert!(said.contains("yard2.toml: events.code load.left is taken by the catalogue lumber-yard"), "{said}");
    let gone = folder.path().join("gone");
    assert!(Catalogs::load(&[], Some(&gone)).unwrap_err().to_string().contains("gone: cannot be read"));
}

#[test]
fn the_command_says_whether_a_file_is_a_catalogue() {
    let (is_content, said) = check(FILE);
    assert!(is_content, "{said}");
    assert_eq!(said, "yard.toml: lumber-yard, 2 events, all examples can be sent\n");

    let (is_content, said) = check(&FILE.replace("\"integer\"", "\"interger\"").replace("method = \"PUT\"", "method = \"PATCH\""));
    assert!(!is_content);
    assert!(said.contains("yard.toml, line ") && said.contains("payloads.load.schema") && said.contains("sending.method"), "{said}");
}
