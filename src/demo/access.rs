//! The access tokens of the receiver: one is good at a time, until it runs out, is replaced or is revoked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

/// How long an access token is good.
pub(super) const LIFETIME: Duration = Duration::from_mins(1);

/// Grants, checks and revokes.
pub(super) struct Access(Mutex<State>);

struct State {
    chance: StdRng,
    current: Option<Token>,
}

struct Token {
    text: String,
    good_until: Instant,
}

impl Access {
    /// Nobody has access yet; `chance` makes the tokens.
    pub(super) fn new(chance: StdRng) -> Self {
        Self(Mutex::new(State { chance, current: None }))
    }

    /// Grants access: makes a token, which takes the place of the one before.
    pub(super) fn grant(&self, now: Instant) -> String {
        let mut state = self.state();
        let mut bytes = [0; 24];
        state.chance.fill_bytes(&mut bytes);
        let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        state.current = Some(Token { text: text.clone(), good_until: now + LIFETIME });
        text
    }

    /// Whether an `Authorization` header carries the token that is good at `now`.
    pub(super) fn admits(&self, authorization: &str, now: Instant) -> bool {
        let state = self.state();
        let current = state.current.as_ref().filter(|token| token.good_until > now);
        current.is_some_and(|token| authorization.strip_prefix("Bearer ") == Some(&token.text))
    }

    /// Takes access back from whoever has it.
    pub(super) fn revoke(&self) {
        self.state().current = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn one_token_is_good_at_a_time_and_not_for_ever() {
        let (access, now) = (Access::new(StdRng::seed_from_u64(1)), Instant::now());

        let first = format!("Bearer {}", access.grant(now));
        assert!(access.admits(&first, now));
        let second = format!("Bearer {}", access.grant(now));
        assert!(!access.admits(&first, now) && access.admits(&second, now));
        assert!(!access.admits(&second, now + LIFETIME));
    }

    #[test]
    fn a_revoked_token_a_bare_one_and_none_at_all_are_refused() {
        let (access, now) = (Access::new(StdRng::seed_from_u64(1)), Instant::now());
        let token = access.grant(now);

        assert!(["", "Bearer ", &token].into_iter().all(|authorization| !access.admits(authorization, now)));
        access.revoke();
        assert!(!access.admits(&format!("Bearer {token}"), now));
    }
}
