//! A request as text: as it is sent, with what it carries of secrets masked.

use crate::domain::method::Method;
use crate::domain::trial::{LoginPreview, RequestPreview, Unpresentable};

/// How much of a payload is shown.
const MOST_SHOWN: usize = 64 * 1_024;

/// A request as text.
pub(super) struct Request {
    /// Method and url.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    /// The payload, where the method carries one.
    pub(super) body: Option<String>,
    /// Whether the payload is longer than what is shown of it.
    pub(super) is_cut: bool,
}

impl Request {
    fn of(method: Method, url: &str, headers: Vec<(String, String)>, body: Option<&[u8]>) -> Self {
        let shown = body.map(|body| body.get(..MOST_SHOWN).unwrap_or(body));
        Self {
            line: format!("{} {url}", method.as_str()),
            headers,
            body: shown.map(|shown| String::from_utf8_lossy(shown).into_owned()),
            is_cut: body.is_some_and(|body| body.len() > MOST_SHOWN),
        }
    }

    /// Why there is none.
    #[expect(clippy::needless_pass_by_value, reason = "it stands where an error is mapped")]
    pub(super) fn none(why: Unpresentable) -> Self {
        Self { line: why.to_string(), headers: Vec::new(), body: None, is_cut: false }
    }

    /// All of it on one sheet.
    fn into_text(self) -> String {
        let headers = self.headers.into_iter().map(|(name, value)| format!("{name}: {value}"));
        let head: Vec<String> = std::iter::once(self.line).chain(headers).collect();
        let body = self.body.map(|body| format!("\n\n{body}")).unwrap_or_default();
        format!("{}{body}", head.join("\n"))
    }
}

impl From<RequestPreview> for Request {
    fn from(preview: RequestPreview) -> Self {
        let RequestPreview { method, url, headers, body, .. } = preview;
        Self::of(method, &url, headers, body.as_deref())
    }
}

/// What would be sent, the login first where there is one.
pub(super) fn in_turn(mut preview: RequestPreview) -> String {
    let login = preview.login.take().map(|LoginPreview { method, url, headers, body }| {
        let login = Request::of(method, &url, headers, body.as_deref());
        format!("{}\n\n\n", login.into_text())
    });
    format!("{}{}", login.unwrap_or_default(), Request::from(preview).into_text())
}
