//! What is said of one route: a name and a sentence by whoever declares it, the rest by its handler's types.

use std::collections::BTreeSet;

use schemars::{Schema, SchemaGenerator};

use super::super::error::Conflict;
use crate::domain::client::Permission;

/// Makes the schema of a type; named types are referred to.
pub(super) type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// A route as it is described.
pub(in super::super) struct Operation {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) detail: Option<&'static str>,
    pub(super) permission: Option<Permission>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<BodyShape>,
    pub(super) answers: Vec<AnswerShape>,
    pub(super) refusals: BTreeSet<u16>,
    pub(super) conflicts: Vec<Conflict>,
}

/// Something that comes with a request beside its body.
pub(in super::super) enum Parameter {
    /// A part of the path, by the name that it has there.
    Path(MakeSchema),
    /// Every field of a type, each as a parameter of the query.
    Query(MakeSchema),
    /// A header.
    Header {
        /// Its name.
        name: &'static str,
        /// What it is for.
        about: &'static str,
        /// What it may be.
        schema: MakeSchema,
    },
}

/// A request's body.
pub(super) struct BodyShape {
    pub(super) required: bool,
    pub(super) schema: MakeSchema,
}

/// What is answered when nothing is wrong.
pub(in super::super) struct AnswerShape {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: Option<(&'static str, MakeSchema)>,
}

impl Operation {
    /// An operation by the name that it has in generated clients, such as `listWebhooks`, and what it does in a few words.
    pub(in super::super) const fn new(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            detail: None,
            permission: None,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: BTreeSet::new(),
            conflicts: Vec::new(),
        }
    }

    /// What else is to be known.
    pub(in super::super) const fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// What may stand in its way: answered with 409.
    pub(in super::super) fn conflicts(mut self, conflicts: impl IntoIterator<Item = Conflict>) -> Self {
        self.conflicts.extend(conflicts);
        self
    }

    /// These statuses too, which its handler's types do not tell of.
    pub(in super::super) fn also_refuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.refuses(statuses);
        self
    }

    /// It needs a key that allows this.
    pub(in super::super) const fn needs(&mut self, permission: Permission) {
        self.permission = Some(permission);
    }

    /// It reads this.
    pub(in super::super) fn reads(&mut self, parameter: Parameter) {
        self.parameters.push(parameter);
    }

    /// It reads a body.
    pub(in super::super) fn reads_body(&mut self, required: bool, schema: MakeSchema) {
        self.body = Some(BodyShape { required, schema });
    }

    /// It answers this.
    pub(in super::super) fn answers(&mut self, answer: AnswerShape) {
        self.answers.push(answer);
    }

    /// It may refuse with these statuses.
    pub(in super::super) fn refuses(&mut self, statuses: impl IntoIterator<Item = u16>) {
        self.refusals.extend(statuses);
    }
}

impl AnswerShape {
    /// An answer of this media type.
    pub(in super::super) const fn new(status: u16, media_type: &'static str, schema: MakeSchema) -> Self {
        Self { status, about: about(status), content: Some((media_type, schema)) }
    }

    /// An answer without a body.
    pub(in super::super) const fn empty(status: u16) -> Self {
        Self { status, about: about(status), content: None }
    }
}

const fn about(status: u16) -> &'static str {
    match status {
        201 => "It was made.",
        202 => "It was accepted.",
        204 => "It is done; there is nothing to say of it.",
        _ => "What was asked for.",
    }
}
