//! Templates for headers and bodies, compiled once, with a bound on what rendering one may cost.
//!
//! Hides the library. A name that nothing stands for is an error and never an empty text.

use std::io::{self, Write};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::filters;

/// What rendering may cost: about one for an operation and for 64 bytes.
const FUEL: u64 = 1_000_000;

/// How deeply templates and values may be nested.
const DEPTH: usize = 100;

/// The most bytes of what a template renders.
pub(super) const MAX_BODY_BYTES: usize = 32 << 20;

/// The most bytes of a header's value.
pub(super) const MAX_HEADER_BYTES: usize = 8 << 10;

/// By which a compiled template is found.
pub(super) type TemplateName = String;

/// The templates of one catalogue.
#[derive(Debug)]
pub(super) struct Templates(Environment<'static>);

/// Why a template gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct TemplateError {
    /// The line of the template, counted from 1; 0 where it is not known.
    pub(super) line: usize,
    /// What is wrong.
    pub(super) reason: String,
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_recursion_limit(DEPTH);
        environment.set_fuel(Some(FUEL));
        filters::add_to(&mut environment);
        Self(environment)
    }

    /// Compiles a template.
    pub(super) fn add(&mut self, name: &str, source: &str) -> Result<(), TemplateError> {
        self.0.add_template_owned(name.to_owned(), source.to_owned()).map_err(|error| told(&error))
    }

    /// Whether any template speaks of `variable`.
    pub(super) fn any_uses(&self, variable: &str) -> bool {
        self.0.templates().any(|(_, template)| template.undeclared_variables(false).contains(variable))
    }

    /// What a template makes of `context`, at most `most` bytes.
    pub(super) fn render(&self, name: &str, context: &Value, most: usize) -> Result<String, TemplateError> {
        let template = self.0.get_template(name).map_err(|error| told(&error))?;
        let mut output = Capped { text: Vec::new(), most };
        template.render_captured_to(context.clone(), &mut output).map_err(|error| told(&error))?;
        String::from_utf8(output.text).map_err(|_| TemplateError { line: 0, reason: "what it renders is no text".to_owned() })
    }
}

fn told(error: &minijinja::Error) -> TemplateError {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    TemplateError { line: error.line().unwrap_or(0), reason: format!("{}{detail}", error.kind()) }
}

/// Takes no more than so much.
struct Capped {
    text: Vec<u8>,
    most: usize,
}

impl Write for Capped {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.text.len() + part.len() > self.most {
            return Err(io::Error::other("it renders too much"));
        }
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn render(source: &str, context: &Value, most: usize) -> Result<String, TemplateError> {
        let mut templates = Templates::new();
        templates.add("t", source).unwrap();
        templates.render("t", context, most)
    }

    #[test]
    fn a_name_that_nothing_stands_for_is_an_error_but_may_be_asked_for() {
        assert_eq!(render("{{ a }}", &context! { a => 1 }, 10).unwrap(), "1");
        assert!(render("{{ b }}", &context! { a => 1 }, 10).is_err());
        assert_eq!(render("{% if a.b %}x{% endif %}", &context! { a => context! { c => 1 } }, 10).unwrap(), "");
    }

    #[test]
    fn what_rendering_costs_is_bounded() {
        assert!(render("{{ 'x' * 11 }}", &context! {}, 10).unwrap_err().reason.contains("write"));
        assert!(render("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", &context! {}, 10).is_err());
        assert!(render("{{ 'x' * 1000000000 }}", &context! {}, usize::MAX).is_err());
    }

    #[test]
    fn a_template_that_is_none_is_refused_with_its_line() {
        let error = Templates::new().add("t", "a\n{{ b").unwrap_err();

        assert_eq!(error.line, 2);
    }
}
