//! A browser without scripts: it keeps a session's cookie, and sends forms from the page's own site.

use crate::support::rest::{Answer, Rest};

/// Somebody who looks at pages.
pub(crate) struct Browser<'r> {
    rest: &'r Rest,
    cookie: Option<String>,
    language: &'static str,
    address: Option<&'static str>,
}

impl<'r> Browser<'r> {
    pub(crate) fn new(rest: &'r Rest) -> Self {
        Self { rest, cookie: None, language: "en", address: None }
    }

    /// Somebody who has signed in with this key.
    pub(crate) async fn signed_in(rest: &'r Rest, key: &str) -> Self {
        let mut browser = Self::new(rest);
        let answer = browser.post("/dashboard/sign-in", &[("key", key)]).await;
        assert_eq!(answer.status.as_u16(), 303, "{}", answer.text);
        browser.cookie = Some(answer.header("set-cookie").split(';').next().unwrap().to_owned());
        browser
    }

    pub(crate) fn reading(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    pub(crate) fn at(mut self, address: &'static str) -> Self {
        self.address = Some(address);
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "").await
    }

    /// A page that is there.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> impl Future<Output = String> {
        let asked = self.get(path);
        async move {
            let answer = asked.await;
            assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
            answer.text
        }
    }

    /// Sends a form as browsers do.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", path, &form).await
    }

    async fn send(&self, method: &str, path: &str, form: &str) -> Answer {
        let mut call = self.rest.call(method, path).without("X-API-KEY").header("Accept-Language", self.language);
        if let Some(address) = self.address {
            call = call.from(address);
        }
        if let Some(cookie) = &self.cookie {
            call = call.header("Cookie", cookie);
        }
        if method == "POST" {
            call = call
                .text(form.to_owned())
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("Sec-Fetch-Site", "same-origin");
        }
        call.send().await
    }
}
