//! What the parser of definitions says is wrong, in the visitor's language.
//!
//! The parser's words are the API's, in English. Those that people meet in forms are known here in Portuguese; any other
//! stays as it is, for a sentence in another language helps more than none.

use std::borrow::Cow;

use super::words::Words;

/// Beginnings of messages, the longer before the shorter, and how they are said.
const KNOWN: [(&str, &str); 16] = [
    ("is required", "é obrigatório"),
    ("must be given when type is not", "é obrigatório quando não há tipo"),
    ("must hold :id", "deve conter :id"),
    ("must begin with https://", "deve começar com https://"),
    ("must be a JSON object", "deve ser um objeto JSON"),
    ("must be a list of whole numbers of seconds", "deve ser uma lista de números inteiros de segundos"),
    ("must be a whole number of seconds from", "deve ser um número inteiro de segundos de"),
    ("must be a whole number from", "deve ser um número inteiro de"),
    ("must be text", "deve ser texto"),
    ("must not hold control characters", "não pode conter caracteres de controle"),
    ("must have a name, a colon and a value on each line", "deve ter nome, dois-pontos e valor em cada linha"),
    ("this address may not be called", "este endereço não pode ser chamado"),
    ("is set by the dispatcher itself", "é definido pelo próprio dispatcher"),
    ("has a name that HTTP does not allow", "tem um nome que HTTP não permite"),
    ("has a value with control characters", "tem um valor com caracteres de controle"),
    ("is set twice", "aparece duas vezes"),
];

/// A message of the parser for a page.
pub(super) fn in_words<'m>(w: &Words, message: &'m str) -> Cow<'m, str> {
    if !w.is_portuguese() {
        return message.into();
    }
    let known = KNOWN.iter().find_map(|(english, portuguese)| message.strip_prefix(english).map(|rest| (portuguese, rest)));
    known.map_or(message.into(), |(portuguese, rest)| format!("{portuguese}{}", rest.replace(" to ", " a ")).into())
}

#[cfg(test)]
mod tests {
    use super::super::words::{ENGLISH, PORTUGUESE};
    use super::*;

    #[test]
    fn known_messages_are_translated_with_their_numbers_and_others_stay() {
        assert_eq!(in_words(&PORTUGUESE, "must be a whole number from 100 to 300000"), "deve ser um número inteiro de 100 a 300000");
        assert_eq!(in_words(&PORTUGUESE, "must be something new"), "must be something new");
        assert_eq!(in_words(&ENGLISH, "is required"), "is required");
    }
}
