//! Every path that a file writes (`a::b::c`), in imports, code, attributes and macros alike, and what it stands for.
//!
//! Knows no rule and no types: a method that is called on a value is no path.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::UseTree;
use syn::visit::{self, Visit};

use crate::tidy::source::SourceFile;

/// A path as it is written.
#[derive(Debug)]
pub(crate) struct WrittenPath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Whether it stands in a `use`.
    pub(crate) is_import: bool,
    /// The module it stands in.
    module: Vec<String>,
}

impl WrittenPath {
    /// The path from the crate's root, if it leads through this crate.
    pub(crate) fn within_crate(&self) -> Option<Vec<String>> {
        let mut base = self.module.clone();
        let climbs = self.segments.iter().take_while(|segment| *segment == "super").count();
        let skipped = match self.segments.first()?.as_str() {
            "crate" | "webhook_dispatcher" => {
                base.clear();
                1
            }
            "self" => 1,
            "super" => {
                base.truncate(base.len().saturating_sub(climbs));
                climbs
            }
            _ => return None,
        };
        base.extend_from_slice(&self.segments[skipped..]);
        Some(base)
    }
}

/// The paths of one file.
pub(crate) struct Paths {
    pub(crate) written: Vec<WrittenPath>,
    imports: HashMap<String, Vec<String>>,
}

impl Paths {
    pub(crate) fn of(file: &SourceFile) -> Self {
        let mut collector = Collector { written: Vec::new(), imports: HashMap::new(), module: file.module_path() };
        collector.visit_file(&file.syntax);
        Self { written: collector.written, imports: collector.imports }
    }

    /// The path with its first name replaced by what the file imports under that name.
    pub(crate) fn resolve(&self, path: &WrittenPath) -> Vec<String> {
        let mut full = path.segments.clone();
        // Two steps: `use std::time;` and then `use time::Instant;`.
        for _ in 0..2 {
            match self.imports.get(&full[0]) {
                Some(import) if !path.is_import && import[0] != full[0] => full.splice(..1, import.iter().cloned()),
                _ => break,
            };
        }
        full
    }
}

struct Collector {
    written: Vec<WrittenPath>,
    imports: HashMap<String, Vec<String>>,
    module: Vec<String>,
}

impl Collector {
    fn add(&mut self, segments: Vec<String>, line: usize, is_import: bool) {
        self.written.push(WrittenPath { segments, line, is_import, module: self.module.clone() });
    }

    fn import(&mut self, tree: &UseTree, prefix: &[String]) {
        let extended = |name: &Ident| {
            let own = if name == "self" { Vec::new() } else { vec![name.to_string()] };
            [prefix, &own].concat()
        };
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &[prefix, &[path.ident.to_string()]].concat()),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.import(item, prefix)),
            UseTree::Glob(glob) => self.add([prefix, &["*".to_owned()]].concat(), glob.star_token.spans[0].start().line, true),
            UseTree::Name(name) => {
                let full = extended(&name.ident);
                self.imports.insert(full.last().unwrap().clone(), full.clone());
                self.add(full, name.ident.span().start().line, true);
            }
            UseTree::Rename(rename) => {
                let full = extended(&rename.ident);
                self.imports.insert(rename.rename.to_string(), full.clone());
                self.add(full, rename.ident.span().start().line, true);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.add(vec![item.ident.to_string()], item.ident.span().start().line, true);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(segments, path.segments[0].ident.span().start().line, false);
        visit::visit_path(self, path);
    }

    /// What macros and attributes hold is no syntax yet: any names joined by `::` count as a path.
    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut rest = trees.as_slice();
        while let Some((tree, after)) = rest.split_first() {
            rest = after;
            match tree {
                TokenTree::Group(group) => self.visit_token_stream(&group.stream()),
                TokenTree::Ident(first) => {
                    let mut segments = vec![first.to_string()];
                    while let [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(name), after @ ..] = rest
                        && [one, two].iter().all(|punct| punct.as_char() == ':')
                    {
                        segments.push(name.to_string());
                        rest = after;
                    }
                    self.add(segments, first.span().start().line, false);
                }
                _ => (),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<String> {
        Paths::of(&SourceFile::parse("src/a/b.rs", text)).written.iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn imports_are_taken_apart() {
        let paths = written("use a::{self, b::{C, D as E}, f::*};");

        assert_eq!(paths, ["a", "a::b::C", "a::b::D", "a::f::*"]);
    }

    #[test]
    fn paths_inside_macros_and_attributes_are_seen() {
        let paths = written("#[derive(x::Y)] struct S; fn f() { m!(p::q(r::s), t: u, ::v::w); }");

        for expected in ["x::Y", "p::q", "r::s", "t", "u", "v::w"] {
            assert!(paths.iter().any(|path| path == expected), "{expected} is not in {paths:?}");
        }
    }

    #[test]
    fn a_renamed_import_resolves_to_what_it_names() {
        let paths = Paths::of(&SourceFile::parse("src/a.rs", "use x::y as z;\nfn f() { z::w(); }"));
        let call = paths.written.iter().find(|path| path.line == 2).unwrap();

        assert_eq!(paths.resolve(call), ["x", "y", "w"]);
    }

    #[test]
    fn climbing_ends_at_the_crates_root() {
        let paths =
            Paths::of(&SourceFile::parse("src/a/b.rs", "mod c { use super::super::super::d::E; use super::F; use self::G; use h::I; }"));
        let within: Vec<_> = paths.written.iter().map(|path| path.within_crate().map(|path| path.join("::"))).collect();

        assert_eq!(within, [Some("d::E".to_owned()), Some("a::b::F".to_owned()), Some("a::b::c::G".to_owned()), None]);
    }
}
