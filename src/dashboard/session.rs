//! Signing in with an API key, signing out, and the choice of a language.
//!
//! The browser gets a token that is good for nothing but these pages; the store keeps its hash. A session ends with its
//! key, so nothing has to be ended when a key is deleted.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::error::{PageError, SIGN_IN};
use super::frame::{BareFrame, Word};
use super::language::{self, Language};
use super::pairs::{Form, Query};
use super::state::Dashboard;
use super::visitor::address;
use super::words::Words;
use super::{Page, cookies};
use crate::domain::client::{ApiKey, KeyHash, Permission};
use crate::domain::session::{Session, SessionHash, new_session_token};

/// Under which name the token is kept.
pub(super) const COOKIE: &str = "whd_session";

/// Where everything begins.
const HOME: &str = "/dashboard";

/// How long a choice of language is kept.
const LANGUAGE_AGE: Duration = Duration::from_hours(365 * 24);

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/sign-in", get(show).post(sign_in)).route("/sign-out", post(sign_out)).route("/language", post(choose_language))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    frame: BareFrame,
    w: &'static Words,
    next: &'a str,
    problem: Option<&'static str>,
}

async fn show(headers: HeaderMap, Query(query): Query) -> Page {
    form(&headers, query.get("next"), None)
}

fn form(headers: &HeaderMap, next: Option<&str>, problem: Option<(StatusCode, Word)>) -> Page {
    let language = Language::of(headers);
    let w = language.words();
    let frame = BareFrame::of(language, w.sign_in.to_owned());
    let page = SignIn { frame, w, next: local(next), problem: problem.map(|(_, words)| words(w)) };
    Ok((problem.map_or(StatusCode::OK, |(status, _)| status), Html(page.render()?)).into_response())
}

async fn sign_in(State(dash): State<Dashboard>, parts: Parts, Form(form): Form) -> Page {
    let (headers, next, address, now) = (&parts.headers, form.get("next"), address(&parts), dash.clock.now());
    if !dash.guesses.may_try(address, now) {
        return self::form(headers, next, Some((StatusCode::TOO_MANY_REQUESTS, |w| w.sign_in_too_often)));
    }
    let key = match form.get("key") {
        Some(text) => dash.store.api_key(KeyHash::of(text)).await?,
        None => None,
    };
    let Some(key) = key.filter(|key| key.is_good_at(now)) else {
        dash.guesses.note(address, now);
        return self::form(headers, next, Some((StatusCode::FORBIDDEN, |w| w.sign_in_unknown)));
    };
    if !key.role.allows(Permission::Read) {
        return self::form(headers, next, Some((StatusCode::FORBIDDEN, |w| w.sign_in_producer)));
    }
    begin(&dash, &parts, &key, local(next)).await
}

/// Begins a session and goes on to `next`.
async fn begin(dash: &Dashboard, parts: &Parts, key: &ApiKey, next: &str) -> Page {
    let (now, age) = (dash.clock.now(), dash.settings.session_age);
    let token = new_session_token(&(dash.token_chance)());
    let session = Session { hash: SessionHash::of(&token), key_id: key.id, created_at: now, expires_at: now + age };
    if !dash.store.insert_session(session).await? {
        return form(&parts.headers, Some(next), Some((StatusCode::FORBIDDEN, |w| w.sign_in_unknown)));
    }
    Ok(with_cookie(Redirect::to(next), COOKIE, &token, age, is_behind_tls(dash, parts)))
}

async fn sign_out(State(dash): State<Dashboard>, parts: Parts) -> Page {
    if let Some(token) = cookies::value(&parts.headers, COOKIE) {
        dash.store.end_session(SessionHash::of(token)).await?;
    }
    Ok(with_cookie(Redirect::to(SIGN_IN), COOKIE, "", Duration::ZERO, is_behind_tls(&dash, &parts)))
}

async fn choose_language(State(dash): State<Dashboard>, parts: Parts, Form(form): Form) -> Page {
    let chosen = form.get("language").and_then(Language::parse).ok_or(PageError::Unreadable)?;
    let back = Redirect::to(local(form.get("next")));
    Ok(with_cookie(back, language::COOKIE, chosen.code(), LANGUAGE_AGE, is_behind_tls(&dash, &parts)))
}

fn with_cookie(redirect: Redirect, name: &str, value: &str, age: Duration, only_tls: bool) -> Response {
    let mut response = redirect.into_response();
    if let Some(cookie) = cookies::set(name, value, age, only_tls) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Whether the browser came through TLS: the configuration says so of all, or the proxy on this machine of this one.
fn is_behind_tls(dash: &Dashboard, parts: &Parts) -> bool {
    let told = parts.headers.get("X-Forwarded-Proto").is_some_and(|value| value == "https");
    dash.settings.behind_tls || told && address(parts).is_some_and(|address| address.is_loopback())
}

/// A page of the dashboard, whatever was asked for: nobody is sent elsewhere.
fn local(next: Option<&str>) -> &str {
    let is_ours = |next: &&str| {
        let rest = next.strip_prefix(HOME);
        let is_path = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        is_path && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(is_ours).filter(|next| !next.starts_with(SIGN_IN)).unwrap_or(HOME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_signs_in_stays_on_this_site() {
        for fine in ["/dashboard", "/dashboard/deliveries?q=%3C", "/dashboard?window=1h"] {
            assert_eq!(local(Some(fine)), fine);
        }
        for other in
            ["//evil.example", "https://evil.example", "/dashboard\\evil", "/dashboardevil", "/", "/dashboard/ x", "/dashboard/sign-in"]
        {
            assert_eq!(local(Some(other)), HOME, "{other}");
        }
        assert_eq!(local(None), HOME);
    }
}
