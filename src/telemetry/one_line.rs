//! Keeps a log event on its one line, whatever the texts in it hold: nobody who names a document or answers a request can
//! write a line of the log, or make a terminal do something.
//!
//! What would is written as JSON writes it (`\u001b`), so that a line of JSON stays one.

use std::borrow::Cow;
use std::io::{self, Write};

/// Writes events, each of which comes in one piece with a line break at its end.
pub(super) struct OneLine<W>(W);

impl<W: Write> OneLine<W> {
    /// Writes to `writer`.
    pub(super) const fn to(writer: W) -> Self {
        Self(writer)
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(on_one_line(event).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn on_one_line(event: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(event);
    let content = text.strip_suffix('\n').unwrap_or(&text);
    let is_ended = content.len() < text.len();
    let Cow::Owned(mut line) = spelled_out(content) else { return text };
    if is_ended {
        line.push('\n');
    }
    line.into()
}

/// A text that stays on its line and makes no terminal do anything, whoever wrote it. Of a text in JSON form the meaning stays.
pub(crate) fn spelled_out(text: &str) -> Cow<'_, str> {
    if !text.contains(breaks_out) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            // All of them have four digits.
            other if breaks_out(other) => {
                line.push_str("\\u");
                line.extend([12, 8, 4, 0].into_iter().filter_map(|shift| char::from_digit((u32::from(other) >> shift) & 0xf, 16)));
            }
            other => line.push(other),
        }
    }
    line.into()
}

/// Control characters, what some readers take for the end of a line, and what turns the direction of writing.
fn breaks_out(character: char) -> bool {
    match character {
        '\t' => false,
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ordinary_event_is_written_as_it_is() {
        assert!(matches!(on_one_line("INFO stored\tid=\"é💾\"\n".as_bytes()), Cow::Borrowed("INFO stored\tid=\"é💾\"\n")));
        assert_eq!(on_one_line(b""), "");
        assert_eq!(on_one_line(b"\n"), "\n");
    }

    #[test]
    fn what_would_break_out_of_its_line_is_spelled_out() {
        assert_eq!(on_one_line(b"a\r\nERROR forged\x1b[2J\0\n\n"), "a\\r\\nERROR forged\\u001b[2J\\u0000\\n\n");
        assert_eq!(on_one_line("a\u{2028}\u{85}\u{202e}b\n".as_bytes()), "a\\u2028\\u0085\\u202eb\n");
        assert_eq!(on_one_line(b"a\xffb\n"), "a\u{fffd}b\n");
    }

    #[test]
    fn each_of_them_alone_is_spelled_out_too() {
        for (character, spelled) in [('\n', "\\n"), ('\r', "\\r"), ('\x1b', "\\u001b"), ('\u{2028}', "\\u2028"), ('\u{202e}', "\\u202e")] {
            assert_eq!(on_one_line(format!("a{character}ERROR forged\n").as_bytes()), format!("a{spelled}ERROR forged\n"));
        }
    }

    #[test]
    fn a_line_of_json_means_the_same_afterwards() {
        let event = serde_json::json!({"id": "a\u{2028}b\u{202e}c\nd"});

        let line = format!("{event}\n");

        assert_ne!(on_one_line(line.as_bytes()), line);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&on_one_line(line.as_bytes())).unwrap(), event);
    }

    proptest! {
        #[test]
        fn one_event_is_one_line(content: Vec<u8>) {
            let line = on_one_line(&[&content[..], b"\n"].concat()).into_owned();

            let rest = line.strip_suffix('\n').unwrap();
            prop_assert!(!rest.contains(|c: char| c != '\t' && c.is_control()));
        }
    }
}
