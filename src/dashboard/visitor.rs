//! Who looks at a page, and what they may do: from the session's cookie to the scope that every call to the store carries.
//!
//! A handler gets at its visitor only through [`May`], which names a permission: none can forget to ask.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use chrono::FixedOffset;

use super::cookies;
use super::error::PageError;
use super::language::Language;
use super::session::COOKIE;
use super::state::Dashboard;
use crate::domain::audit::Actor;
use crate::domain::client::{ApiKey, Permission};
use crate::domain::permission::Wanted;
use crate::domain::session::SessionHash;
use crate::domain::time::Timestamp;
use crate::management::By;
use crate::store::records::Scope;

/// Somebody who is signed in.
#[derive(Debug)]
pub(super) struct Visitor {
    /// The key that they signed in with.
    pub(super) key: ApiKey,
    /// Which language they read.
    pub(super) language: Language,
    /// The page that they look at, with its query.
    pub(super) here: String,
    /// The offset in which they see times.
    pub(super) time_offset: FixedOffset,
    address: Option<IpAddr>,
}

impl Visitor {
    /// Whose things they may see and touch.
    pub(super) fn scope(&self) -> Scope {
        self.key.client_id.map_or(Scope::All, Scope::Client)
    }

    /// Whether their key allows something.
    pub(super) const fn may(&self, wanted: Permission) -> bool {
        self.key.role.allows(wanted)
    }

    /// Who makes a change at `now`.
    pub(super) fn by(&self, now: Timestamp) -> By {
        let ApiKey { id, role, client_id, .. } = self.key;
        By { scope: self.scope(), actor: Actor { key_id: id, role, client_id, remote_address: self.address, at: now } }
    }

    async fn of(parts: &Parts, dash: &Dashboard) -> Result<Self, PageError> {
        let (here, now) = (here(parts), dash.clock.now());
        let key = match cookies::value(&parts.headers, COOKIE) {
            Some(token) => dash.store.session_key(SessionHash::of(token), now).await?,
            None => None,
        };
        match key.filter(|key| key.is_good_at(now)) {
            Some(key) => {
                let (language, time_offset) = (Language::of(&parts.headers), dash.settings.time_offset);
                Ok(Self { key, language, here, time_offset, address: address(parts) })
            }
            None => Err(PageError::SignedOut { next: here }),
        }
    }
}

/// Where a request comes from, if that is known.
pub(super) fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical())
}

/// The address of the page that is asked for, as browsers show it.
fn here(parts: &Parts) -> String {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    uri.path_and_query().map_or_else(|| "/dashboard".to_owned(), ToString::to_string)
}

/// A visitor whose key allows `P`.
pub(super) struct May<P> {
    visitor: Visitor,
    permission: PhantomData<P>,
}

impl<P> Deref for May<P> {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl<P: Wanted> FromRequestParts<Dashboard> for May<P> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, dash: &Dashboard) -> Result<Self, PageError> {
        let visitor = Visitor::of(parts, dash).await?;
        if !visitor.may(P::PERMISSION) {
            return Err(PageError::Forbidden);
        }
        Ok(Self { visitor, permission: PhantomData })
    }
}
