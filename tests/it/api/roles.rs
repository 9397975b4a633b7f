//! Which role may call what: every route with every role, and with no key at all.

use serde_json::json;

use crate::support::rest::{ROOT_KEY, Rest};

const ABSENT: &str = "00000000-0000-7000-8000-000000000000";

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Clients,
    Keys,
    Audit,
    Webhooks,
    Enqueue,
    Read,
    Operate,
}

use Needs::{Audit, Clients, Enqueue, Keys, Operate, Read, Webhooks};

const ROUTES: &[(&str, &str, Needs)] = &[
    ("POST", "/api_document/document_webhooks", Webhooks),
    ("GET", "/api_document/document_webhooks", Read),
    ("GET", "/api_document/document_webhooks/{}", Read),
    ("PUT", "/api_document/document_webhooks/{}", Webhooks),
    ("PATCH", "/api_document/document_webhooks/{}", Webhooks),
    ("DELETE", "/api_document/document_webhooks/{}", Webhooks),
    ("POST", "/document_webhooks", Webhooks),
    ("GET", "/document_webhooks", Read),
    ("GET", "/document_webhooks/{}", Read),
    ("PUT", "/document_webhooks/{}", Webhooks),
    ("PATCH", "/document_webhooks/{}", Webhooks),
    ("DELETE", "/document_webhooks/{}", Webhooks),
    ("POST", "/api_document/completions", Enqueue),
    ("POST", "/v1/events", Enqueue),
    ("GET", "/v1/events", Read),
    ("GET", "/v1/events/{}", Read),
    ("POST", "/v1/webhooks", Webhooks),
    ("GET", "/v1/webhooks", Read),
    ("GET", "/v1/webhooks/{}", Read),
    ("PUT", "/v1/webhooks/{}", Webhooks),
    ("PATCH", "/v1/webhooks/{}", Webhooks),
    ("DELETE", "/v1/webhooks/{}", Webhooks),
    ("POST", "/v1/webhooks/{}/pause", Operate),
    ("POST", "/v1/webhooks/{}/resume", Operate),
    ("POST", "/v1/webhooks/{}/rotate-secret", Webhooks),
    ("GET", "/v1/deliveries", Read),
    ("GET", "/v1/deliveries/{}", Read),
    ("POST", "/v1/deliveries/{}/redeliver", Operate),
    ("POST", "/v1/deliveries/{}/cancel", Operate),
    ("GET", "/v1/dead-letters", Read),
    ("POST", "/v1/clients", Clients),
    ("GET", "/v1/clients", Clients),
    ("DELETE", "/v1/clients/{}", Clients),
    ("POST", "/v1/api-keys", Keys),
    ("GET", "/v1/api-keys", Keys),
    ("DELETE", "/v1/api-keys/{}", Keys),
    ("GET", "/v1/audit", Audit),
];

#[tokio::test]
async fn each_role_may_call_what_it_is_for_and_nothing_else() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let roles: [(&str, &str, &[Needs]); 5] = [
        ("root", ROOT_KEY, &[Clients, Keys, Audit, Webhooks, Enqueue, Read, Operate]),
        ("admin", &tenant.admin, &[Keys, Audit, Webhooks, Enqueue, Read, Operate]),
        ("producer", &tenant.producer, &[Enqueue]),
        ("operator", &tenant.operator, &[Read, Operate]),
        ("viewer", &tenant.viewer, &[Read]),
    ];

    for (role, key, allowed) in roles {
        for (method, path, needs) in ROUTES {
            let answer = rest.call(method, &path.replace("{}", ABSENT)).key(key).json(&json!({})).send().await;
            let status = answer.status.as_u16();
            if allowed.contains(needs) {
                assert!([200, 404, 422].contains(&status), "{role} {method} {path}: {status}");
            } else {
                answer.problem(403);
            }
        }
    }
}

#[tokio::test]
async fn the_role_is_judged_before_the_body_is_looked_at() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    rest.post("/v1/webhooks").key(&tenant.viewer).text("not json").send().await.problem(403);
    rest.post("/v1/webhooks").key(&tenant.viewer).send().await.problem(403);
    rest.post("/v1/webhooks").key("unknown").send().await.problem(401);
}

#[tokio::test]
async fn no_key_and_an_unknown_key_get_the_same_answer_everywhere() {
    let rest = Rest::new().await;
    let expected = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"a known API key is needed in X-API-KEY"}"#;

    for (method, path, _) in ROUTES {
        let call = || rest.call(method, &path.replace("{}", ABSENT)).json(&json!({}));
        let none = call().without("X-API-KEY").send().await;
        none.problem(401);
        assert_eq!(none.text, expected, "{method} {path}");
        assert!(none.headers.contains_key("www-authenticate"));
        let almost = &ROOT_KEY[1..];
        for key in ["", "unknown", almost, "whd_000000000000000000000000000000000000000000000000_000000", "é", "😀"] {
            assert_eq!(call().key(key).send().await.text, expected, "{method} {path} {key}");
        }
        let authorization = call().without("X-API-KEY").header("Authorization", &format!("Bearer {ROOT_KEY}")).send().await;
        assert_eq!(authorization.text, expected, "{method} {path}");
    }
}
