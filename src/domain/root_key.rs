//! Which texts may be the root key that an operator gives: whoever guesses it owns everything.

use std::ops::RangeInclusive;

/// How many characters it may have.
const LENGTH: RangeInclusive<usize> = 32..=128;

/// A text with fewer different characters was typed by holding down a key or two.
const LEAST_VARIETY: usize = 6;

/// A text is the same again and again when what is repeated has at most so many characters.
const LONGEST_PATTERN: usize = 8;

/// In lower case: what stands in examples and is tried first.
const WELL_KNOWN: [&str; 12] = [
    "changeme",
    "change-me",
    "change_me",
    "replaceme",
    "replace-me",
    "replace_me",
    "your-root-key",
    "your_root_key",
    "password",
    "passw0rd",
    "letmein",
    "qwerty",
];

/// Why a text is no root key. Says nothing of the text; to be read after "allowed is".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakRootKey {
    /// Too short or too long.
    #[error("empty, or 32 to 128 characters")]
    Length,
    /// On the way through a header something of it would be lost.
    #[error("a key without control characters, and without white space at its ends")]
    Characters,
    /// The same character, or a few of them, again and again.
    #[error("a key that is not the same few characters again and again")]
    Regular,
    /// It holds what everybody would try.
    #[error("a key that nobody would guess; this one holds a well-known word")]
    WellKnown,
}

/// Refuses what can be guessed or would never arrive as it is.
///
/// # Errors
///
/// The first reason that is found.
pub fn refuse_weak(text: &str) -> Result<(), WeakRootKey> {
    if !LENGTH.contains(&text.chars().count()) {
        return Err(WeakRootKey::Length);
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(WeakRootKey::Characters);
    }
    if is_regular(text) {
        return Err(WeakRootKey::Regular);
    }
    let lower = text.to_lowercase();
    if WELL_KNOWN.iter().any(|word| lower.contains(word)) { Err(WeakRootKey::WellKnown) } else { Ok(()) }
}

fn is_regular(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let is_repeated = |length| characters.iter().zip(&characters[length..]).all(|(one, later)| one == later);
    let mut different = characters.clone();
    different.sort_unstable();
    different.dedup();
    different.len() < LEAST_VARIETY || (1..=LONGEST_PATTERN).any(is_repeated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_that_nobody_would_guess_is_taken() {
        for text in [
            "5a0f7c1e9b3d48620c7a1f5e9d3b8642aa",
            "the root key of all the tests, long enough",
            "correct-horse-battery-staple-0123456789",
            "zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich",
        ] {
            assert_eq!(refuse_weak(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_length_is_counted_in_characters() {
        let text = |length| "äbcdefghijö".chars().cycle().take(length).collect::<String>();

        assert_eq!([32, 128].map(|length| refuse_weak(&text(length))), [Ok(()); 2]);
        assert_eq!([0, 31, 129].map(|length| refuse_weak(&text(length))), [Err(WeakRootKey::Length); 3]);
    }

    #[test]
    fn what_everybody_would_try_first_is_refused() {
        for (text, why) in [
            ("a".repeat(32), WeakRootKey::Regular),
            ("ab".repeat(20), WeakRootKey::Regular),
            ("rootkey1".repeat(5), WeakRootKey::Regular),
            ("0".repeat(31) + "1", WeakRootKey::Regular),
            ("changeme".repeat(4), WeakRootKey::Regular),
            ("ChangeMe-before-you-go-to-production".to_owned(), WeakRootKey::WellKnown),
            ("my very long Password for the root".to_owned(), WeakRootKey::WellKnown),
            (" ".repeat(40), WeakRootKey::Characters),
            ("\t5a0f7c1e9b3d48620c7a1f5e9d3b8642aa".to_owned(), WeakRootKey::Characters),
            ("5a0f7c1e9b3d48620c7a1f5e9d3b8642aa\n".to_owned(), WeakRootKey::Characters),
            ("5a0f7c1e9b3d4862\r0c7a1f5e9d3b8642".to_owned(), WeakRootKey::Characters),
        ] {
            assert_eq!(refuse_weak(&text), Err(why), "{text:?}");
        }
    }
}
