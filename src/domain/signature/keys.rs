//! The keys of one webhook: the current one, and those before it until their time is over.

use std::time::Duration;

use super::key::SigningSecret;
use crate::domain::ids::SigningKeyId;
use crate::domain::time::Timestamp;

/// One key of a webhook.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// What receivers find it by.
    pub id: SigningKeyId,
    /// What signs.
    pub secret: SigningSecret,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it signs; `None` for the current one.
    pub valid_until: Option<Timestamp>,
}

/// The keys of a webhook, the newest first.
#[derive(Clone, Debug, Default)]
pub struct SigningKeys(Vec<SigningKey>);

/// So many keys are valid already that no request should carry the signatures of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} signing keys are valid already", SigningKeys::MOST)]
pub struct TooManyKeys;

impl SigningKeys {
    /// How many keys may be valid at once.
    pub const MOST: usize = 5;

    /// Keys as they were stored, the newest first.
    #[must_use]
    pub const fn stored(keys: Vec<SigningKey>) -> Self {
        Self(keys)
    }

    /// All of them, the newest first.
    #[must_use]
    pub fn all(&self) -> &[SigningKey] {
        &self.0
    }

    /// The key that was made last.
    #[must_use]
    pub fn current(&self) -> Option<&SigningKey> {
        self.0.first()
    }

    /// The keys that sign at `now`, the newest first.
    pub fn valid_at(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        self.0.iter().filter(move |key| key.valid_until.is_none_or(|until| now < until))
    }

    /// When the last of the older keys ends; `None` if none is valid any more.
    #[must_use]
    pub fn previous_valid_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.valid_at(now).filter_map(|key| key.valid_until).max()
    }

    /// The same keys with a new one, which is the current one from `now` on. The others end after `overlap`, or when they
    /// would have ended anyway; so an overlap of nothing ends them all.
    ///
    /// # Errors
    /// When too many would be valid.
    pub fn rotated(&self, new: SigningKey, overlap: Duration, now: Timestamp) -> Result<Self, TooManyKeys> {
        let end = now + overlap;
        let ended =
            self.0.iter().cloned().map(|key| SigningKey { valid_until: Some(key.valid_until.map_or(end, |until| until.min(end))), ..key });
        let keys: Vec<SigningKey> = std::iter::once(new).chain(ended.filter(|key| key.valid_until > Some(now))).collect();
        if keys.len() > Self::MOST { Err(TooManyKeys) } else { Ok(Self(keys)) }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::key::Scheme;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn key(number: u8, created: i64) -> SigningKey {
        let secret = SigningSecret::new(Scheme::HmacSha256, &[number; 32]).unwrap();
        SigningKey { id: Uuid::from_u128(number.into()).into(), secret, created_at: at(created), valid_until: None }
    }

    fn valid(keys: &SigningKeys, now: i64) -> Vec<u8> {
        keys.valid_at(at(now)).map(|key| key.secret.expose()[0]).collect()
    }

    fn after(rotations: &[(u8, i64, u64)]) -> SigningKeys {
        rotations.iter().fold(SigningKeys::default(), |keys, &(number, now, overlap)| {
            keys.rotated(key(number, now), Duration::from_secs(overlap), at(now)).unwrap()
        })
    }

    #[test]
    fn an_old_key_signs_until_its_overlap_ends_and_not_after() {
        let keys = after(&[(1, 0, 100), (2, 10, 100)]);

        assert_eq!(keys.current().unwrap().secret.expose()[0], 2);
        assert_eq!((valid(&keys, 109), valid(&keys, 110)), (vec![2, 1], vec![2]));
        assert_eq!((keys.previous_valid_until(at(109)), keys.previous_valid_until(at(110))), (Some(at(110)), None));
    }

    #[test]
    fn another_rotation_prolongs_nothing_and_one_without_overlap_ends_all() {
        let twice = after(&[(1, 0, 0), (2, 10, 100), (3, 50, 100)]);
        let at_once = after(&[(1, 0, 0), (2, 10, 100), (3, 50, 0)]);

        assert_eq!(
            (valid(&twice, 109), valid(&twice, 110), valid(&twice, 149), valid(&twice, 150)),
            (vec![3, 2, 1], vec![3, 2], vec![3, 2], vec![3])
        );
        assert_eq!((valid(&at_once, 50), at_once.all().len()), (vec![3], 1));
    }

    #[test]
    fn no_more_keys_than_a_request_should_carry_are_valid_at_once() {
        let five = after(&[(1, 0, 900), (2, 1, 900), (3, 2, 900), (4, 3, 900), (5, 4, 900)]);

        assert!(matches!(five.rotated(key(6, 5), Duration::from_mins(15), at(5)), Err(TooManyKeys)));
        assert_eq!(valid(&five.rotated(key(6, 5), Duration::ZERO, at(5)).unwrap(), 5), [6]);
        assert_eq!(valid(&five.rotated(key(6, 901), Duration::from_mins(15), at(901)).unwrap(), 901), [6, 5, 4, 3, 2]);
    }
}
