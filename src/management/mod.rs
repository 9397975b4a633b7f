//! What people change, whichever way they ask: the use cases that the API and the dashboard share.
//!
//! Whoever calls has let somebody in and says so with `By`; nothing here knows HTTP, JSON answers or pages. What a
//! definition may say is `definition`'s, how it is changed `change`'s, which fields a way in knows `edition`'s.

mod catalog;
pub(crate) mod change;
pub(crate) mod client_certificate;
pub(crate) mod definition;
pub(crate) mod edition;
pub(crate) mod fields;
pub(crate) mod keys;
pub(crate) mod settled;
pub(crate) mod signing;
pub(crate) mod trial;
pub(crate) mod webhooks;

pub use self::keys::KeyEdition;

use self::definition::Rules;
use self::fields::Invalid;
use crate::domain::audit::Actor;
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;
use crate::store::records::Scope;
use crate::store::{Store, StoreError};

/// What the use cases work with.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    /// Where everything is kept.
    pub(crate) store: &'a dyn Store,
    /// New ids.
    pub(crate) ids: &'a IdSource,
    /// What definitions are held to.
    pub(crate) rules: Rules<'a>,
    /// What is known of keys.
    pub(crate) keys: &'a KeyEdition,
}

/// Who asks, at which moment, and whose things they may touch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By {
    /// Whose things they may touch; what lies outside does not exist for them.
    pub(crate) scope: Scope,
    /// In whose name the change is made, and when.
    pub(crate) actor: Actor,
}

impl By {
    /// The moment of the change.
    pub(crate) const fn now(&self) -> Timestamp {
        self.actor.at
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Values break rules.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such thing in that scope.
    #[error("there is no such thing")]
    NotFound,
    /// One webhook per client and type.
    #[error("the client has a webhook of this type already; change or delete that one")]
    TypeTaken,
    /// Others kept changing the same webhook.
    #[error("the webhook was changed by others at the same time; read it again")]
    ChangedMeanwhile,
    /// Every request would carry a signature by each.
    #[error("too many signing keys are valid at the same time")]
    TooManySigningKeys,
    /// Chance made no key.
    #[error("no key could be made")]
    NoKeyMade,
    /// The store could not do it.
    #[error("the store could not do it")]
    Store(#[from] StoreError),
}
