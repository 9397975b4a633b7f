//! Follows `mod name;` from the files that Cargo compiles, and finds files that nothing declares.

use std::collections::HashMap;

use syn::Item;

use crate::tidy::source::{SourceFile, Violation, is_cfg_test};

/// Files that no `mod` leads to: nobody compiles, tests or lints them.
pub(crate) fn orphans(files: &[SourceFile], roots: &[String]) -> Vec<Violation> {
    let reached = reach(files, roots);
    let orphans = files.iter().filter(|file| !reached.contains_key(&file.path));
    orphans.map(|file| file.violation(1, "no module declares this file")).collect()
}

/// The paths of the files that Cargo compiles by name.
pub(crate) fn roots(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let targets = ["bin", "test", "bench"].iter().filter_map(|kind| manifest.get(*kind)?.as_array()).flatten();
    let named = targets.filter_map(|target| target.get("path")?.as_str().map(str::to_owned));
    std::iter::once("src/lib.rs".to_owned()).chain(named).collect()
}

/// The files that are compiled, each with whether only tests compile it.
pub(crate) fn reach(files: &[SourceFile], roots: &[String]) -> HashMap<String, bool> {
    let by_path: HashMap<&str, &SourceFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut reached = HashMap::new();
    let mut open: Vec<(String, bool)> = roots.iter().map(|root| (root.clone(), false)).collect();
    while let Some((path, is_test)) = open.pop() {
        let Some(file) = by_path.get(path.as_str()) else { continue };
        // A file that two modules declare is test code only if both say so.
        if reached.get(&path).is_some_and(|known| !known || is_test) {
            continue;
        }
        reached.insert(path.clone(), is_test);
        declared(&file.syntax.items, &children_folder(&path, roots), is_test, &mut open);
    }
    reached
}

fn declared(items: &[Item], folder: &str, is_test: bool, open: &mut Vec<(String, bool)>) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let is_test = is_test || is_cfg_test(&module.attrs);
        let inner = format!("{folder}/{}", module.ident);
        match &module.content {
            Some((_, items)) => declared(items, &inner, is_test, open),
            None => open.extend([(format!("{inner}.rs"), is_test), (format!("{inner}/mod.rs"), is_test)]),
        }
    }
}

/// Where the modules that a file declares lie.
fn children_folder(path: &str, roots: &[String]) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap();
    if name == "mod.rs" || roots.iter().any(|root| root == path) { folder.to_owned() } else { path.trim_end_matches(".rs").to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<SourceFile> {
        files.iter().map(|(path, text)| SourceFile::parse(path, text)).collect()
    }

    #[test]
    fn declared_files_are_reached_through_every_kind_of_module() {
        let files = sources(&[
            ("src/lib.rs", "mod a; mod b; #[cfg(test)] mod c;"),
            ("src/a.rs", "mod x;"),
            ("src/a/x.rs", ""),
            ("src/b/mod.rs", "mod inner { mod y; }"),
            ("src/b/inner/y.rs", ""),
            ("src/c.rs", ""),
        ]);
        let roots = ["src/lib.rs".to_owned()];

        assert_eq!(orphans(&files, &roots), []);
        assert!(reach(&files, &roots)["src/c.rs"]);
        assert!(!reach(&files, &roots)["src/b/inner/y.rs"]);
    }

    #[test]
    fn a_file_that_nothing_declares_is_an_orphan() {
        let files = sources(&[("src/lib.rs", "mod a;"), ("src/a.rs", ""), ("src/x.rs", ""), ("benches/old.rs", "fn main() {}")]);

        let found = orphans(&files, &["src/lib.rs".to_owned()]);

        assert_eq!(found.iter().map(|violation| violation.file.as_str()).collect::<Vec<_>>(), ["src/x.rs", "benches/old.rs"]);
    }

    #[test]
    fn the_manifest_names_the_roots() {
        let manifest = "[[bin]]\npath = \"src/main.rs\"\n[[test]]\npath = \"tests/it/main.rs\"\n[[bench]]\npath = \"benches/store.rs\"\n";

        assert_eq!(roots(manifest), ["src/lib.rs", "src/main.rs", "tests/it/main.rs", "benches/store.rs"]);
    }
}
