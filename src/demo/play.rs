//! The play: documents come in, the receiver misbehaves, the operator clears up, everything is counted.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, timeout_at};

use super::course::Course;
use super::documents::Document;
use super::operator::{Delivery, Operator};
use super::outcome::Outcome;
use super::producer::{HandedIn, Producer};
use super::progress::{self, Standing};
use super::screen::Screen;
use super::stage::Stage;

/// What the play may take beyond the documents' own time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a document may take in addition on a slow machine.
const PER_DOCUMENT: Duration = Duration::from_millis(10);

/// The play.
pub(super) struct Play<'a> {
    stage: &'a Stage,
    documents: &'a [Document],
    per_second: u32,
    producer: Producer,
    operator: Operator,
    started: Instant,
    deadline: Instant,
}

impl<'a> Play<'a> {
    /// The play on this stage, with these documents, begins now.
    pub(super) fn begin(stage: &'a Stage, documents: &'a [Document], per_second: u32) -> anyhow::Result<Self> {
        let count = u32::try_from(documents.len())?;
        let started = Instant::now();
        let deadline = started + PATIENCE + Duration::from_secs(1) * count / per_second.max(1) + PER_DOCUMENT * count;
        let (producer, operator) = (Producer::new(stage.as_producer()?), Operator::new(stage.as_operator()?));
        Ok(Self { stage, documents, per_second, producer, operator, started, deadline })
    }

    /// Plays it to its end, or until nothing more is to be expected.
    ///
    /// # Errors
    /// When the dispatcher cannot be asked.
    pub(super) async fn run(&self, screen: &mut Screen<'_>) -> anyhow::Result<Outcome> {
        let handed_in = tokio::select! {
            handed_in = self.hand_in_and_wait() => handed_in?,
            never = progress::show(self.documents.len(), || self.standing()) => match never {},
        };
        let dead_letters = self.operator.dead_letters().await?;
        let redelivered = self.redeliver(&dead_letters, screen).await?;
        // However late it is by now, what was redelivered gets its time.
        let deliveries = self.operator.deliveries_at_rest(Instant::now() + PATIENCE).await?;
        let dead_letters = dead_letters.into_iter().map(|delivery| delivery.subject).collect();
        Ok(self.gather(handed_in, deliveries, &dead_letters, &redelivered))
    }

    fn standing(&self) -> Standing {
        Standing { handed_in: self.producer.handed_in(), tally: self.stage.ledger.tally() }
    }

    /// Comes back when every delivery has reached a first end: delivered or dead-lettered.
    async fn hand_in_and_wait(&self) -> anyhow::Result<HashMap<String, HandedIn>> {
        let handing_in = self.producer.hand_in_all(self.documents, self.per_second);
        let handed_in = timeout_at(self.deadline, handing_in).await.context("the dispatcher takes the documents in too slowly")??;
        self.operator.deliveries_at_rest(self.deadline).await?;
        Ok(handed_in)
    }

    /// Repairs the receiver and redelivers what was bound to become a dead letter; answers the documents' ids.
    async fn redeliver(&self, dead_letters: &[Delivery], screen: &mut Screen<'_>) -> anyhow::Result<HashSet<String>> {
        self.stage.ledger.repair();
        let bound = self.documents.iter().filter(|document| document.kind.ends_as_dead_letter());
        let bound: HashSet<&str> = bound.map(|document| document.id.as_str()).collect();
        let mut redelivered = HashSet::new();
        for dead in dead_letters.iter().filter(|dead| bound.contains(dead.subject.as_str())) {
            let explanation = self.operator.explanation(dead).await?;
            let now = self.operator.redeliver(dead).await?;
            screen.redelivered(dead, &explanation, &now)?;
            redelivered.insert(dead.subject.clone());
        }
        Ok(redelivered)
    }

    fn gather(
        &self,
        mut handed_in: HashMap<String, HandedIn>,
        deliveries: Vec<Delivery>,
        dead_letters: &HashSet<String>,
        redelivered: &HashSet<String>,
    ) -> Outcome {
        let listed = deliveries.len();
        let mut by_document: HashMap<String, Vec<Delivery>> = HashMap::new();
        for delivery in deliveries {
            by_document.entry(delivery.subject.clone()).or_default().push(delivery);
        }
        let courses = self.documents.iter().map(|Document { id, kind, .. }| Course {
            id: id.clone(),
            kind: *kind,
            handed_in: handed_in.remove(id).unwrap_or_default(),
            deliveries: by_document.remove(id).unwrap_or_default(),
            dead_lettered: dead_letters.contains(id),
            redelivered: redelivered.contains(id),
            seen: self.stage.ledger.entry(id),
        });
        Outcome { courses: courses.collect(), listed, tally: self.stage.ledger.tally(), took: self.started.elapsed() }
    }
}
