//! The dashboard in a real browser, by what operators do there: the program, a receiver and Chromium, each as it is run.
//!
//! `chromium` drives the browser, `person` is whoever sits at it, `site` is what they look at; the stories follow.

mod chromium;
mod person;
mod site;

mod arriving;
mod dead_letters;
mod keyboard;
mod looks;
mod repair;
mod sign_in;
mod strangers;
mod webhooks;
