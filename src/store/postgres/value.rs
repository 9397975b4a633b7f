//! Values as PostgreSQL keeps them: times as `timestamptz`, text without NUL.
//!
//! PostgreSQL takes every text but one that holds NUL, which customers' ids may. NUL is therefore written as [`MARK`] and a
//! zero, and a mark, which nobody uses, as two marks.

use std::borrow::Cow;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef, Postgres};
use sqlx::{Decode, Encode, Type};

use crate::domain::time::Timestamp;

/// A code point for private use, of the last plane but one.
const MARK: char = '\u{F0000}';

/// PostgreSQL counts microseconds from the beginning of 2000.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A time as a `timestamptz`.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) Timestamp);

impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl PgHasArrayType for At {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("timestamptz")
    }
}

impl Encode<'_, Postgres> for At {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0.as_micros().saturating_sub(EPOCH_MICROS).to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for At {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(Timestamp::from_micros(micros.saturating_add(EPOCH_MICROS))))
    }
}

/// Text as it can be kept.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', MARK]) {
        let whole = text.chars().fold(String::with_capacity(text.len() + 16), |mut kept, char| {
            match char {
                '\0' => kept.extend([MARK, '0']),
                MARK => kept.extend([MARK, MARK]),
                other => kept.push(other),
            }
            kept
        });
        Cow::Owned(whole)
    } else {
        Cow::Borrowed(text)
    }
}

/// The text that is kept as `kept`; `None` if that is not how any text is kept.
pub(super) fn original(kept: &str) -> Option<Cow<'_, str>> {
    if !kept.contains(MARK) {
        return Some(Cow::Borrowed(kept));
    }
    let mut original = String::with_capacity(kept.len());
    let mut chars = kept.chars();
    while let Some(char) = chars.next() {
        original.push(match char {
            MARK => match chars.next()? {
                '0' => '\0',
                MARK => MARK,
                _ => return None,
            },
            other => other,
        });
    }
    Some(Cow::Owned(original))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_text_is_kept_as_is_told() {
        for kept in ["\u{F0000}", "a\u{F0000}1", "\u{F0000}\u{F0000}\u{F0000}"] {
            assert_eq!(original(kept), None);
        }
    }

    proptest! {
        #[test]
        fn every_text_is_kept_without_nul_and_comes_back(text in "[\\x00\u{F0000}0a💡]{0,12}") {
            let kept = kept(&text);
            let original = original(&kept);

            prop_assert!(!kept.contains('\0'));
            prop_assert_eq!(original.as_deref(), Some(text.as_str()));
        }
    }
}
