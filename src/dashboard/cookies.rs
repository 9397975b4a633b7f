//! The two cookies: who is signed in, and which language they chose. Both are for the dashboard's paths alone, and no
//! script reads them.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

/// The value of a cookie that came with a request; the first of several.
pub(super) fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// A header that sets a cookie for `age`; zero removes it. `value` is of characters that need no quotes.
pub(super) fn set(name: &str, value: &str, age: Duration, only_tls: bool) -> Option<HeaderValue> {
    let secure = if only_tls { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/dashboard; Max-Age={}; HttpOnly; SameSite=Strict{secure}", age.as_secs());
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers: HeaderMap =
            ["a=1; whd=x=y ;b=2", "whd=later"].map(|line| (header::COOKIE, line.parse().unwrap())).into_iter().collect();

        assert_eq!(value(&headers, "whd"), Some("x=y"));
        assert_eq!(value(&headers, "b"), Some("2"));
        assert_eq!(value(&headers, "wh"), None);
    }

    #[test]
    fn a_cookie_is_kept_from_scripts_and_other_sites() {
        let text = |only_tls| set("whd", "v", Duration::from_mins(1), only_tls).unwrap().to_str().unwrap().to_owned();

        assert_eq!(text(false), "whd=v; Path=/dashboard; Max-Age=60; HttpOnly; SameSite=Strict");
        assert_eq!(text(true), "whd=v; Path=/dashboard; Max-Age=60; HttpOnly; SameSite=Strict; Secure");
    }
}
