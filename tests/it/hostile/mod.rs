//! Input as attack: what producers, admins and receivers may say costs no line of the log and no answer.

mod api;
mod log;
