//! Structured fields (RFC 8941), as much of them as signatures need: dictionaries of items and of inner lists.

use base64::Engine as _;

use super::key::BASE64;

/// A bare item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    Other,
}

/// A member of a dictionary that is a list of texts with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextList {
    pub(super) name: String,
    /// The texts, each with its own parameters as they were written.
    pub(super) texts: Vec<(String, String)>,
    pub(super) parameters: Vec<(String, Bare)>,
    /// List and parameters as they were written.
    pub(super) written: String,
}

/// A dictionary of single items, without their parameters; `None` if the text is none.
pub(super) fn dictionary_of_items(text: &str) -> Option<Vec<(String, Bare)>> {
    dictionary(text, |reader, name| {
        let item = if reader.eats('=') { reader.bare()? } else { Bare::Other };
        reader.parameters()?;
        Some((name, item))
    })
}

/// A dictionary of lists of texts; `None` if the text is none.
pub(super) fn dictionary_of_text_lists(text: &str) -> Option<Vec<TextList>> {
    dictionary(text, |reader, name| {
        (reader.eats('=') && reader.rest.starts_with('(')).then_some(())?;
        let begin = reader.rest;
        reader.eats('(');
        let mut texts = Vec::new();
        loop {
            reader.skip(' ');
            if reader.eats(')') {
                break;
            }
            let Bare::Text(text) = reader.bare()? else { return None };
            let before = reader.rest;
            reader.parameters()?;
            texts.push((text, before[..before.len() - reader.rest.len()].to_owned()));
            (reader.rest.starts_with(' ') || reader.rest.starts_with(')')).then_some(())?;
        }
        let parameters = reader.parameters()?;
        let written = begin[..begin.len() - reader.rest.len()].to_owned();
        Some(TextList { name, texts, parameters, written })
    })
}

/// A text as an item: what is written between quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn dictionary<T>(text: &str, member: impl Fn(&mut Reader<'_>, String) -> Option<T>) -> Option<Vec<T>> {
    let mut reader = Reader { rest: text.trim_matches(' ') };
    let mut members = Vec::new();
    loop {
        let name = reader.key()?;
        members.push(member(&mut reader, name)?);
        reader.skip(' ');
        if reader.rest.is_empty() {
            return Some(members);
        }
        reader.eats(',').then_some(())?;
        reader.skip(' ');
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn eats(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip(&mut self, character: char) {
        self.rest = self.rest.trim_start_matches(character);
    }

    fn take(&mut self, of: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|character| !of(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Option<String> {
        let key = self.take(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c));
        key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*').then(|| key.to_owned())
    }

    fn parameters(&mut self) -> Option<Vec<(String, Bare)>> {
        let mut parameters = Vec::new();
        while self.eats(';') {
            self.skip(' ');
            let name = self.key()?;
            let value = if self.eats('=') { self.bare()? } else { Bare::Other };
            parameters.push((name, value));
        }
        Some(parameters)
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.rest.chars().next()? {
            '"' => self.text().map(Bare::Text),
            ':' => {
                self.eats(':');
                let bytes = BASE64.decode(self.take(|c| c != ':')).ok()?;
                self.eats(':').then_some(Bare::Bytes(bytes))
            }
            '-' | '0'..='9' => {
                let number = self.take(|c| c == '-' || c == '.' || c.is_ascii_digit());
                Some(number.parse().map_or(Bare::Other, Bare::Integer))
            }
            '?' => (self.eats('?') && !self.take(|c| matches!(c, '0' | '1')).is_empty()).then_some(Bare::Other),
            'a'..='z' | 'A'..='Z' | '*' => {
                self.take(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Some(Bare::Other)
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        self.eats('"');
        let mut text = String::new();
        loop {
            text.push_str(self.take(|c| c != '"' && c != '\\' && (' '..='~').contains(&c)));
            if self.eats('"') {
                return Some(text);
            }
            let escaped = self.eats('\\').then(|| self.rest.chars().next()).flatten()?;
            matches!(escaped, '"' | '\\').then(|| self.eats(escaped))?;
            text.push(escaped);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_read_with_their_parameters_and_as_written() {
        let read = dictionary_of_text_lists(r#"sig1=("@method" "x-a";sf;key="b" "q\"\\");created=7;keyid="k;,)", b=()"#).unwrap();

        let own = |text: &str, parameters: &str| (text.to_owned(), parameters.to_owned());
        assert_eq!(read[0].texts, [own("@method", ""), own("x-a", r#";sf;key="b""#), own(r#"q"\"#, "")]);
        assert_eq!(read[0].parameters, [("created".to_owned(), Bare::Integer(7)), ("keyid".to_owned(), Bare::Text("k;,)".to_owned()))]);
        assert_eq!(read[0].written, r#"("@method" "x-a";sf;key="b" "q\"\\");created=7;keyid="k;,)""#);
        assert_eq!((read[1].name.as_str(), read[1].written.as_str()), ("b", "()"));
    }

    #[test]
    fn items_are_read_and_what_is_none_is_not() {
        let read = dictionary_of_items("a=:AQI=:;x=?1, b, c=tok/en, d=1.5, e=-3").unwrap();

        let values: Vec<_> = read.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [Bare::Bytes(vec![1, 2]), Bare::Other, Bare::Other, Bare::Other, Bare::Integer(-3)]);
        for text in ["", "A=1", "a=", "a=1,", "a=1 b=2", "a=\"x", "a=\"\\n\"", "a=:AQI=", "a=?", "1a=1", "a=(\"x\")"] {
            assert_eq!(dictionary_of_items(text), None, "{text}");
        }
        for text in ["a", "a=1", "a=(x)", "a=(\"x\"\"y\")", "a=(\"x\"", "a=(\"x\") b=()"] {
            assert_eq!(dictionary_of_text_lists(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_harm(text in r#"[a-c=();:", \\\\1?é]{0,40}"#) {
            let _read = (dictionary_of_items(&text), dictionary_of_text_lists(&text));
        }

        #[test]
        fn a_text_comes_back_from_its_quotes(text in "[ -~]{0,20}") {
            let read = dictionary_of_items(&format!("a={}", quoted(&text))).unwrap();

            prop_assert_eq!(&read[0].1, &Bare::Text(text));
        }
    }
}
