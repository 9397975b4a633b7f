//! What an operator does: looks where deliveries stand, finds the dead letters, redelivers them.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::rest::{RestClient, RestError};

const DELIVERIES: &str = "/v1/deliveries";

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A delivery as lists show it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    /// Its id.
    pub(super) id: String,
    /// The document's id.
    pub(super) subject: String,
    /// Where it stands.
    pub(super) state: String,
    /// How many attempts were recorded.
    pub(super) attempt_count: usize,
}

#[derive(Deserialize)]
struct Explained {
    explanation: String,
}

impl Delivery {
    /// Whether it stays where it is unless a person moves it.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self.state.as_str(), "pending" | "in_flight")
    }
}

/// Looks and acts with an operator's key.
pub(super) struct Operator {
    rest: RestClient,
}

impl Operator {
    /// An operator who calls through `rest`.
    pub(super) const fn new(rest: RestClient) -> Self {
        Self { rest }
    }

    /// All deliveries, as soon as none of them is pending or in flight; as they are, when that is not so by `deadline`.
    pub(super) async fn deliveries_at_rest(&self, deadline: Instant) -> anyhow::Result<Vec<Delivery>> {
        loop {
            let too_late = Instant::now() >= deadline;
            // A delivery may go from one state to the other between two looks: only the whole list tells for sure.
            if too_late || !self.any_in("in_flight").await? && !self.any_in("pending").await? {
                let deliveries: Vec<Delivery> = self.rest.all(DELIVERIES).await?;
                if too_late || deliveries.iter().all(Delivery::is_final) {
                    return Ok(deliveries);
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn any_in(&self, state: &str) -> Result<bool, RestError> {
        self.rest.any(&format!("{DELIVERIES}?state={state}")).await
    }

    /// The dead letters.
    pub(super) async fn dead_letters(&self) -> Result<Vec<Delivery>, RestError> {
        self.rest.all("/v1/dead-letters").await
    }

    /// Why a delivery stands where it stands, in the dispatcher's words.
    pub(super) async fn explanation(&self, delivery: &Delivery) -> anyhow::Result<String> {
        let Explained { explanation } = self.rest.get(&format!("{DELIVERIES}/{}", delivery.id)).await?;
        Ok(explanation)
    }

    /// Sends a delivery again.
    pub(super) async fn redeliver(&self, delivery: &Delivery) -> Result<Delivery, RestError> {
        self.rest.post(&format!("{DELIVERIES}/{}/redeliver", delivery.id), Bytes::new()).await
    }
}
