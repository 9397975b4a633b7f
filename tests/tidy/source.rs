//! Rust files as the rules see them: text, tokens, syntax, comments, and which lines are test code.
//!
//! Knows no rule. Everything here works on text that is handed in, so that each rule can be tried on a sample.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token};

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// One parsed Rust file.
///
/// Positions of tokens are known only to the thread that parsed them, so a test parses what it reads.
pub(crate) struct SourceFile {
    /// Relative to the package, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: TokenStream,
    pub(crate) syntax: syn::File,
    test_lines: Vec<RangeInclusive<usize>>,
}

impl SourceFile {
    /// Parses `text`, which must be valid Rust.
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path} is no Rust: {error}"));
        let syntax: syn::File = syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{path} is no Rust: {error}"));
        let mut items = TestItems::default();
        items.visit_file(&syntax);
        Self { path: path.to_owned(), text: text.to_owned(), tokens, syntax, test_lines: items.lines }
    }

    /// Says that the whole file is test code because the module that declares it is.
    pub(crate) fn mark_as_test(&mut self) {
        self.test_lines = vec![1..=usize::MAX];
    }

    /// Whether `line` belongs to an item under `#[cfg(test)]`.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// How many lines are not test code.
    pub(crate) fn lines_without_tests(&self) -> usize {
        (1..=self.text.lines().count()).filter(|&line| !self.is_test(line)).count()
    }

    /// The modules that lead from the crate's root to this file: `["store", "sqlite"]` for `src/store/sqlite/mod.rs`.
    pub(crate) fn module_path(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut names: Vec<String> = inner.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            names.pop();
        }
        names
    }

    /// Every line that holds a comment, doc comments too, without the code beside it.
    pub(crate) fn comment_lines(&self) -> Vec<(usize, String)> {
        let mut rest = self.text.clone().into_bytes();
        for span in self.code_spans(&self.tokens) {
            rest[span].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        let rest = String::from_utf8(rest).unwrap();
        let numbered = rest.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned()));
        numbered.filter(|(_, comment)| !comment.is_empty()).collect()
    }

    /// Every identifier, inside macros too, with its line.
    pub(crate) fn identifiers(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for_each_leaf(&self.tokens, &mut |leaf| {
            if let TokenTree::Ident(name) = leaf {
                found.push((name.span().start().line, name.to_string()));
            }
        });
        found
    }

    /// Every literal as it is written, with its line. Doc comments are none.
    pub(crate) fn literals(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for_each_leaf(&self.tokens, &mut |leaf| {
            if let TokenTree::Literal(literal) = leaf
                && !self.is_comment(&literal.span().byte_range())
            {
                found.push((literal.span().start().line, literal.to_string()));
            }
        });
        found
    }

    /// A violation in this file.
    pub(crate) fn violation(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation { file: self.path.clone(), line, what: what.into() }
    }

    /// Where code stands: every token but those that stand for a doc comment.
    fn code_spans(&self, tokens: &TokenStream) -> Vec<Range<usize>> {
        let trees = tokens.clone().into_iter().filter(|tree| !self.is_comment(&tree.span().byte_range()));
        let spans = trees.map(|tree| match tree {
            TokenTree::Group(group) => {
                let ends = [group.span_open().byte_range(), group.span_close().byte_range()];
                [self.code_spans(&group.stream()), ends.to_vec()].concat()
            }
            leaf => vec![leaf.span().byte_range()],
        });
        spans.flatten().collect()
    }

    /// The tokens that stand for a doc comment carry the comment's own position.
    fn is_comment(&self, span: &Range<usize>) -> bool {
        let text = &self.text[span.clone()];
        text.starts_with("//") || text.starts_with("/*")
    }
}

fn for_each_leaf(tokens: &TokenStream, visit: &mut impl FnMut(&TokenTree)) {
    for tree in tokens.clone() {
        match &tree {
            TokenTree::Group(group) => for_each_leaf(&group.stream(), visit),
            leaf => visit(leaf),
        }
    }
}

/// Collects the lines of items and functions under `#[cfg(test)]`.
#[derive(Default)]
struct TestItems {
    lines: Vec<RangeInclusive<usize>>,
}

impl TestItems {
    fn note(&mut self, attributes: &[Attribute], item: &impl Spanned) -> bool {
        let is_test = is_cfg_test(attributes);
        if is_test {
            let span = item.span();
            self.lines.push(span.start().line..=span.end().line);
        }
        is_test
    }
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item(&mut self, item: &'ast Item) {
        if !self.note(attributes_of(item), item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !self.note(&function.attrs, function) {
            visit::visit_impl_item_fn(self, function);
        }
    }
}

/// Whether the attributes hold `#[cfg(test)]`.
pub(crate) fn is_cfg_test(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let conditions = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        conditions.is_ok_and(|conditions| conditions.iter().any(|condition| condition.path().is_ident("test")))
    })
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "//! Head.\n\nuse a::B; // Beside.\nconst TEXT: &str = \"// no comment\";\n/// Doc.\nfn f() {\n    /* Block\n       two */\n    g('/');\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";

    #[test]
    fn comments_are_told_from_code_and_strings() {
        let file = SourceFile::parse("src/a.rs", SAMPLE);

        let expected = [(1, "//! Head."), (3, "// Beside."), (5, "/// Doc."), (7, "/* Block"), (8, "two */")];
        assert_eq!(file.comment_lines(), expected.map(|(line, text)| (line, text.to_owned())));
        assert_eq!(file.literals(), [(4, "\"// no comment\"".to_owned()), (9, "'/'".to_owned())]);
    }

    #[test]
    fn only_lines_under_cfg_test_are_test_code() {
        let file = SourceFile::parse("src/a.rs", SAMPLE);

        assert!(!file.is_test(11));
        assert!((12..=15).all(|line| file.is_test(line)));
        assert_eq!(file.lines_without_tests(), 11);
        assert!(!SourceFile::parse("src/a.rs", "#[cfg(unix)]\nmod tests {}\n").is_test(2));
    }

    #[test]
    fn a_files_modules_follow_from_its_place() {
        let modules = |path: &str| SourceFile::parse(path, "").module_path().join("::");

        assert_eq!(modules("src/lib.rs"), "");
        assert_eq!(modules("src/app.rs"), "app");
        assert_eq!(modules("src/store/sqlite/mod.rs"), "store::sqlite");
        assert_eq!(modules("src/store/sqlite/claim.rs"), "store::sqlite::claim");
    }
}
