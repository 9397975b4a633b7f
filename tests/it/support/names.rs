//! Names that stand for what a test says, and change when it says so.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use webhook_dispatcher::egress::Names;

/// What each name stands for, look-up by look-up; the last answer stays.
#[derive(Default)]
pub(crate) struct ScriptedNames(Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>);

impl ScriptedNames {
    /// No name stands for anything yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// From now on `name` stands for these addresses, in turn.
    pub(crate) fn say(&self, name: &str, answers: &[&[&str]]) {
        let answers = answers.iter().map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect());
        self.0.lock().unwrap().insert(name.to_owned(), answers.collect());
    }
}

#[async_trait]
impl Names for ScriptedNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let answers = names.get_mut(name).ok_or_else(|| io::Error::other("no such name"))?;
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(answer.unwrap_or_default())
    }
}
