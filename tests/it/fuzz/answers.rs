//! What receivers and logins answer: `Retry-After`, and access tokens with their lifetimes.

use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use webhook_dispatcher::domain::authorization::{header_value, kept_lifetime, mask_authorization, read_access_token};
use webhook_dispatcher::domain::retry::{clamp_retry_after, parse_retry_after};
use webhook_dispatcher::domain::time::Timestamp;

use super::for_all;

const DAY: Duration = Duration::from_hours(24);

fn now() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

#[test]
fn any_retry_after_is_a_wait_within_bounds_or_none() {
    let values =
        prop_oneof![any::<Vec<u8>>(), "[0-9]{0,30}".prop_map(String::into_bytes), "[ A-Za-z0-9,:-]{0,40}".prop_map(String::into_bytes)];
    for_all(&(values, now()), |(value, now)| {
        if let Some(asked) = parse_retry_after(&value, now) {
            let granted = clamp_retry_after(asked, DAY);
            prop_assert!((Duration::from_secs(1)..=DAY).contains(&granted));
        }
        Ok(())
    });
}

#[test]
fn a_retry_after_in_seconds_or_as_a_date_means_what_it_says() {
    for_all(&(any::<u32>(), 0_u32..2_000_000_000), |(wait, now)| {
        let (wait, now) = (Duration::from_secs(wait.into()), Timestamp::from_micros(i64::from(now) * 1_000_000));
        let date = httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_seconds().unsigned_abs()) + wait);

        prop_assert_eq!(parse_retry_after(wait.as_secs().to_string().as_bytes(), now), Some(wait));
        prop_assert_eq!(parse_retry_after(date.as_bytes(), now), Some(wait));
        Ok(())
    });
}

fn any_json() -> impl Strategy<Value = Value> {
    let numbers = prop_oneof![
        Just(json!(1e300)),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(u64::MAX)),
        Just(json!(0.5)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(|n| json!(n)),
    ];
    let texts = prop_oneof![
        any::<String>(),
        "[0-9.eE+-]{0,12}",
        "[A-Za-z0-9_-]{1,20}\\.[A-Za-z0-9_=-]{0,40}\\.x",
        Just("inf".to_owned()),
        Just("NaN".to_owned())
    ];
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), numbers, texts.prop_map(Value::from)];
    let name = prop_oneof![Just("access_token".to_owned()), Just("expires_in".to_owned()), Just("a".to_owned()), "[a-z.0]{0,4}"];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn any_bytes_are_an_access_token_or_none() {
    for_all(&(any::<Vec<u8>>(), any::<Option<String>>(), now()), |(body, attribute, now)| {
        drop(read_access_token(&body, attribute.as_deref(), now));
        Ok(())
    });
}

#[test]
fn a_token_that_is_found_can_be_sent_is_not_told_and_lives_within_bounds() {
    let attributes = prop::option::of(prop_oneof![Just("a".to_owned()), "[a-z]{1,2}(\\.[a-z0-9]{0,2}){0,3}", any::<String>()]);
    for_all(&(any_json(), attributes, now(), any::<Option<String>>()), |(answer, attribute, now, scheme)| {
        match read_access_token(answer.to_string().as_bytes(), attribute.as_deref(), now) {
            Ok(found) => {
                let token = found.value.expose_secret();
                prop_assert!(HeaderValue::from_str(token).is_ok() || HeaderValue::from_bytes(token.as_bytes()).is_ok());
                prop_assert!(answer.to_string().contains(&serde_json::to_string(token).unwrap()), "it was in the answer");
                prop_assert!(kept_lifetime(found.lifetime, DAY, Duration::from_secs(10), DAY) <= DAY);
                prop_assert!(header_value(scheme.as_deref(), token).ends_with(token));
                let masked = mask_authorization(&header_value(scheme.as_deref().filter(|scheme| !scheme.contains(token)), token));
                prop_assert!(token.len() < 6 || !masked.contains(token), "{masked}");
            }
            Err(error) => prop_assert!(error.to_string().starts_with("the ")),
        }
        Ok(())
    });
}
