//! Envelopes of secrets: they open as they were sealed, where they were sealed, and in no other state.

use proptest::prelude::*;
use uuid::Uuid;
use webhook_dispatcher::secrets::{Keyring, Place, SecretKey};

use super::for_all;
use crate::support::keys::{KEY, NEW_KEY, ring};

fn place(row: u128) -> Place {
    Place { table: "webhook", column: "secrets", row: Uuid::from_u128(row) }
}

fn opens(ring: &Keyring, place: Place, envelope: &[u8]) -> Option<Vec<u8>> {
    ring.unseal(place, envelope).ok().map(|secret| secret.to_vec())
}

#[test]
fn what_was_sealed_opens_in_its_own_place_alone() {
    let (ring, other) = (ring(&[KEY]), ring(&[NEW_KEY]));
    for_all(&(any::<Vec<u8>>(), any::<u128>(), any::<u128>()), |(secret, row, elsewhere)| {
        let envelope = ring.seal(place(row), &secret).unwrap();

        prop_assert_eq!(opens(&ring, place(row), &envelope), Some(secret.clone()));
        prop_assert_eq!(opens(&ring, place(elsewhere), &envelope).is_some(), row == elsewhere);
        prop_assert_eq!(opens(&ring, Place { column: "signing_keys", ..place(row) }, &envelope), None);
        prop_assert_eq!(opens(&other, place(row), &envelope), None);
        Ok(())
    });
}

#[test]
fn what_was_altered_cut_or_joined_does_not_open() {
    let ring = ring(&[KEY, NEW_KEY]);
    for_all(&(any::<Vec<u8>>(), any::<prop::sample::Index>(), 1_u8..=255, 0_u8..5), |(secret, at, flip, how)| {
        let sealed = ring.seal(place(1), &secret).unwrap();
        let at = at.index(sealed.len());
        let altered = match how {
            0 => sealed[..at].to_vec(),
            1 => sealed[at + 1..].to_vec(),
            2 => [&sealed[..], &[flip]].concat(),
            3 => [&sealed[..], &sealed].concat(),
            _ => sealed.iter().enumerate().map(|(index, byte)| if index == at { byte ^ flip } else { *byte }).collect(),
        };
        prop_assert_eq!(opens(&ring, place(1), &altered), None);
        Ok(())
    });
}

#[test]
fn any_bytes_are_no_envelope() {
    let ring = ring(&[KEY]);
    let named = ring.seal(place(1), b"x").unwrap();
    for_all(&(any::<Vec<u8>>(), 0_usize..10), |(bytes, kept)| {
        let bytes = [&named[..kept], &bytes].concat();
        prop_assert_eq!(opens(&ring, place(1), &bytes), None);
        Ok(())
    });
}

#[test]
fn any_text_is_a_key_for_secrets_or_too_weak_for_one() {
    for_all(&prop_oneof![any::<String>(), "[!-~]{30,130}"], |text| {
        if let Ok(key) = SecretKey::from_text(&text) {
            prop_assert!((32..=128).contains(&text.chars().count()));
            let shown = format!("{key:?}");
            prop_assert!(!shown.contains(&text));
        }
        Ok(())
    });
}
