//! What may stand where: which module knows which, which crate lives where, which call has one home.

use crate::tidy::paths::Paths;
use crate::tidy::source::{SourceFile, Violation};

/// The modules that a module may name.
pub(crate) enum Knows {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

impl Knows {
    fn allows(&self, module: &str) -> bool {
        match self {
            Self::Only(known) => known.contains(&module),
            Self::AllBut(unknown) => !unknown.contains(&module),
        }
    }
}

/// Names that have their home in a few places.
///
/// A place is a module or folder: `src/app` is `src/app.rs` and everything in `src/app/`.
pub(crate) struct Confined {
    pub(crate) names: &'static [&'static str],
    pub(crate) places: &'static [&'static str],
}

/// Paths from one top-level module into another that `edges` does not allow. Test code may reach anywhere.
pub(crate) fn edges(files: &[&SourceFile], edges: &[(&str, Knows)]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let Some(from) = file.module_path().into_iter().next() else { continue };
        let Some((_, knows)) = edges.iter().find(|(module, _)| *module == from) else {
            found.push(file.violation(1, format!("the table of edges does not know the module `{from}`")));
            continue;
        };
        for path in Paths::of(file).written {
            let Some(to) = path.within_crate().and_then(|path| path.into_iter().next()) else { continue };
            let is_listed = edges.iter().any(|(module, _)| *module == to);
            if to != from && !file.is_test(path.line) && !(is_listed && knows.allows(&to)) {
                found.push(file.violation(path.line, format!("`{from}` must not know `{to}`")));
            }
        }
    }
    found
}

/// Names of crates outside their places. Test code may use any.
pub(crate) fn crates(files: &[&SourceFile], homes: &[Confined]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        for path in Paths::of(file).written {
            let first = path.segments[0].as_str();
            let names_crate = path.is_import || path.segments.len() > 1;
            let home = homes.iter().find(|home| home.names.contains(&first) && names_crate);
            if let Some(home) = home
                && !file.is_test(path.line)
                && !is_within(&file.path, home.places)
            {
                found.push(file.violation(path.line, format!("`{first}` belongs in {}", home.places.join(", "))));
            }
        }
    }
    found
}

/// Calls outside their places, in test code too: a test that reads the clock is as unsteady as the code it tests.
///
/// A name is a run of path segments, found under any import: `env::var` is in `std::env::var("X")`.
pub(crate) fn calls(files: &[&SourceFile], confined: &Confined) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !is_within(&file.path, confined.places)) {
        let paths = Paths::of(file);
        for path in &paths.written {
            let full = paths.resolve(path);
            if let Some(name) = confined.names.iter().find(|name| holds(&full, name)) {
                found.push(file.violation(path.line, format!("`{name}` has no place here; it may stand in: {}", places(confined))));
            }
        }
    }
    found
}

fn places(confined: &Confined) -> String {
    if confined.places.is_empty() { "no file".to_owned() } else { confined.places.join(", ") }
}

fn holds(path: &[String], name: &str) -> bool {
    let name: Vec<&str> = name.split("::").collect();
    path.windows(name.len()).any(|run| run == name)
}

fn is_within(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: &[(&str, Knows)] =
        &[("domain", Knows::Only(&[])), ("store", Knows::Only(&["domain"])), ("api", Knows::AllBut(&["cli"])), ("cli", Knows::AllBut(&[]))];

    fn edges_in(path: &str, text: &str) -> Vec<String> {
        edges(&[&SourceFile::parse(path, text)], EDGES).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn allowed_edges_pass() {
        assert!(
            edges_in("src/store/mod.rs", "use crate::domain::{ids, time}; use crate::store::error; use self::x; use std::fmt;").is_empty()
        );
        assert!(
            edges_in("src/store/a.rs", "use super::b; use super::super::domain; #[cfg(test)] mod tests { use crate::api::x; }").is_empty()
        );
        assert!(edges_in("src/api/mod.rs", "use crate::{domain, store};").is_empty());
        assert!(edges_in("src/lib.rs", "use crate::api;").is_empty());
    }

    #[test]
    fn other_edges_fail_however_they_are_written() {
        let expected = ["src/store/a.rs:1: `store` must not know `api`"];

        assert_eq!(edges_in("src/store/a.rs", "use crate::{domain, api::x};"), expected);
        assert_eq!(edges_in("src/store/a.rs", "use super::super::api;"), expected);
        assert_eq!(edges_in("src/store/a.rs", "fn f() -> crate::api::X { todo() }"), expected);
        assert_eq!(edges_in("src/store/a.rs", "fn f() { m!(crate::api::x()) }"), expected);
        assert_eq!(edges_in("src/store/a.rs", "fn f() { m!(webhook_dispatcher::api::x()) }"), expected);
        assert_eq!(edges_in("src/api/a.rs", "use crate::cli;"), ["src/api/a.rs:1: `api` must not know `cli`"]);
        assert_eq!(edges_in("src/api/a.rs", "use crate::*;"), ["src/api/a.rs:1: `api` must not know `*`"]);
    }

    #[test]
    fn a_module_that_the_table_lacks_fails() {
        assert_eq!(edges_in("src/misc/a.rs", ""), ["src/misc/a.rs:1: the table of edges does not know the module `misc`"]);
        assert_eq!(edges_in("src/cli.rs", "use crate::misc;"), ["src/cli.rs:1: `cli` must not know `misc`"]);
    }

    #[test]
    fn a_crate_is_found_only_where_it_belongs() {
        let homes = [Confined { names: &["sqlx"], places: &["src/store"] }];
        let text =
            "use serde::Serialize;\n#[derive(sqlx::FromRow)]\nstruct Row;\nfn f() { m!(sqlx::query()); }\n#[cfg(test)]\nuse sqlx::Row;";
        let lines = |path| crates(&[&SourceFile::parse(path, text)], &homes).iter().map(|found| found.line).collect::<Vec<_>>();

        assert_eq!(lines("src/store/sqlite/row.rs"), []);
        assert_eq!(lines("src/storehouse.rs"), [2, 4]);
        assert!(crates(&[&SourceFile::parse("src/api.rs", "fn f(sqlx: u8) -> u8 { sqlx }")], &homes).is_empty());
        assert!(!crates(&[&SourceFile::parse("src/api.rs", "use sqlx;")], &homes).is_empty());
    }

    #[test]
    fn a_confined_call_is_found_under_any_import_and_only_elsewhere() {
        let clock = Confined { names: &["Utc::now", "env::var"], places: &["src/domain/time"] };
        let lines = |path, text| calls(&[&SourceFile::parse(path, text)], &clock).iter().map(|found| found.line).collect::<Vec<_>>();

        assert_eq!(lines("src/domain/time.rs", "fn f() { Utc::now(); }"), []);
        assert_eq!(lines("src/a.rs", "use chrono::Utc;\nfn f(clock: C) { clock.now(); Utc::MIN; env::vars(); }"), []);
        assert_eq!(lines("src/a.rs", "use chrono::Utc as U;\nfn f() { U::now(); }\nfn g() { m!(chrono::Utc::now()); }"), [2, 3]);
        assert_eq!(lines("src/a.rs", "use std::env::var;\nfn f() { var(1); }"), [1, 2]);
        assert_eq!(lines("src/a.rs", "use std::env;\n#[cfg(test)]\nmod tests { fn f() { env::var(1); } }"), [3]);
    }
}
