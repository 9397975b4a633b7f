//! What strangers send is text, never markup: whatever stands in names, ids, urls, headers and answers, every page has the
//! tags and attributes that it has for plain words, and every address that it names is one of our own.

use bytes::Bytes;
use serde_json::json;
use webhook_dispatcher::domain::attempt::{AttemptOutcome, Exchange, FailureReason};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, Transition};

use crate::support::hostile::MARKUP;
use crate::support::pages::Browser;
use crate::support::rest::{ROOT_KEY, Rest};
use crate::support::scene::Scene;

/// The tags of a page with the names of their attributes, and the addresses that they lead to.
fn skeleton(html: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut addresses) = (Vec::new(), Vec::new());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            continue;
        }
        let mut tag = String::new();
        let mut value_of: Option<String> = None;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let Some(first) = rest.chars().next() else { break };
            rest = match first {
                '"' | '\'' => {
                    let (value, after) = rest[1..].split_once(first).unwrap_or((&rest[1..], ""));
                    let leads = value_of.take().is_some_and(|name| ["href", "src", "action", "data-check"].contains(&name.as_str()));
                    addresses.extend(leads.then(|| value.to_owned()));
                    after
                }
                '>' | '=' => &rest[1..],
                _ => {
                    let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '=' | '"' | '\'')).unwrap_or(rest.len());
                    value_of = Some(rest[..end].to_ascii_lowercase());
                    tag = format!("{tag} {}", &rest[..end]);
                    &rest[end..]
                }
            };
            if first == '>' {
                break;
            }
        }
        tags.push(tag);
    }
    (tags, addresses)
}

/// Everything that pages show, with `text` wherever a stranger, a tenant or an address can put one.
struct Stage {
    scene: Scene,
    delivery: String,
    text: &'static str,
}

impl Stage {
    async fn with(text: &'static str) -> Self {
        let scene = Scene::new().await;
        let Scene { rest, tenant, webhook } = &scene;
        // A header or a name takes no control characters; the rest of the payload counts.
        let line: String = text.chars().filter(|c| !c.is_control()).collect();
        let body = json!({
            "name": line, "headers": {"X-Text": line}, "headerAuth": line.chars().take(64).collect::<String>(),
            "authorizationUrl": format!("https://example.com/{}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()),
            "authorizationResponseTokenAttr": line, "authorizationHeaders": {"X-Login": line},
            "authorizationBody": {"secret": line},
        });
        rest.call("PATCH", &format!("/v1/webhooks/{webhook}")).key(&tenant.admin).json(&body).send().await.expect(200);
        rest.post("/v1/clients").json(&json!({"name": line})).send().await.expect(201);
        rest.post("/v1/api-keys").key(&tenant.admin).json(&json!({"role": "viewer", "name": line})).send().await.expect(201);
        let delivery = scene.enqueue(text).await;
        let exchange = Exchange {
            status: Some(500),
            detail: Some(text.to_owned()),
            response_head: Some(format!("{line}: {line}\nserver: {line}")),
            response_body: Some(Bytes::from(text)),
            ..Exchange::default()
        };
        let transition = Transition::DeadLetter(DeadLetterReason::Exhausted);
        scene.attempt(AttemptOutcome::Retryable(FailureReason::Status(500)), transition, exchange).await;
        Self { scene, delivery, text }
    }

    fn paths(&self) -> Vec<String> {
        let text: String = url::form_urlencoded::byte_serialize(self.text.as_bytes()).collect();
        let webhook = &self.scene.webhook;
        vec![
            format!("/dashboard/deliveries/{}", self.delivery),
            format!("/dashboard/deliveries?q={text}"),
            format!(
                "/dashboard/deliveries?webhook={text}&state={text}&reason={text}&type={text}&from={text}&to={text}&before={text}&x={text}"
            ),
            format!("/dashboard/webhooks?done={text}"),
            format!("/dashboard/webhooks/{webhook}"),
            format!("/dashboard/webhooks/{webhook}/edit"),
            format!("/dashboard/keys?done={text}"),
            format!("/dashboard/audit?object={text}"),
            format!("/dashboard/dead-letters?webhook={text}&reason={text}"),
            format!("/dashboard?window={text}"),
        ]
    }
}

#[tokio::test]
async fn no_text_becomes_markup_on_any_page() {
    let plain = Stage::with("plain words").await;
    let root = Browser::signed_in(&plain.scene.rest, ROOT_KEY).await;
    let mut expected = Vec::new();
    for path in plain.paths() {
        expected.push(skeleton(&root.page(&path).await));
    }

    for payload in MARKUP {
        let hostile = Stage::with(payload).await;
        let root = Browser::signed_in(&hostile.scene.rest, ROOT_KEY).await;
        for (path, (tags, addresses)) in hostile.paths().iter().zip(&expected) {
            let page = root.page(path).await;

            let (found_tags, found_addresses) = skeleton(&page);
            assert_eq!(&found_tags, tags, "{payload} at {path}\n{page}");
            assert_eq!(found_addresses.len(), addresses.len(), "{payload} at {path}");
            assert!(found_addresses.iter().all(|address| address.starts_with("/dashboard") || address == "#main"), "{found_addresses:?}");
        }
    }
}

#[tokio::test]
async fn no_text_becomes_markup_in_forms_that_are_refused_and_where_people_sign_in() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let admin = Browser::signed_in(&rest, &tenant.admin).await;
    let nobody = Browser::new(&rest);
    let answers = async |text: &str| {
        let fields =
            ["name", "kind", "events", "method", "url", "headers", "headerAuth", "authorization", "authorizationUrl", "timeoutMs", "retry"];
        let form: Vec<(&str, &str)> = fields.into_iter().map(|field| (field, text)).collect();
        rest.clock.advance(std::time::Duration::from_mins(1));
        let admin = Browser::signed_in(&rest, &tenant.admin).await;
        [
            admin.post("/dashboard/webhooks/new", &form).await.text,
            nobody.post("/dashboard/sign-in", &[("key", text), ("next", text)]).await.text,
            nobody.get("/dashboard/sign-in?next=%3Cscript%3E").await.text,
        ]
        // Which fields are wrong depends on what is in them.
        .map(|page| skeleton(&page).0.into_iter().map(|tag| tag.replace(" aria-invalid", "")).collect::<Vec<_>>())
    };
    let checked = admin.post("/dashboard/webhooks/check", &[("headers", "<script>: x")]).await;
    assert_eq!(checked.header("content-type"), "application/json");

    let expected = answers("plain words").await;
    for payload in MARKUP {
        assert_eq!(answers(payload).await, expected, "{payload}");
    }
}

#[test]
fn the_skeleton_of_a_page_sees_what_a_browser_would() {
    let (tags, addresses) =
        skeleton(r#"<!doctype html><p class="a>b" id=x>1 < 2 &lt;b&gt;<a href="/dashboard">x</a><img src=x onerror=alert(1)>"#);

    assert_eq!(tags, [" !doctype html", " p class id x", " a href", " /a", " img src x onerror alert(1)"]);
    assert_eq!(addresses, ["/dashboard"]);
}
