//! Systems that are known by catalogues, from the call that hands an event in to the request that a customer gets.

mod by_sql;
mod every_event;
mod fifth;
mod grafeno;
mod limits;
mod ocr;
mod requests;
mod scene;
mod secrets;
mod settings;
mod sienge_hooks;
