//! Webhooks made what a file says: created, changed, left alone, refused, deleted; their secrets by reference.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{Ended, Scene, command, run};
use crate::support::receiver::{Receiver, Reply};

const SECRETS: [(&str, &str); 3] =
    [("PARTNER_AUTHORIZATION", "Bearer s3cret-1"), ("PARTNER_KEY", "s3cret-2"), ("LOGIN_PASSWORD", "s3cret-3")];

/// What `export` calls the same.
const EXPORTED: [(&str, &str); 3] = [
    ("WEBHOOK_PARTNER_AUTHORIZATION", "Bearer s3cret-1"),
    ("WEBHOOK_PARTNER_HEADERS_X_API_KEY", "s3cret-2"),
    ("WEBHOOK_LOGIN_AUTHORIZATION_BODY", r#"{"user": "root", "password": "s3cret-3"}"#),
];

impl Scene {
    async fn calm() -> Self {
        Self::new(|_, _| Reply::Status(200)).await
    }

    /// A file with this text, and its path.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Two webhooks with secrets of every kind.
    fn two(&self) -> String {
        let url = self.receiver.url("");
        format!(
            "[[webhooks]]\nname = \"Partner\"\ntype = 0\nmethod = \"post\"\nurl = \"{url}/partner/:id\"\ntimeoutMs = 5000\n\
             authorization = {{ env = \"PARTNER_AUTHORIZATION\" }}\n\
             headers = {{ X-Api-Key = {{ env = \"PARTNER_KEY\" }}, X-Part = \"7\" }}\n\n\
             [[webhooks]]\nname = \"Login\"\nevents = [\"invoice.paid\"]\nmethod = \"PUT\"\nurl = \"{url}/login/:id\"\n\
             authorizationUrl = \"{url}/token\"\nretry = {{ delaysSeconds = [5, 60] }}\n\
             authorizationBody = {{ user = \"root\", password = {{ env = \"LOGIN_PASSWORD\" }} }}\n"
        )
    }

    async fn apply(&self, text: &str, secrets: &[(&str, &str)], more: &[&str]) -> Ended {
        let file = self.file("webhooks.toml", text);
        let arguments = [&["webhooks", "apply", "-f", file.to_str().unwrap()][..], more].concat();
        run(self.command(&arguments).envs(secrets.iter().copied())).await
    }

    async fn webhooks(&self) -> Vec<Value> {
        self.get("/v1/webhooks").await["items"].as_array().unwrap().clone()
    }

    /// What became of each webhook, by name.
    async fn outcomes(&self, text: &str, secrets: &[(&str, &str)], more: &[&str]) -> Vec<String> {
        let report = self.apply(text, secrets, &[more, &["--json"]].concat()).await.json();
        let entries = report["webhooks"].as_array().unwrap().iter();
        entries.map(|entry| format!("{} {}", entry["name"].as_str().unwrap(), entry["outcome"].as_str().unwrap())).collect()
    }
}

#[tokio::test]
async fn what_is_exported_changes_nothing_when_it_is_applied_and_holds_no_secret() {
    let scene = Scene::calm().await;
    assert_eq!(scene.outcomes(&scene.two(), &SECRETS, &[]).await, ["Partner created", "Login created"]);
    let made = scene.webhooks().await;
    scene.hand_in(["doc-1".to_owned()]).await;
    scene.receiver.until_seen(1).await;

    let exported = scene.run(&["webhooks", "export"]).await.expect(0);
    let exported_json = scene.run(&["webhooks", "export", "--json"]).await.expect(0);

    let seen = &scene.receiver.seen_at("/partner/doc-1")[0];
    assert_eq!((seen.header("authorization"), seen.header("x-api-key")), (Some("Bearer s3cret-1"), Some("s3cret-2")));
    for text in [&exported, &exported_json] {
        assert!(!text.contains("s3cret") && text.contains("WEBHOOK_PARTNER_AUTHORIZATION"), "{text}");
        assert_eq!(scene.outcomes(text, &EXPORTED, &[]).await, ["Partner unchanged", "Login unchanged"]);
        assert_eq!(scene.outcomes(text, &[], &["--keep-secrets"]).await, ["Partner unchanged", "Login unchanged"]);
        let refused = scene.apply(text, &[], &[]).await;
        assert!(refused.stdout.contains("environment variable WEBHOOK_PARTNER_AUTHORIZATION is not set"), "{}", refused.stdout);
        refused.refusal(5);
    }
    assert_eq!(scene.outcomes(&scene.two(), &SECRETS, &[]).await, ["Partner unchanged", "Login unchanged"]);
    assert_eq!(scene.webhooks().await, made);
}

#[tokio::test]
async fn what_is_as_the_file_says_is_not_sent() {
    let webhook = json!({"name": "Plain", "events": ["invoice.paid"], "method": "POST", "url": "https://a.example/:id"});
    let mut shown = webhook.clone();
    shown["id"] = "00000000-0000-7000-8000-000000000000".into();
    let shown = json!({"items": [shown], "nextCursor": null}).to_string();
    let dispatcher = Receiver::start(move |_, _| Reply::json(&shown)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhooks.json");
    fs::write(&file, json!({"webhooks": [webhook]}).to_string()).unwrap();

    let mut command = command(&dispatcher.url(""), &["webhooks", "apply", "-f", file.to_str().unwrap()]);
    let told = run(command.env("DISPATCHER_API_KEY", "k")).await.expect(0);

    assert!(told.starts_with("unchanged     Plain  "), "{told}");
    assert_eq!(dispatcher.seen().iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), ["GET"]);
}

#[tokio::test]
async fn a_key_that_sees_several_clients_has_to_name_one() {
    let webhook = |client: &str| json!({"id": "1", "clientId": client, "name": client});
    let shown = json!({"items": [webhook("a"), webhook("b")], "nextCursor": null}).to_string();
    let dispatcher = Receiver::start(move |_, _| Reply::json(&shown)).await;
    let mut command = command(&dispatcher.url(""), &["webhooks", "apply", "--prune", "--yes", "-f", "-"]);
    let mut applying = command.env("DISPATCHER_API_KEY", "k").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    applying.stdin.take().unwrap().write_all(br#"{"webhooks": []}"#).await.unwrap();
    let output = applying.wait_with_output().await.unwrap();

    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("name one with --client"));
    assert_eq!(dispatcher.seen().len(), 1, "nothing is deleted");
}

#[tokio::test]
async fn what_differs_is_shown_before_it_is_done() {
    let scene = Scene::calm().await;
    scene.apply(&scene.two(), &SECRETS, &[]).await.expect(0);
    let before = scene.webhooks().await;
    let other = scene.two().replace("timeoutMs = 5000", "timeoutMs = 7000").replace(", X-Part = \"7\"", "");

    let planned = scene.apply(&other, &SECRETS, &["--dry-run"]).await.expect(0);
    let untouched = scene.webhooks().await;
    let done = scene.apply(&other, &SECRETS, &[]).await.expect(0);

    assert!(planned.starts_with("would change  Partner  "), "{planned}");
    for line in ["    timeoutMs: 5000 -> 7000\n", "    headers: {\"X-Api-Key\":\"****\",\"X-Part\":\"7\"} -> {\"X-Api-Key\":\"****\"}\n"] {
        assert!(planned.contains(line) && done.contains(line), "{planned}{done}");
    }
    assert!(!planned.contains("s3cret") && !done.contains("s3cret"));
    assert_eq!(untouched, before);
    assert!(done.starts_with("changed       Partner  ") && done.contains("unchanged     Login"), "{done}");
    assert_eq!(scene.webhooks().await[1]["timeoutMs"], 7_000);
}

#[tokio::test]
async fn a_new_secret_is_a_change_and_one_that_is_left_out_goes() {
    let scene = Scene::calm().await;
    scene.apply(&scene.two(), &SECRETS, &[]).await.expect(0);
    let mut secrets = SECRETS;
    secrets[0].1 = "Bearer s3cret-new";

    let changed = scene.outcomes(&scene.two(), &secrets, &[]).await;
    scene.hand_in(["1".to_owned()]).await;
    scene.receiver.until_seen(1).await;
    let bare = scene.two().replace("authorization = { env = \"PARTNER_AUTHORIZATION\" }\n", "");
    let gone = scene.outcomes(&bare, &secrets, &[]).await;

    assert_eq!(changed, ["Partner changed", "Login unchanged"]);
    assert_eq!(scene.receiver.seen()[0].header("authorization"), Some("Bearer s3cret-new"));
    assert_eq!(gone, ["Partner changed", "Login unchanged"]);
    assert_eq!(scene.webhooks().await[1]["authorization"], Value::Null);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_name_and_the_rest_is_done() {
    let scene = Scene::calm().await;
    let bad = "[[webhooks]]\nname = \"Bad\"\nevents = [\"e\"]\nmethod = \"POST\"\nurl = \"ftp://a\"\ntimeoutMs = 1\n";
    let clear = "[[webhooks]]\nname = \"Clear\"\nevents = [\"e\"]\nmethod = \"POST\"\nurl = \"https://a.example\"\nauthorization = \"Bearer s3cret\"\n";

    let some = scene.apply(&format!("{bad}{clear}{}", scene.two()), &SECRETS, &["--prune", "--yes"]).await;
    let none = scene.apply(&format!("{bad}{clear}"), &[], &["--json"]).await;
    let no_file = scene.apply("[[webhook]]\nname = \"a\"\n", &[], &[]).await;

    assert!(some.stdout.contains("refused       Bad: some fields break a rule (422): url must"), "{}", some.stdout);
    assert!(some.stdout.contains("timeoutMs must be") && some.stdout.contains("authorization must be a reference"), "{}", some.stdout);
    assert!(!some.stdout.contains("s3cret"), "{}", some.stdout);
    assert!(some.refusal(7).contains("2 of 4 webhooks were refused"));
    let report: Value = serde_json::from_str(&none.stdout).unwrap();
    assert_eq!((&report["webhooks"][0]["outcome"], &report["webhooks"][0]["errors"][0]["field"]), (&json!("refused"), &json!("url")));
    let needs_reference = json!({"field": "authorization", "message": "must be a reference, as { env = \"NAME\" } or { file = \"PATH\" }"});
    assert_eq!(report["webhooks"][1]["errors"], json!([needs_reference]));
    assert!(none.refusal(5).contains("every webhook was refused"));
    assert!(no_file.refusal(5).contains("webhook is not known"));
    assert_eq!(scene.webhooks().await.len(), 2);
}

#[tokio::test]
async fn what_the_file_does_not_name_is_deleted_only_when_that_is_said() {
    let scene = Scene::calm().await;
    scene.apply(&scene.two(), &SECRETS, &[]).await.expect(0);
    let one = scene.two().split("\n\n").next().unwrap().to_owned();
    let bad = format!("{one}\n[[webhooks]]\nname = \"Bad\"\n");

    scene.apply(&one, &SECRETS, &[]).await.expect(0);
    let unasked = scene.apply(&one, &SECRETS, &["--prune"]).await;
    let planned = scene.outcomes(&one, &SECRETS, &["--prune", "--dry-run"]).await;
    scene.apply(&bad, &SECRETS, &["--prune", "--yes"]).await.refusal(7);
    let before = scene.webhooks().await.len();
    let pruned = scene.outcomes(&one, &SECRETS, &["--prune", "--yes"]).await;

    assert!(unasked.refusal(2).contains("Delete Login with all that waits for them?"));
    assert_eq!((planned, before), (vec!["Partner unchanged".to_owned(), "Login would delete".to_owned()], 2));
    assert_eq!(pruned, ["Partner unchanged", "Login deleted"]);
    assert_eq!(scene.webhooks().await.len(), 1);
}

#[tokio::test]
async fn a_file_may_come_from_standard_input_and_name_a_webhook_by_its_id() {
    let scene = Scene::calm().await;
    let id = scene.webhook(json!({"name": "Old name"})).await;
    let url = scene.receiver.url("/:id");
    let file = json!({"webhooks": [{"id": id, "name": "New name", "type": 0, "method": "POST", "url": url}]});

    let mut command = scene.command(&["webhooks", "apply", "-f", "-"]);
    let mut applying = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    applying.stdin.take().unwrap().write_all(file.to_string().as_bytes()).await.unwrap();
    let output = applying.wait_with_output().await.unwrap();

    assert!(output.status.success());
    let shown = scene.run(&["webhooks", "get", &id, "--json"]).await.json();
    assert_eq!((&shown["name"], &shown["retry"]), (&json!("New name"), &Value::Null));
}
