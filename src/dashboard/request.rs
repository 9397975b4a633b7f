//! A request as text, as it is sent by a definition: what secrets it carries is masked.

use secrecy::ExposeSecret as _;

use crate::domain::authorization::mask_authorization;
use crate::domain::headers::Headers;
use crate::domain::webhook::{AuthorizationPlan, WebhookDefinition};

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
    pub(super) fn of(definition: &WebhookDefinition, subject: &str, payload: &[u8]) -> Self {
        let url = definition.url.for_subject(subject).map_or_else(|_| definition.url.as_str().to_owned(), String::from);
        let shown = payload.get(..MOST_SHOWN).unwrap_or(payload);
        Self {
            line: format!("{} {url}", definition.method.as_str()),
            headers: headers(definition),
            body: definition.method.carries_body().then(|| String::from_utf8_lossy(shown).into_owned()),
            is_cut: payload.len() > MOST_SHOWN,
        }
    }

    /// All of it on one sheet.
    pub(super) fn into_text(self) -> String {
        let headers = self.headers.into_iter().map(|(name, value)| format!("{name}: {value}"));
        let head: Vec<String> = std::iter::once(self.line).chain(headers).collect();
        let body = self.body.map(|body| format!("\n\n{body}")).unwrap_or_default();
        format!("{}{body}", head.join("\n"))
    }
}

fn headers(definition: &WebhookDefinition) -> Vec<(String, String)> {
    let own = definition.headers.as_ref();
    let own = own.into_iter().flat_map(Headers::masked).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let authorization = match definition.authorization.plan() {
        AuthorizationPlan::None => None,
        AuthorizationPlan::Fixed(fixed) => Some(mask_authorization(fixed.expose_secret())),
        AuthorizationPlan::LogIn(_) => {
            let scheme = definition.authorization.header_auth.as_deref().unwrap_or("Bearer");
            Some(format!("{scheme} ****").trim().to_owned())
        }
    };
    own.chain(authorization.map(|value| ("Authorization".to_owned(), value))).collect()
}
