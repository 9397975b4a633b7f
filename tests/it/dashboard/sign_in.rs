//! Who gets in, for how long, and what a browser is told to hold to.

use std::time::Duration;

use serde_json::json;

use crate::support::pages::Browser;
use crate::support::rest::{ROOT_KEY, Rest, RestSetup};

#[tokio::test]
async fn a_session_ends_with_its_key() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let wanted = json!({"clientId": tenant.id, "role": "viewer", "expiresAt": "2024-04-11T14:13:33.741194-03:00"});
    let key = rest.post("/v1/api-keys").json(&wanted).send().await.expect(201)["key"].as_str().unwrap().to_owned();
    let viewer = Browser::signed_in(&rest, &key).await;

    rest.clock.advance(Duration::from_secs(59));
    viewer.page("/dashboard").await;
    rest.clock.advance(Duration::from_secs(1));

    assert_eq!(viewer.get("/dashboard").await.status.as_u16(), 303);
}

#[tokio::test]
async fn every_page_asks_who_is_there_and_comes_back_to_what_was_wanted() {
    let rest = Rest::new().await;
    let nobody = Browser::new(&rest);

    let sent = nobody.get("/dashboard/deliveries?q=a%26b").await;

    assert_eq!(sent.status.as_u16(), 303);
    assert_eq!(sent.header("location"), "/dashboard/sign-in?next=%2Fdashboard%2Fdeliveries%3Fq%3Da%2526b");
    let form = nobody.page(sent.header("location")).await;
    assert!(form.contains(r#"name="next" value="/dashboard/deliveries?q=a%26b""#), "{form}");
    let signed_in = nobody.post("/dashboard/sign-in", &[("key", ROOT_KEY), ("next", "/dashboard/deliveries?q=a%26b")]).await;
    assert_eq!((signed_in.status.as_u16(), signed_in.header("location")), (303, "/dashboard/deliveries?q=a%26b"));
}

#[tokio::test]
async fn keys_that_read_get_in_and_others_do_not() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    for key in [ROOT_KEY, &tenant.admin, &tenant.operator, &tenant.viewer] {
        Browser::signed_in(&rest, key).await.page("/dashboard/deliveries").await;
    }
    for (key, words) in [(tenant.producer.as_str(), "only hands in documents"), ("whd_unknown", "opens nothing"), ("", "opens nothing")] {
        let refused = Browser::new(&rest).post("/dashboard/sign-in", &[("key", key)]).await;
        assert_eq!(refused.status.as_u16(), 403, "{key}");
        assert!(refused.text.contains(words) && !refused.headers.contains_key("set-cookie"), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let (plain, tls) = (Rest::new().await, Rest::with(RestSetup { behind_tls: true, ..RestSetup::default() }).await);
    let cookie = async |rest: &Rest| {
        let answer = Browser::new(rest).post("/dashboard/sign-in", &[("key", ROOT_KEY)]).await;
        answer.header("set-cookie").split_once(';').unwrap().1.to_owned()
    };

    assert_eq!(cookie(&plain).await, " Path=/dashboard; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert_eq!(cookie(&tls).await, " Path=/dashboard; Max-Age=43200; HttpOnly; SameSite=Strict; Secure");
}

#[tokio::test]
async fn a_session_ends_by_signing_out_by_time_and_with_its_key() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let key = rest.post("/v1/api-keys").key(&tenant.admin).json(&json!({"role": "viewer"})).send().await.expect(201);
    let [leaves, stays, loses] = [
        Browser::signed_in(&rest, &tenant.viewer).await,
        Browser::signed_in(&rest, &tenant.viewer).await,
        Browser::signed_in(&rest, key["key"].as_str().unwrap()).await,
    ];
    let status = async |browser: &Browser<'_>| browser.get("/dashboard/deliveries").await.status.as_u16();
    assert_eq!([status(&leaves).await, status(&stays).await, status(&loses).await], [200; 3]);

    let left = leaves.post("/dashboard/sign-out", &[]).await;
    rest.call("DELETE", &format!("/v1/api-keys/{}", key["id"].as_str().unwrap())).key(&tenant.admin).send().await.expect(204);

    assert!(left.header("set-cookie").contains("Max-Age=0"));
    assert_eq!([status(&leaves).await, status(&stays).await, status(&loses).await], [303, 200, 303]);
    rest.clock.advance(Duration::from_hours(12));
    assert_eq!(status(&stays).await, 303);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_good_keys_wait_with_it_for_a_minute() {
    let rest = Rest::new().await;
    let guess = async |key: &str| Browser::new(&rest).post("/dashboard/sign-in", &[("key", key)]).await.status.as_u16();

    for _ in 0..10 {
        assert_eq!(guess("whd_wrong").await, 403);
    }

    assert_eq!((guess("whd_wrong").await, guess(ROOT_KEY).await), (429, 429));
    rest.clock.advance(Duration::from_mins(1));
    assert_eq!(guess(ROOT_KEY).await, 303);
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let rest = Rest::new().await;
    let call = |site: &str, origin: &str| {
        let call = rest.post("/dashboard/sign-in").without("X-API-KEY").text(format!("key={ROOT_KEY}"));
        let call = call.header("Content-Type", "application/x-www-form-urlencoded").header("Host", "dispatcher.example");
        let call = if site.is_empty() { call } else { call.header("Sec-Fetch-Site", site) };
        if origin.is_empty() { call } else { call.header("Origin", origin) }
    };

    for (site, origin) in [("cross-site", ""), ("same-site", ""), ("", "https://evil.example"), ("cross-site", "http://dispatcher.example")]
    {
        let refused = call(site, origin).send().await;
        assert_eq!(refused.status.as_u16(), 403, "{site} {origin}");
        assert!(refused.text.contains("That came from another site"), "{}", refused.text);
    }
    assert_eq!(call("", "http://dispatcher.example").send().await.status.as_u16(), 303);
    assert_eq!(call("same-origin", "").send().await.status.as_u16(), 303);
}

#[tokio::test]
async fn every_answer_binds_the_browser() {
    let rest = Rest::new().await;
    let root = Browser::signed_in(&rest, ROOT_KEY).await;

    for path in ["/dashboard/sign-in", "/dashboard/deliveries", "/dashboard/nowhere", "/dashboard/assets/live.js", "/dashboard/live"] {
        let call = root.get(path);
        // The stream of changes has no end: its head is enough.
        let answer = if path == "/dashboard/live" { continue } else { call.await };
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!((answer.header("x-content-type-options"), answer.header("x-frame-options")), ("nosniff", "DENY"));
    }
    assert_eq!(root.get("/dashboard/deliveries").await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_language_is_the_browsers_until_somebody_chooses() {
    let rest = Rest::new().await;
    let portuguese = Browser::new(&rest).reading("pt-BR,pt;q=0.9,en;q=0.5");

    assert!(portuguese.page("/dashboard/sign-in").await.contains(r#"<html lang="pt-BR">"#));
    let chosen = portuguese.post("/dashboard/language", &[("language", "en"), ("next", "//evil.example")]).await;
    assert_eq!(chosen.header("location"), "/dashboard");
    let cookie = chosen.header("set-cookie").split(';').next().unwrap();
    let english = rest.get("/dashboard/sign-in").header("Accept-Language", "pt").header("Cookie", cookie).send().await;
    assert!(english.text.contains(r#"<html lang="en">"#), "{}", english.text);
    assert_eq!(portuguese.post("/dashboard/language", &[("language", "tlh")]).await.status.as_u16(), 400);
}

#[tokio::test]
async fn assets_are_asked_for_again_and_sent_once() {
    let rest = Rest::new().await;

    let first = rest.get("/dashboard/assets/dashboard.css").send().await;
    let again = rest.get("/dashboard/assets/dashboard.css").header("If-None-Match", first.header("etag")).send().await;

    assert_eq!((first.status.as_u16(), first.header("content-type")), (200, "text/css; charset=utf-8"));
    assert_eq!((again.status.as_u16(), again.text.as_str(), again.header("cache-control")), (304, "", "no-cache"));
    assert_eq!(rest.get("/dashboard/assets/..%2fmod.rs").send().await.status.as_u16(), 404);
}
