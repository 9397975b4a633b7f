//! How a file is written: its head, its open ends, the lints it silences.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tidy::source::{SourceFile, Violation};

/// Files whose first line is not `//!`.
pub(crate) fn headless(files: &[&SourceFile]) -> Vec<Violation> {
    let headless = files.iter().filter(|file| !file.text.starts_with("//! "));
    headless.map(|file| file.violation(1, "the file does not start with `//!` and what it is for")).collect()
}

/// Comments with a marker for something to do and no link on the same line.
pub(crate) fn open_ends(files: &[&SourceFile]) -> Vec<Violation> {
    const MARKERS: [&str; 3] = ["TODO", "FIXME", "XXX"];
    let mut found = Vec::new();
    for file in files {
        for (line, comment) in file.comment_lines() {
            let mut words = comment.split(|character: char| !character.is_alphanumeric());
            if let Some(marker) = words.find(|word| MARKERS.contains(word))
                && !comment.contains("https://")
            {
                found.push(file.violation(line, format!("`{marker}` without the link of its issue")));
            }
        }
    }
    found
}

/// Every `allow`, and every `expect` without a reason, as attributes and inside `cfg_attr`.
pub(crate) fn silenced_lints(files: &[&SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files {
        for_each_attribute(&file.tokens, &mut |attribute| {
            for_each_call(attribute, &mut |name, line, arguments| match name {
                "allow" => found.push(file.violation(line, "`allow` silences a lint for ever; use `expect` with a reason")),
                "expect" if !arguments.to_string().contains("reason =") => found.push(file.violation(line, "`expect` without a reason")),
                _ => (),
            });
        });
    }
    found
}

/// Calls `visit` with what stands between the brackets of each `#[…]` and `#![…]`, inside macros too.
fn for_each_attribute(tokens: &TokenStream, visit: &mut impl FnMut(&TokenStream)) {
    let mut after_pound = false;
    for tree in tokens.clone() {
        match &tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' || (after_pound && punct.as_char() == '!') => after_pound = true,
            TokenTree::Group(group) => {
                if after_pound && group.delimiter() == Delimiter::Bracket {
                    visit(&group.stream());
                }
                for_each_attribute(&group.stream(), visit);
                after_pound = false;
            }
            _ => after_pound = false,
        }
    }
}

/// Calls `visit` with name, line and arguments of each `name(…)`.
fn for_each_call(tokens: &TokenStream, visit: &mut impl FnMut(&str, usize, &TokenStream)) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for pair in trees.windows(2) {
        if let [TokenTree::Ident(name), TokenTree::Group(arguments)] = pair {
            visit(&name.to_string(), name.span().start().line, &arguments.stream());
            for_each_call(&arguments.stream(), visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(check: fn(&[&SourceFile]) -> Vec<Violation>, text: &str) -> Vec<usize> {
        check(&[&SourceFile::parse("src/a.rs", text)]).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_file_starts_with_what_it_is_for() {
        assert_eq!(lines(headless, "//! Says something.\n"), []);
        assert_eq!(lines(headless, "// Plain.\n"), [1]);
        assert_eq!(lines(headless, "//!\n"), [1]);
        assert_eq!(lines(headless, ""), [1]);
    }

    #[test]
    fn a_marker_needs_a_link() {
        assert_eq!(lines(open_ends, "// TODO https://example.com/issues/1: later.\nconst A: &str = \"TODO\"; // XXXL and todo.\n"), []);
        assert_eq!(lines(open_ends, "// TODO: later\n/// FIXME\nfn f() {} // XXX\n"), [1, 2, 3]);
    }

    #[test]
    fn a_lint_is_silenced_only_with_a_reason() {
        let fine = "#[expect(clippy::panic, reason = \"why\")]\nfn f() { a.expect(b); allow(c); }\n#[derive(Debug)]\nstruct S;\n";
        let wrong = "#![allow(a)]\n#[expect(b)]\nfn f() {}\n#[cfg_attr(test, allow(c))]\nfn g() {}\nmacro_rules! m { () => { #[allow(d)] fn h() {} }; }\n";

        assert_eq!(lines(silenced_lints, fine), []);
        assert_eq!(lines(silenced_lints, wrong), [1, 2, 4, 6]);
    }
}
