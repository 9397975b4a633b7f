//! The description of the interface, and what is tested by walking through it: examples, roles, hostile input.

mod answers;
mod chance;
mod description;
mod fuzz;
mod matrix;
mod page;
mod recorded;
mod shape;
mod snapshot;
mod world;
