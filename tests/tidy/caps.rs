//! How long files and functions may grow.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::tidy::source::{SourceFile, Violation};

/// Files with more than `cap` lines; test modules inside them do not count.
pub(crate) fn long_files(files: &[&SourceFile], cap: usize) -> Vec<Violation> {
    let lengths = files.iter().map(|file| match file.lines_without_tests() {
        // The whole file is test code: it answers for all its lines.
        0 => (file, file.text.lines().count()),
        lines => (file, lines),
    });
    lengths.filter(|(_, lines)| *lines > cap).map(|(file, lines)| file.violation(1, format!("{lines} lines, the cap is {cap}"))).collect()
}

/// Functions with more than `cap` lines from `fn` to the closing brace; test code is exempt.
pub(crate) fn long_functions(files: &[&SourceFile], cap: usize) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        let mut functions = Functions(Vec::new());
        functions.visit_file(&file.syntax);
        let long = functions.0.into_iter().filter(|(line, length, _)| *length > cap && !file.is_test(*line));
        found.extend(long.map(|(line, length, name)| file.violation(line, format!("`{name}` has {length} lines, the cap is {cap}"))));
    }
    found
}

/// First line, number of lines, and name of each function.
struct Functions(Vec<(usize, usize, String)>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let (first, last) = (signature.span().start().line, body.span().end().line);
        self.0.push((first, last - first + 1, signature.ident.to_string()));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_lengths(text: &str, cap: usize) -> Vec<String> {
        long_files(&[&SourceFile::parse("src/a.rs", text)], cap).iter().map(Violation::to_string).collect()
    }

    fn function_lengths(text: &str, cap: usize) -> Vec<String> {
        long_functions(&[&SourceFile::parse("src/a.rs", text)], cap).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn a_file_may_reach_the_cap_and_its_tests_do_not_count() {
        let text = "fn a() {}\nfn b() {}\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";

        assert!(file_lengths(text, 2).is_empty());
        assert_eq!(file_lengths(text, 1), ["src/a.rs:1: 2 lines, the cap is 1"]);
        assert_eq!(file_lengths("#[cfg(test)]\nmod tests {\n}\n", 2), ["src/a.rs:1: 3 lines, the cap is 2"]);
    }

    #[test]
    fn a_function_may_reach_the_cap_wherever_it_stands() {
        let function = "fn f() {\n    g();\n}";

        assert!(function_lengths(function, 3).is_empty());
        assert_eq!(function_lengths(function, 2), ["src/a.rs:1: `f` has 3 lines, the cap is 2"]);
        assert_eq!(function_lengths(&format!("/// Doc.\nimpl A {{ {function} }}"), 2), ["src/a.rs:2: `f` has 3 lines, the cap is 2"]);
        assert_eq!(function_lengths(&format!("trait A {{ fn g();\n {function} }}"), 2), ["src/a.rs:2: `f` has 3 lines, the cap is 2"]);
        assert!(function_lengths(&format!("#[cfg(test)] mod t {{ {function} }}"), 2).is_empty());
    }
}
