//! The list of routes. What is in it is answered and described; nothing else is answered but what
//! another system describes (`Routes::beside`).

use axum::Router;
use axum::routing::{self, MethodRouter};
use serde_json::Value;

use super::super::state::Api;
use super::document::document;
use super::operation::Operation;
use super::signature::Documented;

/// What a group of routes is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Noun {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

/// A route as it is described.
pub(super) struct Declared {
    pub(super) noun: Noun,
    /// In lower case.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) operation: Operation,
}

/// Routes with what is said of them.
pub(in super::super) struct Routes {
    noun: Noun,
    router: Router<Api>,
    declared: Vec<Declared>,
}

impl Routes {
    /// No routes yet; those to come are about `name`, a word in the plural.
    pub(in super::super) fn of(name: &'static str, about: &'static str) -> Self {
        Self { noun: Noun { name, about }, router: Router::new(), declared: Vec::new() }
    }

    /// A route for `GET` (and `HEAD`).
    pub(in super::super) fn get<T: 'static>(self, path: &'static str, operation: Operation, handler: impl Documented<T>) -> Self {
        self.with("get", path, operation, handler, routing::get::<_, T, _>)
    }

    /// A route for `POST`.
    pub(in super::super) fn post<T: 'static>(self, path: &'static str, operation: Operation, handler: impl Documented<T>) -> Self {
        self.with("post", path, operation, handler, routing::post::<_, T, _>)
    }

    /// A route for `PUT`.
    pub(in super::super) fn put<T: 'static>(self, path: &'static str, operation: Operation, handler: impl Documented<T>) -> Self {
        self.with("put", path, operation, handler, routing::put::<_, T, _>)
    }

    /// A route for `PATCH`.
    pub(in super::super) fn patch<T: 'static>(self, path: &'static str, operation: Operation, handler: impl Documented<T>) -> Self {
        self.with("patch", path, operation, handler, routing::patch::<_, T, _>)
    }

    /// A route for `DELETE`.
    pub(in super::super) fn delete<T: 'static>(self, path: &'static str, operation: Operation, handler: impl Documented<T>) -> Self {
        self.with("delete", path, operation, handler, routing::delete::<_, T, _>)
    }

    /// These routes and those.
    pub(in super::super) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.declared.extend(other.declared);
        self
    }

    /// These routes too: another system's own interface, described by that system and not by us.
    pub(in super::super) fn beside(mut self, router: Router<Api>) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// What answers.
    pub(in super::super) fn into_router(self) -> Router<Api> {
        self.router
    }

    /// What is said of it: the OpenAPI document.
    pub(in super::super) fn document(&self) -> Value {
        document(&self.declared)
    }

    /// Each route as it is described.
    #[cfg(test)]
    pub(super) fn declared(&self) -> &[Declared] {
        &self.declared
    }

    fn with<T: 'static, H: Documented<T>>(
        mut self,
        method: &'static str,
        path: &'static str,
        mut operation: Operation,
        handler: H,
        on: fn(H) -> MethodRouter<Api>,
    ) -> Self {
        H::declare(&mut operation);
        self.router = self.router.route(path, on(handler));
        self.declared.push(Declared { noun: self.noun, method, path, operation });
        self
    }
}
