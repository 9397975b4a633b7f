//! The files that are not Rust: migrations and the default configuration.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::tidy::source::Violation;

/// Migrations that one back end has and the other lacks.
pub(crate) fn unequal_migrations(sqlite: &[String], postgres: &[String]) -> Vec<Violation> {
    let missing = |from: &[String], of: &[String], folder: &str| -> Vec<Violation> {
        let names = of.iter().filter(|name| !from.contains(name));
        names.map(|name| Violation { file: format!("migrations/{folder}/{name}"), line: 1, what: "is missing".to_owned() }).collect()
    };
    [missing(postgres, sqlite, "postgres"), missing(sqlite, postgres, "sqlite")].into_iter().flatten().collect()
}

/// Keys of a TOML file without a comment on the line above.
pub(crate) fn unexplained_keys(path: &str, text: &str) -> Vec<Violation> {
    let table = DeTable::parse(text).unwrap_or_else(|error| panic!("{path} is no TOML: {error}"));
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (key, offset) in keys(table.get_ref(), text) {
        let line = line_of(text, offset);
        let explained = line > 1 && lines[line - 2].trim_start().starts_with('#');
        if !explained {
            found.push(Violation { file: path.to_owned(), line, what: format!("no comment above `{key}`") });
        }
    }
    found.sort_by_key(|violation| violation.line);
    found
}

/// Name and position of each key that has a line of its own; the headers of sections are none.
fn keys(table: &DeTable<'_>, text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (key, value) in table {
        let offset = key.span().start;
        let in_header = text[..offset].rsplit('\n').next().is_some_and(|before| before.trim_start().starts_with('['));
        match tables_in(value) {
            tables if in_header && !tables.is_empty() => tables.iter().for_each(|table| found.extend(keys(table, text))),
            _ => found.push((key.get_ref().to_string(), offset)),
        }
    }
    found
}

fn tables_in<'a, 'text>(value: &'a Spanned<DeValue<'text>>) -> Vec<&'a DeTable<'text>> {
    match value.get_ref() {
        DeValue::Table(table) => vec![table],
        DeValue::Array(values) => values.iter().flat_map(tables_in).collect(),
        _ => Vec::new(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn equal_migrations_pass_and_a_missing_one_is_named() {
        let (one, both) = (names(&["0001_first.sql"]), names(&["0001_first.sql", "0002_second.sql"]));

        assert_eq!(unequal_migrations(&both, &both), []);
        assert_eq!(unequal_migrations(&both, &one)[0].to_string(), "migrations/postgres/0002_second.sql:1: is missing");
        assert_eq!(unequal_migrations(&one, &both)[0].to_string(), "migrations/sqlite/0002_second.sql:1: is missing");
    }

    #[test]
    fn explained_keys_pass() {
        let text = "# Head.\n\n[server]\n# Where.\nlisten = \"a\"\n# Two\n# lines.\nhosts = [\n  \"x\",\n  \"y\",\n]\n\n[a.b]\n# Why.\nc = { d = 1 }\n[[e]]\n# F.\nf = 1\n";

        assert_eq!(unexplained_keys("config/default.toml", text), []);
    }

    #[test]
    fn a_key_without_a_comment_fails() {
        let text =
            "top = 1\n[server]\nlisten = \"a\"\n# Why.\nport = 1\nhost = 2\n\n# Far.\n\nfar = 3\n[a.b]\nc = { d = 1 }\n[[e]]\nf = 1\n";
        let found: Vec<String> = unexplained_keys("c.toml", text).iter().map(Violation::to_string).collect();

        let expected = [(1, "top"), (3, "listen"), (6, "host"), (10, "far"), (12, "c"), (14, "f")];
        assert_eq!(found, expected.map(|(line, key)| format!("c.toml:{line}: no comment above `{key}`")));
    }
}
