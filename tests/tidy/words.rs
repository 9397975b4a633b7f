//! One word for one thing: the words that the project does not use, in names, comments and texts.

use crate::tidy::source::{SourceFile, Violation};

/// A word that is not used.
pub(crate) struct Banned {
    /// In lower case, its parts joined by `_`.
    pub(crate) word: &'static str,
    /// The word for it.
    pub(crate) instead: &'static str,
    /// Whether comments and texts may use it because it is also plain English.
    pub(crate) fine_in_prose: bool,
}

/// Names that libraries and conventions chose.
const FOREIGN: &[&str] = &["instance_path", "messaging.destination.name", "http.request.resend_count"];

/// Uses of banned words, in any case, number and form (`EndpointId`, `leased`); `released` is another word.
///
/// Texts in test code may say anything: they play the outside world.
pub(crate) fn check(files: &[&SourceFile], banned: &[Banned]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let prose = file.comment_lines().into_iter().chain(file.literals().into_iter().filter(|(line, _)| !file.is_test(*line)));
        let names = file.identifiers().into_iter().map(|place| (place, false)).chain(prose.map(|place| (place, true)));
        for ((line, text), is_prose) in names.filter(|((_, text), _)| !FOREIGN.contains(&text.trim_matches('"'))) {
            let words = words(&text);
            let hits = banned.iter().filter(|entry| !(is_prose && entry.fine_in_prose) && holds(&words, entry.word));
            found.extend(hits.map(|entry| file.violation(line, format!("say \"{}\", not \"{}\"", entry.instead, entry.word))));
        }
    }
    found.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    found.dedup();
    found
}

fn holds(words: &[String], banned: &str) -> bool {
    let banned: Vec<&str> = banned.split('_').collect();
    words.windows(banned.len()).any(|run| run.iter().zip(&banned).all(|(word, banned)| is_form_of(word, banned)))
}

fn is_form_of(word: &str, stem: &str) -> bool {
    word.strip_prefix(stem).is_some_and(|ending| ["", "s", "d", "ed", "ing"].contains(&ending))
}

/// The words of a name or a sentence, in lower case: `HTTPServer`, `http_server` and "HTTP server" give the same.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let characters: Vec<char> = text.chars().collect();
    for (index, &character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| characters[index]);
        let next_is_lower = characters.get(index + 1).is_some_and(|next| next.is_lowercase());
        let after_lower = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let starts_word = character.is_uppercase() && (after_lower || next_is_lower);
        if starts_word || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if character.is_alphanumeric() {
            words.last_mut().unwrap().extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANNED: &[Banned] = &[
        Banned { word: "lease", instead: "claim", fine_in_prose: false },
        Banned { word: "tenant_id", instead: "client_id", fine_in_prose: false },
        Banned { word: "instance", instead: "node", fine_in_prose: true },
    ];

    fn lines(text: &str) -> Vec<usize> {
        check(&[&SourceFile::parse("src/a.rs", text)], BANNED).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn other_words_pass() {
        let text = "/// Please release the tenant, for instance its id.\nfn released(pleased: Release) { f(\"an instance\"); }\n";

        assert_eq!(lines(text), []);
    }

    #[test]
    fn banned_words_fail_in_names_comments_and_texts() {
        assert_eq!(lines("fn lease() {}\nstruct LeaseToken;\nconst MAX_LEASES: u8 = 1;\n"), [1, 2, 3]);
        assert_eq!(lines("fn f(tenantId: u8, x: TenantID) { m!(tenant_id) }"), [1]);
        assert_eq!(lines("/// The Lease.\nfn f() {} // It is leased.\n"), [1, 2]);
        assert_eq!(lines("const SQL: &str = \"update delivery\n set lease_until = $1\";\n"), [1]);
        assert_eq!(lines("struct InstanceId;\n"), [1]);
    }

    #[test]
    fn texts_in_tests_may_say_anything_but_names_may_not() {
        assert_eq!(lines("#[cfg(test)]\nmod tests {\n    const A: &str = \"/lease\";\n    fn lease() {}\n}\n"), [4]);
    }

    #[test]
    fn names_of_others_are_written_as_they_are_and_nothing_around_them() {
        let banned = [Banned { word: "destination", instead: "webhook", fine_in_prose: false }];
        let found = |text: &str| check(&[&SourceFile::parse("src/a.rs", text)], &banned).len();

        assert_eq!(found("const A: &str = \"messaging.destination.name\";"), 0);
        assert_eq!(found("const A: &str = \"messaging.destination.names\";\n/// The destination.\nfn f() {}"), 2);
    }

    #[test]
    fn names_fall_apart_into_words() {
        assert_eq!(words("HTTPServer2Go my_name, Ämter"), ["http", "server2", "go", "my", "name", "ämter"]);
    }
}
